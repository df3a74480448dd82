"""The export of a Windows DHCP server as a `LeaseSource`.

Source: Microsoft, "Introduction to DHCP Policies" (Policy processing) and "DHCP failover overview", the
protocol specification MS-DHCPM, and the reference of the module DhcpServer. No Windows server was run: what
those leave open is a named assumption of the model, or an open condition.
"""

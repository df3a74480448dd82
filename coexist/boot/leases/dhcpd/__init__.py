"""ISC dhcpd by its own file: what the daemon leases, worked out from its statements packet by packet.

Source: ISC DHCP 4.4.3-P1 (``server/dhcp.c``, ``common/execute.c``, ``common/tree.c``, ``common/options.c``).
"""

"""The language of Kea's DHCPv4 configuration: its JSON, its options, its test expressions (2.2 to 3.0)."""

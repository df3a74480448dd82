"""dnsmasq's configuration: its lines and files, its tags, and what they mean for an inventory."""

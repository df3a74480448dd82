"""ISC dhcpd.conf: its language, and what it means for an inventory."""

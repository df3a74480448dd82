"""ISC dhcpd.conf: what it means for an inventory."""

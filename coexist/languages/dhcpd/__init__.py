"""ISC dhcpd.conf: its words, its grammar and its options."""

"""Kea's DHCPv4 configuration: JSON with comments, its client classes, and what it means for an inventory."""

"""What Windows DHCP Server's configuration is written in: its XML export, and commands of its module."""

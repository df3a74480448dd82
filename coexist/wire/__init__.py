"""Bytes to frozen dataclasses and back: BOOTP, DHCP options, PXE option 43, TFTP."""

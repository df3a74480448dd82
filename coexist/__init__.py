"""Declare, prove and run several PXE boot services on one network."""

__version__ = "0.1.0"

"""Text of other people's making: what of it may be shown, and how."""

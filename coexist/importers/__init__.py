"""From a server's existing configuration to an inventory, with what was not modelled."""

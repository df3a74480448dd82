"""What a DHCP server leases: one description, whoever wrote it.

An inventory's scopes are compiled to it, a daemon's own file is evaluated to it; models, rules, renderers and
the cache of races read it.
"""

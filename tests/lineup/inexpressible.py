"""What a scenario says that no model knows."""


class InexpressibleError(Exception):
    """A scenario says something that no model knows."""

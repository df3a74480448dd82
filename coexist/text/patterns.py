"""Regular expressions that are compiled when they are first used.

To compile them is most of what some modules cost at import, and one command meets few texts that need them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

__all__ = ["pattern"]

if TYPE_CHECKING:
    # To a type checker it is the library's own.
    from re import compile as pattern
else:

    class pattern:  # noqa: N801 it stands where `re.compile` would
        """What `re.compile` makes of the same arguments, from the first use on."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._text = text
            self._flags = flags

        def __getattr__(self, name: str) -> Any:
            # What was asked for once is found in the instance from then on.
            found = getattr(re.compile(self._text, self._flags), name)
            self.__dict__[name] = found
            return found

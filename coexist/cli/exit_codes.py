"""Which exit codes each command has, beside those of every command (70, 74, 130, 141).

The reference prints it, and a test drives every code of every command.
"""

from __future__ import annotations

from collections.abc import Mapping

_READS = (0, 2)

COMMAND_CODES: Mapping[str, tuple[int, ...]] = {
    "init": _READS,
    "import": (0, 1, 2),
    "adopt": (0, 2, 4),
    "convert": (0, 1, 2),
    "check": (0, 1, 2),
    "explain": _READS,
    "doctor": (0, 1, 2, 4),
    "matrix": _READS,
    "diff": (0, 2, 3),
    "report": _READS,
    "solve": (0, 1, 2),
    "probe": (0, 1, 2, 4),
    "observe": (0, 1, 2, 4),
    "render": (0, 1, 2),
    "plan": (0, 1, 2, 3, 4),
    "apply": (0, 1, 2, 4),
    "rollback": (0, 2, 4),
    "history": _READS,
    "migrate back": (0, 2, 3, 4),
    "migrate checklist": _READS,
    "migrate next": (0, 2, 3, 4),
    "migrate parked": _READS,
    "migrate plan": (0, 1, 2),
    "migrate retire": (0, 2, 3, 4),
    "migrate status": _READS,
    "checklist complain": _READS,
    "checklist record": _READS,
    "checklist settle": _READS,
    "checklist show": (0, 1, 2),
    "schema": _READS,
    "console": (0, 2, 4),
    "users add": _READS,
    "users list": _READS,
    "users remove": _READS,
    "users token": _READS,
    "serve": (0, 2, 4),
    "clients export": _READS,
    "clients forget": _READS,
    "clients history": _READS,
    "clients ignore": (0, 2, 4),
    "clients list": (0, 2, 4),
    "clients register": (0, 2, 4),
    "registry copy": _READS,
    "registry show": _READS,
}

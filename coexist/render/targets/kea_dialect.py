"""How the configuration of each version of Kea is written: keys and folders that have changed."""

from __future__ import annotations

from typing import Any

from coexist.records import dataclass
from coexist.render.target import Job

_HOOKS_2 = "/usr/lib/x86_64-linux-gnu/kea/hooks/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What changed its name between versions: 2.7.4 renamed the keys of classification.

    ``hooks``: the folder hook libraries are named with; since 3.0 they are named without one.
    ``changes_case``: its expressions have lcase and ucase (2.2.0 has not: tried).
    """

    only_listed: str
    evaluate: str
    hooks: str
    changes_case: bool

    def restrict(self, name: str) -> dict[str, Any]:
        """The entry that lets only a class use a subnet or pool."""
        return (
            {"client-class": name} if self.only_listed == "only-if-required" else {"client-classes": [name]}
        )


KEA_2 = Dialect(
    only_listed="only-if-required",
    evaluate="require-client-classes",
    hooks=_HOOKS_2,
    changes_case=False,
)
KEA_3 = Dialect(
    only_listed="only-in-additional-list", evaluate="evaluate-additional-classes", hooks="", changes_case=True
)


def dialect_of(job: Job) -> Dialect:
    """How files are written for the declared version."""
    return KEA_3 if job.server.software.numbers >= (2, 7, 4) else KEA_2

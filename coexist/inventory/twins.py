"""Two of coexist's boot servers for the same clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from coexist.inventory.values import WHOLE, Declared, Name

if TYPE_CHECKING:
    from coexist.inventory.models import IntentRule, Site


class Twin(Declared):
    """The other of two boot servers of coexist that answer the same clients with equal boots.

    It is declared at one of them, the second. ``both``: each answers every client. ``by-hash``: each answers
    half of them, by the hash of the MAC (RFC 3074); a client whose ``secs`` are larger than ``after`` is
    answered by both. Wherever the intent names one of the two, the other may boot the client too.
    """

    shorthand = {"type": "string", "examples": ["otc1"]}

    server: Annotated[Name, Field(alias="with")]
    mode: Literal["both", "by-hash"] = "both"
    after: Annotated[int, Field(ge=0, le=255), WHOLE] = 3

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"with": value}

    @model_validator(mode="after")
    def _after_goes_with_hash(self) -> Twin:
        if self.mode == "both" and "after" in self.model_fields_set:
            raise ValueError("`after` goes with `mode: by-hash`; remove it, or write the mode")
        return self


def twins_of(site: Site) -> Mapping[str, str]:
    """The twin of each server that has one."""
    found: dict[str, str] = {}
    for name, server in site.servers.items():
        if server.pair is not None:
            found |= {name: server.pair.server, server.pair.server: name}
    return found


def with_twins(site: Site) -> Site:
    """The site whose intent names a twin as the next one to take over, wherever it names its partner."""
    twins = twins_of(site)
    if not twins:
        return site
    intent = tuple(_with_twins(rule, twins) for rule in site.intent)
    return site.model_copy(update={"intent": intent})


def _with_twins(rule: IntentRule, twins: Mapping[str, str]) -> IntentRule:
    if rule.boot_from is None:
        return rule
    named = (rule.boot_from, *rule.fallback)
    order = dict.fromkeys(server for name in named for server in _both(name, twins))
    return rule.model_copy(update={"fallback": tuple(order)[1:]})


def _both(name: str, twins: Mapping[str, str]) -> Iterator[str]:
    yield name
    if name in twins:
        yield twins[name]

"""Who answers whom, class by class, against the intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coexist.analysis.site import Case, touched
from coexist.analysis.space import ClientClass
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.site import AnalysedSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Classes of one VLAN and profile that are treated alike.

    ``groups`` are the groups of the intent and the whitelists they are members of. ``winners``: the servers
    they may boot from, ``None`` for nobody. ``seconds``: when they ask for their file at the latest.
    ``agrees``: whether that is the intent, options in the lease included; None where it says nothing that
    can be seen: no rule is about them, or they are phones, which boot nothing, and the rule names no option.
    ``loops``: whether iPXE is loaded and given iPXE again, without end, which is no intent.
    """

    vlan: str
    groups: tuple[str, ...]
    architecture: str
    firmware: str
    clients: int
    witness: int
    name: str
    intended: str
    fallback: tuple[str, ...]
    responders: tuple[str, ...]
    winners: tuple[str | None, ...]
    file: str | None
    seconds: float | None
    agrees: bool | None
    loops: bool = False


def matrix(site: AnalysedSite) -> tuple[Row, ...]:
    """One row for each VLAN, set of groups, architecture and firmware."""
    found: dict[tuple[object, ...], list[Case]] = {}
    for case in site.cases:
        client = case.client
        key = (client.vlan, _groups(site, client), client.architecture, client.firmware, case.intended.rule)
        found.setdefault(key, []).append(case)
    return tuple(_row(site, cases) for cases in found.values())


def _groups(site: AnalysedSite, client: ClientClass) -> tuple[str, ...]:
    names = tuple(n for n, bit in site.space.bits.items() if n != "known" and client.macs.signature & bit)
    return names or (("known",) if client.macs.known else ("unknown",))


def _row(site: AnalysedSite, cases: list[Case]) -> Row:
    case = next((c for c in cases if c.client.macs.name), cases[0])
    client, intended = case.client, case.intended
    finishes = site.races.of(client)
    promised = intended.rule is not None and bool(site.site.intent[intended.rule].options)
    judged = promised or (intended.rule is not None and not site.is_phone(client))
    loops = any(site.loops(c.client) for c in cases)
    return Row(
        vlan=client.vlan,
        groups=_groups(site, client),
        architecture=client.architecture,
        firmware=client.firmware,
        clients=touched([c.client for c in cases]),
        witness=client.macs.witness,
        name=client.macs.name,
        intended=intended.server or ("options" if intended.rule is not None else ""),
        fallback=intended.fallback,
        responders=case.responders,
        winners=tuple(sorted(site.winners(client), key=lambda w: w or "")),
        file=finishes[0].file if len({f.file for f in finishes}) == 1 else None,
        seconds=site.seconds(client),
        agrees=not loops and all(_agrees(site, c) for c in cases) if judged else None,
        loops=loops,
    )


def _agrees(site: AnalysedSite, case: Case) -> bool:
    """Whether a class boots as its rule says, and finds the rule's options. Phones only read their lease."""
    return (site.is_phone(case.client) or site.as_intended(case)) and site.finds_options(case)

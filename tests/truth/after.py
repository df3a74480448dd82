"""What recorded boots ask for after their first file, held against the chains that are predicted.

``stages`` of a row are the requests in their order, [server, file]; rows of the recordings have them as
``rrqs`` and ``gets``. A chain agrees if its requests are the first of those, and what follows is asked of
the server whose configuration decides by then; nothing may follow a chain that ends at a prompt.
``ended`` is how the boot ended: ``configuration``, ``prompt``, ``missing`` or ``denied`` (a file without
which the loader ends, or that may not be read), ``silent`` (no content comes), ``refused`` (the firmware has
the file and does not run it) or ``file`` (the first file is no loader that is known).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.chain import Stages
from coexist.analysis.loading import Chain
from coexist.boot.loaders.loader import Ending, Role, complete, requests
from tests.lineup.files import Files

Request = tuple[str, str]
"""The server that is asked, and the file without leading slashes."""

_OWN_ADDRESS = re.compile(r"(pxelinux\.cfg/|grub\.cfg-)([0-9A-F]{1,8})$")


@dataclass(frozen=True, slots=True)
class Expected:
    """One way a boot can go on: its requests, those of them that need not come, and how it ends.

    ``server``: who is asked for what the last configuration names.
    """

    requests: tuple[Request, ...]
    optional: frozenset[int]
    ended: str
    server: str | None


def expected(
    boot: Stages,
    files: Mapping[str, Files],
    owners: Mapping[IPv4Address, str],
    failed: Callable[[str], Stages | None],
) -> list[Expected]:
    """Every way a boot can go on; ``failed``: what follows a first file that cannot be had."""
    found: list[Expected] = []
    for chain in boot.chains:
        if not chain.ask_again or boot.next is None:
            way = _of_chain(chain, files, owners)
            rest = None if _is_there(chain, files) else failed(str(chain.outcome.file))
            found += [way] if rest is None else _further(rest, way, files, owners)
            continue
        before = _of_chain(chain, files, owners)
        found += [_of_chain(after, files, owners, before) for after in boot.next.chains]
        if any(outcome.file is None for outcome in boot.next.result.outcomes):
            found.append(replace(before, ended="gave up"))
    return found


def _further(
    rest: Stages, way: Expected, files: Mapping[str, Files], owners: Mapping[IPv4Address, str]
) -> list[Expected]:
    """A way and what the boot entries add to it that are left."""
    found = [_of_chain(chain, files, owners, way) for chain in rest.chains]
    nothing = any(outcome.file is None for outcome in rest.first.outcomes)
    return [*found, replace(way, ended="gave up")] if nothing or not found else found


def _first(chain: Chain) -> Request:
    return str(chain.outcome.boot_server), _name(str(chain.outcome.file))


def _of_chain(
    chain: Chain,
    files: Mapping[str, Files],
    owners: Mapping[IPv4Address, str],
    before: Expected | None = None,
) -> Expected:
    def has(server: IPv4Address | str, file: str) -> bool:
        owner = owners.get(server) if isinstance(server, IPv4Address) else None
        return owner is not None and _name(file) in files[owner].names

    made: list[Request] = [*(before.requests if before else ()), _first(chain)]
    optional: set[int] = set(before.optional if before else ())
    server = chain.outcome.boot_server
    steps, ended = chain.steps, _first_end(chain, files.get(str(server)))
    if not _is_there(chain, files):
        steps = ()
    for step in steps:
        lost = None
        for asked, file, role in requests(step.stage, has):
            owner = _owner(asked, owners)
            if role is Role.MAYBE:
                optional.add(len(made))
            if owner not in files:
                # Nobody answers ARP for that address, or no router leads to it: nothing is on the wire.
                lost = "prompt"
                break
            made.append((owner, _name(file)))
            if not files[owner].tftp:
                lost = "silent"
                break
        server = step.asks
        if lost is not None:
            ended = lost
            break
        ended = _ended(step.stage.ending, complete(step.stage, has), ended)
        if ended == "missing":
            last = files.get(made[-1][0])
            ended = "denied" if last is not None and made[-1][1] in last.denied else ended
            break
    return Expected(tuple(made), frozenset(optional), ended, server)


def _first_end(chain: Chain, files: Files | None) -> str:
    """How a boot ends that asks for nothing after its first file."""
    file = _name(str(chain.outcome.file))
    if files is not None and not _served(chain, files):
        over_tftp = not str(chain.outcome.file).startswith("http")
        return "denied" if file in files.denied else "silent" if over_tftp and not files.tftp else "missing"
    if chain.ends:
        return "refused"
    return "configuration" if chain.steps or (files is not None and file in files.texts) else "file"


def _is_there(chain: Chain, files: Mapping[str, Files]) -> bool:
    """Whether the first file can be had; taken for granted of a server that is not of the line-up."""
    server = files.get(str(chain.outcome.boot_server))
    return server is None or _served(chain, server)


def _served(chain: Chain, files: Files) -> bool:
    file = str(chain.outcome.file)
    serves = bool(files.http) if file.startswith("http") else files.tftp
    return serves and _name(file) in files.names


def _ended(ending: Ending, whole: bool, before: str) -> str:
    if ending in (Ending.PROMPT, Ending.NOBODY):
        return "prompt"
    return before if whole else "missing"


def _owner(server: IPv4Address | str, owners: Mapping[IPv4Address, str]) -> str:
    return owners.get(server, str(server)) if isinstance(server, IPv4Address) else server


def _name(file: str) -> str:
    return re.sub(r"^http://[^/]+", "", file).lstrip("/")


def recorded(row: Mapping[str, Any]) -> list[Request]:
    """What a row's client asked for, in order; the size of a file and the file are one request."""
    if "stages" in row:
        return [(server, _name(file)) for server, file in row["stages"]]
    asked = [(at, server, file) for at, server, file, *_ in row.get("rrqs", ())]
    asked += [(at, server, file) for at, server, _, file in row.get("gets", ())]
    found: list[Request] = []
    for _, server, file in sorted(asked, key=lambda entry: entry[0]):
        if not found or found[-1] != (server, file):
            found.append((server, file))
    return [(server, _name(file)) for server, file in found]


def goes_on(row: Mapping[str, Any]) -> bool:
    """Whether a recording went on after the first file: others were stopped at the request for it.

    What the next entry of a boot order asks for is another boot's.
    """
    if row.get("scenario", {}).get("client", {}).get("fw") == "uefi-default":
        return False
    return "stages" in row or (
        bool(row.get("rrqs") or row.get("gets")) and row.get("why") not in ("rrq", "get")
    )


def agrees(row: Mapping[str, Any], ways: Iterable[Expected]) -> tuple[bool, str]:
    """Whether one of the ways is the recorded one."""
    seen = recorded(row)
    whys = []
    for way in ways:
        why = _differs(seen, way)
        if not why and row.get("ended") not in (None, way.ended):
            why = f"ended {row['ended']}; predicted {way.ended}"
        if not why:
            return True, ""
        whys.append(why)
    return False, " | ".join(dict.fromkeys(whys)) or "no chain is predicted"


def _differs(seen: list[Request], way: Expected) -> str:
    rest = list(seen)
    for number, request in enumerate(way.requests):
        if rest and _same(rest[0], request):
            del rest[0]
        elif number not in way.optional:
            return f"asked {rest[0] if rest else 'nothing more'}; predicted {request}"
    # Of a server that stays silent a loader may ask its next file after a while.
    if way.ended in ("configuration", "file", "silent") and all(server == way.server for server, _ in rest):
        return ""
    return f"asked {rest[0]} after the last file that is predicted ({way.ended})" if rest else ""


def _same(seen: Request, predicted: Request) -> bool:
    """Which address is leased is not predicted: configurations named after it are compared by length."""
    if seen == predicted:
        return True
    if seen[0] != predicted[0]:
        return False
    one, other = _OWN_ADDRESS.search(seen[1]), _OWN_ADDRESS.search(predicted[1])
    return one is not None and other is not None and len(one[2]) == len(other[2])


__all__ = ["Expected", "agrees", "expected", "goes_on", "recorded"]

"""What the race of one client must end as while clients move: the one proof of `migrate` and of `plan`.

The space of all clients is cut into classes no declaration can tell apart. The race is run for one of each,
over everything that may differ (jitter, phase of the client's clock, which answer comes first). Each
function here says what is wrong with the result, as a clause; None where it is as it must be.
"""

from __future__ import annotations

from coexist.analysis.findings import Witness
from coexist.analysis.race import CUT_SHORT, RaceResult
from coexist.analysis.space import ClientClass
from coexist.inventory import Inventory
from coexist.records import dataclass
from coexist.wire.mac import format_mac


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A class of clients for which a moment does not hold: whom it hits, and what happens to it.

    ``servers``: from whom these clients can boot then, in order; None stands for no boot.
    """

    message: str
    witness: Witness
    clients: int
    servers: tuple[str | None, ...]


def boots_from(result: RaceResult, expected: str) -> str | None:
    """Every end is the same boot from ``expected``."""
    if CUT_SHORT in result.assumptions:
        return f"may not have {expected}: {CUT_SHORT}"
    # Who answered does not matter, but where the files come from: one server may hand over to the other.
    servers = {outcome.boot_server for outcome in result.outcomes}
    named = sorted(server for server in servers if server is not None)
    if None in servers or not servers:
        return f"may have none instead of {expected}" if named else f"has no server instead of {expected}"
    if len(named) > 1:
        return f"may have {' or '.join(named)}"
    if named != [expected]:
        return f"has {named[0]} instead of {expected}"
    files = {outcome.file for outcome in result.outcomes}
    if len(files) > 1 or None in files:
        return f"may load {' or '.join(sorted(map(str, files)))}"
    return None


def boots_nothing(result: RaceResult) -> str | None:
    """No end is a boot."""
    named = sorted({outcome.boot_server for outcome in result.outcomes if outcome.boot_server is not None})
    return f"has {' or '.join(named)} and is to have none" if named else None


def boots_from_either(result: RaceResult, ends: tuple[str, str]) -> str | None:
    """Every end is a boot from one of the two."""
    if CUT_SHORT in result.assumptions:
        return f"may not have {' or '.join(ends)}: {CUT_SHORT}"
    wrong = {outcome.boot_server for outcome in result.outcomes if outcome.boot_server not in ends}
    if wrong or not result.outcomes:
        return f"may have {' or '.join(sorted(str(server or 'none') for server in wrong)) or 'none'}"
    if any(outcome.file is None for outcome in result.outcomes):
        return "may be told no file"
    return None


def boots_as(result: RaceResult, other: RaceResult, when: str) -> str | None:
    """The ends are those of another result; ``when`` says when that one holds."""
    now, then = ({(o.boot_server, o.file) for o in each.outcomes} for each in (result, other))
    if now == then:
        return None
    told = [" or ".join(sorted(str(server or "nobody") for server, _ in each)) for each in (now, then)]
    return f"boots from {told[0]}, {when} from {told[1]}"


def the_boot(result: RaceResult) -> tuple[str, str] | None:
    """The server and the file of a client that boots the same whatever happens."""
    found = {(outcome.boot_server, outcome.file) for outcome in result.outcomes}
    server, file = next(iter(found)) if len(found) == 1 else (None, None)
    return (server, file) if server is not None and file is not None else None


def failure(
    inventory: Inventory, client: ClientClass, mac: int, result: RaceResult, wrong: str, *, clients: int
) -> Failure:
    """What happens to a client, with the time line of its race. ``clients``: how many it stands for."""
    record = inventory.clients.find(mac)
    name = record.name if record else ""
    label = f"{name} ({format_mac(mac)})" if name else format_mac(mac)
    witness = Witness(
        mac=mac,
        architecture=client.architecture,
        firmware=client.firmware,
        vlan=client.vlan,
        name=name,
        timeline=(*map(str, result.events), *(outcome.why for outcome in result.outcomes)),
    )
    return Failure(
        message=f"{label}, {client.architecture} with {client.firmware} on {client.vlan}, {wrong}",
        witness=witness,
        clients=clients,
        servers=tuple(sorted({end.boot_server for end in result.outcomes}, key=lambda name: name or "")),
    )

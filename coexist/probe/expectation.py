"""What the inventory says the wire should answer, and where the wire differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding, Witness
from coexist.errors import Position
from coexist.inventory.documents import Path
from coexist.inventory.loader import Inventory
from coexist.probe.answer import Answer
from coexist.probe.fetch import NotFetched
from coexist.probe.observation import Boot, End
from coexist.probe.question import Asker
from coexist.probe.transfers import Transfer
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType
from coexist.wire.tftp import ErrorCode

ON_THE_WIRE = Position("wire")


def server_names(inventory: Inventory) -> dict[IPv4Address, str]:
    """The name of every declared server by each of its addresses."""
    return {
        address: name
        for name, server in inventory.site.servers.items()
        for address in server.stands_on.values()
    }


def vlan_of(inventory: Inventory, address: IPv4Address) -> str | None:
    """The VLAN an address belongs to."""
    for name, vlan in inventory.site.vlans.items():
        if any(address in subnet for subnet in vlan.subnet):
            return name
    return None


def representatives(inventory: Inventory, vlan: str, *, most: int = 24) -> tuple[Asker, ...]:
    """Clients to ask for on a VLAN: for each intent and each architecture one client of its groups.

    A group of a few known machines is spoken for by one of them, a range by its lowest address.
    """
    chosen: dict[tuple[int, str], Asker] = {}
    for rule in inventory.site.intent:
        if rule.boot_from is None or (rule.vlan is not None and vlan not in rule.vlan):
            continue
        mac = inventory.members(rule.clients, rule.unless).sample()
        if mac is None:
            continue
        declared = _architecture(inventory, mac)
        for architecture in rule.architectures or inventory.site.architectures:
            if declared is None or architecture == declared:
                asker = Asker(mac=mac, architecture=architecture, vlan=vlan, name=_name(inventory, mac))
                chosen.setdefault((mac, architecture), asker)
    return tuple(chosen.values())[:most]


def _architecture(inventory: Inventory, mac: int) -> str | None:
    row = inventory.clients.index.get(mac)
    return None if row is None else inventory.clients.columns["architecture"][row] or None


def _name(inventory: Inventory, mac: int) -> str:
    row = inventory.clients.index.get(mac)
    return "" if row is None else inventory.clients.columns["name"][row]


def strangers(inventory: Inventory, answers: Iterable[Answer]) -> tuple[Finding, ...]:
    """A finding for every server that answered and is not declared (CX701)."""
    known = {*server_names(inventory), *_speakers(inventory)}
    first: dict[IPv4Address, Answer] = {}
    clients: dict[IPv4Address, set[Asker]] = {}
    for answer in answers:
        if answer.server not in known and answer.source not in known:
            first.setdefault(answer.server, answer)
            clients.setdefault(answer.server, set()).add(answer.asker)
    return tuple(
        finding(
            "CX701",
            f"{server} answers as {first[server].role} and is not in the inventory",
            "find the machine and switch the service off, or declare it (fixed: true if it is not yours)",
            answer=first[server],
            clients=len(clients[server]),
        )
        for server in sorted(first)
    )


def _speakers(inventory: Inventory) -> Iterator[IPv4Address]:
    """The relay agents that write their own address into the answers of servers behind them."""
    for vlan in inventory.site.vlans.values():
        for relay, giaddr in zip(vlan.relay, vlan.giaddrs, strict=True):
            if relay.replaces_server_id and vlan.targets_of(relay):
                yield giaddr


def failed_boot(boot: Boot, names: Mapping[IPv4Address, str]) -> tuple[Finding, ...]:
    """A finding for a boot that certainly failed (CX708)."""
    if not boot.failed:
        return ()
    request = boot.file_request
    client = format_mac(boot.asker.mac)
    message, repair = f"{client}: {boot.end.value}", _REPAIRS[boot.end]
    if request is not None and boot.end is End.NOT_RUN:
        message = f"{client} has {request.file}, and {boot.end.value}"
    elif request is not None:
        server = names.get(request.server, str(request.server))
        said = f" ({request.why})" if request.why else ""
        message = f"{client} asked {server} for {request.file}: {request.end.value}{said}"
        repair = _REPAIRS_OF_FILES.get(request.end, repair)
    replies = (*boot.offers, *boot.acks, *boot.naks, *boot.boot_server_replies)
    lines = tuple(told(answer) for answer in sorted(replies, key=lambda answer: answer.at))
    return (finding("CX708", message, repair, asker=boot.asker, timeline=lines),)


_REPAIRS = {
    End.DECLINED: "find the machine that has the address, or take the address out of the pool",
    End.REFUSED: "let one DHCP server alone be authoritative for this subnet, or let both know its leases",
    End.FAILED: "compare the file's name with what lies on the server",
    End.NOT_RUN: "give the machine a program of its own kind, and with Secure Boot one that Microsoft signed",
}
_REPAIRS_OF_FILES = {
    Transfer.MISSING: "put the file there, or correct its name where it is declared",
    Transfer.DENIED: "let the TFTP server's user read the file, and look into its list of allowed files",
    Transfer.SILENT: "start the TFTP service there, and look into the firewall and the way between them",
    Transfer.ABORTED: "look at the client's screen: it had no room for the file or refused an option",
    Transfer.REFUSED: "look into the server's log",
    Transfer.STUCK: "let the server agree to smaller blocks, and declare the network's `mtu`",
}


def unfetched(
    answer: Answer, result: NotFetched, inventory: Inventory | None, *, as_client: bool = False
) -> Finding | None:
    """A finding for a boot file that an answer names and that cannot be fetched (CX706).

    A server that serves the files of its own clients alone refuses this machine: that shows nothing, unless
    it was asked as the client itself (``as_client``).
    """
    names = server_names(inventory) if inventory is not None else {}
    name = names.get(answer.boot_server) if answer.boot_server is not None else None
    denied = result.code == ErrorCode.ACCESS_VIOLATION
    restricted = inventory is not None and name and inventory.site.servers[name].answers.who != "everyone"
    if denied and restricted and not as_client:
        return None
    where = name or str(answer.boot_server)
    message = f"{answer.file} cannot be fetched from {where}, which {answer.server} names: {result.why}"
    repair = "put the file there, or correct the name that the server gives"
    if denied:
        repair = "let the file server read the file and serve it to this machine"
    elif result.code is None:
        repair = "start the TFTP service there, and look into the way between"
    return finding("CX706", message, repair, answer=answer)


def finding(
    code: str,
    message: str,
    repair: str,
    *,
    asker: Asker | None = None,
    answer: Answer | None = None,
    position: Position = ON_THE_WIRE,
    path: Path = (),
    timeline: Sequence[str] = (),
    clients: int = 1,
) -> Finding:
    """A finding of what was seen on the wire, with the client that saw it as the witness."""
    client = asker or (answer.asker if answer else None)
    lines = tuple(timeline) or ((told(answer),) if answer else ())
    return Finding(
        code=CATALOGUE[code],
        severity=CATALOGUE[code].severity,
        position=position,
        message=message,
        repair=repair,
        path=path,
        clients=clients,
        witness=None
        if client is None
        else Witness(
            mac=client.mac,
            architecture=client.architecture,
            firmware="",
            vlan=client.vlan,
            name=client.name,
            timeline=lines,
        ),
    )


def told(answer: Answer) -> str:
    """One answer as a line of a time line."""
    refused = answer.packet.message_type is MessageType.NAK
    file = f", file {answer.file} from {answer.boot_server}" if answer.file else ", no file"
    if refused:
        file = ": NAK, the address is refused"
    return (
        f"{answer.at:6.2f} s  {answer.server} ({answer.role}, port {answer.port}) answers "
        f"{format_mac(answer.asker.mac)} {answer.asker.architecture}{file}"
    )

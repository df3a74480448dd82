"""coexist's own boot server: the configuration an inventory gives it, and its model for the race.

The configuration is what the renderer writes and ``coexist serve`` reads; the model runs
``coexist.boot.respond`` on the policy compiled from that very configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from coexist.boot.answered import intended_clients
from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import BootPolicy, ReadList, compile_policy
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT, boot_request
from coexist.boot.respond import Answer, Reason, Seen, respond
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered
from coexist.errors import InputError, Position, Problem
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.models import Answers, Programs, Server
from coexist.inventory.named_servers import server_address
from coexist.inventory.products import COEXIST
from coexist.inventory.validation import problem_of
from coexist.inventory.values import Delay
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option

EXCEPT_SUFFIX, LIST_SUFFIX = COEXIST.list_ends


# -- the configuration --------------------------------------------------------------------------


def boot_server_config(inventory: Inventory, name: str) -> BootServerConfig:
    """The configuration of one server of the inventory, as the renderer writes it.

    List files are named by group, ``<group>.macs``; ``list_members`` says what stands in each.
    """
    return inventory.made_once("configuration", name, lambda: _made_config(inventory, name))


def _made_config(inventory: Inventory, name: str) -> BootServerConfig:
    server = inventory.site.servers[name]
    tree: dict[str, Any] = {
        "name": name,
        "listen": [{"address": str(address), "vlan": vlan} for vlan, address in server.stands_on.items()],
        "services": sorted(server.effective_roles - {"dhcp"}) or ["tftp"],
        "rules": _rules(inventory, name, server),
        "options": server.options,
        "known": {"files": ["known" + LIST_SUFFIX]},
    }
    if server.boot_server is not None:
        address = server_address(inventory.site, server.boot_server, server.vlan)
        tree["boot_server"] = str(address) if address else None
    if "discovery_control" in server.model_fields_set:
        tree["discovery_control"] = server.discovery_control
    if server.offers_file is not None:
        tree["offers_file"] = server.offers_file
    if server.answers_4011 is not None:
        tree["answers_4011"] = server.answers_4011
    pair = _pair(inventory, name)
    if pair is not None:
        tree["pair"] = pair
    refuse_settings(inventory, name, _DERIVED)
    settings, tftp = server.settings, server.settings.get("tftp", {})
    if server.largest_blksize is not None and isinstance(tftp, dict):
        settings = {**settings, "tftp": {"largest_blksize": server.largest_blksize, **tftp}}
    try:
        return BootServerConfig.model_validate({**tree, **settings})
    except ValidationError as error:
        places = _Settings(inventory, name)
        problems = {
            (problem := problem_of(item, server.settings, places, BootServerConfig)).position: problem
            for item in reversed(error.errors(include_url=False))
        }
        raise InputError(problems.values()) from None


def _pair(inventory: Inventory, name: str) -> dict[str, Any] | None:
    """Its half of the clients, where it shares them with its twin by hash."""
    servers = inventory.site.servers
    twin = inventory.twins.get(name)
    declared = servers[name].pair or (servers[twin].pair if twin is not None else None)
    if twin is None or declared is None or declared.mode != "by-hash":
        return None
    part = "second" if servers[name].pair is not None else "first"
    return {"partner": twin, "part": part, "after": declared.after}


_DERIVED = {
    "name": "the server's name in the inventory",
    "listen": "`address` or `addresses`",
    "services": "`roles`",
    "rules": "`answers`, `delay` and `programs`",
    "known": "the registered clients",
    "pair": "`pair` of one of the two servers",
}
"""Keys of the configuration that other declarations say: written twice, one would silently win."""


def refuse_settings(inventory: Inventory, name: str, derived: Mapping[str, str]) -> None:
    """Raise ``InputError`` for keys in a server's ``settings`` that its other declarations say."""
    problems = [
        Problem(
            inventory.where("servers", name, "settings", key),
            f"`{key}` of {name} is made from {said}",
            "take it out of `settings`",
        )
        for key, said in derived.items()
        if key in inventory.site.servers[name].settings
    ]
    if problems:
        raise InputError(problems)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Where the settings of a server were written."""

    inventory: Inventory
    name: str

    def at(self, path: Path, *, value: bool = False) -> Position:
        return self.inventory.where("servers", self.name, "settings", *path, value=value)


def list_members(inventory: Inventory, file: str) -> MacSet:
    """The addresses of a list file named in a configuration, exact addresses only."""
    if file.endswith(EXCEPT_SUFFIX) and not _is_of_a_group(inventory, file):
        macs = inventory.group(file.removesuffix(EXCEPT_SUFFIX))
        return _inside(macs)
    macs = inventory.group(file.removesuffix(LIST_SUFFIX))
    return MacSet.of(macs.points) - _inside(macs) if macs.bounds else macs


def _is_of_a_group(inventory: Inventory, file: str) -> bool:
    """Whether a list has the name of a whole group, which may end as a list of exceptions does."""
    return file.removesuffix(LIST_SUFFIX) in inventory.site.groups


def reader(inventory: Inventory) -> ReadList:
    """Delivers the list files of any server of this inventory."""
    return lambda file: list_members(inventory, file)


def boot_policy(inventory: Inventory, name: str) -> BootPolicy:
    """The compiled policy of a server: what the server runs, and what the race asks."""
    return compile_policy(boot_server_config(inventory, name), reader(inventory))


def _inside(macs: MacSet) -> MacSet:
    """The addresses an interval would hold but the set does not."""
    return MacSet.of(point for point in macs.points if point in MacSet(macs.bounds))


def _selector(inventory: Inventory, group: str) -> dict[str, Any]:
    """A group as a selector: exact addresses by list file, intervals written out."""
    if group == "everyone":
        return {"everyone": True}
    if group == "nobody":
        return {}
    if group == "unknown":
        return {"everyone": True, "except": {"files": ["known" + LIST_SUFFIX]}}
    macs, uuids = inventory.group(group), inventory.group_uuids(group)
    # A card of such a machine that the group leaves out is another list's.
    lost = [mac for uuid in uuids for mac in inventory.clients.cards.get(uuid, ()) if mac not in macs]
    named = {"uuids": [str(uuid) for uuid in uuids]} if uuids and not lost else {}
    if not macs.bounds:
        return {"files": [group + LIST_SUFFIX], **named}
    inside = _inside(macs)
    selector: dict[str, Any] = {"ranges": _ranges(macs.bounds), **named}
    if len(macs.points) > len(inside.points):
        selector["files"] = [group + LIST_SUFFIX]
    if inside.points:
        file = group + EXCEPT_SUFFIX
        taken = _is_of_a_group(inventory, file)
        written = {"macs": [format_mac(mac) for mac in sorted(inside.points)]}
        selector["except"] = written if taken else {"files": [file]}
    return selector


def _ranges(bounds: tuple[int, ...]) -> list[str]:
    return [f"{format_mac(bounds[i])} to {format_mac(bounds[i + 1] - 1)}" for i in range(0, len(bounds), 2)]


def _union(selectors: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """One selector for several, if none of them needs an exception of its own."""
    joined: dict[str, Any] = {}
    for selector in selectors:
        if "except" in selector:
            return None
        for key, value in selector.items():
            joined[key] = value if key == "everyone" else [*joined.get(key, []), *value]
    return joined


def _written_out(macs: MacSet) -> dict[str, Any]:
    """A set no group names, as a selector: its intervals and addresses."""
    inside = _inside(macs)
    outside = sorted(macs.points - inside.points)
    selector: dict[str, Any] = {}
    if macs.bounds == EVERYONE.bounds:
        selector["everyone"] = True
    elif macs.bounds:
        selector["ranges"] = _ranges(macs.bounds)
    if outside:
        selector["macs"] = [format_mac(mac) for mac in outside]
    if inside.points:
        selector["except"] = {"macs": [format_mac(mac) for mac in sorted(inside.points)]}
    return selector


_Answered = list[tuple[str, MacSet, dict[str, Any], tuple[str, ...] | None]]
"""A rule's name, its clients, their selector, and the architectures it is narrowed to."""


def _answered(inventory: Inventory, name: str) -> _Answered:
    """Whom a server answers, rule by rule: name, addresses, selector, architectures (None: any)."""
    answers = inventory.site.servers[name].answers
    if answers.who == "intended":
        return [
            (f"intended-{number}" if number else "intended", macs, _written_out(macs), architectures)
            for number, (macs, architectures) in enumerate(intended_clients(inventory, name))
        ]
    return _declared(inventory, answers)


def _declared(inventory: Inventory, answers: Answers) -> _Answered:
    architectures = answers.architectures
    if answers.who in ("only", "all_except"):
        macs = inventory.members(answers.groups)
        joined = _union([_selector(inventory, group) for group in answers.groups])
        name = "-".join(answers.groups)
        if answers.who == "only":
            return [(name, macs, _written_out(macs) if joined is None else joined, architectures)]
        excluded = _written_out(macs) if joined is None else joined
        return [("all-but-" + name, ~macs, {"everyone": True, "except": excluded}, architectures)]
    if answers.who == "nobody":
        return []
    return [(answers.who, inventory.group(answers.who), _selector(inventory, answers.who), architectures)]


def _rules(inventory: Inventory, name: str, server: Server) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    special = dict.fromkeys((*server.delay_for, *server.programs_for))
    for rule_name, macs, selector, architectures in _answered(inventory, name):
        narrowed = {"architectures": architectures} if architectures else {}
        for group in special:
            members = inventory.group(group)
            about = members & macs
            if about:
                own = _selector(inventory, group) if about == members else _written_out(about)
                delay = server.delay_for.get(group, server.delay)
                programs = server.programs_for.get(group, server.programs)
                rule = {"name": f"{rule_name}-{group}", "clients": own, **narrowed}
                rules.append(rule | _behaviour(inventory, server, delay, programs))
        rule = {"name": rule_name, "clients": selector, **narrowed}
        rules.append(rule | _behaviour(inventory, server, server.delay, server.programs))
    return rules


def _behaviour(inventory: Inventory, server: Server, delay: Delay, programs: Programs) -> dict[str, Any]:
    """What a rule does: when it answers, and with which programs."""
    return {
        "delay": delay.model_dump(exclude_defaults=True),
        "programs": {
            key: {"file": program.file, **_program_server(inventory, server, program.server)}
            for key, program in programs.items()
        },
    }


def _program_server(inventory: Inventory, server: Server, text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    address = server_address(inventory.site, text, server.vlan)
    return {"server": str(address)} if address else {}


# -- the model ----------------------------------------------------------------------------------


class CoexistState(NamedTuple):
    """When the client was first heard, and an offer to it overheard (seconds); whether it took another.

    ``due`` and ``xid``: until when an answer to its exchange waits, and which exchange that is.
    """

    first: float | None = None
    offer_at: float | None = None
    took_other: bool = False
    due: float | None = None
    xid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoexistModel(Stateless):
    """``respond`` behind the protocol of the race. ``latency``: seconds it needs at most to answer."""

    name: str
    policy: BootPolicy
    latency: float = 0.0
    assumptions: tuple[str, ...] = ()

    @property
    def overhears(self) -> bool:
        """Whether it listens to other servers' offers and the client's broadcast requests."""
        return self.policy.follow_offers or any(rule.delay.after_offer for rule in self.policy.rules)

    def initial(self, phase: float = 0.0) -> CoexistState:
        """It has seen nothing."""
        return CoexistState()

    def receive(self, state: CoexistState, arrival: Arrival) -> Reaction:
        """Ask ``respond`` about one packet."""
        if arrival.port == CLIENT_PORT:
            if state.offer_at is not None or arrival.packet.yiaddr == UNSPECIFIED:
                return Reaction(state=state)
            return Reaction(state=state._replace(offer_at=arrival.at))
        request = boot_request(arrival.packet, arrival.port)
        if request is None:
            return Reaction(state=state, unanswered=Unanswered(why="not a request of a client"))
        first = arrival.at if state.first is None else state.first
        if request.message_type is MessageType.REQUEST and arrival.port == DHCP_PORT:
            chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
            state = state._replace(took_other=chosen not in (None, arrival.address.packed))
        seen = Seen(
            since_first=arrival.at - first,
            offer_heard=state.offer_at is not None and state.offer_at <= arrival.at,
            took_other=state.took_other,
            waiting=state.due is not None and arrival.at < state.due and arrival.packet.xid == state.xid,
        )
        answer = respond(self.policy, request, server=arrival.address, source=arrival.source, seen=seen)
        state = state._replace(first=first)
        if not isinstance(answer, Answer):
            why = answer.reason.value + (f" (rule {answer.rule})" if answer.rule else "")
            waits = answer.reason is Reason.NO_OFFER
            return Reaction(state=state, unanswered=Unanswered(why=why, waits=waits))
        sent = arrival.at + answer.after
        if answer.after:
            state = state._replace(due=sent, xid=arrival.packet.xid)
        return Reaction(
            state=state,
            replies=(
                Reply(
                    packet=answer.packet,
                    earliest=sent,
                    latest=sent + self.latency,
                    source_port=BOOT_SERVER_PORT if arrival.port == BOOT_SERVER_PORT else DHCP_PORT,
                    address=answer.address,
                    port=answer.port,
                    why=f"rule {answer.rule}" + (f", {answer.after:g} s later" if answer.after else ""),
                ),
            ),
        )


def boot_service(inventory: Inventory, name: str) -> CoexistModel:
    """Its boot service, with the policy its configuration is compiled to."""
    return CoexistModel(name=name, policy=boot_policy(inventory, name))

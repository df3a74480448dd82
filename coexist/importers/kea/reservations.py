"""Kea's reservations: which of them count where, the machines they name, and what is said to those alone."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from coexist.boot.leases.plan import is_host_name
from coexist.importers.account import Account, Harmless
from coexist.importers.addresses import SHARED_ADDRESS, why_nobody
from coexist.importers.conditions import Member, test
from coexist.importers.groups import GroupBook
from coexist.importers.imported import ClientRow
from coexist.importers.kea.classes import ClassBook
from coexist.importers.kea.kept import Kept
from coexist.importers.kea.left_out import leave, shown
from coexist.importers.kea.levels import LevelReader, Values
from coexist.importers.kea.sections import gate_classes, networks_of, peeked, subnets, tests_of
from coexist.importers.program import Step, guarded
from coexist.languages.kea.json_nodes import Node
from coexist.records import dataclass
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.option_codes import Option

_HOST_NAME = int(Option.HOST_NAME)
_IDENTIFIERS = ("hw-address", "duid", "circuit-id", "client-id")
"""What Kea looks reservations up by where nothing is said."""
_KINDS = (*_IDENTIFIERS, "flex-id")
_BY_ANOTHER = "the inventory knows machines by their MAC address only; it is written as it stands"
_BESIDE_A_ROW = ("server-hostname",)
_BESIDE_A_NAME = ("server-hostname", "hostname")
"""What a row of a list has no place for, of a reservation with an address and of one without."""
_SWITCHED_OFF = Harmless("global reservations are switched off by reservations-global")


@dataclass(slots=True)
class Reservation:
    """``early``: its classes count before a subnet is chosen; ``is_global``: it counts as a whole."""

    mac: int
    node: Node
    values: Values
    early: bool = False
    is_global: bool = False


class Reservations:
    """The reservations of one file; ``clients`` are the machines that were registered by them."""

    def __init__(
        self,
        dhcp4: Node,
        levels: LevelReader,
        classes: ClassBook,
        groups: GroupBook,
        account: Account,
        kept: Kept,
    ) -> None:
        self.dhcp4, self.levels, self.classes = dhcp4, levels, classes
        self.groups, self.account, self.kept = groups, account, kept
        self.clients: dict[int, ClientRow] = {}
        # The name of the first machine of each address.
        self._owners: dict[str, str] = {}
        self._group_of: dict[frozenset[int], str] = {}
        self._class_groups: dict[tuple[str, frozenset[int]], str] = {}
        # The classes that pools are for.
        self._gates = gate_classes(dhcp4)
        self._beside: set[int] = set()
        self._asks_who_is_known = any("KNOWN" in text for text in (*tests_of(dhcp4), *self._gates))
        # Where reservations have host names, these are told unasked; options 12 of others are not.
        self.named = any(
            dict(node.members()).get("hostname") is not None
            for holder in (dhcp4, *subnets(dhcp4))
            for node in peeked(holder, "reservations")
        )

    # -- which reservations count ----------------------------------------------------------------

    def of(self, holder: Node, network: str | None = None, *, counts: bool = True) -> list[Reservation]:
        """The reservations of one level, those of machines that an inventory can name.

        The others are kept word for word, where the level ``counts``. ``network``: the subnet; None for the
        top.
        """
        result = []
        looked_up = [item.value for item in self.dhcp4.items("host-reservation-identifiers")] or _IDENTIFIERS
        for node in holder.items("reservations"):
            kind = next((kind for kind in _KINDS if kind in node.value), "")
            if kind not in looked_up or (kind == "flex-id" and not self._has_flex_id()):
                node.leave(Harmless(f"no client is looked up by {kind or 'it'}"))
                continue
            mac = _mac_of(node)
            if mac is not None:
                node.items("client-classes")
                result.append(Reservation(mac, node, self.levels.values(node)))
            elif not counts:
                node.leave(Harmless(_nobody(node) or _SWITCHED_OFF))
            elif self._asks_who_is_known:
                node.leave("classes ask who is known, which the inventory knows of MAC addresses only")
            elif peeked(node, "client-classes"):
                node.leave(
                    "a reservation without a MAC address of a machine has classes, which are written anew"
                )
            else:
                self._keep(node, network)
        return result

    def _has_flex_id(self) -> bool:
        libraries = (dict(hook.members()).get("library") for hook in peeked(self.dhcp4, "hooks-libraries"))
        return any(
            found is not None and str(found.value).endswith("libdhcp_flex_id.so") for found in libraries
        )

    def _keep(self, node: Node, network: str | None) -> None:
        """Keep a reservation as it stands, with what it takes for Kea to find it and to read its options."""
        settings = self.kept.settings
        named = dict(self.dhcp4.members()).get("host-reservation-identifiers")
        settings["host-reservation-identifiers"] = (
            list(_IDENTIFIERS) if named is None else [item.value for item in named.elements()]
        )
        if peeked(node, "option-data"):
            self.kept.named_by_definitions = True
        self.kept.reservation(node, network)
        why = _nobody(node) or _BY_ANOTHER
        self.account.left_out(node.at, shown("reservations", node), Harmless(why))

    def everywhere(self) -> list[Reservation]:
        """The reservations of no subnet: all of each, or with the early lookup alone its classes."""
        early = self.dhcp4.plain("early-global-reservations-lookup", bool) is True
        is_global = self._is_global(self.dhcp4)
        everywhere = self.of(self.dhcp4, counts=is_global)
        for reservation in everywhere:
            reservation.early, reservation.is_global = early, is_global
            if not is_global:
                self._leave_switched_off(reservation.node, early)
                continue
            given = reservation.node.get("ip-address")
            if given is not None and len(set(networks_of(self.dhcp4))) > 1:
                why = "global: Kea gives the address out in every subnet, the inventory in its own"
                self.account.left_out(given.at, shown("ip-address", given), why)
        return everywhere if early or is_global else []

    def _leave_switched_off(self, node: Node, early: bool) -> None:
        why = _SWITCHED_OFF
        if not early:
            node.leave(why)
            return
        for key, item in node.members():
            if key not in ("hw-address", "client-classes"):
                item.leave(f"{why}; only their classes count, by early-global-reservations-lookup")

    def _is_global(self, holder: Node) -> bool:
        mode = holder.plain("reservation-mode")
        flag = holder.plain("reservations-global", bool)
        holder.get("reservations-out-of-pool")
        return mode == "global" or flag is True

    def in_subnet(self, node: Node, shared: Node | None) -> bool:
        """Whether the reservations of a subnet count; the innermost level that says so decides."""
        said = True
        for holder in (self.dhcp4, *([shared] if shared is not None else []), node):
            mode = holder.plain("reservation-mode")
            flag = holder.plain("reservations-in-subnet", bool)
            if mode is not None:
                said = mode not in ("disabled", "global")
            if flag is not None:
                said = flag
        found = node.get("reservations")
        if found is not None and not said:
            found.leave("the reservations of this subnet are switched off by reservations-in-subnet")
        return said

    # -- the classes they give -------------------------------------------------------------------

    def groups_of_classes(self, own: list[Reservation], everywhere: list[Reservation]) -> dict[str, str]:
        """The group of the machines that have a class reserved, by class, in the order they list them.

        A machine's reservation in the subnet hides its global one, but not the early classes of that.
        """
        hidden = {reservation.mac for reservation in own}
        counting = [r for r in everywhere if r.early]
        counting += own
        counting += [r for r in everywhere if r.is_global and r.mac not in hidden]
        macs: dict[str, set[int]] = {}
        for reservation in counting:
            for item in peeked(reservation.node, "client-classes"):
                macs.setdefault(str(item.value), set()).add(reservation.mac)
        for reservation in counting:
            self._class_places(reservation, list(macs))
        return {name: self._members_group(name, frozenset(found)) for name, found in macs.items()}

    def _class_places(self, reservation: Reservation, order: list[str]) -> None:
        """Say which classes of a reservation mean nothing, or come in another order than another's."""
        last = -1
        for item in peeked(reservation.node, "client-classes"):
            name = str(item.value)
            if name in self.classes.classes:
                if self.classes.plain.why_not(name) is not None:
                    item.leave(f"the class {name} is not understood")
            elif name not in self._gates:
                item.leave(Harmless(f"nothing here speaks of the class {name}"))
            if order.index(name) < last:
                item.leave("listed in another order by another reservation, which is taken for all")
            last = max(last, order.index(name))

    def _members_group(self, name: str, macs: frozenset[int]) -> str:
        if (name, macs) not in self._class_groups:
            self._class_groups[name, macs] = self.groups.of_clients(name, macs)
        return self._class_groups[name, macs]

    # -- the machines ----------------------------------------------------------------------------

    def register(self, reservation: Reservation, networks: Iterable[IPv4Network]) -> None:
        """Make a client of the machine; its address counts where it is in one of ``networks``."""
        node = reservation.node
        name = node.plain("hostname") or ""
        self._keep_beside(reservation, networks)
        address = node.plain("ip-address") or ""
        if address and not any(_inside(address, network) for network in networks):
            leave(node, "ip-address", "the address is in none of the subnets")
            address = ""
        known = self.clients.get(reservation.mac)
        if known is not None:
            if address and not known.address:
                self.clients[reservation.mac] = known._replace(address=address)
            elif address and known.address != address:
                leave(node, "ip-address", f"this MAC has the address {known.address} already")
            return
        told = (str(step.value) for step in reservation.values.options if step.key == _HOST_NAME)
        name = name or next(told, "") if not self.named else name
        owner = self._owners.setdefault(address, name) if address else name
        if owner != name:
            node.leave(SHARED_ADDRESS.format(name=owner or "an unnamed machine"))
        self.clients[reservation.mac] = ClientRow(
            mac=format_mac(reservation.mac), name=owner, address=address
        )

    def _keep_beside(self, reservation: Reservation, networks: Iterable[IPv4Network]) -> None:
        """Keep what a row has no place for: the header's sname, and a name without an address."""
        node = reservation.node
        keys = _BESIDE_A_ROW if "ip-address" in node.value else _BESIDE_A_NAME
        # Of a hundred thousand of them hardly one has any.
        if not any(key in node.value for key in keys) or id(node) in self._beside:
            return
        if reservation.is_global or not reservation.early:
            self._beside.add(id(node))
            network = None if reservation.is_global else str(next(iter(networks)))
            self.kept.host(format_mac(reservation.mac), node, keys, network)

    def rows(self) -> list[ClientRow]:
        """The rows of clients.csv, with the groups each is in."""
        tags = self.groups.tags
        source = self.groups.server if self.groups.known else ""
        return [
            row._replace(tags=" ".join(tags.get(mac, ())), source=source) for mac, row in self.clients.items()
        ]

    def steps(self, reservations: list[Reservation]) -> list[Step]:
        """What is said to the reserved machines alone; those that are told the same are one group."""
        result: list[Step] = []
        together: dict[tuple[object, ...], list[Reservation]] = {}
        seen: set[int] = set()
        for reservation in reservations:
            if reservation.mac in seen:
                continue
            seen.add(reservation.mac)
            same = tuple((step.key, step.value) for step in self._said(reservation))
            if same:
                together.setdefault(same, []).append(reservation)
        for members in together.values():
            macs = frozenset(member.mac for member in members)
            if macs not in self._group_of:
                name = self.clients[members[0].mac].name if members[0].mac in self.clients else ""
                wanted = name if len(macs) == 1 else f"hosts-like-{name}"
                self._group_of[macs] = self.groups.of_clients(wanted or "reserved", macs)
            condition = test(Member(self._group_of[macs]))
            result += guarded(condition, self._said(members[0]))
        return result

    def _said(self, reservation: Reservation) -> list[Step]:
        """What a reservation says, without a host name that its scope tells anyway (`host_names`)."""
        steps = [*reservation.values.fields, *reservation.values.options]
        return [step for step in steps if step.key != _HOST_NAME or not self._is_told(reservation, step)]

    def _is_told(self, reservation: Reservation, name: Step) -> bool:
        """Whether an option 12 needs no rule: it is the client's name, or ``hostname`` precedes it."""
        if any(node.at == name.at for node in self.levels.forced.get(_HOST_NAME, ())):
            return False
        if reservation.node.plain("hostname"):
            # processClientName puts it into the reply before any option of the configuration.
            self.account.left_out(name.at, name.text, "the client is told the reservation's hostname")
            return True
        if self.named:
            return False
        known = self.clients.get(reservation.mac)
        is_here = known is not None and known.address == reservation.node.plain("ip-address")
        return is_here and known is not None and known.name == name.value and is_host_name(known.name)


def _nobody(node: Node) -> str | None:
    """Why no machine has the MAC address of a reservation; None if one may, or if it is none."""
    try:
        return why_nobody(parse_mac(node.plain("hw-address") or ""))
    except ValueError:
        return None


def _mac_of(node: Node) -> int | None:
    """The machine of a reservation; None where it is not by the MAC address of one."""
    text = node.plain("hw-address")
    try:
        mac = parse_mac(text) if text is not None else None
    except ValueError:
        return None
    return None if mac is None or why_nobody(mac) is not None else mac


def _inside(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except AddressValueError:
        return False

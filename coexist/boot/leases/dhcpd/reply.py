"""From what statements have set to a lease: the second half of ``ack_lease``, and ``dhcpinform``'s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.evaluation import Evaluation
from coexist.boot.leases.dhcpd.hash_order import hash_order
from coexist.boot.leases.dhcpd.options import (
    AGENT,
    DHCP,
    MANDATORY,
    SERVER,
    WITHOUT_REQUEST,
    ClientOptions,
    OptionState,
    Setting,
    encapsulate,
    encapsulated_space,
    has_text,
    holders,
)
from coexist.boot.leases.dhcpd.variables import Scope
from coexist.boot.leases.lease import FieldName, Lease, Origin
from coexist.boot.leases.lease_times import dhcpd_times, four_octets
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import MessageType, Option

# server/stables.c
_DEFAULT_LEASE_TIME, _MAX_LEASE_TIME, _MIN_LEASE_TIME = 1, 2, 3
_USE_HOST_DECL_NAMES, _LEASE_ADDRESS_AS_ROUTER = 12, 13
_FILENAME, _SERVER_NAME, _NEXT_SERVER = 15, 16, 17
_VENDOR_OPTION_SPACE, SITE_OPTION_SPACE = 19, 21
_ALWAYS_BROADCAST, _PING_CHECK, _ECHO_CLIENT_ID = 22, 42, 85
_LOWEST_SITE_CODE, _HIGHEST_SITE_CODE = 128, 224
_DROPPED_WHEN_INFORMED = (Option.IP_ADDRESS_LEASE_TIME, Option.RENEWAL_TIME, Option.REBINDING_TIME)


def first_site_code(codes: Iterable[int]) -> int:
    """The first code that a site's own space with these ``codes`` has in place of dhcpd's options."""
    return max(min((*codes, _HIGHEST_SITE_CODE)), _LOWEST_SITE_CODE)


def lease_time_of(evaluation: Evaluation, client: ClientOptions) -> int:
    """How long, in seconds: what the client asks for (option 51), within what the file allows."""
    times = dhcpd_times(
        _seconds(evaluation, _DEFAULT_LEASE_TIME),
        _seconds(evaluation, _MIN_LEASE_TIME),
        _seconds(evaluation, _MAX_LEASE_TIME),
    )
    return times.granted_to(client.packet)


def _seconds(evaluation: Evaluation, code: int) -> int | None:
    octets = _parameter(evaluation, code)
    return None if octets is None else four_octets(octets)


def _parameter(evaluation: Evaluation, code: int) -> bytes | None:
    setting = _set(evaluation).find(SERVER, code)
    return None if setting is None else evaluation.computed(setting)


def _set(evaluation: Evaluation) -> OptionState:
    assert evaluation.state is not None  # only classes are matched without
    return evaluation.state


def made(
    evaluation: Evaluation,
    outside: Scope,
    arrival: Arrival,
    *,
    address: IPv4Address,
    netmask: IPv4Address,
    mask_origin: Position,
    address_origin: Position | None,
    lease_time: int | None,
    min_secs: int,
    host_name: str | None = None,
) -> Lease:
    """The lease. ``outside``: the variables that options are computed with, those of the whole server;
    ``lease_time`` is None for an answer to INFORM; ``host_name``: of the declaration that goes with the
    lease, which it has from here on."""
    maker = _Maker(evaluation, outside, arrival, address, netmask, mask_origin, address_origin)
    return maker.lease(lease_time, min_secs, host_name)


def kept_times(times: Mapping[int, int], lease_time: int) -> frozenset[int]:
    """Of times to rebind (59) and to renew (58), in seconds by code, those that are sent: the ones before the
    end of the lease, the second before the first."""
    kept: set[int] = set()
    for code in (Option.REBINDING_TIME, Option.RENEWAL_TIME):
        if code in times and times[code] < lease_time:
            kept.add(int(code))
            lease_time = times[code]
    return frozenset(kept)


class _Maker:
    def __init__(
        self,
        evaluation: Evaluation,
        outside: Scope,
        arrival: Arrival,
        address: IPv4Address,
        netmask: IPv4Address,
        mask_origin: Position,
        address_origin: Position | None,
    ) -> None:
        assert evaluation.client is not None  # there is a packet
        self.client: ClientOptions = evaluation.client
        self.evaluation = evaluation
        self.outside = outside
        self.arrival = arrival
        self.state = _set(evaluation)
        self.spaces = self.client.spaces
        self.address, self.netmask = address, netmask
        self.mask_origin = mask_origin
        self.origins: dict[int | FieldName, Origin] = {}
        if address_origin is not None:
            self.origins["yiaddr"] = address_origin

    def lease(self, lease_time: int | None, min_secs: int, host_name: str | None) -> Lease:
        evaluation, state = self.evaluation, self.state
        is_inform = lease_time is None
        file = self._field("file", _FILENAME)
        sname = self._field("sname", _SERVER_NAME)
        if self.arrival.packet.message_type is MessageType.REQUEST and evaluation.on_commit:
            evaluation.execute(evaluation.on_commit)
        if evaluation.held is not None:
            evaluation.held.host_name = host_name
        siaddr = self._field("siaddr", _NEXT_SERVER)[:4]
        if lease_time is None:
            for code in _DROPPED_WHEN_INFORMED:
                state.drop(code)
        else:
            self._origin("lease_time", _DEFAULT_LEASE_TIME)
            self._times(lease_time)
        self._defaults(is_inform=is_inform)
        server_id = self._octets(DHCP, Option.SERVER_IDENTIFIER)
        options, order = self._options(is_inform=is_inform)
        held = evaluation.held
        ping = _parameter(evaluation, _PING_CHECK)
        return Lease(
            yiaddr=self.address,
            netmask=self.netmask,
            siaddr=IPv4Address(siaddr) if len(siaddr) == 4 else UNSPECIFIED,
            file=file[:128],
            sname=sname[:64],
            options=options,
            requested=self._requested(order),
            lease_time=lease_time or 0,
            reserved=held is not None and held.is_static,
            min_secs=min_secs,
            always_broadcast=(_parameter(evaluation, _ALWAYS_BROADCAST) or b"\0")[:1] == b"\1",
            # reuse_lease: a lease that nobody has yet forgets its host, so the client seems another one.
            pinged_always=held is not None and not held.is_static and host_name is not None,
            ping=None if ping is None else ping[:1] == b"\1",
            server_id=IPv4Address(server_id) if len(server_id) == 4 else None,
            origins=self.origins,
        )

    def _field(self, name: FieldName, code: int) -> bytes:
        self._origin(name, code)
        return _parameter(self.evaluation, code) or b""

    def _origin(self, name: FieldName, code: int) -> None:
        setting = self.state.find(SERVER, code)
        if setting is not None:
            self.origins[name] = setting.origin

    def _octets(self, space: str, code: int) -> bytes:
        setting = self.state.find(space, code)
        return b"" if setting is None else self.evaluation.computed(setting) or b""

    def _times(self, lease_time: int) -> None:
        times = {
            int(code): int.from_bytes(self._octets(DHCP, code)[:4], "big")
            for code in (Option.REBINDING_TIME, Option.RENEWAL_TIME)
            if self.state.find(DHCP, code) is not None
        }
        for code in times.keys() - kept_times(times, lease_time):
            self.state.drop(code)

    def _defaults(self, *, is_inform: bool) -> None:
        """What the daemon sets by itself where nothing else has."""
        state, names = self.state, self.spaces[DHCP]
        chosen = self.client.get(DHCP, Option.SUBNET_SELECTION)
        if chosen is not None:
            state.put(names[Option.SUBNET_SELECTION], chosen, self.mask_origin)
        if state.find(DHCP, Option.SUBNET_MASK) is None:
            state.put(names[Option.SUBNET_MASK], self.netmask.packed, self.mask_origin)
        if is_inform:
            return
        held = self.evaluation.held
        named = state.find(DHCP, Option.HOST_NAME) is not None
        if held is not None and held.host_name is not None and not named and self._flag(_USE_HOST_DECL_NAMES):
            origin = self.origins.get("yiaddr", self.mask_origin)
            state.put(names[Option.HOST_NAME], held.host_name.encode("latin-1", "replace"), origin)
        identifier = self.client.get(DHCP, Option.CLIENT_IDENTIFIER)
        if identifier is not None and self._flag(_ECHO_CLIENT_ID):
            state.put(names[Option.CLIENT_IDENTIFIER], identifier, self._flag_origin(_ECHO_CLIENT_ID))
        if state.find(DHCP, Option.ROUTER) is None and self._flag(_LEASE_ADDRESS_AS_ROUTER):
            state.put(names[Option.ROUTER], self.address.packed, self._flag_origin(_LEASE_ADDRESS_AS_ROUTER))

    def _flag(self, code: int) -> bool:
        return self._octets(SERVER, code)[:1] == b"\1"

    def _flag_origin(self, code: int) -> Origin:
        setting = self.state.find(SERVER, code)
        return self.mask_origin if setting is None else setting.origin

    def _requested(self, order: tuple[int, ...]) -> tuple[int, ...] | None:
        """The list the reply goes by: the file's own, else the client's (None), else everything in ``order``.
        Some options precede what is asked for."""
        setting = self.state.find(DHCP, Option.PARAMETER_REQUEST_LIST)
        asked = self.client.get(DHCP, Option.PARAMETER_REQUEST_LIST)
        codes = tuple((asked if setting is None else self.evaluation.computed(setting)) or b"")
        if not codes:
            return order
        always: tuple[int, ...] = ()
        if self.state.find(DHCP, Option.SUBNET_SELECTION) is not None:
            always += (Option.SUBNET_SELECTION,)
        if self._flag(_ECHO_CLIENT_ID):
            always += (Option.CLIENT_IDENTIFIER,)
        if setting is None and not always:
            return None
        return (*always, *(code for code in codes if code != Option.RELAY_AGENT_INFORMATION))

    # -- options -----------------------------------------------------------------------------------

    def _options(self, *, is_inform: bool) -> tuple[dict[int, bytes], tuple[int, ...]]:
        """The octets of every option, and the order in which all of them go into a reply."""
        computing = self.evaluation
        if not is_inform:
            # dhcp_reply hands cons_options the variables of the server, not those of the lease.
            computing = replace(self.evaluation, scope=self.outside)
        site, lowest = self._site_space()
        plain: dict[int, bytes] = {}
        order = [*MANDATORY, *WITHOUT_REQUEST]
        for space, first, end in ((DHCP, 0, lowest), (site, lowest, 256)):
            table = self.state.spaces.get(space, {})
            order += [code for code in hash_order(table) if first <= code < end]
            for code, setting in table.items():
                if first <= code < end:
                    self._add(plain, setting, computing.computed(setting))
        nested = self._nested(plain, computing)
        order += [option.code for option in holders(self.spaces, DHCP).values()]
        order.append(Option.VENDOR_SPECIFIC_INFORMATION)
        order = [code for code in dict.fromkeys(order) if code != Option.RELAY_AGENT_INFORMATION]
        return {**plain, **nested, **self._agent(computing)}, tuple(order)

    def _agent(self, computing: Evaluation) -> dict[int, bytes]:
        """Suboptions of option 82 that the file sets: they go back in the places of the relay agent's, and
        to clients without one too (4.4.3-P1)."""
        table = self.state.spaces.get(AGENT)
        if not table:
            return {}
        values = dict(self.client.of_space(AGENT))
        for code, setting in table.items():
            values[code] = computing.computed(setting) or b""
            self.origins[int(Option.RELAY_AGENT_INFORMATION)] = setting.origin
        octets = b"".join(bytes((code, len(value))) + value for code, value in values.items() if value)
        return {int(Option.RELAY_AGENT_INFORMATION): octets} if octets else {}

    def _add(self, found: dict[int, bytes], setting: Setting, octets: bytes | None) -> None:
        option = setting.option
        inner = encapsulated_space(option)
        if not octets:
            return
        if inner and option.format[0] == "e":
            octets += self._encapsulated(inner, self.evaluation) or b""
        if self.client.ended_with_nul and has_text(option.format):
            octets += b"\0"
        found[option.code] = octets
        self.origins[option.code] = setting.origin

    def _nested(self, plain: dict[int, bytes], computing: Evaluation) -> dict[int, bytes]:
        """Options that hold a space of others, where nobody set them as a whole."""
        found: dict[int, bytes] = {}
        table = self.state.spaces.get(DHCP, {})
        inside = {option.code: space for space, option in holders(self.spaces, DHCP).items()}
        chosen = self._octets(SERVER, _VENDOR_OPTION_SPACE)
        if chosen:
            inside[Option.VENDOR_SPECIFIC_INFORMATION] = chosen.decode("latin-1").lower()
        for code, space in inside.items():
            option = self.spaces[DHCP].get(code)
            if code in table or code in plain or option is None or option.format[:1] != "E":
                continue
            octets = self._encapsulated(space, computing)
            if octets:
                found[code] = octets
                self.origins[code] = _last_origin(self.state, space, self.mask_origin)
        found.pop(Option.RELAY_AGENT_INFORMATION, None)
        return found

    def _encapsulated(self, space: str, computing: Evaluation) -> bytes | None:
        return encapsulate(self.state, space, computing.computed, self.spaces, self.client.widths)

    def _site_space(self) -> tuple[str, int]:
        """The space of the codes from a lowest one on; without one of the file's there is none."""
        name = self._octets(SERVER, SITE_OPTION_SPACE).decode("latin-1").lower()
        if name not in self.spaces:
            return DHCP, 0
        return name, first_site_code(self.spaces[name])


def _last_origin(state: OptionState, space: str, otherwise: Origin) -> Origin:
    settings = list(state.spaces.get(space, {}).values())
    return settings[-1].origin if settings else otherwise

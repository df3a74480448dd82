"""ISC dhcpd 4.4: one dhcpd.conf.

A rule belongs to a scope and speaks about a group of machines. dhcpd evaluates a subnet's statements first,
then those of the classes a packet is in, the first declared class last (``execute_statements_in_scope`` in
``ack_lease``, server/dhcp.c). So each subnet leaves its scope's name in a private option, each group its
own, and the class ``coexist-rules``, declared first, has the last word: it writes the rules from the last
to the first, and a later statement replaces an earlier one. A packet may be in five classes at most
(PACKET_MAX_CLASSES); here it is in two or three. All of this was tried on 4.4.3-P1:
tests/wire/test_same_answers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from coexist.inventory.models import OptionTest
from coexist.render.cells import Cell, Cells, mac_lines, octet_prefixes, spelled
from coexist.render.limits import report_dhcp_limits, report_limits
from coexist.render.quoting import comment, dhcpd_octets, dhcpd_string
from coexist.render.rendered import RenderedFile
from coexist.render.scopes import (
    Condition,
    DhcpPlan,
    PoolPlan,
    Reservation,
    ScopePlan,
    Setting,
    SubnetPlan,
    dhcp_plan,
)
from coexist.render.target import Capabilities, Job, Renderer
from coexist.wire.architecture import Architecture
from coexist.wire.option_codes import Option, OptionKind, option_kind

TARGET = "/etc/dhcp/dhcpd.conf"
CHECK = "dhcpd -t -4 -cf {path}"
RELOAD = "systemctl restart isc-dhcp-server"

# common/tables.c of 4.4.3: the names of the options that are written in their own form here.
_NAMES = {
    1: "subnet-mask",
    2: "time-offset",
    3: "routers",
    4: "time-servers",
    5: "ien116-name-servers",
    6: "domain-name-servers",
    7: "log-servers",
    8: "cookie-servers",
    9: "lpr-servers",
    10: "impress-servers",
    11: "resource-location-servers",
    12: "host-name",
    13: "boot-size",
    14: "merit-dump",
    15: "domain-name",
    16: "swap-server",
    17: "root-path",
    18: "extensions-path",
    19: "ip-forwarding",
    20: "non-local-source-routing",
    21: "policy-filter",
    22: "max-dgram-reassembly",
    23: "default-ip-ttl",
    24: "path-mtu-aging-timeout",
    25: "path-mtu-plateau-table",
    26: "interface-mtu",
    27: "all-subnets-local",
    28: "broadcast-address",
    29: "perform-mask-discovery",
    30: "mask-supplier",
    31: "router-discovery",
    32: "router-solicitation-address",
    33: "static-routes",
    34: "trailer-encapsulation",
    35: "arp-cache-timeout",
    36: "ieee802-3-encapsulation",
    37: "default-tcp-ttl",
    38: "tcp-keepalive-interval",
    39: "tcp-keepalive-garbage",
    40: "nis-domain",
    41: "nis-servers",
    42: "ntp-servers",
    43: "vendor-encapsulated-options",
    44: "netbios-name-servers",
    45: "netbios-dd-server",
    46: "netbios-node-type",
    47: "netbios-scope",
    48: "font-servers",
    49: "x-display-manager",
    60: "vendor-class-identifier",
    61: "dhcp-client-identifier",
    62: "nwip-domain",
    64: "nisplus-domain",
    65: "nisplus-servers",
    66: "tftp-server-name",
    67: "bootfile-name",
    68: "mobile-ip-home-agent",
    69: "smtp-server",
    70: "pop-server",
    71: "nntp-server",
    72: "www-server",
    73: "finger-server",
    74: "irc-server",
    75: "streettalk-server",
    76: "streettalk-directory-assistance-server",
    77: "user-class",
    82: "relay-agent-information",
    93: "pxe-system-type",
    94: "pxe-interface-id",
    97: "pxe-client-id",
    119: "domain-search",
}
# Options whose built-in shape accepts only its own spelling; everything else is written as octets.
_SPELLED = (OptionKind.TEXT, OptionKind.ADDRESS, OptionKind.ADDRESSES)


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's dhcpd.conf."""
    plan = dhcp_plan(job.inventory, job.name)
    report_limits(job, RENDERER.capabilities)
    report_dhcp_limits(job, RENDERER.capabilities, plan)
    writer = _Writer(plan)
    values = {
        "name": job.name,
        "site": job.inventory.site.site,
        "server": job.server,
        "ping_check": job.server.ping_check is not False,
        "definitions": tuple(writer.definitions()),
        "scopes": [
            {"name": scope.name, "rules": tuple(writer.rules(scope))}
            for scope in plan.scopes
            if scope.special
        ],
        "classes": tuple(writer.classes()),
        "networks": tuple(writer.networks()),
    }
    text = job.templates.render(
        "isc-dhcpd/dhcpd.conf.j2", values, {"string": dhcpd_string, "comment": comment}
    )
    return (
        RenderedFile(
            path="dhcpd.conf",
            content=text.encode(),
            purpose="the DHCP server's whole configuration",
            target=TARGET,
            check=CHECK,
            reload=RELOAD,
        ),
    )


class _Writer:
    """Statements of one server's file."""

    def __init__(self, plan: DhcpPlan) -> None:
        self.plan = plan
        self.cells: Cells = plan.cells
        self.scopes = {scope.name: scope for scope in plan.scopes}

    # -- options -------------------------------------------------------------------------------

    def _used_codes(self) -> set[int]:
        codes = {int(Option.IPXE_ENCAPSULATED)}
        for scope in self.plan.scopes:
            for setting in (*scope.special, scope.defaults):
                codes.update(setting.options)
                codes.update(test.option for test in setting.condition.tests)
        return codes

    def definitions(self) -> Iterator[str]:
        """The options that dhcpd has no name for, and the ones inside others that a rule looks at."""
        inner = {
            test.option
            for scope in self.plan.scopes
            for setting in scope.special
            for test in setting.condition.tests
            if test.suboption is not None and test.option != Option.RELAY_AGENT_INFORMATION
        }
        for code in sorted(self._used_codes() | inner):
            if code in inner:
                yield f"option space coexist-in-{code};"
                yield f"option {option_name(code)} code {code} = encapsulate coexist-in-{code};"
            elif code not in _NAMES:
                yield f"option {option_name(code)} code {code} = string;"

    def statements(self, setting: Setting) -> Iterator[str]:
        """The values of a setting."""
        if setting.ignore:
            yield "ignore booting;"
        if setting.next_server is not None:
            yield f"next-server {setting.next_server};"
        if setting.file is not None:
            yield f"filename {dhcpd_string(setting.file)};"
        for code, octets in setting.options.items():
            yield f"option {option_name(code)} {option_value(code, octets)};"
        if Option.VENDOR_CLASS_IDENTIFIER in setting.options:
            # Firmware that does not ask for option 60 must find it all the same.
            yield "option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, 3c);"

    # -- conditions ----------------------------------------------------------------------------

    def rules(self, scope: ScopePlan) -> Iterator[dict[str, object]]:
        """The scope's rules from the one of least authority to the one of most."""
        for setting in reversed(scope.special):
            yield {
                "name": setting.name,
                "condition": self.condition(setting.condition),
                "statements": tuple(self.statements(setting)),
            }

    def condition(self, condition: Condition) -> str:
        """A condition as a boolean expression."""
        return " and ".join(self._terms(condition)) or "1 = 1"

    def _terms(self, condition: Condition) -> Iterator[str]:
        if condition.cells is not None:
            yield from self._membership(condition.cells)
        if condition.architectures is not None:
            yield _any([_architecture(code) for code in sorted(condition.architectures)])
        if condition.ipxe:
            yield _any(
                [
                    _equals("user-class", b"iPXE"),
                    _equals("user-class", b"\4iPXE"),
                    f"exists {option_name(Option.IPXE_ENCAPSULATED)}",
                ]
            )
        if condition.vendor_class is not None:
            yield _starts_with("vendor-class-identifier", condition.vendor_class)
        if condition.user_class is not None:
            text = condition.user_class
            yield _any([_equals("user-class", text), _equals("user-class", bytes((len(text),)) + text)])
        for test in condition.tests:
            yield _option_test(test)
        for other in condition.unless:
            yield _none(self.condition(other))

    def _membership(self, cells: frozenset[str]) -> Iterator[str]:
        if self.cells.rest.name not in cells:
            yield _any([_group(cell.name) for cell in self.cells.named if cell.name in cells])
            return
        others = [_group(cell.name) for cell in self.cells.named if cell.name not in cells]
        if others:
            yield f"not {_any(others, always=True)}"

    # -- groups --------------------------------------------------------------------------------

    def classes(self) -> Iterator[dict[str, str]]:
        """A class for each group of machines; of some two, one by list and one by ranges."""
        for cell in self.cells.named:
            if cell.points:
                members = mac_lines(cell.points, f"subclass {dhcpd_string(cell.name)} 1:", ";\n")
                yield {"name": cell.name, "group": cell.name, "match": "match hardware", "members": members}
            if cell.intervals:
                match = f"match if {_interval_test(cell)}"
                yield {"name": _range_class(cell), "group": cell.name, "match": match, "members": ""}

    def _permits(self, pool: PoolPlan) -> Iterator[str]:
        if pool.cells is None:
            return
        rest = self.cells.rest.name in pool.cells
        word = "deny" if rest else "allow"
        for cell in self.cells.named:
            if (cell.name in pool.cells) != rest:
                if cell.points:
                    yield f"{word} members of {dhcpd_string(cell.name)};"
                if cell.intervals:
                    yield f"{word} members of {dhcpd_string(_range_class(cell))};"

    # -- subnets -------------------------------------------------------------------------------

    def networks(self) -> Iterator[dict[str, object]]:
        """Each VLAN; several subnets on one wire are a shared network."""
        for vlan in self.plan.vlans:
            subnets = [self._subnet(subnet) for subnet in vlan.subnets]
            # dhcpd finds the wire of a relayed packet by a subnet that holds giaddr.
            subnets += [
                _relay_subnet(relay)
                for relay in vlan.relays
                if not any(relay in subnet.network for subnet in vlan.subnets)
            ]
            yield {"name": vlan.name, "shared": len(subnets) > 1, "subnets": subnets}

    def _subnet(self, subnet: SubnetPlan) -> dict[str, object]:
        scope = self.scopes[subnet.scope] if subnet.scope is not None else None
        return {
            "address": subnet.network.network_address,
            "netmask": subnet.network.netmask,
            "comment": f"scope {scope.name}" if scope else "nothing is leased here",
            "scope": scope.name if scope else None,
            "statements": tuple(self._scope_statements(scope)) if scope else ("not authoritative;",),
            "pools": [self._pool(pool) for pool in subnet.pools if pool.cells is None or pool.cells],
            "hosts": "".join(map(_host, subnet.reservations)),
        }

    def _scope_statements(self, scope: ScopePlan) -> Iterator[str]:
        yield f"default-lease-time {scope.lease_time};"
        yield f"max-lease-time {scope.lease_time};"
        if scope.min_secs:
            yield f"min-secs {min(scope.min_secs, 255)};"
        yield from self.statements(scope.defaults)

    def _pool(self, pool: PoolPlan) -> dict[str, object]:
        return {"range": f"{pool.first} {pool.last}", "permits": tuple(self._permits(pool))}


def _relay_subnet(relay: IPv4Address) -> dict[str, object]:
    return {
        "address": relay,
        "netmask": "255.255.255.255",
        "comment": "the relay",
        "scope": None,
        "statements": (),
        "pools": (),
        "hosts": "",
    }


def option_name(code: int) -> str:
    """Dhcpd's name of an option, or the one it is given here."""
    return _NAMES.get(code, f"coexist-{code}")


def option_value(code: int, octets: bytes) -> str:
    """What stands behind ``option NAME``: its own spelling, or an expression of octets."""
    kind = option_kind(code)
    if code in _NAMES and kind is OptionKind.TEXT and octets:
        return dhcpd_string(octets)
    if (
        code in _NAMES
        and kind in (OptionKind.ADDRESS, OptionKind.ADDRESSES)
        and octets
        and len(octets) % 4 == 0
    ):
        return ", ".join(".".join(map(str, octets[i : i + 4])) for i in range(0, len(octets), 4))
    return f"= {dhcpd_octets(octets)}"


def _host(reservation: Reservation) -> str:
    mac = spelled(reservation.mac)
    note = f" # {comment(reservation.name)}" if reservation.name else ""
    return (
        f"host mac-{mac.replace(':', '')} {{ hardware ethernet {mac};"
        f" fixed-address {reservation.address}; }}{note}\n"
    )


def _range_class(cell: Cell) -> str:
    return f"{cell.name} by range"


def _interval_test(cell: Cell) -> str:
    prefixes = [prefix for first, last in cell.intervals for prefix in octet_prefixes(first, last)]
    inside = _any([_hardware(prefix) for prefix in prefixes])
    if not cell.excluded:
        return inside
    return (
        f"{inside} and not {_any([_hardware(mac.to_bytes(6, 'big')) for mac in cell.excluded], always=True)}"
    )


def _hardware(prefix: bytes) -> str:
    # The first octet of `hardware` is the type: 1 is Ethernet.
    whole = b"\1" + prefix
    return (
        f"hardware = {whole.hex(':')}"
        if len(prefix) == 6
        else f"substring(hardware, 0, {len(whole)}) = {whole.hex(':')}"
    )


def _any(terms: list[str], *, always: bool = False) -> str:
    """The disjunction, in parentheses where one is needed; halves nest, so that dhcpd's recursion stays
    shallow."""
    if len(terms) == 1:
        return f"({terms[0]})" if always else terms[0]
    if len(terms) <= 8:
        return f"({' or '.join(terms)})"
    half = len(terms) // 2
    return f"({_any(terms[:half])} or {_any(terms[half:])})"


def _none(term: str) -> str:
    # `and` with a false left side, and a pattern on an option that is not there, are neither true nor false to
    # dhcpd, and so is their negation (evaluate_boolean_expression, common/tree.c); `or` with a falsehood is false.
    return f"not (({term}) or 0 = 1)"


def _group(name: str) -> str:
    return f"config-option coexist.group = {dhcpd_string(name)}"


def _equals(option: str, octets: bytes) -> str:
    return f"option {option} = {dhcpd_octets(octets)}"


def _starts_with(option: str, octets: bytes) -> str:
    return f"substring(option {option}, 0, {len(octets)}) = {dhcpd_octets(octets)}"


def _architecture(code: int) -> str:
    named = f"substring(option pxe-system-type, 0, 2) = {code.to_bytes(2, 'big').hex(':')}"
    if code != Architecture.X86_BIOS:
        return named
    # ROMs older than RFC 4578 send no option 93.
    silent = f"not exists pxe-system-type and {_starts_with('vendor-class-identifier', b'PXEClient')}"
    return f"({named} or ({silent}))"


def _option_test(test: OptionTest) -> str:
    term = _comparison(test, tested_name(test))
    return _none(term) if test.negated else term


def _comparison(test: OptionTest, name: str) -> str:
    if test.exists is not None:
        return f"exists {name}" if test.exists else f"not exists {name}"
    octets = test.octets
    if test.equals is not None:
        return _equals(name, octets)
    if test.starts_with is not None:
        return f"substring(option {name}, {test.at}, {len(octets)}) = {dhcpd_octets(octets)}"
    if test.ends_with is not None:
        return f"suffix(option {name}, {len(octets)}) = {dhcpd_octets(octets)}"
    return f"option {name} ~= {dhcpd_string(_regex(octets))}"


def tested_name(test: OptionTest) -> str:
    """Dhcpd's name of the option a test looks at; the relay agent's are known to it as `agent`."""
    if test.suboption is None:
        return option_name(test.option)
    space = "agent" if test.option == Option.RELAY_AGENT_INFORMATION else f"coexist-in-{test.option}"
    return f"{space}.unknown-{test.suboption}"


def _regex(octets: bytes) -> bytes:
    """A POSIX extended regular expression that finds exactly these octets."""
    special = frozenset(b".[]{}()*+?^$|\\")
    return b"".join(b"\\" + bytes((o,)) if o in special else bytes((o,)) for o in octets)


RENDERER = Renderer(
    product="isc-dhcpd",
    describe="ISC dhcpd 4.4",
    capabilities=Capabilities(
        roles=frozenset({"dhcp"}),
        delays=frozenset({"secs_at_least"}),
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        by_architecture=True,
    ),
    render=render,
)

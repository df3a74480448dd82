"""What a DHCP server hands out, in a form every product's renderer can write.

A scope becomes an ordered list of settings. The first setting whose condition holds and that sets a value
(next server, file, each option) gives it: what ``inventory.models.ScopeRule`` promises. dhcpd writes them as
nested ``if``, Kea as classes, dnsmasq as tags, Windows as policies; the answers are equal
(tests/wire/test_same_answers.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.policy import architecture_codes
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.macset import MacSet
from coexist.inventory.models import Pool, Program, Scope, ScopeRule, Server
from coexist.inventory.references import server_address
from coexist.inventory.values import OptionValue, option_bytes
from coexist.render.answered import answer_sets, answered_cells, cells_of
from coexist.render.cells import Cells, cut
from coexist.render.plans import (
    ALWAYS,
    Condition,
    DhcpPlan,
    PoolPlan,
    Reservation,
    ScopePlan,
    Setting,
    SubnetPlan,
    VlanPlan,
)
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.option_codes import Option


def dhcp_plan(inventory: Inventory, name: str) -> DhcpPlan:
    """What the DHCP server ``name`` shall do."""
    server = inventory.site.servers[name]
    scopes = {key: scope for key, scope in inventory.site.scopes.items() if name in scope.servers}
    cells = cut(_named_sets(inventory, name, scopes))
    plans = tuple(_scope_plan(inventory, name, key, scope, cells) for key, scope in scopes.items())
    return DhcpPlan(
        name=name,
        server=server,
        vlans=tuple(_vlan_plans(inventory, server, scopes, cells)),
        scopes=plans,
        cells=cells,
    )


# -- groups ------------------------------------------------------------------------------------


def _named_sets(inventory: Inventory, server: str, scopes: Mapping[str, Scope]) -> dict[str, MacSet]:
    names: set[str] = set()
    for scope in scopes.values():
        for rule in scope.rules:
            names.update(rule.clients or ())
        for pool in scope.pools:
            names.update(pool.allow, pool.deny)
    sets = answer_sets(inventory, server)
    sets.update((name, inventory.group(name)) for name in sorted(names - {"everyone", "nobody"}))
    return dict(sorted(sets.items()))


# -- settings ----------------------------------------------------------------------------------


def _scope_plan(inventory: Inventory, server_name: str, key: str, scope: Scope, cells: Cells) -> ScopePlan:
    server = inventory.site.servers[server_name]
    path: Path = ("scopes", key)
    own_files = _own_files(inventory, server, scope.vlan)
    values = _Values(inventory=inventory, vlan=scope.vlan)
    default = values.address(scope.next_server) or own_files
    settings = [*_refusals(server, server_name, cells)]
    for number, rule in enumerate(scope.rules):
        settings += _rule_settings(values, rule, cells, default, (*path, "rules", number))
    settings += values.settings(scope, ALWAYS, f"scope {key}", path, default)
    settings += _server_settings(values, server, server_name, own_files, settings)
    special, defaults = settle(settings, f"scope {key}", path)
    return ScopePlan(
        name=key,
        path=path,
        vlan=scope.vlan,
        special=special,
        defaults=defaults,
        lease_time=scope.lease_time,
        min_secs=max(scope.min_secs, server.delay.secs_at_least),
    )


def settle(settings: list[Setting], name: str, path: Path) -> tuple[tuple[Setting, ...], Setting]:
    """Part settings into those for some packets and what holds for all others.

    A value that an unconditional setting decides is taken out of every setting below it, so that a target
    may write the unconditional ones in a place of less authority.
    """
    defaults = Setting(name=name, path=path)
    special: list[Setting] = []
    for setting in _with_their_file(settings):
        left = replace(
            setting,
            next_server=setting.next_server if defaults.next_server is None else None,
            file=setting.file if defaults.file is None else None,
            options={code: value for code, value in setting.options.items() if code not in defaults.options},
            ignore=setting.ignore and not defaults.ignore,
        )
        if not left.condition.always:
            if left.ignore or left.next_server is not None or left.file is not None or left.options:
                special.append(left)
            continue
        defaults = replace(
            defaults,
            next_server=left.next_server if defaults.next_server is None else defaults.next_server,
            file=left.file if defaults.file is None else defaults.file,
            options=dict(sorted({**left.options, **defaults.options}.items())),
            ignore=left.ignore or defaults.ignore,
        )
    return tuple(special), defaults


def _with_their_file(settings: list[Setting]) -> Iterator[Setting]:
    """The settings; a file's own server apart from its file where a setting above may give another file."""
    above: list[Condition] = []
    for setting in settings:
        rivals = tuple(c for c in above if not c.excludes(setting.condition)) if setting.file_server else ()
        if setting.file is not None:
            above.append(setting.condition)
        if not rivals:
            yield setting
            continue
        beside = {code: octets for code, octets in setting.options.items() if code == Option.TFTP_SERVER_NAME}
        rest = {code: octets for code, octets in setting.options.items() if code not in beside}
        yield replace(setting, next_server=None, options=rest)
        if not any(rival.always for rival in rivals):
            only_here = replace(setting.condition, unless=rivals)
            yield replace(setting, file=None, options=beside, condition=only_here)


def _refusals(server: Server, name: str, cells: Cells) -> Iterator[Setting]:
    """Whom the server does not answer at all."""
    path: Path = ("servers", name, "answers")
    answered = answered_cells(server, cells)
    if answered is not None:
        yield Setting(
            name="not answered", path=path, condition=Condition(cells=cells.all - answered), ignore=True
        )
    if server.answers.architectures is not None:
        wanted = architecture_codes(server.answers.architectures) or frozenset()
        every = frozenset(code for codes in ARCHITECTURE_NAMES.values() for code in codes)
        yield Setting(
            name="architectures not answered",
            path=path,
            condition=Condition(architectures=every - wanted),
            ignore=True,
        )


def _rule_settings(
    values: _Values, rule: ScopeRule, cells: Cells, default: IPv4Address | None, path: Path
) -> Iterator[Setting]:
    condition = Condition(
        cells=cells_of(cells, rule.clients),
        architectures=architecture_codes(rule.architectures),
        vendor_class=None if rule.vendor_class is None else rule.vendor_class.encode(),
        user_class=None if rule.user_class is None else rule.user_class.encode(),
        tests=rule.when,
    )
    number = int(path[-1]) + 1
    name = rule.name or f"rule {number}" + (f": {', '.join(rule.clients)}" if rule.clients else "")
    if condition.cells is not None and not condition.cells:
        return
    if rule.ignore:
        yield Setting(name=name, path=path, condition=condition, ignore=True)
    else:
        yield from values.settings(rule, condition, name, path, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """Turns what a scope, a rule or a server says into settings, on one VLAN."""

    inventory: Inventory
    vlan: str

    def address(self, text: str | None) -> IPv4Address | None:
        """The address a next server means here."""
        return server_address(self.inventory.site, text, self.vlan) if text else None

    def settings(
        self,
        holder: Scope | ScopeRule,
        condition: Condition,
        name: str,
        path: Path,
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A program by architecture is a setting of its own, before the rest; ``default`` is the server that
        has the file where the holder names none."""
        own = wire_options(holder.options)
        next_server = self.address(holder.next_server)
        explicit = frozenset(own)
        yield from self.programs(holder.programs, condition, name, path, explicit, next_server or default)
        setting = Setting(
            name=name,
            path=path,
            condition=condition,
            next_server=next_server,
            file=holder.filename,
            options=own,
        )
        # A phone reads option 66 as its provisioning server: it stands beside a file, or where a rule of its
        # own says next server and nothing else.
        alone = isinstance(holder, ScopeRule) and next_server is not None and not holder.programs
        server = next_server or default if holder.filename or alone else None
        yield with_options(setting, explicit, server)

    def programs(
        self,
        programs: Mapping[str, Program],
        condition: Condition,
        name: str,
        path: Path,
        explicit: frozenset[int],
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A setting for each boot program, iPXE's first: it ends the reload loop. The ones that the
        condition's own architectures exclude are left out."""
        for key in sorted(programs, key=lambda key: (key != "ipxe", key)):
            program = programs[key]
            if key == "ipxe":
                narrowed = replace(condition, ipxe=True)
            else:
                codes = frozenset(ARCHITECTURE_NAMES[key])
                if condition.architectures is not None:
                    codes &= condition.architectures
                if not codes:
                    continue
                narrowed = replace(condition, architectures=codes)
            own = self.address(program.server)
            setting = Setting(
                name=f"{name}, {key}",
                path=(*path, "programs", key),
                condition=narrowed,
                next_server=own,
                file=program.file,
                options=_echo(key, explicit),
                file_server=own is not None,
            )
            yield with_options(setting, explicit, own or default)


def _echo(architecture: str, explicit: frozenset[int]) -> dict[int, bytes]:
    # EDK2's HTTP boot takes offers of HTTPClient only (UEFI 2.10 section 24.7.3).
    code = Option.VENDOR_CLASS_IDENTIFIER
    return {code: b"HTTPClient"} if architecture.startswith("http-") and code not in explicit else {}


def with_options(setting: Setting, explicit: frozenset[int], server: IPv4Address | None) -> Setting:
    """The setting with options 66 (``server``) and 67 beside the header fields, unless they are declared as
    such.

    Firmware reads siaddr and ``file``; EDK2 takes 67 before ``file`` and needs its NUL.
    """
    options = dict(setting.options)
    if setting.file and Option.BOOTFILE_NAME not in explicit:
        options[Option.BOOTFILE_NAME] = setting.file.encode() + b"\0"
    if server is not None and Option.TFTP_SERVER_NAME not in explicit:
        options[Option.TFTP_SERVER_NAME] = str(server).encode()
    return replace(setting, options=dict(sorted(options.items())))


def wire_options(declared: Mapping[int, OptionValue]) -> dict[int, bytes]:
    """Declared options as octets, ascending."""
    return {code: option_bytes(code, value) for code, value in sorted(declared.items())}


def _server_settings(
    values: _Values, server: Server, name: str, own_files: IPv4Address | None, settings: list[Setting]
) -> Iterator[Setting]:
    """What the server says to all its scopes, below everything a scope says."""
    path: Path = ("servers", name)
    programs: list[Setting] = []
    if not server.effective_roles & {"proxydhcp", "boot-server"}:
        programs = list(values.programs(server.programs, ALWAYS, name, path, frozenset(), own_files))
    yield from programs
    options = wire_options(server.options)
    if options:
        yield Setting(name=name, path=(*path, "options"), options=options)
    if own_files is not None:
        for setting in [*settings, *programs]:
            if setting.file:
                yield replace(
                    setting,
                    name=f"{setting.name}, from {name}",
                    path=path,
                    next_server=own_files,
                    file=None,
                    options={},
                )


def _own_files(inventory: Inventory, server: Server, vlan: str) -> IPv4Address | None:
    """The server that has the files where a scope names none: the declared one, or itself if it serves
    TFTP."""
    if server.boot_server:
        return server_address(inventory.site, server.boot_server, vlan)
    if "tftp" in server.effective_roles:
        stands = server.stands_on
        return stands.get(vlan, next(iter(stands.values()), None))
    return None


# -- subnets -----------------------------------------------------------------------------------


def _vlan_plans(
    inventory: Inventory, server: Server, scopes: Mapping[str, Scope], cells: Cells
) -> Iterator[VlanPlan]:
    stands = server.stands_on
    served = {scope.vlan for scope in scopes.values()}
    for name, vlan in inventory.site.vlans.items():
        if name not in served and name not in stands:
            continue
        own = {
            network: (key, scope)
            for key, scope in scopes.items()
            if scope.vlan == name
            for network in _networks(scope, vlan.subnet)
        }
        # The VLAN's other subnets share the wire; the ones a scope cuts out of them are their own.
        bare = [net for net in vlan.subnet if not any(net.overlaps(other) for other in own)]
        subnets = [
            _subnet_plan(inventory, key, scope, network, cells) for network, (key, scope) in own.items()
        ]
        subnets += [SubnetPlan(network=network, scope=None) for network in bare]
        subnets.sort(key=lambda subnet: subnet.network)
        giaddr = vlan.relay.address or vlan.gateway
        yield VlanPlan(
            name=name,
            subnets=tuple(subnets),
            local=stands.get(name),
            relays=(giaddr,) if giaddr and name not in stands else (),
        )


def _networks(scope: Scope, of_vlan: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    return (scope.subnet,) if scope.subnet else of_vlan


def _subnet_plan(
    inventory: Inventory, key: str, scope: Scope, network: IPv4Network, cells: Cells
) -> SubnetPlan:
    pools = tuple(_pool_plan(pool, cells) for pool in scope.pools if pool.range.first in network)
    return SubnetPlan(
        network=network,
        scope=key,
        pools=pools,
        reservations=tuple(_reservations(inventory, network)) if scope.reservations else (),
    )


def _pool_plan(pool: Pool, cells: Cells) -> PoolPlan:
    allowed = cells_of(cells, pool.allow) if pool.allow else None
    if pool.deny:
        denied = cells_of(cells, pool.deny)
        allowed = (allowed if allowed is not None else cells.all) - (cells.all if denied is None else denied)
    return PoolPlan(first=pool.range.first, last=pool.range.last, cells=allowed)


def _reservations(inventory: Inventory, network: IPv4Network) -> Iterator[Reservation]:
    table = inventory.clients
    first, last = int(network.network_address), int(network.broadcast_address)
    addresses, names = table.addresses, table.columns["name"]
    for row in table.reserved(first, last):
        yield Reservation(mac=table.macs[row], address=IPv4Address(addresses[row]), name=names[row])

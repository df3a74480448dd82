"""MikroTik RouterOS: the DHCP server of an ``/export``.

A server's ``dhcp-option-set`` is for all of its networks. Source: RouterOS' documentation, "DHCP" (servers,
networks, options, option sets).
"""

from __future__ import annotations

from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.importers.account import Account
from coexist.importers.addresses import why_nobody
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.products import GENERIC
from coexist.languages.routeros import Command, commands, option_octets, seconds_of
from coexist.languages.source_files import read_export
from coexist.records import dataclass
from coexist.wire.bootp import fits_header_file
from coexist.wire.mac import format_mac, parse_mac

# Keys of a network as options of DHCP.
_OPTIONS = {
    "gateway": 3,
    "dns-server": 6,
    "domain": 15,
    "ntp-server": 42,
    "wins-server": 44,
    "caps-manager": 138,
}
_LEAST_SECONDS = 60
# RouterOS since 6.x; 30 minutes since 7.
_USUAL_SECONDS = 1800


@dataclass(slots=True)
class _Site:
    file: str
    server: str
    address: IPv4Address | None
    account: Account = field(default_factory=Account)
    build: SiteBuilder = field(default_factory=SiteBuilder)
    addresses: dict[str, list[tuple[IPv4Address, IPv4Network]]] = field(default_factory=dict)
    pools: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, tuple[int, str]] = field(default_factory=dict)
    forced: set[int] = field(default_factory=set)
    matchers: list[tuple[Command, bytes]] = field(default_factory=list)
    resolvers: str = ""
    idle: dict[str, Command] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    networks: list[tuple[IPv4Network, Command]] = field(default_factory=list)
    servers: list[Command] = field(default_factory=list)
    clients: dict[int, ClientRow] = field(default_factory=dict)
    barren: int = 0

    def imported(self, text: str) -> Imported:
        for command in commands(text, self.file):
            self._command(command)
        for server in self.servers:
            self._serve(server)
        for network, command in self.networks:
            if self.build.home_of(network.network_address) is None:
                self.account.left_out(command.at, command.text, "no DHCP server leases addresses of it")
        if not self.build.scopes:
            what = "no DHCP server with a network stands in it"
            raise InputError(
                [Problem(Position(self.file), what, "write it with /export of the whole router")]
            )
        for command in self.idle.values():
            self.account.left_out(command.at, command.text, "no server and no network sends this option")
        used = [row.address for row in self.clients.values()]
        own = self.address or self._own_address()
        servers = self.build.servers(self.server, {"software": GENERIC.software, "roles": "dhcp"}, own, used)
        rows = list(self.clients.values())
        return Imported(
            tree=self.build.tree(Path(self.file).stem, servers, {}, rows),
            clients=rows,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            barren=self.barren,
        )

    def _own_address(self) -> IPv4Address | None:
        for scope in self.build.scopes.values():
            subnet = IPv4Network(self.build.vlans[scope["vlan"]]["subnet"])
            for address, _ in (pair for pairs in self.addresses.values() for pair in pairs):
                if address in subnet:
                    return address
        return None

    # -- commands --------------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        match command.menu.split():
            case ["ip", "address"]:
                self._address(command)
            case ["ip", "pool"]:
                ranges = command.keys.get("ranges", "")
                self.pools[command.keys.get("name", "")] = [part for part in ranges.split(",") if part]
                self._rest(command, {"name", "ranges", "comment"})
            case ["ip", "dhcp-server"] if command.word == "add":
                self.servers.append(command)
            case ["ip", "dhcp-server", "network"]:
                self._network(command)
            case ["ip", "dhcp-server", "option"]:
                self._option(command)
            case ["ip", "dhcp-server", "option", "sets"]:
                names = command.keys.get("options", "").split(",")
                self.sets[command.keys.get("name", "")] = [name for name in names if name]
                self._rest(command, {"name", "options", "comment"})
            case ["ip", "dhcp-server", "matcher"]:
                self._matcher(command)
            case ["ip", "dns"] if command.word == "set":
                self.resolvers = command.keys.get("servers", "")
            case ["ip", "dhcp-server", "lease"]:
                self._lease(command)
            case ["ip", "dhcp-server", *_]:
                self.account.left_out(command.at, command.text, "not understood")

    def _rest(self, command: Command, known: set[str]) -> None:
        """What of a command nobody read."""
        self.account.modelled(command.at)
        left = [f"{key}={value}" for key, value in command.keys.items() if key not in known]
        if left:
            self.account.left_out(command.at, " ".join(left), "keys that an inventory does not have")

    def _address(self, command: Command) -> None:
        text = command.keys.get("address", "")
        try:
            network = IPv4Network(text, strict=False)
            pair = IPv4Address(text.partition("/")[0]), network
        except ValueError:
            self.account.left_out(command.at, command.text, "an address without its network")
            return
        if not command.is_off:
            self.addresses.setdefault(command.keys.get("interface", ""), []).append(pair)

    def _network(self, command: Command) -> None:
        try:
            network = IPv4Network(command.keys.get("address", ""))
        except ValueError:
            self.account.left_out(command.at, command.text, "a network without its address")
            return
        self.networks.append((network, command))

    def _option(self, command: Command) -> None:
        name, code, value = (command.keys.get(key, "") for key in ("name", "code", "value"))
        if not code.isdigit() or not 0 < int(code) < 255:
            self.account.left_out(command.at, command.text, "an option without its code")
            return
        octets = option_octets(value)
        if octets is None:
            why = "a value that the router makes when it answers, or one of no documented form"
            self.account.left_out(command.at, command.text, why)
            return
        self.options[name] = (int(code), f"hex:{octets.hex()}" if octets else "")
        if command.keys.get("force") == "yes":
            self.forced.add(int(code))
        self.idle[name] = command
        self._rest(command, {"name", "code", "value", "comment", "force"})

    def _matcher(self, command: Command) -> None:
        """Clients that send an option get a set of options: ``/ip dhcp-server matcher`` of RouterOS 7."""
        keys = command.keys
        octets = option_octets(keys.get("value", ""))
        if command.is_off:
            self.account.left_out(command.at, command.text, "switched off")
        elif not keys.get("code", "").isdigit() or octets is None:
            self.account.left_out(command.at, command.text, "a test without its option or its value")
        elif keys.get("address-pool", "none") not in ("none", ""):
            self.account.left_out(command.at, command.text, "another pool of addresses for some clients")
        else:
            self.matchers.append((command, octets))
            known = {
                "name",
                "code",
                "value",
                "server",
                "option-set",
                "matching-type",
                "comment",
                "address-pool",
            }
            self._rest(command, known | {"disabled"})

    def _lease(self, command: Command) -> None:
        keys = command.keys
        why = None
        number = 0
        try:
            number = parse_mac(keys.get("mac-address", ""))
            why = why_nobody(number)
        except ValueError:
            why = "a lease without a MAC address"
        if command.is_off:
            why = "switched off"
        elif why is None and keys.get("block-access") == "yes":
            why = "the router answers this machine with nothing"
        elif why is None and number in self.clients:
            why = f"{format_mac(number)} is there already"
        if why is not None:
            self.account.left_out(command.at, command.text, why)
            self.barren += 1
            return
        row = ClientRow(mac=format_mac(number), name=keys.get("comment", ""), address=keys.get("address", ""))
        self.clients[number] = row
        self._rest(command, {"mac-address", "address", "comment", "server", "client-id", "disabled"})

    # -- servers ---------------------------------------------------------------------------------------

    def _serve(self, command: Command) -> None:
        """One server: the networks that hold the addresses of its pool, or of its interface."""
        keys = command.keys
        if command.is_off:
            self.account.left_out(command.at, command.text, "switched off")
            return
        pools = self.pools.get(keys.get("address-pool", ""), [])
        own = self.addresses.get(keys.get("interface", ""), [])
        wanted = [pool.partition("-")[0] for pool in pools] + [str(address) for address, _ in own]
        found = [pair for pair in self.networks if any(_is_in(text, pair[0]) for text in wanted)]
        if not found:
            what = "no /ip dhcp-server network holds the addresses of this server"
            raise InputError([Problem(command.at, what, "export all of /ip, and import that")])
        for network, declared in found:
            if any(network.overlaps(IPv4Network(v["subnet"])) for v in self.build.vlans.values()):
                self.account.left_out(command.at, command.text, "another server leases there already")
                continue
            self._scope(network, declared, [pool for pool in pools if _is_in(pool, network)], command)
        self._rest(
            command,
            {
                "name",
                "interface",
                "address-pool",
                "lease-time",
                "disabled",
                "comment",
                "authoritative",
                "dhcp-option-set",
            },
        )

    def _scope(self, network: IPv4Network, declared: Command, pools: list[str], server: Command) -> None:
        name = self.build.add_vlan(server.keys.get("name", ""), [str(network)])
        keys = declared.keys
        seconds = seconds_of(server.keys.get("lease-time", ""))
        scope: dict[str, Any] = {
            "server": self.server,
            "vlan": name,
            "lease_time": max(seconds if seconds is not None else _USUAL_SECONDS, _LEAST_SECONDS),
        }
        if pools:
            scope["pools"] = pools
            for pool in pools:
                first, _, last = pool.partition("-")
                self.build.leased.append((int(IPv4Address(first)), int(IPv4Address(last or first))))
        options = {code: keys[key].replace(",", ", ") for key, code in _OPTIONS.items() if keys.get(key)}
        if 6 not in options and self.resolvers and keys.get("dns-none") != "yes":
            # The router names its own resolvers where the network names none.
            options[6] = self.resolvers.replace(",", ", ")
        # What one network says, then what the server tells everyone, which counts (manual, DHCP Options).
        names = keys.get("dhcp-option", "").split(",")
        names += self.sets.get(keys.get("dhcp-option-set", ""), [])
        names += self.sets.get(server.keys.get("dhcp-option-set", ""), [])
        options |= self._named([name for name in names if name], declared)
        rules = self._rules(server)
        if rules:
            scope["rules"] = rules
        forced = sorted(self.forced & options.keys())
        if forced:
            scope["always_send"] = forced
        if options:
            scope["options"] = options
        if keys.get("next-server"):
            scope["next_server"] = keys["next-server"]
        file = keys.get("boot-file-name", "")
        if file and fits_header_file(file):
            scope["filename"] = file
        elif file:
            why = "longer than the 127 octets of the header field"
            self.account.left_out(declared.at, f"boot-file-name={file}", why)
        known = {
            "address",
            "netmask",
            "comment",
            "next-server",
            "boot-file-name",
            "dhcp-option",
            "dhcp-option-set",
            "dns-none",
        }
        self._rest(declared, known | _OPTIONS.keys())
        self.build.add_scope(name, name, scope)

    def _named(self, names: list[str], where: Command) -> dict[int, str]:
        """The values of options by their names."""
        found: dict[int, str] = {}
        for wanted in names:
            self.idle.pop(wanted, None)
            if wanted in self.options:
                code, value = self.options[wanted]
                found[code] = value
            else:
                self.account.left_out(where.at, f"dhcp-option={wanted}", "an option that is not declared")
        return found

    def _rules(self, server: Command) -> list[dict[str, Any]]:
        """What the matchers of a server say; one without a server is for all of them."""
        rules: list[dict[str, Any]] = []
        for command, octets in self.matchers:
            if command.keys.get("server", "all") not in ("all", "", server.keys.get("name")):
                continue
            asked = "contains" if command.keys.get("matching-type") == "substring" else "equals"
            test = {"option": int(command.keys["code"]), asked: f"hex:{octets.hex()}"}
            values = self._named(self.sets.get(command.keys.get("option-set", ""), []), command)
            if values:
                rules.append({"when": [test], "options": values})
        return rules


def _is_in(text: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(text.partition("-")[0].partition("/")[0]) in network
    except AddressValueError:
        return False


def import_mikrotik(
    text: str, file: str, *, server: str = "router", address: IPv4Address | None = None
) -> Imported:
    """An export as an inventory. Raises InputError for one without a DHCP server."""
    return _Site(file, server, address).imported(text)


def _read(request: Request) -> Imported:
    path = request.only_path()
    return import_mikrotik(
        read_export(path), str(path), server=request.server or "router", address=request.address
    )


KIND = Kind(name="mikrotik", describe="MikroTik RouterOS: the DHCP server of an /export", run=_read)

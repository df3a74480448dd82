"""CX1xx: what the inventory says of itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from uuid import UUID

from coexist.analysis.findings import ERROR, INFO, WARNING, Finding
from coexist.analysis.open_files import EVERY_COMBINATION, open_conditions
from coexist.analysis.profiles import contradict, fits, usual_firmwares
from coexist.analysis.rules import report, rule
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path
from coexist.wire.mac import format_mac

_FIRST_DIGIT = (1 << 44) - 1


def referred_groups(site: AnalysedSite) -> Iterator[tuple[str, Path]]:
    """Every use of a group with its place."""
    declared = site.site
    for number, intent in enumerate(declared.intent):
        yield from ((name, ("intent", number, "clients")) for name in intent.clients)
        yield from ((name, ("intent", number, "unless")) for name in intent.unless)
    for name, server in declared.servers.items():
        yield from ((group, ("servers", name, "answers")) for group in server.answers.groups)
        yield from ((group, ("servers", name, "delay_for", group)) for group in server.delay_for)
        yield from ((group, ("servers", name, "programs_for", group)) for group in server.programs_for)
        for number, rule_of_ours in enumerate(server.dropin.rules if server.dropin else ()):
            place = ("servers", name, "dropin", "rules", number, "clients")
            yield from ((group, place) for group in rule_of_ours.clients or ())
    for name, scope in declared.scopes.items():
        for number, scope_rule in enumerate(scope.rules):
            yield from ((g, ("scopes", name, "rules", number, "clients")) for g in scope_rule.clients or ())
        for number, pool in enumerate(scope.pools):
            yield from ((g, ("scopes", name, "pools", number, "allow")) for g in pool.allow)
            yield from ((g, ("scopes", name, "pools", number, "deny")) for g in pool.deny)
    for name, group in declared.groups.items():
        yield from ((other, ("groups", name, "groups")) for other in group.groups)
        yield from ((other, ("groups", name, "except")) for other in group.excluded)
    for name, migration in declared.migrations.items():
        for key, names in (
            ("clients", migration.clients),
            ("pilots", migration.pilots),
            ("stays", migration.stays),
        ):
            yield from ((group, ("migrations", name, key)) for group in names)
        for number, wave in enumerate(migration.waves):
            yield from ((g, ("migrations", name, "waves", number, "clients")) for g in wave.clients)


@rule("CX103", "group-never-used", INFO, "A group is declared and nothing refers to it")
def group_never_used(site: AnalysedSite) -> Iterable[Finding]:
    """A group that nothing refers to and that says nothing of its members."""
    used = {name for name, _ in referred_groups(site)}
    for name, group in site.site.groups.items():
        if name not in used and not (group.architecture or group.firmware or group.vlan):
            yield report(site, "CX103", ("groups", name), f"nothing refers to the group {name}",
                         "remove it, or name it in an intent or a whitelist", count=0)  # fmt: skip


@rule(
    "CX118",
    "own-file-leaves-open",
    WARNING,
    "A server's own file depends on what only the running server knows",
)
def own_file_leaves_open(site: AnalysedSite) -> Iterable[Finding]:
    """Conditions and values of servers' own files that only the running server knows."""
    opens = open_conditions(site.inventory)
    count = sum(map(len, opens.values()))
    raced = "each race is run both ways"
    if count > EVERY_COMBINATION:
        raced += (
            f". {count} conditions are open: none, each alone and all together are raced, other combinations are"
            f" not; only up to {EVERY_COMBINATION} conditions are raced in every combination"
        )
    for name, conditions in opens.items():
        for condition in conditions:
            origin = condition.origin
            yield report(site, "CX118", ("servers", name, "config"), f"{name} depends on {condition.what}",
                         f"{raced}; write the value itself, or declare the DNS name under `names`",
                         count=0, position=None if isinstance(origin, tuple) else origin)  # fmt: skip


@rule("CX104", "clients-without-intent", WARNING, "No intent says who must answer these clients")
def clients_without_intent(site: AnalysedSite) -> Iterable[Finding]:
    """Classes that no intent speaks of."""
    silent = [case.client for case in site.cases if case.intended.rule is None]
    if not silent:
        return
    if not site.site.intent:
        message = "the inventory has no intent: nothing says who must answer whom"
    else:
        vlans = list(dict.fromkeys(client.vlan for client in silent))
        shown = ", ".join(vlans[:4]) + (f" and {len(vlans) - 4} more" if len(vlans) > 4 else "")
        message = f"no intent covers some clients on VLAN {shown}"
    yield report(site, "CX104", ("intent",), message,
                 "end the list with `{clients: everyone, boot_from: nobody}`, or say who must answer them",
                 clients=silent)  # fmt: skip


@rule("CX105", "intent-never-applies", WARNING, "An intent is about clients that earlier intents have taken")
def intent_never_applies(site: AnalysedSite) -> Iterable[Finding]:
    """Intent rules that decide for no class."""
    deciding = {case.intended.rule for case in site.cases}
    for number, intent in enumerate(site.site.intent):
        if number in deciding:
            continue
        members = site.inventory.members(intent.clients, intent.unless)
        if not members:
            continue  # CX111 names the empty group
        yield report(site, "CX105", ("intent", number),
                     "this intent covers no client: earlier intents have taken its clients, or they are on other VLANs",
                     "move it up, or remove it")  # fmt: skip


@rule("CX106", "intent-expired", WARNING, "An intent's date has passed")
def intent_expired(site: AnalysedSite) -> Iterable[Finding]:
    """Intents whose date has passed."""
    for number, intent in enumerate(site.site.intent):
        if intent.until and site.today and intent.until < site.today:
            clients = [case.client for case in site.cases if case.intended.rule == number]
            yield report(site, "CX106", ("intent", number, "until"), f"this intent held until {intent.until}",
                         "set a new date, or remove the intent and run check again",
                         clients=clients, timeline=())  # fmt: skip


@rule("CX107", "groups-contradict", WARNING, "The groups of a client say different things about its hardware")
def groups_contradict(site: AnalysedSite) -> Iterable[Finding]:
    """Classes whose groups agree on no architecture, firmware or VLAN."""
    groups = site.site.groups
    for what in ("architecture", "firmware", "vlan"):
        saying = {name: getattr(group, what) for name, group in groups.items() if getattr(group, what)}
        if len(saying) < 2:
            continue
        found: dict[tuple[str, ...], list[ClientClass]] = defaultdict(list)
        for client in site.space.classes:
            names = tuple(n for n in saying if client.macs.signature & site.space.bits[n])
            if len(names) > 1 and contradict([saying[n] for n in names]):
                found[names].append(client)
        for names, clients in found.items():
            said = "; ".join(f"{name} says {', '.join(saying[name])}" for name in names)
            yield report(site, "CX107", ("groups", names[-1], what), f"members of {' and '.join(names)} have no common {what}: {said}",
                         "take these clients out of one group, or state it in their own rows",
                         clients=clients, timeline=())  # fmt: skip


@rule("CX108", "firmware-assumed", INFO, "No firmware is declared for an architecture that clients have")
def firmware_assumed(site: AnalysedSite) -> Iterable[Finding]:
    """Architectures of clients that ``architectures`` gives no firmware."""
    missing: dict[str, list[ClientClass]] = defaultdict(list)
    for client in site.space.classes:
        name = client.architecture
        if name and name not in site.site.architectures and client.firmware in usual_firmwares(name):
            missing[name].append(client)
    for name, clients in missing.items():
        usual = ", ".join(usual_firmwares(name))
        yield report(site, "CX108", ("architectures",), f"no firmware is declared for {name}; {usual} is assumed",
                     f"write `{name}: {usual}` under architectures", clients=clients, timeline=())  # fmt: skip


@rule(
    "CX109", "parked-address-served", ERROR, "A parked MAC address and the real one are on one server's list"
)
def parked_address_served(site: AnalysedSite) -> Iterable[Finding]:
    """Registered addresses that differ in the first digit only and are on one whitelist."""
    macs = site.inventory.clients.macs
    table = site.inventory.clients
    if not table.repeated and len({octet >> 4 for octet in table.first_octets}) < 2:
        return
    twins: dict[int, list[int]] = defaultdict(list)
    for mac in macs:
        twins[mac & _FIRST_DIGIT].append(mac)
    pairs = [pair for pair in twins.values() if len(pair) > 1]
    for name, server in site.boot_services.items():
        if server.answers.who != "only":
            continue
        served = site.inventory.members(server.answers.groups)
        both = [pair for pair in pairs if sum(mac in served for mac in pair) > 1]
        if both:
            first, second = both[0][:2]
            row = site.inventory.clients.index[second]
            yield report(site, "CX109", ("servers", name, "answers"),
                         f"{name} serves {format_mac(first)} and {format_mac(second)}, which look like one machine and its parked entry",
                         "take the real address off the server that must not serve it",
                         position=site.inventory.clients.position(row), count=len(both))  # fmt: skip


@rule(
    "CX110",
    "one-machine-two-servers",
    WARNING,
    "The network cards of one machine boot from different servers",
)
def one_machine_two_servers(site: AnalysedSite) -> Iterable[Finding]:
    """Rows of one name whose addresses must boot from different servers."""
    table = site.inventory.clients
    if not table.uuids and not table.named_twice:
        return
    names = table.columns["name"]
    if table.uuids:
        # A UUID says better than a name which cards are one machine's.
        names = [name or str(table.uuids.get(mac, "")) for mac, name in zip(table.macs, names, strict=True)]
    counted = Counter(names)
    counted.pop("", None)
    several = {name for name, count in counted.items() if count > 1}
    if not several:
        return
    macs = site.inventory.clients.macs
    wanted = {macs[row]: name for row, name in enumerate(names) if name in several}
    servers: dict[str, dict[str, Case]] = defaultdict(dict)
    for case in site.cases:
        if case.client.macs.known and case.intended.boots:
            for mac in case.client.macs.points:
                if mac in wanted:
                    servers[wanted[mac]].setdefault(str(case.intended.server), case)
    index = site.inventory.clients.index
    for name, cases in servers.items():
        if len(cases) > 1:
            row = max(index[mac] for mac, owner in wanted.items() if owner == name)
            yield report(site, "CX110", ("clients",),
                         f"{name} has several network cards, and they must boot from {' and '.join(cases)}",
                         "put all cards of the machine into the same groups, or give them different names",
                         clients=[next(iter(cases.values())).client], timeline=(), count=1,
                         position=site.inventory.clients.position(row))  # fmt: skip


@rule("CX115", "uuid-of-no-client", WARNING, "A group names a UUID that no registered client has")
def uuid_of_no_client(site: AnalysedSite) -> Iterable[Finding]:
    """UUIDs of groups without a registered client: no card of such a machine is known."""
    cards = site.inventory.clients.cards
    for name, group in site.site.groups.items():
        for number, text in enumerate(group.uuid):
            if UUID(text) not in cards:
                yield report(site, "CX115", ("groups", name, "uuid", number),
                             f"no registered client has the UUID {text}: none of its cards is in {name}",
                             "register the machine with its `uuid` and the MAC of each card it boots from", count=0)  # fmt: skip


@rule("CX116", "mac-of-several-machines", WARNING, "Several machines share one MAC address")
def mac_of_several_machines(site: AnalysedSite) -> Iterable[Finding]:
    """Adapters and docks: one MAC in the rows of several machines."""
    table = site.inventory.clients
    if not table.repeated:
        return
    rows: dict[int, list[int]] = defaultdict(list)
    for row, mac in enumerate(table.macs):
        rows[mac].append(row)
    for mac, own in rows.items():
        if len(own) > 1:
            names = " and ".join(table.columns["name"][row] or str(table.uuids.get(mac, "")) for row in own)
            yield report(site, "CX116", ("clients",),
                         f"{names} share {format_mac(mac)}: servers take them for one machine",
                         "let the firmware pass the machine's own MAC through (MAC pass-through), or treat them alike",
                         count=1, position=table.position(own[1]))  # fmt: skip


@rule("CX111", "group-empty", WARNING, "A group that something refers to has no members")
def group_empty(site: AnalysedSite) -> Iterable[Finding]:
    """Groups without members that something refers to."""
    told = set()
    for name, _ in referred_groups(site):
        if name in site.site.groups and name not in told and site.inventory.resolver.is_empty([name]):
            told.add(name)
            yield report(site, "CX111", ("groups", name), f"the group {name} has no members",
                         "add clients to it, or correct its `where`", count=0)  # fmt: skip


@rule("CX112", "server-never-boots-anyone", WARNING, "A boot service that no client of the intent boots from")
def server_never_boots_anyone(site: AnalysedSite) -> Iterable[Finding]:
    """Boot services that no intent and no migration names, and that still answer."""
    named = {name for intent in site.site.intent for name in (intent.boot_from, *intent.fallback)}
    for migration in site.site.migrations.values():
        named |= {migration.source, migration.target}
    for name in site.boot_services:
        if name in named or not site.site.intent:
            continue
        clients = [case.client for case in site.cases if case.standing.get(name) is Standing.ANSWERS]
        if clients:
            yield report(site, "CX112", ("servers", name), f"no intent names {name}, and it answers clients",
                         "name it in an intent, or switch it off with `answers: nobody`",
                         clients=clients, timeline=())  # fmt: skip


@rule(
    "CX113", "migration-outside-its-clients", WARNING, "A migration names pilots or waves outside its clients"
)
def migration_outside_its_clients(site: AnalysedSite) -> Iterable[Finding]:
    """Pilots and waves with machines that the migration does not move."""
    for name, migration in site.site.migrations.items():
        moved = site.inventory.members(migration.clients)
        lists = [(("migrations", name, "pilots"), migration.pilots)]
        lists += [
            (("migrations", name, "waves", number, "clients"), wave.clients)  # type: ignore[misc]
            for number, wave in enumerate(migration.waves)
        ]
        for path, groups in lists:
            outside = site.inventory.members(groups) - moved
            if outside:
                mac = outside.sample()
                assert mac is not None
                yield report(site, "CX113", path, f"{', '.join(groups)} holds {format_mac(mac)}, which the migration {name} does not move",
                             "add the group to the migration's clients, or take the machine out",
                             count=outside.size)  # fmt: skip


@rule("CX114", "impossible-machine", WARNING, "A client's architecture and firmware exist in no machine")
def impossible_machine(site: AnalysedSite) -> Iterable[Finding]:
    """Architecture and firmware that exist in no machine."""
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for client in site.space.classes:
        if not fits(client.architecture, site.kind(client)):
            found[client.architecture, client.firmware].append(client)
    for (architecture, firmware), clients in found.items():
        table = site.inventory.clients
        known = next((c for c in clients if c.macs.known), None)
        position = table.position(table.index[known.macs.witness]) if known else None
        yield report(site, "CX114", ("architectures", architecture), f"{firmware} is not a firmware of {architecture or 'a phone'} machines",
                     "correct the architecture or the firmware", clients=clients, timeline=(),
                     position=position)  # fmt: skip

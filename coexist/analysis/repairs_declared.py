"""Repairs of what is declared: groups, machines, programs, names and what a product cannot be told.

Each is made of the finding's own place. Where only people know what to write (a file's name, a machine's own
address), there is no edit, and the finding's sentence says what is to be done.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

from coexist.analysis.edits import Edit, append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs import Repair, cases_of, cut_pieces, keep_off, repairs, server_of, wall_clock
from coexist.analysis.site import AnalysedSite
from coexist.boot.loaders.names import IPXE, file_name, loader_by_name, url_host
from coexist.errors import Position
from coexist.inventory.models import Site
from coexist.wire.mac import format_mac
from coexist.wire.option_codes import Option

# What the projects call the same loader for the other architecture: syslinux 6.03 (efi64), iPXE's build
# targets, GRUB's grub-mknetdir, Microsoft's list of network boot programs.
_SIBLINGS: dict[tuple[str, str], str] = {
    ("lpxelinux", "uefi-x64"): "syslinux.efi",
    ("pxelinux", "uefi-x64"): "syslinux.efi",
    ("syslinux-efi", "bios"): "lpxelinux.0",
    ("ipxe", "uefi-x64"): "snponly.efi",
    ("ipxe", "bios"): "undionly.kpxe",
    ("grub-core", "uefi-x64"): "core.efi",
    ("grub-core", "bios"): "core.0",
    ("wdsnbp", "uefi-x64"): "wdsmgfw.efi",
    ("wdsmgfw", "bios"): "wdsnbp.com",
}
_OPTION_67 = ("options", str(int(Option.BOOTFILE_NAME)))
SCRIPT = "boot.ipxe"
"""What a script for iPXE is called where the inventory names none."""
_MOST_LISTED = 64


def _listed(site: AnalysedSite, position: Position) -> int | None:
    """Which item below `clients` stands at a place; None for a client of a CSV file."""
    where, clients = site.inventory.where, site.site.clients
    files = [where("clients", "files", number) for number in range(len(clients.files))]
    items = sorted([*files, *(where("clients", number) for number in range(len(clients.listed)))])
    return next((number for number, item in enumerate(items) if item.line == position.line), None)


# -- machines and groups -----------------------------------------------------------------------------


@repairs("CX109")
def _one_of_the_two(site: AnalysedSite, finding: Finding) -> Repair | None:
    row = _listed(site, finding.position)
    if row is None:
        return None
    return Repair(
        edits=(remove("clients", row),),
        text="take the entry that is not the machine's own address off the list",
    )


@repairs("CX111")
def _without_the_group(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A group of nobody says nothing: what says it goes too."""
    name = str(finding.path[1])
    rules = [number for number, rule in enumerate(site.site.intent) if rule.clients == (name,)]
    others = [other for other, group in site.site.groups.items() if name in (*group.groups, *group.excluded)]
    answers = [s for s, server in site.site.servers.items() if name in server.answers.groups]
    used = [rule for rule in site.site.intent if name in (*rule.clients, *rule.unless)]
    if (
        others
        or answers
        or len(used) != len(rules)
        or site.site.migrations
        or len(rules) == len(site.site.intent)
    ):
        return None
    edits = [remove("intent", number) for number in reversed(rules)]
    return Repair(
        edits=(*edits, remove(*finding.path[:2])),
        text="add clients to it, or correct its `where`; until then it says nothing: leave it out",
    )


@repairs("CX114")
def _usual_firmware(site: AnalysedSite, finding: Finding) -> Repair | None:
    if (row := _listed(site, finding.position)) is not None:
        return Repair(
            edits=(remove("clients", row, "firmware"),),
            text="correct its architecture, or leave out its firmware",
        )
    architecture = str(finding.path[1]) if len(finding.path) == 2 else ""
    usual = Site.model_fields["architectures"].default.get(architecture)
    if finding.path[0] != "architectures" or usual is None:
        return None
    return Repair(
        edits=(put(*finding.path, value=list(usual)),),
        text=f"say which firmware they have; {' and '.join(usual)} are the usual ones",
    )


@repairs("CX115")
def _no_such_uuid(_site: AnalysedSite, finding: Finding) -> Repair | None:
    if not isinstance(finding.path[-1], int):
        return None
    return Repair(
        edits=(remove(*finding.path),),
        text="leave it out until the machine is registered with its `uuid` and the MAC of each card",
    )


@repairs("CX117")
def _both_spellings(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "groups" or finding.path[2:3] != ("where",):
        return None
    group, column = site.site.groups[str(finding.path[1])], str(finding.path[3])
    asked = group.where[column]
    wanted = {text.strip().casefold() for text in asked}
    cells = dict.fromkeys(site.inventory.clients.columns.get(column, ()))
    more = [cell for cell in cells if cell not in asked and cell.strip().casefold() in wanted]
    values = [*asked, *more]
    return Repair(edits=(put(*finding.path[:4], value=values),)) if more else None


@repairs("CX120")
def _no_list(site: AnalysedSite, finding: Finding) -> Repair | None:
    clients = site.site.clients
    item = _listed(site, finding.position)
    alone = len(clients.files) + len(clients.listed) == 1
    if item is None and not alone:
        return None
    return Repair(
        edits=(remove("clients") if alone else remove("clients", item or 0),),
        text="add its clients; until then leave the file out",
    )


@repairs("CX221")
def _unreserved(site: AnalysedSite, finding: Finding) -> Repair | None:
    row = _listed(site, finding.position)
    return None if row is None else Repair(edits=(remove("clients", row, "address"),))


@repairs("CX514")
def _own_names(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None or site.site.clients.files:
        return None
    seen: set[str] = set()
    edits = []
    for number, client in enumerate(site.site.clients.listed):
        if client.name and client.name in seen:
            edits.append(put("clients", number, "name", value=f"{client.name}-{number + 1}"))
        seen.add(client.name or "")
    return Repair(edits=tuple(edits), text="give each machine a name of its own") if edits else None


@repairs("CX509")
def _listed_one_by_one(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None or server[1].fixed or server[1].answers.who != "only":
        return None
    known = site.inventory.members(server[1].answers.groups) & site.inventory.group("known")
    macs = known.points if known else ()
    if not 0 < len(macs) <= _MOST_LISTED:
        return None
    group = f"{server[0]}-listed"
    return Repair(
        edits=(
            put("groups", group, value={"macs": [format_mac(mac) for mac in sorted(macs)]}),
            put("servers", server[0], "answers", value={"only": group}),
        ),
        text="name the machines one by one: register those that are missing",
    )


@repairs("CX522")
def _by_their_cards(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    edits = []
    for name in server[1].answers.groups if server else ():
        group = site.site.groups.get(name)
        if group is None or not group.uuid:
            continue
        macs = sorted(site.inventory.group(name).points)
        if not macs or len(macs) > _MOST_LISTED:
            return None
        edits += [
            remove("groups", name, "uuid"),
            put("groups", name, "macs", value=[format_mac(m) for m in macs]),
        ]
    text = "register every card of these machines, and name the group's members by their MACs"
    return Repair(edits=tuple(reversed(edits)), text=text) if edits else None


# -- addresses -----------------------------------------------------------------------------------------


@repairs("CX201")
def _a_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    declared = site.site.vlans[vlan]
    hearing = site.topology.hearing[vlan]
    leasing = [n for n, s in site.site.servers.items() if "dhcp" in s.effective_roles and not s.config]
    server = next((name for name in leasing if name in hearing), None) or (leasing[0] if leasing else None)
    if server is None or site.site.servers[server].fixed:
        return None
    subnet = declared.subnet[0]
    first = int(subnet.network_address) + subnet.num_addresses // 2
    pieces = cut_pieces(site, first, int(subnet.broadcast_address) - 1)
    if not pieces:
        return None
    low, high = max(pieces, key=lambda piece: piece[1] - piece[0])
    scope: dict[str, Any] = {
        "server": server,
        "vlan": vlan,
        "pools": [f"{IPv4Address(low)}-{IPv4Address(high)}"],
    }
    if declared.gateway is not None:
        scope["options"] = {int(Option.ROUTER): str(declared.gateway)}
    edits = [put("scopes", vlan if vlan not in site.site.scopes else f"{vlan}-2", value=scope)]
    if server not in hearing:
        edits.append(append("vlans", vlan, "relay_to", value=server))
    return Repair(edits=tuple(edits), text="declare a scope for it; the upper half of its subnet is free")


@repairs("CX209")
def _the_same(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The second scope says what the first says."""
    if finding.path[0] != "scopes":
        return None
    second = site.site.scopes[str(finding.path[1])]
    first = next(
        (s for n, s in site.site.scopes.items() if n != finding.path[1] and s.vlan == second.vlan), None
    )
    if first is None or first.rules or second.rules or first.programs or second.programs:
        return None
    edits: list[Edit] = []
    for word in ("next_server", "filename"):
        ours, theirs = getattr(first, word), getattr(second, word)
        if ours is not None and ours != theirs:
            edits.append(put(*finding.path[:2], word, value=str(ours)))
        elif ours is None and theirs is not None:
            edits.append(remove(*finding.path[:2], word))
    for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME, Option.VENDOR_CLASS_IDENTIFIER):
        ours, theirs = first.options.get(int(code)), second.options.get(int(code))
        if ours is not None and ours != theirs:
            edits.append(put(*finding.path[:2], "options", int(code), value=ours))
        elif ours is None and theirs is not None:
            edits.append(remove(*finding.path[:2], "options", int(code)))
    return Repair(edits=tuple(edits)) if edits else None


@repairs("CX214")
def _open_the_pools(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "scopes":
        return None
    scope = str(finding.path[1])
    edits = [
        put("scopes", scope, "pools", number, value=str(pool.range))
        for number, pool in enumerate(site.site.scopes[scope].pools)
        if pool.allow or pool.deny
    ]
    return Repair(edits=tuple(edits), text="let its pools lease to them") if edits else None


@repairs("CX219")
def _port_4011(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The boot service beside a DHCP server has port 4011 alone, and the lease says that it is there."""
    host = site.site.servers[str(finding.path[1])].host
    beside = {name: server for name, server in site.site.servers.items() if server.host == host}
    leasing = [name for name, server in beside.items() if "dhcp" in server.effective_roles]
    proxies = [name for name, server in beside.items() if "proxydhcp" in server.effective_roles]
    scopes = [name for name, scope in site.site.scopes.items() if set(scope.servers) & set(leasing)]
    if len(leasing) != 1 or len(proxies) != 1 or any(server.fixed for server in beside.values()):
        return None
    roles = sorted({*beside[proxies[0]].effective_roles} - {"proxydhcp"} | {"boot-server"})
    class_ = int(Option.VENDOR_CLASS_IDENTIFIER)
    told = [put("scopes", name, "options", class_, value="PXEClient") for name in scopes]
    return Repair(
        edits=(put("servers", proxies[0], "roles", value=roles), *told),
        text=f"let {proxies[0]} listen on port 4011 only, or give it a host of its own",
    )


@repairs("CX220")
def _fewer_answers(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    wanted = {name for case in site.cases if case.client.vlan == vlan for name in case.intended.servers}
    elsewhere = {name for case in site.cases for name in case.intended.servers}
    edits = [
        put("servers", name, "answers", value="nobody")
        for name, server in site.boot_services.items()
        if name in site.topology.hearing[vlan] and name not in wanted | elsewhere and not server.fixed
    ]
    return Repair(edits=tuple(edits), text="let those answer nobody that no intent names") if edits else None


@repairs("CX323")
def _take_over(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "servers":
        twin = site.site.servers[str(finding.path[1])].pair
        if twin is None or twin.mode == "both":
            return None
        return Repair(
            edits=(put(*finding.path, value=twin.server),),
            text="let both twins answer every client, or write a smaller `after`",
        )
    scope = site.site.scopes[str(finding.path[1])]
    if scope.failover is None or scope.failover.mode == "hot-standby":
        return None
    return Repair(edits=(put(*finding.path[:2], "failover", "mode", value="hot-standby"),))


@repairs("CX324")
def _twins_alike(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The second of two twins is told what the first is."""
    name = str(finding.path[1])
    second, edits = site.site.servers[name], []
    if second.pair is None or second.fixed:
        return None
    first = site.site.servers[second.pair.server]
    for word in ("programs", "programs_for", "options", "delay", "delay_for"):
        ours, theirs = getattr(first, word), getattr(second, word)
        if ours != theirs:
            value = first.model_dump(mode="json", include={word}, exclude_defaults=True).get(word)
            edits.append(
                remove("servers", name, word) if not value else put("servers", name, word, value=value)
            )
    return Repair(edits=tuple(edits), text=f"give {name} what {second.pair.server} has") if edits else None


# -- delays --------------------------------------------------------------------------------------------


@repairs("CX314", "CX319")
def _a_delay_for_nobody(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A delay that orders nobody goes; one that orders two services stays for people to decide."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    cases = [case for case in site.cases if server[0] in case.responders]
    if any(len(case.responders) > 1 for case in cases):
        return None
    return Repair(
        edits=(remove("servers", server[0], "delay"),),
        text=f"leave the delay out: nobody else answers the clients of {server[0]}",
    )


_OVERRIDES = ("options", "discovery_control", "offers_file", "answers_4011")


@repairs("CX302")
def _as_its_product_does(site: AnalysedSite, finding: Finding) -> Repair | None:
    """What a server is said to do otherwise than its product goes."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    said = [word for word in _OVERRIDES if word in server[1].model_fields_set]
    if not said:
        return None
    return Repair(
        edits=tuple(remove("servers", server[0], word) for word in said),
        text=f"leave out {' and '.join(f'`{word}`' for word in said)}: let it answer as its product does",
    )


@repairs("CX425")
def _of_each_stage(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    delay = wall_clock(server[1]) if server and not server[1].fixed else None
    if server is None or delay is None:
        return None
    return Repair(
        edits=(put("servers", server[0], "delay", value=delay.after),),
        text=f"write `delay: {delay.after:g}`: it holds for each stage",
    )


# -- programs ----------------------------------------------------------------------------------------------


def _program_for(site: AnalysedSite, name: str, architecture: str, file: str = "") -> str | None:
    """What the loader of a server's programs is called for an architecture; None where nobody knows."""
    server = site.site.servers[name]
    if server.fixed or (not server.product.fills_in and server.product.own_programs):
        return None
    files = [file, *(program.file for program in server.programs.values())]
    for each in files:
        sibling = _SIBLINGS.get((loader_by_name(each) or "", architecture))
        if sibling is not None:
            return each[: len(each) - len(file_name(each))] + sibling
    return None


@repairs("CX404")
def _for_its_architecture(site: AnalysedSite, finding: Finding) -> Repair | None:
    architectures = sorted({client.architecture for client in finding.classes if client.architecture})
    if len(architectures) != 1:
        return None
    architecture = architectures[0]
    if finding.path[0] == "servers" and finding.path[2:3] == ("programs",):
        name = str(finding.path[1])
        declared = site.site.servers[name].programs.get(str(finding.path[3]))
        file = _program_for(site, name, architecture, declared.file if declared else "")
        if file is None:
            return None
        text = f"name its program for {architecture}; `coexist check --files` says whether it is there"
        return Repair(edits=(put("servers", name, "programs", architecture, value=file),), text=text)
    return _by_architecture(site, finding, architecture)


def _by_architecture(site: AnalysedSite, finding: Finding, architecture: str) -> Repair | None:
    """One boot file of a scope becomes a program for each architecture."""
    at, word = finding.path[:2], tuple(map(str, finding.path[2:]))
    if at[0] != "scopes" or word not in (("filename",), _OPTION_67):
        return None
    scope = site.site.scopes[str(at[1])]
    said = scope.filename if word == ("filename",) else scope.options.get(int(Option.BOOTFILE_NAME))
    file = said if isinstance(said, str) else ""
    sibling = _SIBLINGS.get((loader_by_name(file) or "", architecture))
    if sibling is None or scope.programs:
        return None
    other = next((own for (_, own), one in _SIBLINGS.items() if one == file_name(file)), "bios")
    programs = {other: file, architecture: file[: len(file) - len(file_name(file))] + sibling}
    edits = [put(*at, "programs", value=programs), remove(*finding.path)]
    if loader_by_name(file) == IPXE:
        if scope.rules:
            return None
        edits.append(put(*at, "rules", value=[{"user_class": "iPXE", "filename": SCRIPT}]))
    text = "give the program by architecture; `coexist check --files` says whether it is there"
    return Repair(edits=tuple(edits), text=text)


@repairs("CX405")
def _the_other_program(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    architectures = sorted({client.architecture for client in finding.classes if client.architecture})
    if server is None or not architectures:
        return None
    named = {each: _program_for(site, server[0], each) for each in architectures}
    edits = tuple(
        put("servers", server[0], "programs", each, value=file) for each, file in named.items() if file
    )
    if len(edits) != len(named):
        return None
    text = f"add its program for {', '.join(named)}; `coexist check --files` says whether it is there"
    return Repair(edits=edits, text=text)


@repairs("CX414")
def _by_address(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    program = server[1].programs.get(str(finding.path[3])) if server and len(finding.path) > 3 else None
    if server is None or server[1].fixed or program is None:
        return None
    host = url_host(program.file) or ""
    owner = next((one for one in site.site.servers.values() if host in one.names), None)
    if owner is None:
        return None
    url = urlsplit(program.file)
    port = f":{url.port}" if url.port else ""
    address = next(iter(owner.stands_on.values()))
    return Repair(
        edits=(put(*finding.path, value=url._replace(netloc=f"{address}{port}").geturl()),),
        text="write the address into the URL, or add option 6 to the scope",
    )


@repairs("CX415")
def _a_script(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        scope = site.site.scopes[str(finding.path[1])]
        option = tuple(map(str, finding.path[2:])) == _OPTION_67
        file: dict[str, Any] = (
            {"options": {int(Option.BOOTFILE_NAME): SCRIPT}} if option else {"filename": SCRIPT}
        )
        rule = {"user_class": "iPXE", **file}
        text = f"write what iPXE gets as the scope's first rule ({SCRIPT} stands for your script or URL)"
        return Repair(
            edits=() if scope.rules else (put(*finding.path[:2], "rules", value=[rule]),), text=text
        )
    if server[1].fixed or "ipxe" in server[1].programs or not server[1].product.takes_programs:
        return None
    return Repair(
        edits=(put("servers", server[0], "programs", "ipxe", value=SCRIPT),),
        text=f"name what a client gets that already runs iPXE ({SCRIPT} stands for your script or URL)",
    )


@repairs("CX418")
def _no_vendor_option(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),),
        text="leave option 43 out, or send it only to its own devices, by a rule with their clients",
    )


@repairs("CX419")
def _by_the_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        return None
    edits: dict[tuple[str, str], Edit] = {}
    for case in cases_of(site, finding):
        program = server[1].programs.get(case.client.architecture)
        if program is None:
            return None
        for scope in site.heard_scopes(case.client.vlan):
            if any(site.site.servers[each].fixed for each in site.site.scopes[scope].servers):
                return None
            rule = {
                "architectures": case.client.architecture, "next_server": server[0], "filename": program.file,
            }  # fmt: skip
            edits[scope, case.client.architecture] = append("scopes", scope, "rules", value=rule)
    return Repair(edits=tuple(edits.values())) if edits else None


@repairs("CX422")
def _its_own_files(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    able = server is not None and bool({"tftp", "http"} & server[1].effective_roles)
    if server is None or server[1].fixed or not able or finding.path[2:3] != ("boot_server",):
        return None
    return Repair(
        edits=(remove(*finding.path),),
        text="declare the server there, or let it give its own files: leave `boot_server` out",
    )


@repairs("CX424", "CX412", "CX433")
def _by_pxe(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Machines that boot by HTTP from a server that cannot: they boot by PXE."""
    if finding.path[0] == "scopes" and finding.code.code == "CX433":
        return _both_numbers(site, finding)
    named = sorted({client.architecture for client in finding.classes})
    http = [each for each in named if each.startswith("http-")]
    if not http or len(http) != len(named) or "architectures" not in site.site.model_fields_set:
        return None
    edits: list[Edit] = []
    for each in http:
        plain = each.replace("http-", "uefi-")
        if plain not in site.site.architectures:
            edits.append(put("architectures", plain, value="edk2"))
        edits.append(remove("architectures", each))
    return Repair(edits=tuple(edits), text="let these machines boot by PXE, and say so")


def _both_numbers(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A rule that asks for one number of option 93 asks for the architecture."""
    at = finding.path[:4]
    scope, number = str(finding.path[1]), finding.path[3]
    if at[2:3] != ("rules",) or not isinstance(number, int):
        return None
    when = site.site.scopes[scope].rules[number].when
    architectures = sorted({client.architecture for client in finding.classes})
    if len(when) != 1 or len(architectures) != 1:
        return None
    return Repair(
        edits=(put(*at, "architectures", value=architectures[0]), remove(*at, "when")),
        text=f"let both numbers be answered alike: `architectures: {architectures[0]}` stands for both",
    )


@repairs("CX428")
def _its_name(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    program = server[1].programs.get(str(finding.path[3])) if server and len(finding.path) > 3 else None
    host = url_host(program.file) if program else None
    if server is None or host is None:
        return None
    return Repair(
        edits=(append("servers", server[0], "names", value=host),),
        text=f"if {server[0]} is meant, write its name down; else write it in the server that has the file",
    )


# -- what a product cannot be told ---------------------------------------------------------------------------


@repairs("CX507")
def _everyone_then(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A service without lists answers everyone: that is said where it is meant, else it is kept off."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    heard = [case for case in site.cases if server[0] in site.topology.hearing[case.client.vlan]]
    strangers = [case.client for case in heard if server[0] not in case.intended.servers]
    if not strangers:
        return Repair(edits=(remove(*finding.path),), text="it answers everyone: say so")
    return keep_off(site, server[0], strangers)


@repairs("CX511")
def _no_such_rule(_site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[2:3] != ("rules",):
        return None
    return Repair(
        edits=(remove(*finding.path[:4]),),
        text="leave the rule out, which applies to nobody; or serve the scope by isc-dhcpd",
    )


@repairs("CX517")
def _carried_over_by_hand(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        return None
    return Repair(
        edits=(put("servers", server[0], "fixed", value=True),),
        text="carry its lists over by hand, and say that it is not written from here: `fixed: true`",
    )


@repairs("CX518")
def _simpler_failover(_site: AnalysedSite, finding: Finding) -> Repair | None:
    word = finding.repair.partition("leave `")[2].partition("` out")[0]
    return Repair(edits=(remove(*finding.path, word),)) if word else None

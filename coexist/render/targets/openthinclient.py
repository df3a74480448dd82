"""openthinclient manager: its clients as LDIF for the manager's own import, and its ProxyDHCP's settings.

Read in the manager's source (2603.1): a client is served only with a location, a hardware type that lists
it, and a profile below it; the import takes either entries or changes from a file, so there are two; it
replaces ``#%BASEDN%#`` only where it ends a line, and empties the whole tree if line 2 is exactly that
base. The policy that counts is the realm's property; the one in service.xml is written but not read. Only
``after_offer`` is a delay it knows, as its eavesdropping mode. The import itself was not run here; the
files are read back by a library.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from coexist.boot.answered import answered
from coexist.boot.servers.openthinclient import service_type
from coexist.inventory import MacSet
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import Path
from coexist.records import dataclass
from coexist.render.cells import spelled
from coexist.render.limits import report_limits
from coexist.render.quoting import comment, ldap_dn_value, ldif_attribute
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.text.amounts import amount

BASE = "#%BASEDN%#"

# ClientView.java: the manager's own rule for names.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]+[a-zA-Z0-9]\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A thin client as the manager wants it."""

    name: str
    mac: int
    location: str
    hardware: str

    @property
    def dn(self) -> str:
        """Its distinguished name below the base."""
        return f"cn={ldap_dn_value(self.name)},ou=clients,{BASE}"


def render(job: Job) -> tuple[RenderedFile, ...]:
    """Two files to import, the policy to import, and the service's settings."""
    entries = list(_entries(job))
    only_configured = job.server.answers.who != "everyone"
    values = {
        "name": job.name,
        "site": job.inventory.site.site,
        "type": service_type(job.inventory, job.name),
        "policy": "only-configured" if only_configured else "any-client",
        "track": bool(job.server.settings.get("track_unrecognized_clients", True)),
    }
    service = job.templates.render("openthinclient/service.xml.j2", values, {"comment": _xml_comment})
    return (
        _ldif(
            "clients.ldif",
            "new clients with their locations and hardware types; import it first",
            _clients(entries),
        ),
        _ldif(
            "hardware-types.ldif", "which client has which hardware type; import it second", _members(entries)
        ),
        _ldif("policy.ldif", "whom the ProxyDHCP serves; import it third", _policy(only_configured)),
        RenderedFile(
            path="service.xml",
            content=service.encode(),
            purpose="how the ProxyDHCP listens; the policy in it is shown and not heeded by the manager",
            target=job.server.product.target,
            reload=job.server.product.reload,
        ),
    )


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    report_limits(job)
    _report_clients(job)
    programs = job.server.product.default_programs
    for key, program in job.server.programs.items():
        own = programs.get(key)
        if own is None or program.file.rpartition("/")[2] != own:
            job.report(
                "CX515",
                ("servers", job.name, "programs", key),
                f"openthinclient chooses its boot program by itself: {own or programs['bios']} for "
                f"{key}, not {program.file}",
                f"write {own}" if own else "boot these clients from another server",
            )
    if job.server.options:
        job.report(
            "CX516",
            ("servers", job.name, "options"),
            "openthinclient sends no further options in its offers",
            "let the DHCP server hand them out",
        )


def _entries(job: Job) -> Iterator[Entry]:
    """The registered clients it serves, as the manager can hold them."""
    taken: set[str] = set()
    for mac, row in _served(job)[0]:
        record = job.inventory.clients.record(row)
        if _writable(record.location) and _writable(record.hardware):
            name = _its_name(record.name, mac, taken)
            taken.add(name.lower())
            yield Entry(name=name, mac=mac, location=record.location, hardware=record.hardware)


def _served(job: Job) -> tuple[list[tuple[int, int]], MacSet]:
    """The MACs it serves with the rows of their clients, in the order of these; and those of no client."""
    table = job.inventory.clients
    served = answered(job.inventory, job.name)
    if job.server.answers.who == "everyone":
        served = job.inventory.known
    registered = [(mac, row) for row, mac in enumerate(table.macs) if mac in served]
    spare = [(mac, row) for mac in (served - job.inventory.known).points for row in _parked_for(table, mac)]
    rows = sorted((*registered, *spare), key=lambda entry: entry[1])
    return rows, served - job.inventory.known - MacSet.of(mac for mac, _ in spare)


def _its_name(name: str, mac: int, taken: Container[str]) -> str:
    """A client's name where the manager takes it and no other has it, else one made of its MAC."""
    return name if _name_of(name, mac) == name and name.lower() not in taken else _name_of("", mac)


def _report_clients(job: Job) -> None:
    """Report clients that it cannot hold, and those that it holds by another name."""
    path: Path = ("servers", job.name, "answers")
    rows, strangers = _served(job)
    columns = job.inventory.clients.columns
    taken: set[str] = set()
    incomplete: list[int] = []
    for mac, row in rows:
        if not _writable(columns["location"][row]) or not _writable(columns["hardware"][row]):
            incomplete.append(mac)
            continue
        declared = columns["name"][row]
        name = _its_name(declared, mac, taken)
        taken.add(name.lower())
        if name != declared:
            job.report(
                "CX514",
                path,
                f"{declared!r} cannot be a client's name in openthinclient (or is there "
                f"already); {spelled(mac)} is called {name}",
                "use 3 or more letters, digits, hyphens and dots, each name once",
            )
    if incomplete:
        shown = ", ".join(map(spelled, incomplete[:3])) + (" ..." if len(incomplete) > 3 else "")
        job.report(
            "CX513",
            path,
            f"{amount(len(incomplete), 'client lacks', 'clients lack')} a location or hardware type that "
            f"LDIF can hold; {job.name} leaves out {shown}",
            "fill the columns location and hardware, in ASCII",
            clients=len(incomplete),
        )
    strangers = strangers - MacSet(strangers.bounds)
    if strangers:
        job.report(
            "CX513",
            path,
            f"{amount(strangers.size, 'address belongs', 'addresses belong')} to no registered client; "
            f"{job.name} must serve and leaves out {strangers!r}",
            "register them with name, location and hardware type",
            clients=strangers.size,
        )


def _parked_for(table: ClientTable, mac: int) -> tuple[int, ...]:
    """The row of the client whose registration is parked under a MAC that no machine has.

    It is the only one that differs from it in one digit of the vendor prefix.
    """
    near = [
        row
        for place in range(24, 48, 4)
        for digit in range(1, 16)
        if (row := table.index.get(mac ^ digit << place)) is not None
    ]
    return tuple(near) if len(near) == 1 else ()


def mac_changes(changes: Iterable[tuple[str, int, int]]) -> str:
    """LDIF that gives registered clients other MACs and touches nothing else: name, MAC now, MAC then."""
    records = [
        [
            f"dn: {Entry(name=_name_of(name, now), mac=now, location='', hardware='').dn}",
            "changetype: modify",
            "replace: macAddress",
            f"macAddress: {spelled(then)}",
            "-",
        ]
        for name, now, then in changes
    ]
    return "version: 1\n" + "".join(["\n" + "\n".join(lines) + "\n" for lines in records])


def _name_of(name: str, mac: int) -> str:
    """A client's name where the manager takes it, else one made of its MAC."""
    return name if _NAME.match(name) else f"mac-{spelled(mac, '')}"


def _writable(text: str) -> bool:
    """Whether a text can stand in a DN that ends with the base: base64 would hide the base from the
    import."""
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip() and BASE not in text


# -- LDIF --------------------------------------------------------------------------------------


def _ldif(path: str, purpose: str, records: Iterator[list[str]]) -> RenderedFile:
    text = "version: 1\n" + "".join(["\n" + "\n".join(lines) + "\n" for lines in records])
    return RenderedFile(path=path, content=text.encode(), mode=0o644, purpose=purpose)


def _clients(entries: list[Entry]) -> Iterator[list[str]]:
    # An entry that is there already is left as it is.
    for location in sorted({entry.location for entry in entries}):
        dn = _location(location)
        yield [f"dn: {dn}", *_classes("locality"), ldif_attribute("l", location)]
        yield _profile(dn, "location")
    for hardware in sorted({entry.hardware for entry in entries}):
        dn = _hardware(hardware)
        yield [
            f"dn: {dn}",
            *_classes("groupOfUniqueNames"),
            ldif_attribute("cn", hardware),
            "uniquemember: DC=dummy",
        ]
        yield _profile(dn, "hardwaretype")
    for entry in entries:
        yield [
            f"dn: {entry.dn}",
            *_classes("device", "ipHost", "ieee802Device"),
            ldif_attribute("cn", entry.name),
            "ipHostNumber: 0.0.0.0",
            f"macAddress: {spelled(entry.mac)}",
            "description: imported",
            f"l: {_location(entry.location)}",
        ]
        yield _profile(entry.dn, "client")


def _members(entries: list[Entry]) -> Iterator[list[str]]:
    for hardware in sorted({entry.hardware for entry in entries}):
        lines = [f"dn: {_hardware(hardware)}", "changetype: modify", "add: uniquemember"]
        # Byte for byte the entry's DN: the manager compares them so.
        lines += [f"uniquemember: {entry.dn}" for entry in entries if entry.hardware == hardware]
        yield [*lines, "-"]


def _policy(only_configured: bool) -> Iterator[list[str]]:
    value = "RegisteredOnly" if only_configured else "AnyClient"
    dn = f"cn=BootOptions.PXEServicePolicy,nismapname=profile,ou=RealmConfiguration,{BASE}"
    yield [f"dn: {dn}", "changetype: modify", "replace: nismapentry", f"nismapentry: {value}", "-"]


def _classes(*names: str) -> list[str]:
    return [f"objectClass: {name}" for name in ("top", *names)]


def _profile(owner: str, schema: str) -> list[str]:
    return [
        f"dn: nismapname=profile,{owner}",
        *_classes("nisMap"),
        "nismapname: profile",
        f"description: {schema}",
    ]


def _location(name: str) -> str:
    return f"l={ldap_dn_value(name)},ou=locations,{BASE}"


def _hardware(name: str) -> str:
    return f"cn={ldap_dn_value(name)},ou=hwtypes,{BASE}"


def _xml_comment(text: str) -> str:
    return comment(text).replace("--", "??").replace("<", "?").replace(">", "?")

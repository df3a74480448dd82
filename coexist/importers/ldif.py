"""openthinclient's LDIF export as registered clients and the policy of its boot service.

The entries and attributes are those of openthinclient-manager 2603: clients under ``ou=clients``,
hardware types with their members, locations, the realm's boot options. RFC 2849 for the format.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.importers.account import Account
from coexist.importers.groups import as_name
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.lists import Machines
from coexist.inventory.products import OPENTHINCLIENT
from coexist.languages.source_files import read_export, text_lines
from coexist.records import dataclass
from coexist.text.redaction import HIDDEN, names_secret, redacted
from coexist.wire.mac import format_mac, parse_mac

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9.;-]*)(::|:<|:)[ ]*(.*)", re.DOTALL)
_PLACEHOLDER = "#%BASEDN%#"
_STRUCTURE = frozenset({"objectclass", "nismapname", "ou", "cn", "version", "changetype", "add", "-"})
_EVERYONE_MAC = "00:00:00:00:00:00"
# The manager's own boot files (AbstractPXEService) in fast mode.
_PROGRAMS = {"bios": "/lpxelinux.0", "uefi-ia32": "syslinux32.efi", "uefi-x64": "syslinux64.efi"}


@dataclass(slots=True)
class Attribute:
    """One attribute of an entry, its line, and its text as it was written."""

    name: str
    value: str
    at: Position
    text: str


@dataclass(slots=True)
class Entry:
    """One entry."""

    dn: str
    at: Position
    attributes: list[Attribute] = field(default_factory=list)

    def first(self, name: str) -> str:
        """An attribute's first value, or nothing."""
        return next((a.value for a in self.attributes if a.name == name), "")


def read_ldif(text: str, file: str) -> list[Entry]:
    """The entries of an LDIF file. Raises InputError for lines that are no LDIF."""
    result: list[Entry] = []
    entry: Entry | None = None
    for at, line in _unfolded(text, file):
        if not line:
            entry = None
            continue
        if line == "-":
            continue
        found = _LINE.match(line)
        if found is None:
            raise InputError(
                [Problem(at, "this is no LDIF: a line has a name and a colon", "mend the export")]
            )
        attribute = Attribute(found[1].partition(";")[0].lower(), _value(found, at), at, line)
        if attribute.name == "dn":
            entry = Entry(attribute.value, at)
            result.append(entry)
        elif entry is not None:
            entry.attributes.append(attribute)
        elif attribute.name != "version":
            raise InputError([Problem(at, "an attribute before its entry", "begin each entry with `dn:`")])
    return result


def _value(found: re.Match[str], at: Position) -> str:
    if found[2] == ":<":
        raise InputError([Problem(at, "a value in another file", "export with the values written out")])
    if found[2] == ":":
        return found[3]
    try:
        return base64.b64decode(found[3].strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise InputError([Problem(at, "this value is not base64", "mend the export")]) from None


def _unfolded(text: str, file: str) -> Iterator[tuple[Position, str]]:
    """Lines with their continuations (a blank at the beginning) joined; comments are left out."""
    begun, pieces = 0, [""]
    for number, line in enumerate(text_lines(text), start=1):
        if line.startswith(" ") and begun:
            pieces.append(line[1:])
            continue
        if begun and not pieces[0].startswith("#"):
            yield Position(file, begun), "".join(pieces)
        begun, pieces = number, [line]
    if begun and not pieces[0].startswith("#"):
        yield Position(file, begun), "".join(pieces)
    yield Position(file, 1), ""


def import_ldif(text: str, file: str, *, server: str = "", address: IPv4Address | None = None) -> Imported:
    """The clients of an export, and with ``address`` (or one in the realm) the boot service itself."""
    return _Site(read_ldif(text, file), file, server or "otc", address).imported()


class _Site:
    def __init__(self, entries: list[Entry], file: str, server: str, address: IPv4Address | None) -> None:
        self.entries, self.file, self.server, self.address = entries, file, server, address
        self.machines = Machines(Account())
        self.account = self.machines.account
        self.policy = ""
        self.hardware: dict[str, str] = {}

    def imported(self) -> Imported:
        for entry in self.entries:
            if "ou=hwtypes" in entry.dn.lower():
                self._hardware_type(entry)
        for entry in self.entries:
            self._entry(entry)
        result = self.machines.imported(self.file)
        tree: dict[str, Any] = {"site": result.tree["site"]}
        notes: list[str] = []
        if self.address is not None:
            tree |= self._server(self.address)
        else:
            notes.append(
                "The manager's own address is not in the export: import with --address to declare it."
            )
        if "clients" in result.tree:
            tree["clients"] = "clients.csv"
        return Imported(
            tree=tree,
            clients=[row._replace(source=self.server if self.address else "") for row in result.clients],
            not_modelled=result.not_modelled,
            comments={"": notes},
            sources=result.sources,
        )

    def _server(self, address: IPv4Address) -> dict[str, Any]:
        whom: Any = "everyone"
        tree: dict[str, Any] = {"vlans": {"otc": {"id": 1, "subnet": f"{address}/32"}}}
        if self.policy.lower() != "anyclient" and self.machines.rows:
            group = as_name(f"known-to-{self.server}", "known-to-otc")
            tree["groups"] = {group: {"where": {"source": self.server}}}
            whom = {"only": group}
        tree["servers"] = {
            self.server: {
                "software": OPENTHINCLIENT.software,
                "address": str(address),
                "vlan": "otc",
                "answers": whom,
                "programs": dict(_PROGRAMS),
            }
        }
        return tree

    def _entry(self, entry: Entry) -> None:
        parts = entry.dn.lower().split(",")
        first = parts[0]
        if "ou=unrecognized-clients" in parts and first.startswith("cn="):
            self._leave(entry, "a machine the manager saw and does not know")
        elif "ou=clients" in parts and first.startswith("cn=") and entry.first("macaddress"):
            self._client(entry)
        elif "ou=realmconfiguration" in parts:
            self._realm(entry)
        elif "ou=hwtypes" in parts and not first.startswith("cn=") and not entry.attributes:
            self.account.modelled(entry.at)
        else:
            self._rest(entry, frozenset({"uniquemember"} if "ou=hwtypes" in parts else ()))

    def _leave(self, entry: Entry, why: str) -> None:
        self.account.left_out(entry.at, f"dn: {entry.dn}", why)

    def _rest(self, entry: Entry, used: frozenset[str]) -> None:
        """What of an entry is not in the inventory."""
        self.account.modelled(entry.at)
        for attribute in entry.attributes:
            if attribute.name in _STRUCTURE or attribute.name in used:
                self.account.modelled(attribute.at)
            elif attribute.value:
                why = "a setting of the thin client's system, not of who boots from where"
                self.account.left_out(attribute.at, _shown(entry, attribute), why)

    def _hardware_type(self, entry: Entry) -> None:
        name = entry.first("cn") or _name_of(entry.dn)
        for attribute in entry.attributes:
            if attribute.name == "uniquemember":
                self.hardware.setdefault(_plain_dn(attribute.value), name)

    def _client(self, entry: Entry) -> None:
        text = f"dn: {entry.dn}"
        written = entry.first("macaddress")
        self._rest(entry, frozenset({"macaddress", "iphostnumber", "l"}))
        if written == _EVERYONE_MAC:
            self.account.left_out(entry.at, text, "the profile of machines the manager does not know")
            return
        try:
            mac = parse_mac(written)
        except ValueError:
            self.account.left_out(entry.at, text, f"{written!r} is no MAC address")
            return
        place = _name_of(entry.first("l"))
        hardware = self.hardware.get(_plain_dn(entry.dn), "")
        for missing, what in ((place, "location"), (hardware, "hardware type")):
            if not missing:
                why = f"registered without a {what}: the manager does not serve it"
                self.account.left_out(entry.at, text, why)
        address = entry.first("iphostnumber")
        if address not in ("", "0.0.0.0"):
            line = next(a for a in entry.attributes if a.name == "iphostnumber")
            why = "the address it had when it booted last"
            self.account.left_out(line.at, line.text, why)
        name = entry.first("cn") or _name_of(entry.dn)
        row = ClientRow(mac=format_mac(mac), name=name, location=place, hardware=hardware)
        self.machines.add(mac, row, entry.at, text)

    def _realm(self, entry: Entry) -> None:
        key = _name_of(entry.dn)
        value = entry.first("nismapentry")
        if key == "BootOptions.PXEServicePolicy":
            self.policy = value
            self._rest(entry, frozenset({"nismapentry"}))
            return
        if key == "BootOptions.TFTPBootserver" and self.address is None:
            try:
                self.address = IPv4Address(value)
                self._rest(entry, frozenset({"nismapentry"}))
                return
            except AddressValueError:
                pass
        self._rest(entry, frozenset())


def _shown(entry: Entry, attribute: Attribute) -> str:
    """An attribute as it is written, but for a value that is a secret: by the attribute's name, by that of
    the setting it is the value of, or inside of what base64 spells."""
    setting = attribute.name == "nismapentry" and names_secret(_name_of(entry.dn) + " " + entry.first("cn"))
    if setting or names_secret(attribute.name) or redacted(attribute.value) != attribute.value:
        return f"{attribute.name}: {HIDDEN}"
    return attribute.text


def _plain_dn(dn: str) -> str:
    """A DN to compare: the base is a placeholder in some exports."""
    head = dn.replace(_PLACEHOLDER, "").lower()
    parts = [part.strip() for part in head.split(",") if part.strip()]
    return ",".join(part for part in parts if not part.startswith(("dc=", "ou=openthinclient")))


def _name_of(dn: str) -> str:
    """The value of a DN's first part."""
    return re.split(r"(?<!\\),", dn)[0].partition("=")[2].replace("\\", "").strip()


def _read(request: Request) -> Imported:
    path = request.only_path()
    return import_ldif(read_export(path), str(path), server=request.server, address=request.address)


KIND = Kind(name=OPENTHINCLIENT.name, describe="LDIF of an openthinclient manager", run=_read)

"""The real checkers of rendered files: the daemons themselves, parsers and readers for the rest."""

from __future__ import annotations

import io
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldif as ldif_library  # type: ignore[import-untyped]
import tree_sitter
import tree_sitter_powershell

from coexist.boot.configuration import BootServerConfig
from coexist.errors import Position, Problem
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.wire.mac import parse_mac


def daemon(*argv: str | Path) -> None:
    """Run a daemon's own check of a file."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"


def dhcpd(path: Path) -> None:
    daemon("dhcpd", "-t", "-4", "-cf", path)


def kea(path: Path) -> None:
    daemon("kea-dhcp4", "-t", path)


# The keys that coexist writes, by the object they may stand in: Kea 3.0's published grammar
# (doc/sphinx/grammar/grammar-dhcp4.rst). 2.7.4 renamed the ones of classification; 3.0 warns about the old
# names.
_KEA_3_KEYS: dict[str, frozenset[str]] = {
    "Dhcp4": frozenset(
        {
            "comment",
            "interfaces-config",
            "lease-database",
            "authoritative",
            "host-reservation-identifiers",
            "early-global-reservations-lookup",
            "reservations-global",
            "reservations-in-subnet",
            "match-client-id",
            "hooks-libraries",
            "option-def",
            "client-classes",
            "shared-networks",
            "subnet4",
            "reservations",
        }
    ),
    "client-classes": frozenset(
        {"name", "comment", "test", "only-in-additional-list", "next-server", "boot-file-name", "option-data"}
    ),
    "subnet4": frozenset(
        {
            "id",
            "subnet",
            "valid-lifetime",
            "evaluate-additional-classes",
            "client-classes",
            "option-data",
            "pools",
            "reservations",
            "relay",
        }
    ),
    "pools": frozenset({"pool", "client-classes"}),
    "shared-networks": frozenset({"name", "relay", "subnet4"}),
    "reservations": frozenset({"hw-address", "ip-address", "client-classes", "comment"}),
    "option-data": frozenset({"code", "csv-format", "data", "always-send"}),
    "hooks-libraries": frozenset({"library", "parameters"}),
}
_RENAMED = {
    "only-in-additional-list": "only-if-required",
    "evaluate-additional-classes": "require-client-classes",
}


def kea_3(path: Path) -> None:
    """No Kea 3.0 is packaged here: its keys by the grammar, and everything but the names by Kea 2.2."""
    tree = json.loads(path.read_text())
    _known_keys("Dhcp4", tree["Dhcp4"])
    older = path.with_name("as-2.2.conf")
    older.write_text(json.dumps(_as_2_2("Dhcp4", tree), ensure_ascii=False))
    kea(older)


def _known_keys(where: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _known_keys(where, item)
    elif isinstance(value, dict):
        if where in _KEA_3_KEYS:
            assert value.keys() <= _KEA_3_KEYS[where], (where, value.keys() - _KEA_3_KEYS[where])
        for key, item in value.items():
            _known_keys(key, item)


def _as_2_2(where: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_2_2(where, item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {_RENAMED.get(key, key): _as_2_2(key, item) for key, item in value.items()}
    if where in ("subnet4", "pools") and "client-classes" in result:
        (result["client-class"],) = result.pop("client-classes")
    if where == "hooks-libraries":
        result["library"] = f"/usr/lib/x86_64-linux-gnu/kea/hooks/{result['library']}"
    return result


def dnsmasq(path: Path) -> None:
    daemon("dnsmasq", "--test", f"--conf-file={path}")


def powershell(path: Path) -> None:
    """Parse a script and refuse any error or missing token."""
    tree = powershell_tree(path.read_bytes())
    broken = [node for node in walk(tree.root_node) if node.is_error or node.is_missing]
    assert not broken, [(node.start_point, node.text) for node in broken]


def powershell_tree(script: bytes) -> tree_sitter.Tree:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    return parser.parse(script.removeprefix(b"\xef\xbb\xbf"))


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from walk(child)


BASE = "ou=openthinclient,dc=openthinclient,dc=org"


def ldif(path: Path) -> None:
    """Read every record, and keep to what the manager's import needs."""
    text = path.read_text()
    assert text.splitlines()[1] != "dn: #%BASEDN%#", "this line makes the import empty the whole tree"
    assert ldif_records(text)


def ldif_records(text: str) -> list[tuple[str, dict[str, list[str]]]]:
    """DN and attributes of each record, with the base put in at the ends of lines as the manager does.

    A file holds entries or changes, never both. Of a change record the library reads the lines; the line that
    ends its one modification (RFC 2849) is checked and taken off here.
    """
    whole = re.sub(r"#%BASEDN%#$", BASE, text, flags=re.MULTILINE)
    assert "#%BASEDN%#" not in whole, "the import replaces the base at the end of a line only"
    head, *blocks = whole.rstrip("\n").split("\n\n")
    assert head == "version: 1"
    changes = ["\nchangetype: modify\n" in block for block in blocks]
    assert all(changes) or not any(changes), "the import takes entries or changes from a file, not both"
    if all(changes):
        assert all(block.endswith("\n-") for block in blocks)
        blocks = [block.removesuffix("\n-") for block in blocks]
    data = "\n\n".join([head, *blocks]) + "\n"
    return [
        (dn, dict(entry)) for dn, entry in ldif_library.LDIFParser(io.BytesIO(data.encode())).parse() if dn
    ]


def xml(path: Path) -> None:
    ElementTree.parse(path)


def boot_server(path: Path) -> None:
    """Read a boot server's file as the server does, with every list it names."""
    problems: list[Problem] = []
    place = str(path)
    tree = read_yaml(path.read_text(), place, SourceMap(Position(place)), problems)
    assert not problems
    BootServerConfig.model_validate(tree)


def mac_list(path: Path) -> None:
    for line in path.read_text().splitlines():
        parse_mac(line)


def is_json(path: Path) -> None:
    json.loads(path.read_text())


def is_text(path: Path) -> None:
    path.read_text(encoding="utf-8")


CHECKERS = {
    "dhcpd.conf": dhcpd,
    "dnsmasq.conf": dnsmasq,
    ".ps1": powershell,
    ".ldif": ldif,
    ".xml": xml,
    "coexist.yaml": boot_server,
    ".macs": mac_list,
    "whitelist.txt": mac_list,
    "denylist.txt": mac_list,
    "mac-ignore-list.txt": mac_list,
    ".csv": is_text,
    "manifest.json": is_json,
    "ip-helper.txt": is_text,
}


def check(path: Path) -> None:
    """Check a rendered file by its name."""
    for ending, checker in CHECKERS.items():
        if path.name.endswith(ending):
            checker(path)
            return
    raise AssertionError(f"nothing checks {path.name}")

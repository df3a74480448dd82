"""Every statement of a source counts: without it the inventory, its clients or what was left out is another.

One statement after the other is taken out of a file (blanks in its place, so that no other changes its
line). What stays the same without it must be on the short list of what really has no effect.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from coexist.errors import InputError
from coexist.importers import Imported, import_files

DHCPD = Path(__file__).parent / "dhcpd_conf"
SHARED = Path(os.environ.get("COEXIST_SHARED", Path(__file__).parents[4] / "shared"))

Span: TypeAlias = tuple[int, int]
MOST = 250


def dhcpd_statements(text: str) -> Iterator[Span]:
    """From the first character of each statement, at any depth, to its semicolon or closing brace."""
    open_blocks: list[int] = []
    start: int | None = None
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|#[^\n]*|[;{}]|[^\s;{}"#]+', text):
        word = token.group()
        if word.startswith("#"):
            continue
        if word == "}":
            start = None
            yield open_blocks.pop(), token.end()
            continue
        if start is None and word != ";":
            start = token.start()
        if word == "{":
            assert start is not None
            open_blocks.append(start)
            start = None
        elif word == ";":
            if start is not None:
                yield start, token.end()
            start = None


def kea_statements(text: str) -> Iterator[Span]:
    """Each member of an object and each element of an array, with the comma behind it."""
    starts: list[int | None] = [None]
    tokens = [
        token
        for token in re.finditer(
            r'"(?:[^"\\]|\\.)*"|#[^\n]*|//[^\n]*|/\*.*?\*/|[\[\]{},:]|[^\s\[\]{},:"]+', text, re.DOTALL
        )
        if not token.group().startswith(("#", "//", "/*"))
    ]
    for before, token in zip([None, *tokens], tokens, strict=False):
        word = token.group()
        if word in "]}":
            begun = starts.pop()
            if begun is not None and before is not None:
                yield begun, before.end()
        elif word == ",":
            begun = starts[-1]
            if begun is not None:
                yield begun, token.end()
            starts[-1] = None
        else:
            if starts[-1] is None:
                starts[-1] = token.start()
            if word in "[{":
                starts.append(None)


def dnsmasq_statements(text: str) -> Iterator[Span]:
    """Each line that is not a comment."""
    for line in re.finditer(r"^[ \t]*[^#\s][^\n]*", text, re.MULTILINE):
        yield line.span()


STATEMENTS: dict[str, Callable[[str], Iterator[Span]]] = {
    "dhcpd": dhcpd_statements,
    "kea": kea_statements,
    "dnsmasq": dnsmasq_statements,
}


def understood(kind: str, path: Path) -> Imported | None:
    """What an import makes of a file; None if it is refused."""
    try:
        return import_files(kind, [path])
    except InputError:
        return None


def told(imported: Imported) -> object:
    """All that an administrator finds of it."""
    return imported.tree, list(imported.clients), imported.not_modelled, imported.comments


def without_effect(kind: str, text: str, directory: Path) -> list[str]:
    """The statements that can be taken out and nothing is said of it, nor of one they are a part of."""
    for beside in DHCPD.glob("*-hosts.conf"):
        shutil.copy(beside, directory)
    path = directory / f"source.{kind}"
    path.write_text(text)
    whole = understood(kind, path)
    assert whole is not None
    left = {
        (entry.position.line, entry.position.column)
        for entry in whole.not_modelled
        if entry.position.file == str(path)
    }
    spans = list(STATEMENTS[kind](text))
    unnoticed = []
    # A long file says the same thing many times; all its parts have their turn in some place.
    for begin, end in spans[:: 1 + len(spans) // MOST]:
        around = [start for start, stop in spans if start <= begin and end <= stop]
        if any(place in left for start in around for place in _places(text, start)):
            continue
        path.write_text(text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:])
        found = understood(kind, path)
        if found is not None and told(found) == told(whole):
            line = text.count("\n", 0, begin) + 1
            unnoticed.append(f"{line}: {' '.join(text[begin:end].split())}")
    return unnoticed


def _places(text: str, start: int) -> Iterator[Span]:
    """Line and column of a statement, and of the value of a member."""
    key = re.compile(r'"[^"\n]*"\s*:\s*').match(text, start)
    for at in (start, key.end() if key else start):
        yield text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


# What says no more than the daemon's default, or than the words beside it.
NO_EFFECT: dict[str, str] = {
    "dhcpd": r"allow booting;|not authoritative;"
    # cobbler.conf: dhcpd knows this option by itself.
    r"|option pxe-system-type code 93 = unsigned integer 16;"
    # odd.conf: the class that clients of a condition on it are added to gives nothing.
    r"|set seen = option host-name;"
    # nested.conf: its only networks name another file.
    r'|filename "global\.0";'
    # What dhcpd has by itself, says twice (opsi.conf), or cuts down to the longest time (dhcpd-arch-if.conf).
    r"|default-lease-time 43200;|max-lease-time 86400;|max-lease-time 68400;|default-lease-time 3600;",
    "kea": r'"space": "dhcp4",?|"csv-format": true,?'
    # An option is named by either of the two, and a class that nothing refers to needs no name.
    r'|"code": \d+,?|"name": "[^"]*",?'
    # kea-ztp-classes.json: its class gives nothing but an option without a value, which is told.
    r"""|"test": "substring\(option\[vendor-class-identifier\]\.text, 0, 7\) == 'Juniper'","""
    # There two classes send option 43 always, and whoever is in one of them is in the other.
    r'|"always-send": true',
    "dnsmasq": "(?!)",
}

DNSMASQ = {
    "leases": """
        port=0
        interface=eth0
        dhcp-range=set:office,10.0.0.50,10.0.0.99,255.255.255.0,1h
        dhcp-match=set:bios,option:client-arch,0
        dhcp-userclass=set:ipxe,iPXE
        tag-if=set:first,tag:bios,tag:!ipxe
        dhcp-host=52:54:00:00:00:01,set:thin,10.0.0.5,a
        dhcp-host=52:54:00:00:00:02,ignore
        dhcp-option=tag:office,3,10.0.0.1
        dhcp-option=vendor:PXEClient,6,8
        dhcp-option=encap:175,176,1b
        dhcp-option=6
        dhcp-option-force=209,pxelinux.cfg/office
        dhcp-boot=tag:first,undionly.kpxe,,10.0.0.9
        dhcp-boot=tag:thin,thin.0,,10.0.0.8
        pxe-prompt="menu",2
        pxe-service=x86PC,"disk",0
        dhcp-reply-delay=tag:thin,2
        dhcp-ignore=tag:!bios
        dhcp-broadcast=tag:bios
        dhcp-no-override
        enable-tftp
        tftp-root=/srv/tftp
        tftp-single-port
        dhcp-authoritative
        no-ping
        domain=example.test
        dhcp-pxe-vendor=PXEClient
        dhcp-name-match=set:named,pc
    """,
    "proxy": """
        dhcp-range=10.0.0.0,proxy,255.255.255.0
        dhcp-vendorclass=set:bios,PXEClient:Arch:00000
        dhcp-userclass=set:ipxe,iPXE
        dhcp-mac=set:lab,02:00:aa:*:*:*
        tag-if=set:first,tag:bios,tag:!ipxe
        dhcp-host=52:54:00:00:00:01,set:thin
        dhcp-host=52:54:00:00:00:02,ignore
        dhcp-ignore=tag:lab
        dhcp-ignore=tag:lab,tag:bios
        dhcp-reply-delay=tag:bios,2
        dhcp-boot=tag:first,undionly.kpxe,,10.0.0.9
        dhcp-boot=tag:thin,thin.0,,10.0.0.9
        pxe-prompt="menu",2
        pxe-service=tag:first,x86PC,"one",one,10.0.0.9
        pxe-service=x86PC,"two",two
        pxe-service=tag:thin,x86PC,"thin",thin
        pxe-service=x86PC,"disk",0
        dhcp-option=vendor:PXEClient,200,5
        dhcp-option=3,10.0.0.1
        dhcp-no-override
        dhcp-pxe-vendor=PXEClient
        tftp-root=/srv/tftp
    """,
}

FILES = [
    *(("dhcpd", path) for path in sorted(DHCPD.glob("*.conf"))),
    *(
        (kind, path)
        for kind in STATEMENTS
        for path in sorted(SHARED.glob(f"corpus/{kind}*"))
        if "rejected" not in path.name
    ),
]


@pytest.mark.parametrize(("kind", "path"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_no_statement_of_a_file_is_dropped(kind: str, path: Path, tmp_path: Path) -> None:
    dropped = without_effect(kind, path.read_text(), tmp_path)
    assert [line for line in dropped if not re.fullmatch(rf"\d+: (?:{NO_EFFECT[kind]})", line)] == []


@pytest.mark.parametrize("name", DNSMASQ)
def test_no_line_of_a_dnsmasq_is_dropped(name: str, tmp_path: Path) -> None:
    assert without_effect("dnsmasq", DNSMASQ[name], tmp_path) == []

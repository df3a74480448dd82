"""What pydantic finds, said as an administrator would: where, what, and what to write."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from coexist.errors import Position, Problem
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.servers import Deployment
from coexist.inventory.validation import validate


def problems_of(text: str) -> list[str]:
    problems: list[Problem] = []
    sources = SourceMap(Position("f.yaml"))
    tree: Any = read_yaml(text, "f.yaml", sources, problems)
    validate(tree, sources, problems)
    return [str(problem).removeprefix("f.yaml:") for problem in sorted(problems)]


VLAN = "site: x\nvlans:\n  a: {id: 1, subnet: 10.0.0.0/8"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("site: x\nvlans: 5\n", "2:8 5"),
        ("site: x\nvlans: {a: }\n", "2:12"),
        ("site: x\nintent: {a: b}\n", "2:9"),
        ("site: x\njitter: some\n", "2:9 some"),
        ("site: x\njitter: 1e400\n", "2:9 1e400 86400"),
        (f"{VLAN}, forwarding_delay: -1}}\n", "3:52 -1"),
        (VLAN.replace("id: 1", "id: 10.5") + "}\n", "3:11 10.5"),
        (VLAN.replace("id: 1", "id: ten") + "}\n", "3:11 ten"),
        (
            VLAN.replace("id: 1", "id: " + "9" * 500) + "}\n",
            f"3:11 {'9' * 40}...",
        ),
        (VLAN.replace("id: 1", "id: true") + "}\n", "3:11 true"),
        (f"{VLAN}, forwarding_delay: false}}\n", "3:52 false"),
        (f"{VLAN}, blocked_ports: [69, true]}}\n", "3:54 true"),
        (f"{VLAN}, relay: {{option_82: maybe}}}}\n", "3:53 maybe"),
        (
            f"{VLAN}, gatway: 10.0.0.1}}\n",
            "3:34 gatway gateway",
        ),
        (
            f"{VLAN}, relay: {{min_sec: 4}}}}\n",
            "3:42 min_sec min_secs",
        ),
        ("site: x\ngropus: {}\n", "2:1 gropus groups"),
        (
            "site: x\nintent:\n  - {boot_from: a, except: b}\n",
            "3:20 except",
        ),
        (
            "site: x\nintent:\n  - {boot_from: a, until: 2026-02-30}\n",
            "3:27 2026-02-30",
        ),
        (
            "site: x\nsuppress:\n  - {code: 301, reason: because}\n",
            "3:12 301",
        ),
        (
            "site: x\nsuppress:\n  - {code: CX301, reason: ok}\n",
            "3:27 ok",
        ),
        (
            "site: x\nservers:\n  a: {software: coexist, roles: proxy, address: 10.0.0.1, vlan: a}\n",
            "3:33 proxy proxydhcp",
        ),
        (
            "site: x\narchitectures: {UEFI-X64: edk2}\n",
            "2:17 UEFI-X64 uefi-x64",
        ),
    ],
)
def test_each_misfit_says_what_to_write(text: str, told: str) -> None:
    """``told``: its place, and what must be named: what was written there, what may be."""
    place, *values = told.split()
    (found,) = problems_of(text)
    assert found.startswith(f"{place}: ")
    assert all(value in found for value in values)
    assert found.partition("; ")[2]


@pytest.mark.parametrize(
    "path", ["relative/x", "~/x", "-dash", "/etc/../x", "/etc//x", "/etc/./x", "/a\nb", "/", ""]
)
def test_a_place_on_a_server_is_a_whole_plain_path(path):
    with pytest.raises(ValidationError) as refused:
        Deployment(host="x", paths={"a.conf": path})
    (error,) = refused.value.errors()
    assert error["loc"][0] == "paths"
    assert repr(path) in error["msg"]


@pytest.mark.parametrize("path", ["/etc/a.conf", "/etc/", "/srv/two words/-x", "C:\\dhcp\\a.xml"])
def test_places_on_a_server(path):
    assert Deployment(host="x", paths={"*": path}).paths == {"*": path}


_ON = "software: tftpd, address: 10.0.0.5, vlan: a"
HOLDERS = {
    "scope": 'scopes: {a: {server: d, vlan: a, filename: "FILE"}}',
    "rule": 'scopes: {a: {server: d, vlan: a, rules: [{vendor_class: PXEClient, filename: "FILE"}]}}',
    "programs": 'scopes: {a: {server: d, vlan: a, programs: {bios: "FILE"}}}',
    "programs of a server": f'servers: {{d: {{{_ON}, programs: {{bios: "FILE"}}}}}}',
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_file_must_have_room_in_the_header_field(holder: str) -> None:
    """It has 128 octets, and ends with a NUL: RFC 2131 section 2."""
    for file, fits in (("x" * 127, True), ("x" * 128, False), ("é" * 64, False), ("é" * 63, True)):
        url = file.replace("xxxxxxx", "http://", 1)
        text = f"{VLAN}}}\n" + HOLDERS[holder].replace("FILE", url) + "\n"
        found = [problem.split(" ")[0] for problem in problems_of(text)]
        place = f"4:{HOLDERS[holder].index('FILE')}:"
        assert found == ([] if fits else [place]), (holder, file)

"""A subnet, range or server that an inventory cannot have ends the import at its place, never left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.importers import import_files

KEA = """<?xml version="1.0"?>
<opnsense><OPNsense><Kea><dhcp4><general><enabled>1</enabled></general><subnets>
<subnet4 uuid="a"><subnet>10.1.0.0/24</subnet><pools>10.1.0.10</pools></subnet4>
</subnets></dhcp4></Kea></OPNsense></opnsense>
"""
CASES = {
    "a netmask with holes": (
        "dhcpd",
        "authoritative;\nsubnet 10.0.0.0 netmask 255.0.255.0 { range 10.0.0.5 10.0.0.9; }\n",
        (2, 1),
    ),
    "a range over two networks": (
        "dnsmasq",
        "dhcp-authoritative\ndhcp-range=lan,10.1.0.10,10.1.1.99,12h\n",
        (2, 1),
    ),
    "a pool of one end": ("opnsense", KEA, (3, 1)),
    "a server without its network": (
        "mikrotik",
        "/ip pool\nadd name=p ranges=10.1.0.10-10.1.0.99\n/ip dhcp-server\nadd name=lan address-pool=p\n",
        (4, 1),
    ),
}


@pytest.mark.parametrize(("kind", "text", "place"), CASES.values(), ids=CASES)
def test_it_ends_the_import(kind: str, text: str, place: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        import_files(kind, [file])
    (problem,) = refused.value.problems
    assert (problem.position.line, problem.position.column) == place
    assert problem.remedy

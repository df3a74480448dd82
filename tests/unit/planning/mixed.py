"""Small random sites of many products, for property tests of what solve proposes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.analysis.worlds import names, trees

_DHCP = ("isc-dhcpd", "isc-dhcpd", "kea", "windows-dhcp", "dnsmasq")
_BOOT = ("coexist", "coexist", "dnsmasq", "dnsmasq", "wds", "configmgr", "openthinclient")
_CHAINED = {"bios": "undionly.kpxe", "uefi-x64": "snponly.efi"}


@st.composite
def mixed_trees(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of a site as `trees` makes it, of many products; some servers are fixed, some chain-load."""
    tree = draw(trees())
    for name, server in tree["servers"].items():
        if name == "dhcp":
            _dhcp(server, draw(st.sampled_from(_DHCP)))
        else:
            draw(_boot_service(server))
    return tree


def _dhcp(server: dict[str, Any], product: str) -> None:
    server["software"] = product
    if product != "isc-dhcpd":
        server.pop("ping_check")
    if product == "dnsmasq":
        server["roles"] = ["dhcp"]


@st.composite
def _boot_service(draw: st.DrawFn, server: dict[str, Any]) -> None:
    product = server["software"] = draw(st.sampled_from(_BOOT))
    if product == "dnsmasq":
        server["roles"] = ["proxydhcp", "tftp"]
    if product != "coexist":
        server["delay"] = 0
    if product not in ("coexist", "dnsmasq"):
        if isinstance(server["answers"], dict):
            server["answers"] = "everyone"
        if draw(st.booleans()):
            del server["programs"]  # it brings its own
    elif draw(st.integers(0, 2)) == 0:
        waits = st.sampled_from([0, 1, 2, 2])
        server["delay_for"] = {group: draw(waits) for group in draw(names)}
    if "programs" in server and draw(st.integers(0, 2)) == 0:
        script = {"ipxe": "boot.ipxe"} if draw(st.integers(0, 3)) else {}
        server["programs"] = {**_CHAINED, **script}
    server["fixed"] = draw(st.integers(0, 6)) == 0

"""Real firmware boots from the boot server: over TFTP with a window, and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from coexist.wire.tftp import Data, OptionAck
from tests.harness.capture import HttpRequest
from tests.harness.firmware import NEEDS, Firmware, start_firmware
from tests.harness.network import Network
from tests.harness.programs import boot_program
from tests.harness.servers import start_boot_server, start_dhcpd

pytestmark = pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])

OTC = "10.10.0.6"
SIZE = 200_000
MACS: dict[Firmware, str] = {"ipxe": "00:80:64:10:00:01", "edk2": "00:80:64:10:00:02"}


@pytest.fixture
def network() -> Iterator[Network]:
    """A VLAN with a plain DHCP server."""
    with Network() as made:
        made.vlan("office", "10.10.0.0/16")
        core = made.host("core", {"office": "10.10.0.5"})
        start_dhcpd(
            core,
            "authoritative; ddns-update-style none; ping-check false;\n"
            "subnet 10.10.0.0 netmask 255.255.0.0 { range 10.10.2.1 10.10.2.99; }\n",
        )
        yield made


def serve(network: Network, programs: dict[str, str], **changes: Any) -> None:
    otc = network.host("otc", {"office": OTC})
    for architecture, file in (("bios", "thin.0"), ("uefi-x64", "thin.efi")):
        otc.write(f"tftp/{file}", boot_program(architecture, "thin", size=SIZE))
    config = {
        "name": "otc",
        "listen": [{"address": OTC, "vlan": "office"}],
        "rules": [{"name": "thin", "clients": {"prefixes": ["00:80:64"]}, "programs": programs}],
        "tftp": {"root": "tftp"},
        **changes,
    }
    start_boot_server(otc, otc.write("coexist.yaml", json.dumps(config)), ready="ready")


@pytest.mark.parametrize("firmware", MACS)
def test_it_boots_over_tftp(network, firmware):
    serve(network, {"bios": "thin.0", "uefi-x64": "thin.efi"})
    boot = start_firmware(network, "office", firmware=firmware, mac=MACS[firmware])
    assert (boot.word, boot.boot_server) == ("thin", OTC)
    agreed = [frame.message for frame in boot.frames if isinstance(frame.message, OptionAck)]
    # What each asks for: docs/concepts/what-a-reply-needs.md.
    assert agreed[-1].options["blksize"] == {"ipxe": "1432", "edk2": "1468"}[firmware]
    assert agreed[-1].options.get("windowsize") == {"ipxe": None, "edk2": "4"}[firmware]
    blocks = [frame.message.block for frame in boot.frames if isinstance(frame.message, Data)]
    assert max(blocks) >= SIZE // 1468


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
def test_ipxe_boots_over_http(network, uefi):
    serve(
        network,
        {"bios": f"http://{OTC}/thin.0", "uefi-x64": f"http://{OTC}/thin.efi"},
        services=["proxydhcp", "tftp", "http"],
        http={"port": 80},
    )
    boot = start_firmware(network, "office", firmware="ipxe", mac=MACS["ipxe"], uefi=uefi)
    assert boot.word == "thin"
    asked = [frame.message for frame in boot.frames if isinstance(frame.message, HttpRequest)]
    assert asked[-1].target == ("/thin.efi" if uefi else "/thin.0")


def test_edk2_boots_over_http(network):
    """UEFI 2.10 section 24.7: an HTTPClient gets a URL and asks for the size first."""
    serve(network, {"http-x64": "thin.efi"}, services=["proxydhcp", "http"], http={"port": 80})
    boot = start_firmware(network, "office", firmware="edk2-http", mac=MACS["edk2"])
    assert (boot.word, boot.boot_server) == ("thin", OTC)
    asked = [frame.message for frame in boot.frames if isinstance(frame.message, HttpRequest)]
    assert [(request.method, request.target) for request in asked][-1] == ("GET", "/thin.efi")

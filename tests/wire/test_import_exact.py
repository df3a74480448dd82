"""A dnsmasq.conf that an import says in words: the rendered file answers as it did, octet for octet.

The real daemon runs on both files. What the rendered one sends is what the model of the declared server says.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.cli import run
from coexist.inventory import Inventory, load_inventory
from coexist.languages.dnsmasq.files import read_lines
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option
from tests.harness.matrix import KINDS, Asked, Asker, Case, difference, discovers
from tests.harness.network import Network
from tests.wire.test_own_files_dnsmasq import STRANGERS, start

pytestmark = pytest.mark.untimed

OWN = IPv4Address("10.42.5.2")
NET = IPv4Network("10.42.5.0/24")
CLIENT = IPv4Address("10.42.5.254")
POOL = {OWN + number for number in range(48, 98)}
_FQDN = 81
TEXTS = {
    "chain": """dhcp-range=10.42.5.50,10.42.5.99,255.255.255.0,4h
dhcp-authoritative
dhcp-match=set:efi64,option:client-arch,7
dhcp-match=set:efi64,option:client-arch,9
dhcp-match=set:bios,option:client-arch,0
dhcp-match=set:ipxe,175
dhcp-vendorclass=set:http,HTTPClient
dhcp-option-force=tag:http,60,HTTPClient
tag-if=set:first,tag:efi64,tag:!ipxe
dhcp-boot=tag:first,snponly.efi,,10.42.5.7
dhcp-boot=tag:bios,tag:!ipxe,undionly.kpxe
dhcp-boot=tag:ipxe,http://10.42.5.7/boot.ipxe
dhcp-boot=tag:http,http://10.42.5.7/snponly.efi
""",
    "options": """domain=lab.example
dhcp-range=10.42.5.50,10.42.5.99,255.255.255.0,30m
dhcp-option=option:ntp-server,10.42.5.4,10.42.5.5
dhcp-option=129,NIC=eepro100
dhcp-option=3,10.42.5.2
dhcp-option=26,1400
dhcp-option=option:domain-search,lab.example,example
dhcp-option-force=209,configs/common
dhcp-host=02:00:5e:10:00:07,10.42.5.20,kiosk
dhcp-boot=pxelinux.0
""",
    "header": """port=0
dhcp-no-override
dhcp-ignore-clid
dhcp-range=set:lan,10.42.5.50,10.42.5.99,255.255.255.0,infinite
dhcp-option=tag:lan,66,10.42.5.2
dhcp-option=67,grubx64.efi
dhcp-option=3
dhcp-userclass=set:menu,iPXE
dhcp-boot=tag:menu,menu.ipxe
""",
}


def asked_of(text: str, directory: Path) -> list[Asked]:
    """What the daemon says on a file: to DISCOVERs, to DHCPINFORMs, and to a REQUEST of each MAC."""
    directory.mkdir()
    (directory / "dnsmasq.conf").write_text(text)
    lines = read_lines(directory / "dnsmasq.conf")
    with Network(directory=directory) as network:
        network.vlan("lan", NET)
        server = network.host("server", {"lan": OWN}, gateway=str(CLIENT))
        client = network.host("client", {"lan": CLIENT})
        client.namespace.ip("route add 255.255.255.255 dev eth0")
        start(server, lines.texts, lines.listed)
        asker = Asker(client, OWN, [])
        try:
            macs = ["02:00:5e:10:00:07", *STRANGERS]
            offers = list(asker.ask(discovers(macs, [UNSPECIFIED])).values())
            informs = [
                Case(mac=mac, kind=kind, asks=asks, message=MessageType.INFORM, ciaddr=CLIENT)
                for mac in macs
                for kind in ("plain", "UEFI 7", "Microsoft")
                for asks in ("no list", "all")
            ]
            first = {case.mac: case.requesting(offer) for case, _, offer in reversed(offers) if offer}
            return [*offers, *asker.ask(informs).values(), *asker.ask(list(first.values())).values()]
        finally:
            asker.close()


def in_words(text: str, directory: Path) -> tuple[Inventory, str]:
    """The inventory that an import makes, and the file that is rendered from it."""
    directory.mkdir()
    (directory / "dnsmasq.conf").write_text(text)
    arguments = ["import", "dnsmasq", str(directory / "dnsmasq.conf"), "-o", str(directory / "site")]
    assert run([*arguments, "--address", str(OWN)]) == 0
    inventory = load_inventory(directory / "site")
    assert not inventory.site.servers["dnsmasq"].config, "it is not said in words"
    files = render_site(inventory).files["dnsmasq"]
    return inventory, next(file.content.decode() for file in files if file.path == "dnsmasq.conf")


def predicted(inventory: Inventory, packet: Packet) -> Packet | None:
    model = model_for(inventory, "dnsmasq")
    source = (packet.ciaddr, 68)
    arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=source)
    replies = model.receive(model.initial(), arrival).replies
    return replies[0].packet if replies else None


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_import_in_words_changes_no_octet_of_a_reply(text: str, tmp_path: Path) -> None:
    _, rendered = in_words(text, tmp_path / "import")
    before, after = asked_of(text, tmp_path / "before"), asked_of(rendered, tmp_path / "after")
    assert [case for case, _, _ in before] == [case for case, _, _ in after]
    wrong = []
    for (case, packet, old), (_, _, new) in zip(before, after, strict=True):
        # The packets of both rounds have their own numbers.
        found = difference(old, None if new is None else replace(new, xid=packet.xid))
        if found:
            wrong.append(f"{case.message.name} {case.mac} {case.kind} {case.asks}: {found}")
    assert any(reply is not None for _, _, reply in before), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_literal_server_answers_as_its_model(text: str, tmp_path: Path) -> None:
    inventory, rendered = in_words(text, tmp_path / "import")
    wrong = []
    for case, packet, reply in asked_of(rendered, tmp_path / "net"):
        if case.message is not MessageType.DISCOVER or {Option.HOST_NAME, _FQDN} & KINDS[case.kind].keys():
            # A client's own name is repeated, which an inventory does not say.
            continue
        expected = predicted(inventory, packet)
        if reply is not None and expected is not None and {reply.yiaddr, expected.yiaddr} <= POOL:
            # Which address of a pool it is, is the daemon's affair.
            expected = replace(expected, yiaddr=reply.yiaddr)
        found = difference(reply, expected)
        if found:
            wrong.append(f"{case.mac} {case.kind} {case.asks}: {found}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:12])

"""Our part of a dnsmasq in its ``conf-dir``, of every kind that is written, beside a file of somebody's own.

``dnsmasq --test`` takes both together, and the running daemon answers each packet as the files are evaluated.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from coexist.boot.servers import model_for
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from coexist.wire.options import Option
from tests.harness.matrix import (
    Asked,
    Asker,
    Case,
    Place,
    asking,
    differing,
    discovers,
    informs,
    place_of,
    selecting,
)
from tests.harness.network import Host
from tests.harness.processes import Process

pytestmark = pytest.mark.untimed

PATH = "/etc/dnsmasq.d/coexist.conf"
PLACE = place_of("# stands on 10.10.0.5/16, relay 10.11.0.1")
MAIN = """no-ping
port=0
domain=own.example
dhcp-range=set:lan,10.10.1.0,10.10.1.250,255.255.0.0,2h
dhcp-range=set:far,10.11.1.0,10.11.1.250,255.255.0.0,1h
dhcp-host=52:54:00:00:00:02,10.10.9.2,second
dhcp-match=set:efi,option:client-arch,7
dhcp-option=3,10.10.0.1
dhcp-option=tag:efi,42,10.10.0.9
dhcp-boot=tag:lan,old.0,,10.10.0.9
dhcp-boot=tag:efi,old.efi,,10.10.0.9
"""
SITE = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
  far: {id: 11, subnet: 10.11.0.0/16, gateway: 10.11.0.1, relay_to: [dhcp]}
servers:
  dhcp:
    software: dnsmasq 2.90
    address: 10.10.0.5
    vlan: office
    roles: [dhcp]
    config: {/etc/dnsmasq.conf: main.conf}
    dropin:
      path: /etc/dnsmasq.d/coexist.conf
      rules: RULES
  boot: {software: coexist, address: 10.10.0.6, vlan: office, programs: {bios: a.0, uefi-x64: a.efi}}
groups:
  listed: {macs: ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:01:00:00:07"]}
  makers: {prefix: ["52:54:01"]}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: everyone, boot_from: boot}
"""
MACS = (
    "52:54:00:00:00:01",
    "52:54:00:00:00:02",
    "52:54:01:00:00:07",
    "52:54:01:00:00:08",
    "52:54:02:00:00:09",
)
RULES = {
    "a file and a server": "[{clients: listed, next_server: boot, filename: new.0}]",
    "a file alone": "[{clients: listed, filename: 'a file, with commas \"and quotes\".0'}]",
    "a server alone": "[{clients: listed, next_server: 10.10.0.77}]",
    "programs by architecture": "[{next_server: boot, programs: {bios: a.0, uefi-x64: a.efi, ipxe: 'http://x/a'}}]",
    "nobody": "[{clients: makers, ignore: true}]",
    "some are answered": "[{clients: listed, filename: in.0}, {clients: makers, ignore: true}]",
    "a later rule": "[{clients: listed, filename: a.0}, {clients: makers, filename: b.0, next_server: boot}]",
    "what a client sends": "[{user_class: iPXE, filename: x.ipxe}, {vendor_class: PXEClient, filename: x.0}]",
    "an option is there": "[{when: [{option: 175, exists: true}], filename: has.0}]",
    "an option is not there": "[{when: [{option: 175, exists: false}], filename: lacks.0}]",
    "an option begins so": "[{when: [{option: 97, starts_with: 'hex:00:01'}], filename: id.0}]",
    "an option holds": "[{when: [{option: 60, contains: UNDI}], filename: undi.0}]",
    "an option equals": "[{when: [{option: 77, equals: iPXE}], filename: name.0}]",
    "a name holds": "[{when: [{option: 12, contains: pc-4}], filename: name.0}]",
    "options": "[{clients: listed, options: {6: [10.10.0.3, 10.10.0.4], 15: new.example, 42: 10.10.0.8}}]",
    "options of octets": "[{clients: makers, options: {43: 'hex:01:ff', 128: 'hex:07', 224: 'hex:00:ff'}}]",
    "options of numbers": "[{options: {23: 64, 24: 600, 26: 1400, 46: 8, 209: 'a, b', 210: /cfg/}}]",
    "boot options": "[{clients: listed, options: {66: tftp.example, 67: option.0, 150: 10.10.0.6}}]",
    "routes and search": "[{options: {121: 'hex:08:0a:0a:0a:00:01', 119: 'hex:03:6e:65:77:00'}}]",
    "names of groups": "[{clients: [listed, makers], architectures: [uefi-x64], options: {42: 10.10.0.1}}]",
}  # fmt: skip


def site_of(folder: Path, rules: str) -> Inventory:
    (folder / "main.conf").write_text(MAIN + "conf-dir=/etc/dnsmasq.d/,*.conf\n")
    (folder / "site.yaml").write_text(SITE.replace("RULES", rules))
    return load_inventory(folder)


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("kind", RULES)
def test_both_files_together_answer_as_they_are_evaluated(kind: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    inventory = site_of(site, RULES[kind])
    rendered = render_site(inventory)
    assert [str(f) for f in rendered.findings if f.severity.name == "ERROR"] == []
    ours = next(file for file in rendered.files["dhcp"] if file.target == PATH)

    def start(host: Host) -> Process:
        folder = host.directory / "dnsmasq.d"
        folder.mkdir(exist_ok=True)
        (folder / "coexist.conf").write_bytes(ours.content)
        path = host.write("dnsmasq.conf", f"{MAIN}conf-dir={folder}/,*.conf\n")
        tested = subprocess.run(
            ["dnsmasq", "--test", f"--conf-file={path}"], capture_output=True, text=True, check=False
        )
        assert tested.returncode == 0, tested.stderr
        return host.start(
            ["dnsmasq", "--keep-in-foreground", f"--conf-file={path}", "--interface=eth0",
             "--bind-interfaces", "--user=root", "--group=root", "--pid-file=",
             f"--dhcp-leasefile={host.directory}/leases", "--no-resolv", "--no-hosts", "--log-facility=-"],
            ready="DHCP, (sockets bound|IP range)",
        )  # fmt: skip

    with asking(tmp_path / "net", PLACE, start) as asker:
        seen = asked(asker, PLACE)
    wrong = differing(model_for(inventory, "dhcp"), PLACE, seen)
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(seen)} differ:\n" + "\n".join(wrong[:10])
    # Somebody is told something else for our part.
    without = model_for(site_without(site, inventory), "dhcp")
    assert differing(without, PLACE, seen)


def asked(asker: Asker, place: Place) -> list[Asked]:
    """Every DISCOVER, then INFORM and a REQUEST of each machine."""
    offers = asker.ask(discovers(list(MACS), place.ways)).values()
    more = [
        Case(mac=mac, kind="UEFI 7", more={Option.CLIENT_MACHINE_IDENTIFIER: b"\0\1" + bytes(15)})
        for mac in MACS
    ]
    more += [Case(mac=mac, kind="named") for mac in MACS]
    return [
        *offers,
        *asker.ask(more).values(),
        *asker.ask(informs(list(MACS), place.local)).values(),
        *asker.ask(selecting(offers)).values(),
    ]


def site_without(folder: Path, inventory: Inventory) -> Inventory:
    """The same site with the server's own file alone."""
    (folder / "main.conf").write_text(MAIN)
    return load_inventory(inventory.root)

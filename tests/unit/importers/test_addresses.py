"""A machine of no machine's address is told, whatever the source, and the inventory loads."""

import re
from pathlib import Path

import pytest

from coexist.importers import import_files
from coexist.importers.addresses import why_nobody
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import load_inventory
from coexist.wire.mac import parse_mac

SOURCES = {
    "dhcpd": "subnet 10.0.0.0 netmask 255.255.255.0 {}\nhost a { hardware ethernet %s; }\n",
    "kea": '{"Dhcp4": {"subnet4": [{"subnet": "10.0.0.0/24",\n'
    '"reservations": [{"hw-address": "%s", "ip-address": "10.0.0.5"}]}]}}',
    "dnsmasq": "dhcp-range=10.0.0.50,10.0.0.99,255.255.255.0\ndhcp-host=%s,10.0.0.5,a\n",
    "dnsmasq-hosts": "\n%s,10.0.0.5,a\n",
    "macs": "mac,name\n%s,a\n",
    "openthinclient": "dn: cn=a,ou=clients,dc=x\nobjectClass: device\ncn: a\nmacAddress: %s\n",
}


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])
@pytest.mark.parametrize("kind", SOURCES)
def test_nobody_is_registered(kind: str, mac: str, tmp_path: Path):
    path = tmp_path / "source"
    path.write_text(SOURCES[kind] % mac)
    imported = import_files(kind, [path])
    assert not imported.clients
    told = {entry.why for entry in imported.not_modelled}
    # A manager's profile of the machines that it does not know stands under zeros: no machine is told there.
    assert why_nobody(parse_mac(mac)) in told or (kind == "openthinclient" and not parse_mac(mac) and told)


SHARING = {
    "dhcpd": "subnet 10.0.0.0 netmask 255.255.255.0 {}\n"
    "host wifi { hardware ethernet 52:54:00:00:00:01; fixed-address 10.0.0.5; }\n"
    "host dock { hardware ethernet 52:54:00:00:00:02; fixed-address 10.0.0.5; }\n",
    "dhcpd, one by one": "subnet 10.0.0.0 netmask 255.255.255.0 {}\n"
    "host wifi { hardware ethernet 52:54:00:00:00:01; fixed-address 10.0.0.5; }\n"
    'host dock {\n hardware ethernet 52:54:0:0:0:2; if known { filename "a"; } fixed-address 10.0.0.5; }\n',
    "kea": '{"Dhcp4": {"subnet4": [{"subnet": "10.0.0.0/24", "reservations": [\n'
    '{"hw-address": "52:54:00:00:00:01", "ip-address": "10.0.0.5", "hostname": "wifi"},\n'
    '{"hw-address": "52:54:00:00:00:02", "ip-address": "10.0.0.5", "hostname": "dock"}]}],\n'
    '"ip-reservations-unique": false}}',
}


@pytest.mark.parametrize("source", SHARING)
def test_an_address_of_two_hosts_stays_theirs_under_one_name(source: str, tmp_path: Path):
    path = tmp_path / "source"
    path.write_text(SHARING[source])
    imported = import_files(source.partition(",")[0], [path])
    assert [(row.name, row.address) for row in imported.clients] == [("wifi", "10.0.0.5")] * 2
    lines = {entry.position.line for entry in imported.not_modelled if re.search(r"\bwifi\b", entry.why)}
    assert lines == {3}
    (tmp_path / "site.yaml").write_text(site_yaml(imported))
    (tmp_path / "clients.csv").write_text(clients_csv(imported.clients))
    assert len(load_inventory(tmp_path / "site.yaml").clients.macs) == 2

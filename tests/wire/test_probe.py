"""The probe against real daemons on a VLAN of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys

import pytest

from tests.harness.network import Network
from tests.harness.processes import wait_until
from tests.harness.servers import start_boot_server, start_dhcpd, start_dnsmasq

DHCPD = """
authoritative; ddns-update-style none; ping-check false;
subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.150 10.77.0.190; }
"""
PROXY = [
    "dhcp-range=10.77.0.0,proxy,255.255.255.0",
    'pxe-service=X86-64_EFI,"a",a.efi',
    "dhcp-match=set:efi,option:client-arch,7",
    "dhcp-ignore=tag:!efi",
]


@pytest.fixture
def network():
    with Network() as made:
        made.vlan("office", "10.77.0.0/24")
        yield made


def probe(host, *arguments):
    return host.start([sys.executable, "-m", "coexist", "probe", *arguments])


def document(process):
    code = process.wait(timeout=120)
    return code, json.loads(process.output)


@pytest.mark.needs("dhcpd", "dnsmasq")
def test_a_responder_that_answers_uefi_only_and_after_eight_seconds_is_found(network):
    start_dhcpd(network.host("dhcp", {"office": "10.77.0.5"}), DHCPD)
    start_dnsmasq(network.host("slow", {"office": "10.77.0.6"}), [*PROXY, "dhcp-reply-delay=8"])
    asking = network.host("monitor", {"office": "10.77.0.9"})
    code, found = document(probe(asking, "-i", "eth0", "--wait", "14", "--format", "json"))
    responders = {responder["address"]: responder for responder in found["responders"]}

    assert code == 0
    assert set(responders) == {"10.77.0.5", "10.77.0.6"}
    slow = responders["10.77.0.6"]
    assert slow["answers"] == ["uefi-x64"]
    assert slow["roles"][0] == "ProxyDHCP"
    assert slow["first"] >= 8
    assert any(remark.startswith("answers late") for remark in slow["remarks"])
    assert any("PXE" in remark for remark in slow["remarks"])
    assert responders["10.77.0.5"]["silent"] == []
    assert responders["10.77.0.5"]["first"] < 3


@pytest.mark.needs("dhcpd", "dnsmasq")
def test_the_probe_leases_nothing_and_says_its_name(network):
    dhcp = network.host("dhcp", {"office": "10.77.0.5"})
    dhcpd = start_dhcpd(dhcp, DHCPD)
    start_dnsmasq(network.host("proxy", {"office": "10.77.0.6"}), PROXY)
    asking = network.host("monitor", {"office": "10.77.0.9"})
    code, found = document(probe(asking, "-i", "eth0", "--wait", "2", "--format", "json"))

    assert code == 0
    assert {answer["port"] for answer in found["answers"]} == {67, 4011}
    assert [r["port_4011"] for r in found["responders"]] == [False, True]
    assert "DHCPOFFER" in dhcpd.output
    assert "coexist-probe" in dhcpd.output
    assert "DHCPREQUEST" not in dhcpd.output
    assert "binding state active" not in (dhcp.own_path("/var/lib/dhcp") / "dhcpd.leases").read_text()


@pytest.mark.needs("dnsmasq")
def test_a_boot_file_is_fetched_and_its_digest_shown(network):
    proxy = network.host("proxy", {"office": "10.77.0.6"})
    content = bytes(range(256)) * 50
    proxy.write("tftp/a.efi", content)
    start_dnsmasq(proxy, [*PROXY, "enable-tftp", f"tftp-root={proxy.directory}/tftp"])
    asking = network.host("monitor", {"office": "10.77.0.9"})
    code, found = document(
        probe(asking, "-i", "eth0", "--wait", "2", "-a", "uefi-x64", "--fetch", "--format", "json")
    )
    assert code == 0
    assert found["fetched"] == [
        {
            "server": "10.77.0.6",
            "file": "a.efi",
            "result": f"{len(content)} octets, sha256 {hashlib.sha256(content).hexdigest()}",
        }
    ]


@pytest.mark.needs("dnsmasq")
def test_an_interrupted_fetch_keeps_what_was_heard(network):
    """A server that takes requests for files and never answers is waited for; nobody has to wait with it."""
    proxy = network.host("proxy", {"office": "10.77.0.6"})
    start_dnsmasq(proxy, PROXY)
    listener = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('10.77.0.6', 69))\n"
        "print('bound')\nwhile s.recv(999):\n    print('asked')"
    )
    silent = proxy.start([sys.executable, "-uc", listener])
    wait_until(lambda: "bound" in silent.output, "somebody listens on port 69")
    asking = network.host("monitor", {"office": "10.77.0.9"})
    process = probe(asking, "-i", "eth0", "--wait", "2", "-a", "uefi-x64", "--fetch", "--format", "json")
    wait_until(lambda: "asked" in silent.output, "the file is asked for")
    os.kill(process.pid, signal.SIGINT)
    code, kept = document(process)
    assert code == 130
    assert [each["address"] for each in kept["responders"]] == ["10.77.0.6"]
    assert kept["fetched"] == []


@pytest.mark.needs("dhcpd")
def test_a_server_with_a_whitelist_is_asked_for_files_as_one_of_its_clients(network):
    """It knows its clients by the MAC behind their address; a machine that is on keeps its own."""
    client = "00:80:64:10:00:01"
    reserved = f"host thin {{ hardware ethernet {client}; fixed-address 10.77.0.40; }}"
    start_dhcpd(network.host("dhcp", {"office": "10.77.0.5"}), DHCPD + reserved)
    boot = network.host("boot", {"office": "10.77.0.6"})
    boot.write("tftp/thin.0", b"thin" * 900)
    programs = {"bios": "thin.0", "uefi-x64": "lost.efi", "http-x64": "http://10.77.0.6/lost.efi"}
    rule = {"name": "thin", "clients": {"macs": [client]}, "programs": programs}
    config = {
        "name": "boot",
        "listen": [{"address": "10.77.0.6", "vlan": "office"}],
        "rules": [rule],
        "tftp": {"root": "tftp"},
        "http": {"port": 80},
        "registry": "registry.sqlite",
    }
    start_boot_server(boot, boot.write("coexist.yaml", json.dumps(config)), ready="ready")
    asking = network.host("monitor", {"office": "10.77.0.9"})
    common = ["-i", "eth0", "--wait", "2", "--mac", client, "--fetch", "--format", "json"]

    code, refused = document(probe(asking, *common, "-a", "bios"))
    assert code == 1
    assert [finding["code"] for finding in refused["findings"]] == ["CX706"]

    code, found = document(
        probe(asking, *common, "--as-client", "-a", "bios", "-a", "uefi-x64", "-a", "http-x64")
    )
    assert code == 1
    results = {fetched["file"]: fetched["result"] for fetched in found["fetched"]}
    assert results["thin.0"] == f"3600 octets, sha256 {hashlib.sha256(b'thin' * 900).hexdigest()}"
    assert [finding["code"] for finding in found["findings"]] == ["CX706", "CX706"]
    assert results["lost.efi"].startswith("error 1")
    assert results["http://10.77.0.6/lost.efi"].startswith("HTTP 404")

    network.host("machine", {"office": "10.77.0.40"}, mac=client)
    code, taken = document(probe(asking, *common, "--as-client", "-a", "bios"))
    assert code == 1
    assert taken["fetched"][0]["result"].startswith("the machine is on")


@pytest.mark.needs("dhcpd")
def test_a_server_on_another_subnet_is_asked_as_a_relay_does(network):
    network.vlan("workshop", "10.78.0.0/24")
    config = DHCPD + "subnet 10.78.0.0 netmask 255.255.255.0 { range 10.78.0.150 10.78.0.190; }"
    router = network.router({"office": "10.77.0.1", "workshop": "10.78.0.1"})
    start_dhcpd(network.host("dhcp", {"office": "10.77.0.5"}, gateway=router.address), config)
    asking = network.host("monitor", {"workshop": "10.78.0.9"}, gateway="10.78.0.1")
    code, found = document(
        probe(asking, "--relay-to", "10.77.0.5", "--giaddr", "10.78.0.9", "--wait", "1", "--format", "json")
    )
    assert code == 0
    assert [(r["address"], r["roles"]) for r in found["responders"]] == [("10.77.0.5", ["DHCP"])]


@pytest.mark.needs("dhcpd")
def test_a_stranger_is_critical_for_monitoring_and_found_by_the_doctor(network, tmp_path):
    dhcpd = start_dhcpd(network.host("dhcp", {"office": "10.77.0.5"}), DHCPD)
    (tmp_path / "site.yaml").write_text(
        "site: small\n"
        "vlans: {office: {id: 1, subnet: 10.77.0.0/24}}\n"
        "servers:\n"
        "  core: {software: isc-dhcpd 4.4, address: 10.77.0.4, vlan: office}\n"
        "scopes:\n"
        "  office: {server: core, vlan: office, pools: [10.77.0.150-10.77.0.190]}\n"
    )
    asking = network.host("monitor", {"office": "10.77.0.9"})
    process = probe(asking, "-i", "eth0", "--wait", "1", "--expect", tmp_path, "--nagios")
    assert process.wait() == 2
    assert process.output.startswith(
        "COEXIST CRITICAL - 10.77.0.5 answers as DHCP and is not in the inventory"
    )
    asks = ["--probe", "eth0", "--wait", "1", "--format", "json"]
    doctor = [sys.executable, "-m", "coexist", "doctor", tmp_path, "52:54:00:00:00:07", *asks]
    code, told = document(asking.start(doctor))
    assert code == 1
    verdict = told["answers"][told["verdict"]]
    assert verdict["topic"] == "asked"
    assert "10.77.0.5" in verdict["text"]
    offers = dhcpd.output.count("DHCPOFFER")
    process = probe(asking, "-i", "eth0", "--expect", tmp_path, "--format", "json")
    wait_until(lambda: dhcpd.output.count("DHCPOFFER") > offers + 2, "the probe is answered")
    os.kill(process.pid, signal.SIGINT)
    code, kept = document(process)
    assert code == 130
    assert {each["address"] for each in kept["responders"]} == {"10.77.0.5"}
    assert {each["code"] for each in kept["findings"]} == {"CX701"}, "who was not waited for is not missed"


def test_an_unknown_interface_is_one_sentence(network):
    asking = network.host("monitor", {"office": "10.77.0.9"})
    process = probe(asking, "-i", "eth7")
    assert process.wait() == 4
    assert process.output.startswith("the interface eth7 cannot be used: No such device; this machine has lo")
    process = probe(asking, "-i", "eth7", "--nagios")
    assert process.wait() == 3
    assert process.output.startswith("COEXIST UNKNOWN - ")

"""What says how Kea runs stands in the rendered file too; secrets and unknown hooks keep the old one."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import load_inventory
from coexist.render import RenderedSite, render_site

SUBNET = {"subnet": "10.9.0.0/24", "id": 4, "pools": [{"pool": "10.9.0.10 - 10.9.0.90"}]}
RUNS = {
    "interfaces-config": {"interfaces": ["lan0"]},
    "control-socket": {"socket-type": "unix", "socket-name": "/run/kea/four.sock"},
    "lease-database": {"type": "memfile", "lfc-interval": 1800},
    "loggers": [{"name": "kea-dhcp4", "severity": "WARN"}],
    "ddns-update-on-renew": True,
    "renew-timer": 700,
    "rebind-timer": 1300,
}
LEGAL_LOG = {"library": "/usr/lib/kea/hooks/libdhcp_legal_log.so", "parameters": {"path": "/var/log/kea"}}
RADIUS = {"library": "/usr/lib/kea/hooks/libdhcp_radius.so"}


def imported(tmp_path: Path, **keywords: Any) -> Imported:
    path = tmp_path / "kea.json"
    path.write_text(json.dumps({"Dhcp4": {"subnet4": [SUBNET], **keywords}}))
    return import_files("kea", [path], address=IPv4Address("10.9.0.1"))


def rendered(found: Imported, tmp_path: Path) -> tuple[RenderedSite, dict[str, Any]]:
    (tmp_path / "site.yaml").write_text(site_yaml(found))
    (tmp_path / "clients.csv").write_text(clients_csv(found.clients))
    site = render_site(load_inventory(tmp_path))
    return site, json.loads(site.files["dhcp"][0].content)["Dhcp4"]


def test_how_the_daemon_runs_is_carried_over(tmp_path: Path) -> None:
    site, dhcp4 = rendered(imported(tmp_path, **RUNS, **{"hooks-libraries": [LEGAL_LOG]}), tmp_path)
    assert {key: dhcp4[key] for key in RUNS} == RUNS
    assert dhcp4["hooks-libraries"] == [LEGAL_LOG]
    assert not site.findings


def test_a_hook_that_may_do_anything_keeps_the_file(tmp_path: Path) -> None:
    found = imported(tmp_path, **{"hooks-libraries": [LEGAL_LOG, RADIUS]})
    (lost,) = found.tree["servers"]["dhcp"]["left_out"]
    assert "libdhcp_radius.so" in lost
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]


DATABASE = {"type": "postgresql", "name": "kea", "user": "kea", "password": "Vogelhaus7"}


def test_a_secret_is_carried_over_by_reference(tmp_path: Path) -> None:
    found = imported(tmp_path, **{"lease-database": DATABASE, "hosts-databases": [DATABASE, DATABASE]})
    text = site_yaml(found)
    assert "Vogelhaus7" not in text
    assert "{secret: env:KEA_LEASE_DATABASE_PASSWORD}" in text
    site, dhcp4 = rendered(found, tmp_path)
    assert not site.findings
    assert dhcp4["lease-database"] == DATABASE | {
        "password": "@coexist-secret(env:KEA_LEASE_DATABASE_PASSWORD)"
    }
    tokens = [database["password"] for database in dhcp4["hosts-databases"]]
    assert tokens == [f"@coexist-secret(env:KEA_HOSTS_DATABASES_{n}_PASSWORD)" for n in (1, 2)]


def test_a_secret_that_no_reference_can_name_keeps_the_file(tmp_path: Path) -> None:
    hook = {"library": "libdhcp_legal_log.so", "parameters": {"path": "mysql://kea:Vogelhaus7@db/kea"}}
    found = imported(tmp_path, **{"hooks-libraries": [hook]})
    assert "Vogelhaus7" not in site_yaml(found)
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]


def test_subnets_keep_their_ids(tmp_path: Path) -> None:
    """Leases hang on them; those without one are numbered as Kea numbers them, shared networks first."""
    nets = [{"subnet": f"10.8.{n}.0/24", "pools": [{"pool": f"10.8.{n}.10/31"}]} for n in range(3)]
    shared = [{"name": "s", "subnet4": [nets[2] | {"id": 77}, nets[1]]}]
    path = tmp_path / "kea.json"
    path.write_text(json.dumps({"Dhcp4": {"subnet4": [nets[0]], "shared-networks": shared}}))
    _, dhcp4 = rendered(import_files("kea", [path], address=IPv4Address("10.8.0.1")), tmp_path)
    both = [*dhcp4["subnet4"], *dhcp4["shared-networks"][0]["subnet4"]]
    assert {entry["subnet"]: entry["id"] for entry in both} == {nets[2]["subnet"]: 77, nets[1]["subnet"]: 1,
                                                                nets[0]["subnet"]: 2}  # fmt: skip


OF_A_SUBNET = {
    "interface": "lan0",
    "renew-timer": 111,
    "rebind-timer": 222,
    "min-valid-lifetime": 300,
    "max-valid-lifetime": 9000,
    "server-hostname": "boot.example",
    "ddns-qualifying-suffix": "lab.example",
    "relay": {"ip-addresses": ["10.77.0.1"]},
    "authoritative": True,
    "match-client-id": False,
    "user-context": {"owner": "net team"},
}


def test_what_a_subnet_says_of_times_names_and_relays_is_written(tmp_path: Path) -> None:
    shared = [{"name": "s", "subnet4": [SUBNET], **OF_A_SUBNET}]
    (tmp_path / "kea.json").write_text(json.dumps({"Dhcp4": {"shared-networks": shared}}))
    found = import_files("kea", [tmp_path / "kea.json"], address=IPv4Address("10.9.0.1"))
    assert not found.not_modelled
    _, dhcp4 = rendered(found, tmp_path)
    (subnet,) = dhcp4["subnet4"]
    assert {key: subnet[key] for key in OF_A_SUBNET} == OF_A_SUBNET


HOSTS = [
    {"client-id": "01:02:03", "ip-address": "10.9.0.5", "boot-file-name": "own.0"},
    {"duid": "00:01:02:03:04", "hostname": "six"},
    {"flex-id": "'port-7'", "ip-address": "10.9.0.7"},
    {"hw-address": "52:54:00:09:00:08", "ip-address": "10.9.0.8", "server-hostname": "eight.example"},
    {"hw-address": "52:54:00:09:00:09", "hostname": "nine"},
]


def test_reservations_that_no_row_can_hold_are_written_as_they_stand(tmp_path: Path) -> None:
    found = imported(tmp_path, subnet4=[SUBNET | {"reservations": HOSTS}])
    told = {entry.statement.partition(":")[0]: entry for entry in found.not_modelled}
    assert all(entry.harmless for entry in told.values())
    _, dhcp4 = rendered(found, tmp_path)
    written = dhcp4["subnet4"][0]["reservations"]
    assert [entry for entry in HOSTS[:2] if entry not in written] == []
    # No hook computes what it is looked up by.
    assert not any("flex-id" in entry for entry in written)
    (eight,) = (entry for entry in written if entry.get("ip-address") == "10.9.0.8")
    assert eight["server-hostname"] == "eight.example"
    assert {"hw-address": "52:54:00:09:00:09", "hostname": "nine"} in written
    assert dhcp4["host-reservation-identifiers"] == ["hw-address", "duid", "circuit-id", "client-id"]


def test_a_reservation_by_client_identifier_with_classes_keeps_the_file(tmp_path: Path) -> None:
    hosts = [{"client-id": "01:02:03", "client-classes": ["vip"]}]
    found = imported(tmp_path, subnet4=[SUBNET | {"reservations": hosts}])
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]


def test_host_names_go_to_those_that_do_not_ask(tmp_path: Path) -> None:
    host = {"hw-address": "52:54:00:09:00:01", "ip-address": "10.9.0.6", "hostname": "one.lab.example"}
    found = imported(tmp_path, subnet4=[SUBNET | {"reservations": [host]}])
    _, dhcp4 = rendered(found, tmp_path)
    (entry,) = dhcp4["subnet4"][0]["reservations"]
    assert entry["hostname"] == "one.lab.example"


FLEX = {"library": "/usr/lib/kea/hooks/libdhcp_flex_option.so"}


def test_expressions_of_flex_option_are_written_beside_those_that_are_made(tmp_path: Path) -> None:
    own = {"code": 17, "supersede": "concat('/srv/', hexstring(pkt4.mac, '-'))"}
    hook = FLEX | {"parameters": {"options": [own]}}
    found = imported(tmp_path, **{"hooks-libraries": [hook]})
    (scope,) = found.tree["scopes"].values()
    scope["options"] = {67: "own.0"}  # with its NUL, which Kea drops
    _, dhcp4 = rendered(found, tmp_path)
    (library,) = dhcp4["hooks-libraries"]
    assert [entry["code"] for entry in library["parameters"]["options"]] == [17, 67]


def test_expressions_of_flex_option_that_ask_for_classes_keep_the_file(tmp_path: Path) -> None:
    own = {"code": 17, "supersede": "ifelse(member('a'), 'x', 'y')"}
    found = imported(tmp_path, **{"hooks-libraries": [FLEX | {"parameters": {"options": [own]}}]})
    (lost,) = found.tree["servers"]["dhcp"]["left_out"]
    assert "libdhcp_flex_option.so" in lost


def test_a_class_that_gives_nothing_keeps_no_file(tmp_path: Path) -> None:
    found = imported(
        tmp_path, **{"client-classes": [{"name": "idle"}, {"name": "seen", "test": "pkt4.len == 9"}]}
    )
    assert "left_out" not in found.tree["servers"]["dhcp"]


def test_a_class_that_drops_other_messages_is_written(tmp_path: Path) -> None:
    drop = {"name": "DROP", "test": "pkt4.msgtype == 7 or pkt4.msgtype == 4"}
    _, dhcp4 = rendered(imported(tmp_path, **{"client-classes": [drop]}), tmp_path)
    assert dhcp4["client-classes"] == [drop]


def test_a_class_keeps_its_server_name_and_times(tmp_path: Path) -> None:
    part = {"name": "phones", "test": "option[60].hex == 'snom'", "server-hostname": "tel.example",
            "valid-lifetime": 600, "boot-file-name": "snom.htm"}  # fmt: skip
    found = imported(tmp_path, **{"client-classes": [part]})
    assert not found.not_modelled
    _, dhcp4 = rendered(found, tmp_path)
    kept = {key: value for key, value in part.items() if key != "boot-file-name"}
    assert dhcp4["client-classes"][0] == kept
    assert any(entry.get("boot-file-name") == "snom.htm" for entry in dhcp4["client-classes"][1:])


def test_settings_of_a_subnet_without_a_scope_are_refused(tmp_path: Path) -> None:
    found = imported(tmp_path)
    found.tree["servers"]["dhcp"]["settings"]["subnets"]["10.10.0.0/24"] = {"id": 9}
    with pytest.raises(InputError) as caught:
        rendered(found, tmp_path)
    assert caught.value.problems[0].position.line > 1


def test_options_go_to_those_that_ask(tmp_path: Path) -> None:
    """Neither option 67 nor 60 is forced, and nothing follows from the header's fields."""
    part = {"name": "http", "test": "substring(option[60].hex,0,10) == 'HTTPClient'",
            "next-server": "10.9.0.3", "boot-file-name": "a.efi",
            "option-data": [{"name": "vendor-class-identifier", "data": "HTTPClient"},
                            {"name": "boot-file-name", "data": "http://10.9.0.3/a.efi"}]}  # fmt: skip
    _, dhcp4 = rendered(imported(tmp_path, **{"client-classes": [part]}), tmp_path)
    assert "hooks-libraries" not in dhcp4
    (made,) = dhcp4["client-classes"]
    assert {entry["code"]: entry.get("always-send") for entry in made["option-data"]} == {60: None, 67: None}


def test_option_43_is_made_of_the_options_of_its_class(tmp_path: Path) -> None:
    part = {"name": "aps", "test": "option[60].hex == 'ubnt'",
            "option-def": [{"name": "controller", "code": 43, "type": "empty", "encapsulate": "ctl"}],
            "option-data": [{"name": "controller"},
                            {"code": 1, "space": "ctl", "data": "10.9.0.4"}]}  # fmt: skip
    definition = {"name": "address", "code": 1, "space": "ctl", "type": "ipv4-address"}
    found = imported(tmp_path, **{"option-def": [definition], "client-classes": [part]})
    (scope,) = found.tree["scopes"].values()
    assert scope["rules"][0]["options"] == {43: "hex:01:04:0a:09:00:04"}


POOLS: list[dict[str, Any]] = [
    {"pool": "10.9.0.10 - 10.9.0.19"},
    {"pool": "10.9.0.32/28", "user-context": {"floor": 2}, "option-data": [{"name": "ours", "data": "7"}]},
]


def test_options_of_one_of_several_pools_are_written_as_they_stand(tmp_path: Path) -> None:
    definition = {"name": "ours", "code": 230, "type": "uint8"}
    found = imported(tmp_path, subnet4=[SUBNET | {"pools": POOLS}], **{"option-def": [definition]})
    assert all(entry.harmless for entry in found.not_modelled)
    _, dhcp4 = rendered(found, tmp_path)
    first, second = dhcp4["subnet4"][0]["pools"]
    assert "option-data" not in first
    assert (second["option-data"], second["user-context"]) == (POOLS[1]["option-data"], {"floor": 2})
    assert dhcp4["option-def"] == [definition]


def test_settings_of_a_pool_that_is_none_are_refused(tmp_path: Path) -> None:
    found = imported(tmp_path)
    found.tree["servers"]["dhcp"]["settings"]["subnets"]["10.9.0.0/24"]["pools"] = {"10.9.0.1-10.9.0.2": {}}
    with pytest.raises(InputError) as caught:
        rendered(found, tmp_path)
    assert caught.value.problems[0].position.line > 1


def test_a_shared_network_keeps_its_own_words(tmp_path: Path) -> None:
    nets = [{"subnet": f"10.9.{n}.0/24", "id": n + 1, "renew-timer": 100 + n} for n in range(2)]
    shared = [{"name": "floor", "subnet4": nets, "authoritative": True, "interface": "lan0"}]
    found = imported(tmp_path, **{"shared-networks": shared, "subnet4": []})
    assert not found.not_modelled
    _, dhcp4 = rendered(found, tmp_path)
    (network,) = dhcp4["shared-networks"]
    assert (network["authoritative"], network["interface"]) == (True, "lan0")
    assert [subnet["renew-timer"] for subnet in network["subnet4"]] == [100, 101]
    assert not any("authoritative" in subnet for subnet in network["subnet4"])


def test_what_some_get_unasked_and_others_only_asked_keeps_the_file(tmp_path: Path) -> None:
    always = {"name": "root-path", "data": "/a", "always-send": True}
    part = {"name": "c", "test": "option[93].exists", "option-data": [always]}
    found = imported(
        tmp_path, **{"client-classes": [part], "option-data": [{"name": "root-path", "data": "/b"}]}
    )
    site, _ = rendered(found, tmp_path)
    assert [finding.code.code for finding in site.findings] == ["CX524"]


def test_pools_for_classes_that_only_a_hook_gives_are_told(tmp_path: Path) -> None:
    pools = [
        {"pool": f"10.9.0.{first} - 10.9.0.{first + 9}", "client-class": name}
        for first, name in ((20, "red"), (40, "white"))
    ]
    found = imported(
        tmp_path,
        subnet4=[{**SUBNET, "pools": pools}],
        **{"client-classes": [{"name": "red"}, {"name": "white"}], "hooks-libraries": [RADIUS]},
    )
    (scope,) = found.tree["scopes"].values()
    assert [pool["allow"] for pool in scope["pools"]] == ["nobody", "nobody"]
    assert any("libdhcp_radius.so" in lost for lost in found.tree["servers"]["dhcp"]["left_out"])

"""Kea's client classes, those that reservations list among them: who is in each, and who is told of."""

from __future__ import annotations

import json
from typing import Any

from coexist.importers import Imported
from coexist.importers.kea.site import import_kea

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
T = {"name": "T", "boot-file-name": "t.0"}
UEFI = {"name": "uefi", "test": "option[93].hex == 0x0007", "boot-file-name": "u.efi"}


def imported(classes: list[dict[str, Any]], *subnets: dict[str, Any], **more: Any) -> Imported:
    numbered = [{"subnet": f"10.0.{n}.0/24", **subnet} for n, subnet in enumerate(subnets)]
    dhcp4 = {"client-classes": classes, "subnet4": numbered} | {
        k.replace("_", "-"): v for k, v in more.items()
    }
    return import_kea(json.dumps({"Dhcp4": dhcp4}), "kea.json")


def reserved(*names: str, mac: str = MAC) -> dict[str, Any]:
    return {"hw-address": mac, "client-classes": list(names)}


def scopes(found: Imported) -> list[dict[str, Any]]:
    return list(found.tree["scopes"].values())


def files(found: Imported, scope: int = 0) -> dict[str, str]:
    """The files of the rules, by whom they are for."""
    rules = scopes(found)[scope].get("rules", ())
    return {
        str(rule.get("clients", rule.get("architectures"))): rule["filename"]
        for rule in rules
        if "filename" in rule
    }


def told(found: Imported) -> dict[str, str]:
    return {entry.statement: entry.why for entry in found.not_modelled}


def test_a_reserved_class_comes_before_those_whose_test_holds() -> None:
    found = imported([UEFI, T], {"reservations": [reserved("T")]})
    assert scopes(found)[0]["rules"][0] == {"clients": "T", "filename": "t.0"}
    assert found.tree["groups"]["T"] == {"macs": [MAC]}
    assert [row.mac for row in found.clients] == [MAC]
    assert not told(found).keys() - {'"subnet": "10.0.0.0/24"'}


def test_every_test_sees_a_reserved_class() -> None:
    member = {"name": "M", "test": "member('T')", "boot-file-name": "m.0"}
    stranger = {"name": "N", "test": "not member('T')", "boot-file-name": "n.0"}
    found = imported([{"name": "T"}, member, stranger], {"reservations": [reserved("T")]})
    assert files(found)["T"] == "m.0"
    assert files(found)["everyone-without-T"] == "n.0"


def test_a_class_is_reserved_in_its_subnet_only() -> None:
    found = imported([T], {"reservations": [reserved("T")]}, {})
    assert files(found, 0) == {"T": "t.0"}
    assert files(found, 1) == {}


def test_a_class_may_be_reserved_and_have_a_test() -> None:
    found = imported([UEFI], {"reservations": [reserved("uefi")]})
    assert set(files(found).values()) == {"u.efi"}
    assert "uefi" in files(found)


def test_pools_and_drop_follow_reserved_classes() -> None:
    pool = {"pool": "10.0.0.10-10.0.0.20", "client-class": "gate"}
    subnet = {"pools": [pool], "reservations": [reserved("gate"), reserved("DROP", mac=OTHER)]}
    (scope,) = scopes(imported([{"name": "DROP"}], subnet))
    assert scope["pools"] == [{"range": "10.0.0.10-10.0.0.20", "allow": "gate"}]
    assert {"clients": "DROP", "ignore": True} in scope["rules"]


def test_a_reservation_in_the_subnet_hides_a_global_one_but_for_its_early_classes() -> None:
    second = {"name": "S", "boot-file-name": "s.0"}
    here = {"reservations": [reserved("S")]}
    everywhere = {"reservations": [reserved("T")]}
    assert files(imported([T, second], here, **everywhere, reservations_global=True)) == {"S": "s.0"}
    early = imported([T, second], here, **everywhere, early_global_reservations_lookup=True)
    assert scopes(early)[0]["rules"][0]["filename"] == "t.0"


def test_reservations_that_are_switched_off_are_told() -> None:
    found = imported([T], {"reservations": [reserved("T")]}, reservations_in_subnet=False)
    assert files(found) == {}
    assert "switched off by reservations-in-subnet" in " ".join(told(found).values())
    assert [entry.statement for entry in found.not_modelled if entry.harmless]


def test_classes_that_ask_who_is_known_speak_after_the_others() -> None:
    known = {"name": "K", "test": "member('KNOWN')", "boot-file-name": "k.0"}
    again = {"name": "KK", "test": "member('K')", "boot-file-name": "kk.0"}
    found = imported([known, again, UEFI], {"reservations": [{"hw-address": MAC, "hostname": "m"}]})
    assert next(iter(files(found).values())) == "u.efi"


def test_classes_a_subnet_asks_for_speak_last_in_its_order() -> None:
    one = {"name": "1", "test": "member('ALL')", "boot-file-name": "1.0", "only-if-required": True}
    two = one | {"name": "2", "boot-file-name": "2.0"}
    found = imported([one, UEFI, two], {"require-client-classes": ["2", "1"]})
    assert scopes(found)[0]["filename"] == "2.0"
    assert list(files(found).values()) == ["u.efi"]
    (idle,) = imported([one], {}).not_modelled
    assert idle.harmless


def test_the_names_of_later_releases_say_the_same() -> None:
    one = {"name": "1", "test": "member('ALL')", "boot-file-name": "1.0", "only-in-additional-list": True}
    assert scopes(imported([one], {"evaluate-additional-classes": ["1"]}))[0]["filename"] == "1.0"
    assert "filename" not in scopes(imported([one], {}))[0]


def test_a_class_of_a_vendor_needs_no_test() -> None:
    (scope,) = scopes(imported([{"name": "VENDOR_CLASS_acme", "boot-file-name": "a.0"}], {}))
    assert [rule["filename"] for rule in scope["rules"]] == ["a.0"]


def test_what_a_reservation_lists_in_vain_is_told() -> None:
    odd = {"name": "odd", "test": "pkt4.giaddr == 10.0.0.1", "boot-file-name": "odd"}
    second = {"name": "S", "boot-file-name": "s.0"}
    hosts = [reserved("T", "S"), reserved("S", "T", "odd", "none", mac=OTHER)]
    found = imported([T, second, odd, {"name": "free"}], {"reservations": hosts})
    why = told(found)
    assert why['"client-classes": "odd"'].split()[2] == "odd"
    assert why['"client-classes": "none"'].split()[-1] == "none"
    harmless = {entry.statement: entry.harmless for entry in found.not_modelled}
    assert not harmless['"client-classes": "odd"']
    assert harmless['"client-classes": "none"']
    assert "another order" in why['"client-classes": "T"']
    assert any("free" in statement for statement in why)


def test_known_clients_without_any_are_nobody() -> None:
    found = imported([], {"pools": [{"pool": "10.0.0.10-10.0.0.20", "client-class": "KNOWN"}]})
    (pool,) = scopes(found)[0]["pools"]
    assert found.tree["groups"][pool["allow"]] == {"macs": []}


def by_mac(test: str) -> list[dict[str, Any]]:
    found = imported([{"name": "vm", "test": test, "boot-file-name": "vm.0"}], {})
    assert not told(found)
    groups = found.tree.get("groups", {})
    return [groups[rule["clients"]] for rule in scopes(found)[0].get("rules", ())]


def test_the_beginning_of_a_mac_address_as_text() -> None:
    """TokenHexString: small letters, the sign between the octets."""
    prefix = [{"prefix": ["52:54:00"]}]
    assert by_mac("hexstring(substring(pkt4.mac,0,3),':') == '52:54:00'") == prefix
    assert by_mac("substring(hexstring(pkt4.mac,':'),0,8) == '52:54:00'") == prefix
    assert by_mac("substring(hexstring(pkt4.mac,''),0,6) == '525400'") == prefix
    assert by_mac("hexstring(pkt4.mac,':') == '52:54:00:ab:cd:ef'") == [{"macs": ["52:54:00:ab:cd:ef"]}]


def test_a_part_of_an_octet_is_not_in_the_inventory() -> None:
    part = {
        "name": "vm",
        "test": "substring(hexstring(pkt4.mac,':'),0,7) == '52:54:0'",
        "boot-file-name": "v",
    }
    (why,) = told(imported([part], {})).values()
    assert "inside an octet" in why


def test_large_letters_are_no_text_of_octets() -> None:
    part = {"name": "vm", "test": "hexstring(pkt4.mac,':') == '52:54:00:AB:CD:EF'", "boot-file-name": "v"}
    found = imported([part], {})
    assert "rules" not in scopes(found)[0]
    assert "left_out" not in found.tree["servers"]["dhcp"]

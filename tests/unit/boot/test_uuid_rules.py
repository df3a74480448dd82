"""Machines by their UUID (option 97) in the boot server's own rules, whatever card they use."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest

from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import BootPolicy, compile_policy
from coexist.boot.request import boot_request, machine_uuid
from coexist.boot.respond import Silence, may_load, respond
from coexist.boot.servers.coexist import boot_policy, boot_server_config
from coexist.inventory import Inventory, inventory_from_tree
from coexist.inventory.macset import NOBODY
from coexist.render.limits import limits
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes

LAPTOP = "4c4c4544-0042-3510-8052-b4c04f4e4a32"
OTHER = "4c4c4544-0042-3510-8052-b4c04f4e4a33"
BUILT_IN, DOCK, SHARED = 0x00_80_64_00_00_01, 0x02_00_5E_00_00_01, 0x02_00_5E_00_00_02


def packet(mac: int, uuid: str | bytes = b"", architecture: int = 7) -> Packet:
    octets = UUID(uuid).bytes_le if isinstance(uuid, str) else uuid
    return Packet(
        op=BOOTREQUEST,
        xid=1,
        chaddr=mac_bytes(mac),
        options={
            53: b"\1",
            60: b"PXEClient:Arch:00007:UNDI:003000",
            93: architecture.to_bytes(2, "big"),
            **({97: b"\0" + octets} if octets else {}),
        },
    )


def policy(*rules: dict[str, Any], **more: Any) -> BootPolicy:
    tree = {"name": "otc", "listen": [{"address": "10.10.0.6"}], "rules": list(rules), **more}
    return compile_policy(BootServerConfig.model_validate(tree), lambda _: NOBODY)


def rule(name: str, **clients: Any) -> dict[str, Any]:
    return {"name": name, "clients": clients, "programs": {"uefi-x64": f"{name}.efi"}}


def answered(by: BootPolicy, mac: int, uuid: str | bytes = b"") -> str | None:
    """The rule that answers, None for silence."""
    request = boot_request(packet(mac, uuid))
    assert request is not None
    found = respond(by, request, server=IPv4Address("10.10.0.6"))
    return None if isinstance(found, Silence) else found.rule


@pytest.mark.parametrize(
    ("clients", "mac", "uuid", "serves"),
    [
        ({"uuids": [LAPTOP]}, DOCK, LAPTOP, True),
        ({"uuids": [LAPTOP]}, DOCK, OTHER, False),
        ({"uuids": [LAPTOP]}, DOCK, b"", False),
        ({"uuids": [LAPTOP], "macs": ["00:80:64:00:00:01"]}, BUILT_IN, OTHER, True),
        ({"uuids": [LAPTOP], "except": {"macs": ["02:00:5e:00:00:01"]}}, DOCK, LAPTOP, False),
        ({"uuids": [LAPTOP], "except": {"macs": ["02:00:5e:00:00:01"]}}, SHARED, LAPTOP, True),
        ({"everyone": True, "except": {"uuids": [LAPTOP]}}, DOCK, LAPTOP, False),
        ({"everyone": True, "except": {"uuids": [LAPTOP]}}, DOCK, OTHER, True),
        ({"groups": ["laptops"]}, DOCK, LAPTOP, True),
        ({"groups": ["laptops"], "except": {"uuids": [OTHER]}}, DOCK, OTHER, False),
    ],
)
def test_who_a_rule_is_about(clients: dict[str, Any], mac: int, uuid: str | bytes, serves: bool) -> None:
    made = policy(rule("mine", **clients), groups={"laptops": {"uuids": [LAPTOP, OTHER]}})
    assert answered(made, mac, uuid) == ("mine" if serves else None)


def test_the_first_rule_that_fits_decides() -> None:
    made = policy(rule("cards", macs=["00:80:64:00:00:01"]), rule("machines", uuids=[LAPTOP]))
    assert answered(made, BUILT_IN, LAPTOP) == "cards"
    assert answered(made, DOCK, LAPTOP) == "machines"


def test_a_machine_on_the_deny_list_is_denied_by_every_card() -> None:
    made = policy(rule("all", everyone=True), deny={"uuids": [LAPTOP]})
    assert answered(made, DOCK, LAPTOP) is None
    assert answered(made, DOCK, OTHER) == "all"


def test_files_are_for_a_machine_that_has_said_its_uuid() -> None:
    made = policy(rule("machines", uuids=[LAPTOP]))
    assert not isinstance(may_load(made, DOCK, 7, UUID(LAPTOP).bytes_le), Silence)
    assert not isinstance(may_load(made, DOCK, None, UUID(LAPTOP).bytes_le), Silence)
    assert isinstance(may_load(made, DOCK, 7), Silence)


@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 17, b"\0" + b"\xff" * 16, b"\1" + b"x" * 16, b"\0" + b"x" * 15]
)
def test_machines_that_have_no_uuid_are_nobody(octets: bytes) -> None:
    said = packet(DOCK)
    assert machine_uuid({**said.options, 97: octets}) == b""


# -- from the inventory -----------------------------------------------------------------------------


def site(answers: Any, group: dict[str, Any], software: str = "coexist", *, cards: bool = False) -> Inventory:
    return inventory_from_tree(
        {
            "site": "a-hall",
            "vlans": {"hall": {"id": 3, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
            "servers": {
                "dhcp": {"software": "isc-dhcpd", "address": "10.10.0.5", "vlan": "hall"},
                "otc": {
                    "software": software,
                    "address": "10.10.0.6",
                    "vlan": "hall",
                    "programs": {"uefi-x64": "thin.efi"},
                    "answers": answers,
                    **({} if software == "coexist" else {"roles": ["proxydhcp", "tftp"]}),
                },
            },
            "scopes": {"hall": {"server": "dhcp", "vlan": "hall", "pools": ["10.10.1.0-10.10.1.255"]}},
            "clients": [{"mac": "00:80:64:00:00:01", "name": "laptop", "uuid": LAPTOP}],
            "groups": {"laptops": group, **({"cards": {"macs": ["00:80:64:00:00:01"]}} if cards else {})},
            "intent": [{"clients": "everyone", "boot_from": "nobody"}],
        }
    )


def test_a_group_by_uuid_reaches_the_boot_server() -> None:
    inventory = site({"only": ["laptops"]}, {"uuid": LAPTOP})
    config = boot_server_config(inventory, "otc")
    assert [found.clients.uuids for found in config.rules] == [(LAPTOP,)]
    made = boot_policy(inventory, "otc")
    assert answered(made, DOCK, LAPTOP) is not None
    assert answered(made, BUILT_IN) is not None
    assert answered(made, DOCK) is None


def test_all_but_a_group_leaves_its_machines_out_by_every_card() -> None:
    made = boot_policy(site({"except": ["laptops"]}, {"uuid": LAPTOP}), "otc")
    assert answered(made, DOCK, LAPTOP) is None
    assert answered(made, DOCK) is not None


def test_what_a_product_cannot_key_on_is_told() -> None:
    told = {finding.code.code for finding in limits(site({"only": ["laptops"]}, {"uuid": LAPTOP}))}
    assert "CX522" not in told
    found = limits(site({"only": ["laptops"]}, {"uuid": LAPTOP}, "dnsmasq"))
    assert "CX522" in {finding.code.code for finding in found}


def test_a_card_that_the_group_leaves_out_stays_out() -> None:
    inventory = site(
        {"only": ["laptops"]},
        {"uuid": LAPTOP, "macs": ["00:80:64:00:00:09"], "except": ["cards"]},
        cards=True,
    )
    assert answered(boot_policy(inventory, "otc"), BUILT_IN, LAPTOP) is None
    assert "CX522" in {finding.code.code for finding in limits(inventory)}

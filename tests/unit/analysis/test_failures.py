"""Boots that end before a file is asked for: an address refused or in use, no way to the boot server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from coexist.analysis.ending import Failure
from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world, with_models
from coexist.boot.leases.lease import NoLease
from coexist.boot.responder import Arrival, Reaction, Stateless
from coexist.boot.servers.kea import KeaModel
from coexist.inventory import Inventory, inventory_from_tree
from coexist.report.explain import as_dict
from coexist.wire.options import MessageType

PHONE = 0x00_1B_4F_00_00_01


def site(**changes: Any) -> Inventory:
    tree: dict[str, Any] = {
        "site": "a-port",
        "vlans": {"quay": {"id": 4, "subnet": "10.40.0.0/24", "gateway": "10.40.0.1"}},
        "servers": {
            "leases": {"software": "kea", "address": "10.40.0.2", "vlan": "quay"},
            "calls": {"software": "generic", "address": "10.40.0.9", "vlan": "quay", "roles": ["tftp"]},
        },
        "scopes": {
            "quay": {
                "server": "leases",
                "vlan": "quay",
                "pools": ["10.40.0.100-10.40.0.200"],
                "options": {150: "10.40.0.9", 66: "10.40.0.9", 242: "HTTPSRVR=10.40.0.9"},
                **changes.pop("scope", {}),
            }
        },
        "clients": [{"mac": "00:1b:4f:00:00:01", "name": "p1", **changes.pop("client", {})}],
        **changes,
    }
    return inventory_from_tree(tree)


def outcome(inventory: Inventory, firmware: str, architecture: str = "bios") -> Any:
    case = ClientCase(mac=PHONE, vlan="quay", architecture=architecture, firmware=firmware)
    return race(build_world(inventory), case)


@pytest.mark.parametrize("firmware", ["phone-avaya", "phone-150"])
def test_a_phone_that_looks_declines_the_address_of_a_server(firmware: str) -> None:
    result = outcome(site(client={"address": "10.40.0.9"}), firmware)
    assert {found.failure for found in result.outcomes} == {Failure.DECLINED}
    assert result.winners == (None,)
    assert as_dict(site(), result)["outcomes"][0]["failure"] == "declined"


@pytest.mark.parametrize("firmware", ["phone-avaya", "phone-150"])
def test_it_takes_an_address_that_nobody_has(firmware: str) -> None:
    result = outcome(site(client={"address": "10.40.0.77"}), firmware)
    assert {found.failure for found in result.outcomes} == {None}
    assert "calls" in {found.boot_server for found in result.outcomes}


def test_firmware_that_does_not_look_takes_it() -> None:
    result = outcome(site(client={"address": "10.40.0.9"}), "phone-66")
    assert {found.failure for found in result.outcomes} == {None}


def test_a_file_in_another_network_without_a_router_is_out_of_reach() -> None:
    far = {"next_server": "10.99.0.5", "filename": "thin.0"}
    result = outcome(site(scope=far), "ipxe")
    assert {found.failure for found in result.outcomes} == {Failure.NO_ROUTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing(Stateless):
    """A DHCP server that offers an address and has it no more when it is asked for."""

    name: str
    inner: KeaModel
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> None:
        """It keeps nothing."""

    def receive(self, state: None, arrival: Arrival) -> Reaction:
        if arrival.packet.message_type is MessageType.REQUEST:
            nothing = NoLease(why="somebody else has it by now", nak=b"no lease")
            return replace(self.inner, leases=lambda _: nothing).receive(None, arrival)
        return self.inner.receive(None, arrival)


@pytest.mark.parametrize(
    ("firmware", "architecture"),
    [("ipxe", "bios"), ("edk2", "uefi-x64"), ("pxe21", "bios")],
)
def test_a_server_that_refuses_what_it_offered(firmware: str, architecture: str) -> None:
    inventory = site(scope={"filename": "thin.0", "next_server": "calls"})
    world = build_world(inventory)
    leasing = world.models["leases"]
    assert isinstance(leasing, KeaModel)
    refusing = with_models(world, {"leases": Refusing(name="leases", inner=leasing)})
    case = ClientCase(mac=PHONE, vlan="quay", architecture=architecture, firmware=firmware)
    result = race(refusing, case)
    assert {found.failure for found in result.outcomes} == {Failure.REFUSED}

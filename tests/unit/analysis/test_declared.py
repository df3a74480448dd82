"""The declaration that is named for an outcome is the line that the lease's own values come from."""

from __future__ import annotations

import pytest

from coexist.analysis.declared import deciding_path
from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory import inventory_from_tree
from coexist.wire.mac import parse_mac

FILES = {"next_server": "dhcp", "filename": "other.efi"}


def site_with(*rules: object):
    return inventory_from_tree(
        {
            "site": "lines",
            "vlans": {"lan": {"id": 1, "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}},
            "servers": {
                "dhcp": {
                    "software": "isc-dhcpd 4.4",
                    "address": "10.1.0.5",
                    "vlan": "lan",
                    "roles": ["dhcp", "tftp"],
                }
            },
            "scopes": {
                "lan": {
                    "server": "dhcp",
                    "vlan": "lan",
                    "pools": ["10.1.0.50-10.1.0.90"],
                    "next_server": "dhcp",
                    "filename": "ipxe.efi",
                    "rules": list(rules),
                }
            },
        }
    )


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ((), ("scopes", "lan", "filename")),
        # What the client does not send, and what gives something else than its file, decides nothing.
        (({"vendor_class": "HTTPClient", **FILES},), ("scopes", "lan", "filename")),
        (({"when": [{"option": 60, "equals": "MSFT 5.0"}], **FILES},), ("scopes", "lan", "filename")),
        (({"user_class": "kiosk", **FILES},), ("scopes", "lan", "filename")),
        (({"options": {6: "10.1.0.53"}},), ("scopes", "lan", "filename")),
        (
            ({"options": {6: "10.1.0.53"}}, {"vendor_class": "PXEClient", **FILES}),
            ("scopes", "lan", "rules", 1, "filename"),
        ),
    ],
)
def test_the_line_that_gives_the_file(rules: tuple[object, ...], wanted: tuple[object, ...]) -> None:
    inventory = site_with(*rules)
    case = ClientCase(
        mac=parse_mac("52:54:00:00:00:01"), vlan="lan", architecture="uefi-x64", firmware="edk2"
    )
    result = race(build_world(inventory), case)
    assert {outcome.decided_by for outcome in result.outcomes} == {"dhcp"}
    assert {deciding_path(inventory, case, outcome) for outcome in result.outcomes} == {wanted}

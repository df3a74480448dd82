"""The relay lines of each VLAN, as text to paste into a switch or router."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.inventory import Inventory
from coexist.inventory.named_servers import server_address
from coexist.render.quoting import comment
from coexist.render.rendered import RenderedFile
from coexist.render.templates import Templates

FILE = "ip-helper.txt"


def relay_lines(inventory: Inventory, templates: Templates) -> tuple[RenderedFile, ...]:
    """One text with the ``ip helper-address`` lines of every VLAN that has relay targets; none if no VLAN
    has."""
    vlans = list(_vlans(inventory))
    if not vlans:
        return ()
    values = {"site": inventory.site.site, "vlans": vlans}
    text = templates.render("switch/ip-helper.txt.j2", values, {"comment": comment})
    return (
        RenderedFile(
            path=FILE, content=text.encode(), purpose="relay lines to paste into the routers of the VLANs"
        ),
    )


def _vlans(inventory: Inventory) -> Iterator[dict[str, object]]:
    for name, vlan in sorted(inventory.site.vlans.items(), key=lambda item: item[1].id):
        if not vlan.targets:
            continue
        for relay in vlan.relay:
            targets = [
                (server_address(inventory.site, target, name), target) for target in vlan.targets_of(relay)
            ]
            yield {
                "name": name,
                "id": vlan.id,
                "address": relay.address or vlan.gateway,
                "option_82": relay.option_82,
                "targets": [{"address": address, "name": target} for address, target in targets],
            }

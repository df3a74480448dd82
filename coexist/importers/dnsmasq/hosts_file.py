"""A dhcp-hostsfile of dnsmasq by itself: a list of machines."""

from __future__ import annotations

import re

from coexist.importers.account import Account
from coexist.importers.groups import as_name
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.lists import Machines
from coexist.languages.dnsmasq.files import Lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.mac import format_mac

_PLAIN = re.compile(r"(?:[0-9a-f]{1,2}-)?[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}")


def import_hosts_file(lines: Lines, file: str) -> Imported:
    """The machines of a dnsmasq hosts file; what it sets for them belongs to the dnsmasq.conf."""
    config = read_dnsmasq(lines.texts)
    machines = Machines(Account())
    for entry in (*config.refused, *config.unmodelled):
        machines.account.left_out(lines.places[entry.line - 1], entry.text, entry.why)
    for host in config.hosts:
        at, text = lines.places[host.line - 1], lines.texts[host.line - 1].removeprefix("dhcp-host=")
        plain = [mac for mac in host.macs if _PLAIN.fullmatch(mac)]
        if not plain:
            machines.account.left_out(at, text, "the inventory knows machines by their MAC address only")
        for pattern in plain:
            mac = int.from_bytes(bytes(int(octet, 16) for octet in pattern.split("-")[-1].split(":")), "big")
            tags = " ".join(as_name(tag, "tag") for tag in host.sets)
            machines.add(mac, ClientRow(mac=format_mac(mac), name=host.name, tags=tags), at, text)
        if host.address is not None:
            machines.account.left_out(at, text, "the address; import the dnsmasq.conf, which has its subnet")
        if host.ignore:
            machines.account.left_out(at, text, "that it is ignored; import the dnsmasq.conf")
    return machines.imported(file)

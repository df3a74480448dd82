"""The model of each server of a line-up, by its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from coexist.boot.responder import ServerModel
from coexist.boot.servers.tftpd import FileServerModel
from coexist.boot.servers.together import TogetherModel
from tests.lineup import daemons, servers
from tests.lineup.inexpressible import InexpressibleError


def model_of(
    server: Mapping[str, Any],
    client: Mapping[str, Any],
    extension: str,
    others: Sequence[Mapping[str, Any]] = (),
) -> ServerModel:
    """What behaves as this server beside the ``others`` of its line-up. Raises InexpressibleError."""
    kind, name = server["type"], server["name"]
    file = server.get("file", name.lower() + ".{ext}").replace("{ext}", extension)
    if kind in _WITH_A_FILE:
        return _WITH_A_FILE[kind](server, file, extension)
    if kind == "raw-dhcpd":
        return daemons.whole_dhcpd(server, extension, others)
    if kind == "raw-kea":
        return daemons.whole_kea(server, extension, others)
    if kind in _BY_CONFIGURATION:
        return _BY_CONFIGURATION[kind](server, extension)
    match kind:
        case "dhcpd":
            return servers.dhcpd(server, client, file, extension)
        case "dhcpd+4011":
            boot = replace(servers.pyproxy({"type": "pyproxy", "name": name}, file), answers_67=False)
            return TogetherModel(name=name, parts=(servers.dhcpd(server, client, file, extension), boot))
        case "tftp" | "host":
            return FileServerModel(name=name)
    raise InexpressibleError(f"server type {kind}")


_WITH_A_FILE: Mapping[str, Callable[[Mapping[str, Any], str, str], ServerModel]] = {
    "dnsmasq-dhcp": servers.dnsmasq,
    "dnsmasq-proxy": servers.dnsmasq,
    "kea": lambda server, file, _: servers.kea(server, file),
    "pyproxy": lambda server, file, _: servers.pyproxy(server, file),
}
_BY_CONFIGURATION: Mapping[str, Callable[[Mapping[str, Any], str], ServerModel]] = {
    "coexist": lambda server, _: daemons.coexist(server),
    "pydhcp": lambda server, _: daemons.plain_dhcp(server),
    "udhcpd": daemons.udhcpd,
    "networkd": daemons.networkd,
    "raw-dnsmasq": daemons.whole_dnsmasq,
}

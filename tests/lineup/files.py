"""What the servers of a line-up have to hand out, for what a boot asks for after its first file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of one server. ``texts``: content by name, where the scenario says it; ``names``: all.

    ``denied``: those that its users may not read. ``http``: the ports on which it serves them over HTTP.
    """

    tftp: bool
    http: frozenset[int]
    names: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)


def files_of(server: Mapping[str, Any]) -> Files:
    """What stands in the directory of a server: files of its own name, and what the scenario adds."""
    said: Mapping[str, Mapping[str, Any]] = server.get("files", {})
    names = {*said, *server.get("extra_files", ())}
    if not server.get("nofiles"):
        own = server["name"].lower()
        names |= {f"{own}.0", f"{own}.efi"}
    denied = frozenset(name for name, content in said.items() if not content.get("mode", 0o644) & 0o004)
    return Files(
        tftp=server.get("tftp", True) and server["type"] not in ("relay", "host"),
        http=_http_ports(server),
        names=frozenset(names - denied),
        denied=denied,
        texts={name: content["text"] for name, content in said.items() if "text" in content},
    )


def _http_ports(server: Mapping[str, Any]) -> frozenset[int]:
    said = server.get("http")
    said = said.get("port", 80) if isinstance(said, Mapping) else 80 if said is True else said
    ports = {int(said)} if said else set()
    if server["type"] == "coexist":
        config = json.loads(server["conf"])
        if "http" in config:
            ports.add(config["http"].get("port", 80))
    return frozenset(ports)


def host_names(servers: Sequence[Mapping[str, Any]]) -> dict[IPv4Address, dict[str, IPv4Address]]:
    """The host names that each name server of a line-up knows (dnsmasq's ``address`` lines)."""
    found: dict[IPv4Address, dict[str, IPv4Address]] = {}
    for server in servers:
        if server["type"] != "raw-dnsmasq":
            continue
        names: dict[str, IPv4Address] = {}
        for line in server["conf"]:
            key, _, value = line.partition("=")
            _, name, address = value.split("/") if key == "address" else ("", "", "")
            if name:
                names[name] = IPv4Address(address)
        found[IPv4Address(server["ip"])] = names
    return found

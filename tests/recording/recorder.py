"""Lay a scenario out, power its machine on, and write down what it did as a row.

A scenario has the form of the line-ups (`tests.lineup`): servers by type, their files (``text`` or ``from``,
a file of this machine), the client. What is written down: who offered what and when, the file that was asked
for first and of whom, and everything asked for after it (``stages``) with the way the boot ended (``ended``).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from coexist.boot.request import BOOT_SERVER_PORT
from coexist.wire import tftp
from coexist.wire.bootp import UNSPECIFIED
from tests.harness.capture import Capture, Frame, HttpResponse
from tests.harness.firmware import Boot, Firmware, plain, start_firmware
from tests.harness.network import Host, Network
from tests.harness.servers import start_boot_server, start_dhcpd, start_dnsmasq, start_tftpd
from tests.lineup import dhcpd_text, dnsmasq_lines
from tests.lineup.clients import DEFAULT_MAC

SUBNET, CORE = "10.77.0.0/24", "10.78.0.0/24"
"""The client's network, and that of servers behind a relay agent (``seg``)."""
UUID = "11223344-5566-7788-99aa-bbccddeeff00"
QUIET = 14.0
"""Seconds without a sign of life after which nothing more is to come."""
_FIRMWARE: Mapping[str, Firmware] = {"ipxe": "ipxe", "uefi": "edk2", "uefi-http": "edk2-http"}


def record(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Run one scenario; its row. Needs root."""
    client = {"fw": "ipxe", "mac": DEFAULT_MAC, **scenario.get("client", {})}
    extension = "0" if client["fw"] == "ipxe" else "efi"
    with Network() as network:
        network.vlan("lab", SUBNET)
        if any(server.get("seg") for server in scenario["servers"]):
            network.vlan("core", CORE)
        owners: dict[str, str] = {}
        for server in scenario["servers"]:
            owners[server["ip"]] = server["name"]
            if server["type"] == "relay":
                _relay(network, server)
                continue
            place = "core" if server.get("seg") else "lab"
            host = network.host(server["name"].lower(), {place: server["ip"]}, gateway=server.get("gw"))
            _start(host, server, client, extension)
        boot = start_firmware(
            network,
            "lab",
            firmware=_FIRMWARE[client["fw"]],
            mac=client["mac"],
            until=_at_rest,
            timeout=scenario.get("timeout", 100),
            quiet=QUIET,
            memory=client.get("mem"),
            uuid=UUID,
            secure_boot=bool(client.get("secure_boot")),
        )
    return row_of(scenario, boot, owners)


_PROMPT = re.compile(r"(boot:|grub>|iPXE>|Press any key to continue[.]*)\s*$")


def _at_rest(capture: Capture, output: str) -> bool:
    """Whether a loader waits for a person, so that nothing more is to come."""
    return bool(capture.frames("RRQ", "GET")) and _PROMPT.search(plain(output[-400:])) is not None


def _relay(network: Network, said: Mapping[str, Any]) -> None:
    """The router between the client's network and the servers' with its relay agent: ours, or dnsmasq."""
    router = network.router({"lab": said["ip"], "core": said["up"]}, name=said["name"].lower())
    if said.get("impl") == "dnsmasq":
        start_dnsmasq(router, [f"dhcp-relay={said['ip']},{target}" for target in said["targets"]])
        return
    network.relay(
        router,
        "lab",
        said["targets"],
        min_secs=said.get("min_secs", 0),
        first_only=said.get("passes") == "first",
        replaces_server_id=bool(said.get("replaces_server_id")),
    )


def _start(host: Host, server: Mapping[str, Any], client: Mapping[str, Any], extension: str) -> None:
    """One server of a scenario, from the text that its model is read from."""
    root = host.directory / "tftp"
    _lay_out(root, server, extension)
    file = server.get("file", server["name"].lower() + ".{ext}").replace("{ext}", extension)
    serves = server.get("tftp", server["type"] in ("tftp", "coexist"))
    match server["type"]:
        case "dhcpd":
            start_dhcpd(host, dhcpd_text(server, client, file, extension))
        case "dnsmasq-dhcp" | "dnsmasq-proxy":
            lines = [line for line in dnsmasq_lines(server, file, extension) if line != "port=0"]
            own = ["port=0", *lines, *([f"enable-tftp\ntftp-root={root}"] if serves else [])]
            start_dnsmasq(host, host.write("dnsmasq.conf", "\n".join(own) + "\n"))
        case "coexist":
            text = server["conf"].replace("{tftp}", str(root)).replace("{dir}", str(host.directory))
            configuration = host.write("coexist.json", json.dumps(json.loads(text)))
            start_boot_server(host, configuration, ready="ready")
        case "tftp" | "host":
            pass
        case kind:
            raise ValueError(f"a server of type {kind} is not started by the recorder")
    if serves and server["type"] not in ("dnsmasq-dhcp", "dnsmasq-proxy", "coexist"):
        start_tftpd(host, root)


def _lay_out(root: Path, server: Mapping[str, Any], extension: str) -> None:
    root.mkdir(mode=0o755)
    own = () if server.get("nofiles") else (f"{server['name'].lower()}.{extension}",)
    for name in (*own, *server.get("extra_files", ())):
        (root / name).write_bytes(b"")
    for name, content in server.get("files", {}).items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if "text" in content:
            place.write_text(content["text"])
        else:
            shutil.copy(content["from"], place)
        place.chmod(content.get("mode", 0o644))
    for folder in root.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o755)


# -- what was seen, as a row ------------------------------------------------------------------------


def row_of(scenario: Mapping[str, Any], boot: Boot, owners: Mapping[str, str]) -> dict[str, Any]:
    """What a boot did, in the fields of the recordings."""
    frames = boot.frames
    discovers = [f for f in frames if f.kind == "DISCOVER"]
    began = discovers[0].time if discovers else 0.0

    def at(frame: Frame) -> float:
        return round(frame.time - began, 3)

    def owner(address: IPv4Address) -> str:
        return owners.get(str(address), str(address))

    asked = [(f, owner(f.destination[0]), _file(f)) for f in frames if f.kind in ("RRQ", "GET", "HEAD")]
    stages: list[tuple[str, str]] = []
    for _, server, file in asked:
        if not stages or stages[-1] != (server, file):
            stages.append((server, file))
    first = asked[0] if asked else None
    return {
        "id": scenario["id"],
        "winner": first[1] if first else None,
        "file": boot.file if first and first[0].kind != "RRQ" else (first[2] if first else None),
        "t_rrq": at(first[0]) if first else None,
        "discovers": [[at(f), f.packet.secs] for f in discovers],
        "offers": [
            [
                at(f),
                owner(f.source[0]),
                "proxy" if f.packet.yiaddr == UNSPECIFIED else "dhcp",
                str(f.packet.siaddr),
                f.packet.file.decode(),
            ]
            for f in frames
            if f.kind == "OFFER"
        ],
        "acks": [
            [at(f), f.kind, owner(f.source[0]), str(f.packet.siaddr), f.packet.file.decode()]
            for f in frames
            if f.kind in ("ACK", "NAK", f"ACK {BOOT_SERVER_PORT}")
        ],
        "stages": [list(stage) for stage in stages],
        "ended": _ended(boot, stages, scenario),
        "scenario": {key: value for key, value in scenario.items() if key != "id"},
    }


def _file(frame: Frame) -> str:
    file = frame.file or ""
    return file if frame.kind == "RRQ" else re.sub(r"^http://[^/]+", "", file)


_RUNS_NOT = re.compile(
    r"failed to load Boot[^\r\n]*: (Access Denied|Security Violation|Unsupported|Load Error|Not Found)"
    r"|Exec format error"
)
"""What OVMF's boot manager (BmBoot.c: no PE image is "not found") and iPXE say of such a file."""


def _ended(boot: Boot, stages: list[tuple[str, str]], scenario: Mapping[str, Any]) -> str:
    """How it ended, by what was loaded: see `tests.truth.after`."""
    if not stages:
        return "gave up"
    fates = _fates(boot.frames)
    texts = {
        name for s in scenario["servers"] for name, content in s.get("files", {}).items() if "text" in content
    }
    if any(fates.get(file) == "loaded" and file.lstrip("/") in texts for _, file in stages):
        return "configuration"
    fate = fates.get(stages[-1][1])
    if fate in ("missing", "silent", "denied"):
        return fate
    if not scenario.get("loader") and len(stages) == 1:
        # What stands in the place of a program there is an empty file.
        return "file"
    return "refused" if len(stages) == 1 and _RUNS_NOT.search(boot.console) else "prompt"


def _fates(frames: tuple[Frame, ...]) -> dict[str, str]:
    """What became of each file: loaded, missing (an ERROR of the server), silent."""
    files: dict[tuple[Any, ...], str] = {}
    found: dict[str, str] = {}
    for frame in frames:
        if frame.kind in ("GET", "HEAD"):
            files[frame.source] = _file(frame)
            found.setdefault(_file(frame), "silent")
        elif isinstance(frame.message, HttpResponse) and frame.destination in files:
            statuses = {200: "loaded", 206: "loaded", 403: "denied"}
            found[files[frame.destination]] = statuses.get(frame.message.status, "missing")
        elif frame.kind == "RRQ":
            files[frame.source] = _file(frame)
            found.setdefault(_file(frame), "silent")
        elif frame.destination in files and isinstance(frame.message, tftp.Data):
            found[files[frame.destination]] = "loaded"
        elif (
            frame.source in files
            and isinstance(frame.message, tftp.Error)
            and found[files[frame.source]] == "silent"
        ):
            # Of an empty file UEFI has heard the size, and breaks the transfer off.
            found[files[frame.source]] = "empty"
        elif (
            frame.destination in files
            and isinstance(frame.message, tftp.Error)
            and found[files[frame.destination]] != "loaded"
        ):
            denied = frame.message.code == tftp.ErrorCode.ACCESS_VIOLATION
            found[files[frame.destination]] = "denied" if denied else "missing"
    return found

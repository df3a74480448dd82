"""``coexist probe``: find every DHCP and PXE responder on the wire, also those that answer few, or late."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.boot.request import BOOT_SERVER_PORT
from coexist.cli.prose import say, tell
from coexist.errors import CoexistError
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding
    from coexist.inventory.loader import Inventory
    from coexist.probe.answer import Answer, Responder
    from coexist.probe.asking import Asked
    from coexist.probe.prediction import Prediction
    from coexist.probe.question import Asker
    from coexist.probe.segment import Port

USUAL = ("plain", "bios", "uefi-x64", "uefi-arm64", "http-x64")
NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN = range(4)


class _Ipv4(click.ParamType[IPv4Address]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IPv4Address:
        try:
            return value if isinstance(value, IPv4Address) else IPv4Address(value)
        except AddressValueError:
            self.fail(f"{value!r} is not an IPv4 address; write 10.10.0.5", param, ctx)


class _Architecture(click.ParamType[str]):
    name = "client"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from coexist.inventory.values import closest

        known = ("plain", *sorted(ARCHITECTURE_NAMES))
        if value not in known:
            self.fail(f"{value!r} is not known; {closest(value, known)}", param, ctx)
        return str(value)


IPV4 = _Ipv4()


@click.command("probe")
@click.option("--interface", "-i", metavar="INTERFACE", help="The network card on the clients' VLAN.")
@click.option("--relay-to", multiple=True, type=IPV4, help="Ask this server as a relay agent does.")
@click.option("--giaddr", type=IPV4, help="This machine's address to ask from, with --relay-to.")
@click.option("--subnet", type=IPV4, help="The clients' subnet if it is not that of --giaddr (RFC 3527).")
@click.option(
    "--architecture",
    "-a",
    "architectures",
    multiple=True,
    type=_Architecture(),
    help=f"Ask as such a client (several times); {', '.join(USUAL)} if not given.",
)
@click.option(
    "--mac", "macs", multiple=True, metavar="MAC", help="Ask for this client; a stranger if not given."
)
@click.option(
    "--boot-server", "boot_servers", multiple=True, type=IPV4, help="Ask its port 4011 in any case."
)
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(0.1), default=60.0, show_default=True,
              help="Seconds to wait; UEFI waits 60, iPXE 15.")  # fmt: skip
@click.option("--rate", metavar="NUMBER", type=click.FloatRange(0.1, 1000), default=20.0, show_default=True,
              help="Packets a second at most.")  # fmt: skip
@click.option("--fetch", is_flag=True, help="Fetch every boot file that is named, and show its digest.")
@click.option("--expect", type=click.Path(path_type=Path), metavar="INVENTORY",
              help="Say which answers this inventory does not predict.")  # fmt: skip
@click.option(
    "--vlan", metavar="VLAN", help="The VLAN of the inventory; found by this machine's address if not given."
)
@click.option("--nagios", is_flag=True, help="One line and the exit code of a monitoring plug-in.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
def command(**given: Any) -> int:
    """Ask the wire as booting clients would, and list who answers.

    Nothing is leased: DISCOVERs, and REQUESTs on port 4011 only. Each packet carries the host name
    coexist-probe. Exit code 1 with --expect if anything differs, and with --fetch if a file cannot be had.
    """
    if not given["nagios"]:
        return _run(given)
    try:
        return _run(given)
    except CoexistError as error:
        click.echo(f"COEXIST UNKNOWN - {str(error).splitlines()[0]}")
        return NAGIOS_UNKNOWN


def _run(given: dict[str, Any]) -> int:
    from coexist.probe.answer import responders
    from coexist.probe.asking import ask

    inventory = _inventory(given["expect"])
    port = _port(given)
    try:
        vlan = _vlan(inventory, given["vlan"], port.giaddr if int(port.giaddr) else port.address)
        askers = _askers(given, inventory, vlan)
        predicted = _predicted(inventory, vlan, askers, port, given["wait"])
        known = [p.address for p in predicted if p.port == BOOT_SERVER_PORT and p.answer is not None]
        asked = ask(
            port,
            askers,
            patience=given["wait"],
            rate=given["rate"],
            boot_servers=dict.fromkeys([*given["boot_servers"], *known]),
            subnet=given["subnet"],
        )
    finally:
        port.close()
    found = responders(asked.answers, asked.askers)
    findings = _findings(inventory, predicted, asked, given["wait"])
    fetched, missing = _fetched(asked.answers, inventory) if given["fetch"] else ({}, ())
    findings = (*findings, *missing)
    if given["nagios"]:
        return _nagios(found, findings, inventory is not None)
    names = _names(inventory)
    if given["form"] == "json":
        click.echo(json.dumps(_document(asked, found, findings, names, fetched), indent=2))
    else:
        _print(asked, found, findings, names, fetched)
    return 1 if findings else 0


def _port(given: dict[str, Any]) -> Port:
    from coexist.probe.segment import RelayPort, Segment

    if given["relay_to"]:
        if given["giaddr"] is None:
            raise click.UsageError(
                "--relay-to needs --giaddr, an address of this machine the answers come to"
            )
        return RelayPort(given["giaddr"], given["relay_to"])
    if given["interface"] is None:
        raise click.UsageError("name the network card with --interface, or servers with --relay-to")
    return Segment(given["interface"])


def _inventory(path: Path | None) -> Inventory | None:
    from coexist.app.current import load_current

    return None if path is None else load_current(path)


def _vlan(inventory: Inventory | None, name: str | None, address: IPv4Address | None) -> str:
    from coexist.probe.expectation import vlan_of

    if inventory is None:
        return name or ""
    found = name or (vlan_of(inventory, address) if address else None)
    if found is None or found not in inventory.site.vlans:
        known = ", ".join(inventory.site.vlans)
        raise click.UsageError(f"which VLAN of the inventory this is, must be said with --vlan: {known}")
    return found


def _askers(given: dict[str, Any], inventory: Inventory | None, vlan: str) -> list[Asker]:
    from coexist.probe.expectation import representatives
    from coexist.probe.question import Asker, stranger

    architectures = given["architectures"] or USUAL
    try:
        macs = [parse_mac(text) for text in given["macs"]]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if macs:
        return [Asker(mac=mac, architecture=a, vlan=vlan) for mac in macs for a in architectures]
    askers = [stranger(architecture, vlan) for architecture in architectures]
    if inventory is not None:
        askers += representatives(inventory, vlan)
    return askers


def _predicted(
    inventory: Inventory | None, vlan: str, askers: Sequence[Asker], port: Port, patience: float
) -> tuple[Prediction, ...]:
    """What the inventory's servers shall answer here; as a relay agent, those that are asked."""
    from coexist.analysis.world import build_world
    from coexist.probe.prediction import predict

    if inventory is None:
        return ()
    world = build_world(inventory)
    return tuple(
        prediction
        for asker in askers
        for prediction in predict(
            world,
            replace(asker, vlan=vlan),
            patience=patience,
            relay=None if port.giaddr == UNSPECIFIED else port.giaddr,
            targets=getattr(port, "targets", None),
            own=port.address or UNSPECIFIED,
        )
    )


def _findings(
    inventory: Inventory | None, predicted: Sequence[Prediction], asked: Asked, patience: float
) -> tuple[Finding, ...]:
    from coexist.probe.expectation import strangers
    from coexist.probe.prediction import compare

    if inventory is None:
        return ()
    return (*strangers(inventory, asked.answers), *compare(predicted, asked.answers, patience=patience))


def _fetched(
    answers: Sequence[Answer], inventory: Inventory | None
) -> tuple[dict[tuple[str, str], str], tuple[Finding, ...]]:
    """What each named file turned out to be, and a finding for each that cannot be had."""
    from coexist.probe.expectation import unfetched
    from coexist.probe.fetch import Fetched, fetch

    digests: dict[tuple[str, str], str] = {}
    findings: list[Finding] = []
    for answer in answers:
        place = (str(answer.boot_server), answer.file)
        if answer.boot_server is None or place in digests or "://" in answer.file:
            continue
        result = fetch(answer.boot_server, answer.file)
        if isinstance(result, Fetched):
            digests[place] = f"{result.size} octets, sha256 {result.sha256}"
            continue
        found = unfetched(answer, result, inventory)
        digests[place] = result.why if found else f"{result.why} (it serves its own clients only)"
        findings += [found] if found else []
    return digests, tuple(findings)


def _names(inventory: Inventory | None) -> dict[IPv4Address, str]:
    from coexist.probe.expectation import server_names

    return {} if inventory is None else server_names(inventory)


def _print(
    asked: Asked,
    found: Sequence[Responder],
    findings: Sequence[Finding],
    names: dict[IPv4Address, str],
    fetched: dict[tuple[str, str], str],
) -> None:
    if not found:
        say(f"nobody answered {len(asked.askers)} clients in {asked.seconds:.0f} s")
    for responder in found:
        name = names.get(responder.address)
        say(f"{responder.address}" + (f" ({name})" if name else "") + f": {', '.join(responder.roles)}")
        for line in _about(responder):
            say(line, "  ")
    for (server, file), digest in fetched.items():
        say(f"{server}: {file}: {digest}")
    for sentence in asked.skipped:
        tell(sentence)
    for finding in findings:
        say(f"{finding.code.code} {finding.severity}: {finding.message}; {finding.repair}")


def _about(responder: Responder) -> Iterator[str]:
    """What is known of one server, a line a thing."""
    on_4011 = "answers" if responder.answers_4011 else "does not answer"
    yield (
        f"first answer at {responder.earliest:.2f} s, {responder.delay:.2f} s after its packet;"
        f" {on_4011} on port 4011"
    )
    yield f"answers {', '.join(responder.answered)}"
    if responder.silent:
        yield f"silent to {', '.join(responder.silent)}"
    yield from (f"{architecture} is given {file}" for architecture, file in responder.files)
    yield from responder.remarks


def _nagios(found: Sequence[Responder], findings: Sequence[Finding], expected: bool) -> int:
    """The monitoring plug-ins' convention: status, text, performance data after a bar."""
    from coexist.analysis.findings import Severity

    performance = " ".join(f"'{responder.address}'={responder.delay:.3f}s" for responder in found)
    worst = max((finding.severity for finding in findings), default=None)
    if worst is Severity.ERROR or (not expected and not found):
        word, code = "CRITICAL", NAGIOS_CRITICAL
    elif worst is not None:
        word, code = "WARNING", NAGIOS_WARNING
    else:
        word, code = "OK", NAGIOS_OK
    told = "; ".join(finding.message for finding in findings) or f"{len(found)} responders"
    click.echo(f"COEXIST {word} - {told.replace('|', '/')} | {performance}".rstrip(" |"))
    return code


def _document(
    asked: Asked,
    found: Sequence[Responder],
    findings: Sequence[Finding],
    names: dict[IPv4Address, str],
    fetched: dict[tuple[str, str], str],
) -> dict[str, Any]:
    return {
        "seconds": round(asked.seconds, 3),
        "asked": [{"mac": format_mac(a.mac), "architecture": a.architecture} for a in asked.askers],
        "skipped": list(asked.skipped),
        "responders": [
            {
                "address": str(responder.address),
                "name": names.get(responder.address),
                "roles": list(responder.roles),
                "answers": list(responder.answered),
                "silent": list(responder.silent),
                "first": round(responder.earliest, 3),
                "delay": round(responder.delay, 3),
                "port_4011": responder.answers_4011,
                "files": [{"architecture": a, "file": file} for a, file in responder.files],
                "remarks": list(responder.remarks),
            }
            for responder in found
        ],
        "answers": [
            {
                "server": str(answer.server),
                "mac": format_mac(answer.asker.mac),
                "architecture": answer.asker.architecture,
                "port": answer.port,
                "at": round(answer.at, 3),
                "after": round(answer.after, 3),
                "secs": answer.secs,
                "role": answer.role,
                "file": answer.file or None,
                "boot_server": str(answer.boot_server) if answer.boot_server else None,
            }
            for answer in asked.answers
        ],
        "fetched": [{"server": s, "file": f, "result": digest} for (s, f), digest in fetched.items()],
        "findings": [
            {
                "code": finding.code.code,
                "severity": str(finding.severity),
                "message": finding.message,
                "repair": finding.repair,
            }
            for finding in findings
        ],
    }

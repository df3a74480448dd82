"""``coexist probe``: find every DHCP and PXE responder on the wire, also those that answer few, or late."""

from __future__ import annotations

import json
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

import click

from coexist.cli.prose import say, tell
from coexist.cli.watching import bar
from coexist.errors import CoexistError
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import parse_mac

USUAL = "plain, bios, uefi-x64, uefi-arm64, http-x64"
NAGIOS_UNKNOWN = 3
EXIT_INTERRUPTED = 130


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
        from coexist.text.closest import closest

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
    help=f"Ask as such a client (several times); {USUAL} if not given.",
)
@click.option(
    "--mac",
    "macs",
    multiple=True,
    metavar="MAC",
    help="Ask as this MAC; an unregistered one if none is given.",
)
@click.option(
    "--boot-server", "boot_servers", multiple=True, type=IPV4, help="Ask its port 4011 in any case."
)
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(0.1), default=60.0, show_default=True,
              help="Seconds to wait; UEFI waits 60, iPXE 15.")  # fmt: skip
@click.option("--rate", metavar="NUMBER", type=click.FloatRange(0.1, 1000), default=20.0, show_default=True,
              help="Packets a second at most.")  # fmt: skip
@click.option("--fetch", is_flag=True, help="Fetch every boot file that is named, and show its digest.")
@click.option("--as-client", is_flag=True,
              help="Fetch by the MAC and address of the client asked for; it must be off.")  # fmt: skip
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
    Ctrl-C ends the waiting and tells what was heard till then (exit code 130).
    """
    if not given["nagios"]:
        return _run(given)
    try:
        return _run(given)
    except CoexistError as error:
        click.echo(f"COEXIST UNKNOWN - {str(error).splitlines()[0]}")
        return NAGIOS_UNKNOWN


def _run(given: dict[str, Any]) -> int:
    from coexist.app.current import load_current
    from coexist.app.probe import Questions, open_port, probe
    from coexist.report.probe import as_dict, lines, nagios

    if given["relay_to"] and given["giaddr"] is None:
        raise click.UsageError("--relay-to needs --giaddr, an address of this machine the answers come to")
    if not given["relay_to"] and given["interface"] is None:
        raise click.UsageError("name the network card with --interface, or servers with --relay-to")
    inventory = None if given["expect"] is None else load_current(given["expect"])
    try:
        macs = tuple(parse_mac(text) for text in given["macs"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    questions = Questions(
        architectures=given["architectures"],
        macs=macs,
        vlan=given["vlan"],
        boot_servers=given["boot_servers"],
        subnet=given["subnet"],
        wait=given["wait"],
        rate=given["rate"],
        fetch=given["fetch"],
        guised=given["interface"] if given["as_client"] else None,
    )
    port = open_port(given["interface"], given["relay_to"], given["giaddr"])
    try:
        with bar("asking") as told:
            probed = probe(
                port, inventory, questions, lambda share, answers: told(share, f"{answers} answers")
            )
    finally:
        port.close()
    if given["nagios"]:
        line, code = nagios(probed)
        click.echo(line)
        return code
    if given["form"] == "json":
        click.echo(json.dumps(as_dict(probed), indent=2))
    else:
        for indent, line in lines(probed):
            say(line, indent)
        for sentence in probed.asked.skipped:
            tell(sentence)
    if probed.asked.interrupted:
        return EXIT_INTERRUPTED
    return 1 if probed.findings else 0

"""``coexist doctor INVENTORY MACHINE``: it did not boot this morning."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("doctor")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.argument("machine")
@click.option(
    "--registry",
    "registries",
    multiple=True,
    metavar="SERVER=FILE",
    help="The registry of a boot server, or a copy of it; may be repeated.",
)
@click.option(
    "--capture",
    "captures",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A packet capture; may be repeated.",
)
@click.option(
    "--probe",
    "interface",
    metavar="INTERFACE",
    help="Ask the wire as this machine, through this network card.",
)
@click.option("--vlan", metavar="VLAN", help="With --probe: the VLAN, if the card's address does not say it.")
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(0.1), default=10.0, show_default=True,
              help="With --probe: seconds to wait for answers.")  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)
def command(
    inventory: Path,
    machine: str,
    registries: tuple[str, ...],
    captures: tuple[Path, ...],
    interface: str | None,
    vlan: str | None,
    wait: float,
    form: str,
) -> int:
    """Tell why MACHINE does not boot as it should on the site of INVENTORY.

    MACHINE is a MAC address, or the UUID, name or reserved address of a client. What is declared, what
    should happen and what was seen are compared; HERE marks where they part first. Exit code 1 if they do.
    """
    from coexist.app.current import load_current, today
    from coexist.app.doctor import diagnose
    from coexist.app.sights import named_registries, sights_of_captures, sights_of_registries
    from coexist.report.doctor import as_json, as_text

    sights = None
    if registries or captures:
        site = load_current(inventory)
        sights = [
            *sights_of_registries(named_registries(site.site.servers, registries)),
            *sights_of_captures(site, captures),
        ]
    ask = None
    if interface is not None:
        from coexist.app.probe import asking

        ask = asking(interface, vlan, wait)
    diagnosis = diagnose(inventory, machine, today(), sights, ask)
    if form == "json":
        click.echo(as_json(diagnosis))
    else:
        for line in as_text(diagnosis):
            click.echo(line)
    return 0 if diagnosis.verdict is None else 1

"""``coexist explain INVENTORY MACHINE``: who answers one client, who wins, and which line makes it so."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("explain")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.argument("machine")
@click.option("--vlan", metavar="VLAN", help="The VLAN it stands on; every one it may stand on unless given.")
@click.option("--arch", metavar="ARCHITECTURE", help="Its architecture, such as bios or uefi-x64.")
@click.option("--firmware", metavar="FIRMWARE", help="Its firmware, such as ipxe or edk2.")
@click.option("--uuid", metavar="UUID", help="What it says in option 97; its registered UUID unless given.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)
@click.option(
    "--files",
    multiple=True,
    metavar="[SERVER=]DIRECTORY",
    help="Say which boot files are missing there: a TFTP root, or a rendered tree.",
)
@click.option(
    "--down",
    multiple=True,
    metavar="SERVER",
    help="Tell it with this server switched off, and the partner of a pair alone. Repeatable.",
)
@click.option(
    "--unnoticed",
    is_flag=True,
    help="With --down: before the partner of a pair holds the server for down.",
)
def command(
    inventory: Path,
    machine: str,
    vlan: str | None,
    arch: str | None,
    firmware: str | None,
    uuid: str | None,
    form: str,
    files: tuple[str, ...],
    down: tuple[str, ...],
    unnoticed: bool,
) -> None:
    """Tell what MACHINE does when it boots on the site of INVENTORY.

    MACHINE is a MAC address, or the UUID, name or reserved address of a client. VLAN, architecture and
    firmware are those of its record and its groups unless they are given; where neither says, each
    possibility the site declares is told.
    """
    from coexist.app.explain import explain
    from coexist.report.explain import boot_text, stages_as_dict

    explained = explain(
        inventory,
        machine,
        vlan=vlan,
        architecture=arch,
        firmware=firmware,
        files=files,
        uuid=uuid,
        down=down,
        notices=not unnoticed,
    )
    site = explained.inventory
    if form == "json":
        found = [stages_as_dict(site, boot, explained.lost, explained.next_entry) for boot in explained.boots]
        click.echo(json.dumps(found[0] if len(found) == 1 else found, indent=2))
        return
    for index, boot in enumerate(explained.boots):
        if index:
            click.echo()
        for line in boot_text(site, boot, explained.lost, explained.next_entry):
            click.echo(line)

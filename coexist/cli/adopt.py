"""``coexist adopt SITE NAME --from HOST-OR-FILE``: a server that runs, by the files it runs on."""

from __future__ import annotations

import errno
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.remote import connector, way_options
from coexist.inventory.products import ISC_DHCPD

if TYPE_CHECKING:
    from coexist.app.adopt import Fetch
    from coexist.rollout.transport import Connection


@click.command("adopt")
@click.argument("site", type=click.Path(file_okay=False, path_type=Path))
@click.argument("name")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="USER@HOST[:PATH] | FILE",
    help="The server, reached by SSH, or a copy of its main file.",
)
@click.option("--software", default=ISC_DHCPD.name, metavar="PRODUCT", help="What the server runs.")
@click.option("--address", metavar="ADDRESS", help="The server's own address, if the files do not say it.")
@click.option("--vlan", default="", metavar="VLAN", help="Where it stands, if its address does not say it.")
@click.option("--sudo", is_flag=True, help="Read its files by `sudo -n`.")
@click.option("--again", is_flag=True, help="Take the files of a server that is declared by them again.")
@click.option(
    "--include-root",
    "include_roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose files a FILE may include, beside its own. Repeatable.",
)
@way_options
def command(
    site: Path,
    name: str,
    source: str,
    software: str,
    address: str | None,
    vlan: str,
    sudo: bool,
    again: bool,
    include_roots: tuple[Path, ...],
    ssh_config: Path | None,
    connect_timeout: float,
) -> None:
    """Take the server NAME into the inventory in SITE, as it runs today.

    Its main file and what that includes are copied into SITE without their secrets, and the server is
    declared by them. An inventory that is not there is begun. Nothing on the server is changed.
    """
    from coexist.app.adopt import Wanted, adopt, summary
    from coexist.rollout.transport import Address

    user, at, rest = source.rpartition("@")
    host, _, path = rest.partition(":")
    if at:
        connect = connector(ssh_config, connect_timeout)
        fetch = _by_ssh(connect(Address(name=name, host=host, user=user or None)), sudo)
        own = _address(address) or _plain_address(host)
    else:
        fetch, own = _beside(Path(source), include_roots), _address(address)
        host = user = ""
        path = ""
    wanted = Wanted(
        name=name, product=software, path=path, address=own, vlan=vlan, host=host, user=user, again=again
    )
    adopted = adopt(site, wanted, fetch)
    for line in summary(adopted):
        click.echo(line)
    click.echo(f"next: coexist check {site}", err=True)


def _address(text: str | None) -> IPv4Address | None:
    try:
        return None if text is None else IPv4Address(text)
    except AddressValueError:
        raise click.BadParameter(
            f"{text} is not an IPv4 address; write 10.10.0.5", param_hint="--address"
        ) from None


def _plain_address(host: str) -> IPv4Address | None:
    try:
        return IPv4Address(host)
    except AddressValueError:
        return None


def _beside(main: Path, roots: tuple[Path, ...]) -> Fetch:
    """The first file asked for is the main one; the others are those it includes."""
    from coexist.languages.source_files import Surroundings

    around = Surroundings(main.parent, roots)
    asked: list[str] = []

    def fetch(name: str) -> bytes:
        asked.append(name)
        return around.octets(main if len(asked) == 1 else around.find(name))

    return fetch


def _by_ssh(connection: Connection, sudo: bool) -> Fetch:
    from coexist.rollout.shell import words

    def fetch(path: str) -> bytes:
        done = connection.run(words(["cat", "--", path], sudo=sudo))
        if done.code:
            raise OSError(errno.EIO, done.said)
        return done.stdout

    return fetch

"""``coexist adopt SITE NAME --from HOST-OR-FILE``: a server that runs, by the files it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.remote import connector, way_options
from coexist.inventory.products import ISC_DHCPD

if TYPE_CHECKING:
    from coexist.app.adopt import Adopted


@click.command("adopt")
@click.argument("site", type=click.Path(file_okay=False, path_type=Path))
@click.argument("name", required=False)
@click.option(
    "--from",
    "source",
    metavar="USER@HOST[:PATH] | FILE",
    help="The server, reached by SSH, or a copy of its main file.",
)
@click.option("--software", default=ISC_DHCPD.name, metavar="PRODUCT", help="What the server runs.")
@click.option("--address", metavar="ADDRESS", help="The server's own address, if the files do not say it.")
@click.option("--vlan", default="", metavar="VLAN", help="Where it stands, if its address does not say it.")
@click.option("--sudo", is_flag=True, help="Read its files by `sudo -n`.")
@click.option(
    "--server",
    "several",
    multiple=True,
    metavar="NAME=PRODUCT=SOURCE[=ADDRESS]",
    help="One of several servers, SOURCE as for --from; repeatable. An intent that is missing is proposed.",
)
@click.option("--propose", is_flag=True, help="Write an intent that says who boots from whom today.")
@click.option("--again", is_flag=True, help="Take the files of a server that is declared by them again.")
@click.option(
    "--include-root",
    "include_roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose files a FILE may include, beside its own. Repeatable.",
)
@way_options
def command(site: Path, **given: Any) -> None:
    """Take the server NAME into the inventory in SITE, as it runs today; or several by --server.

    A server's main file and what that includes are copied into SITE without their secrets, and the server is
    declared by them. An inventory that is not there is begun. Nothing on the server is changed.

    Of several servers, and with --propose, an intent is written that says what is so today. One that is there
    stays as it is.
    """
    from coexist.app.adopt import summary
    from coexist.app.propose import has_intent, propose
    from coexist.app.propose import summary as today
    from coexist.report.styles import style

    name, source = given["name"], given["source"]
    if bool(name) != bool(source):
        raise click.UsageError("name the server and say where it is: coexist adopt SITE dhcp1 --from HOST")
    if not (name or given["several"] or given["propose"]):
        raise click.UsageError("name a server, or several by --server NAME=PRODUCT=SOURCE")
    if name:
        for line in summary(_adopt(site, name, source, given["software"], given["address"], given)):
            click.echo(line)
    for text in given["several"]:
        parts = text.split("=")
        if len(parts) not in (3, 4) or not all(parts):
            raise click.UsageError(f"--server {text}: write NAME=PRODUCT=SOURCE, or =ADDRESS behind it too")
        one, product, where, *address = parts
        click.echo(style(one, bold=True))
        for line in summary(_adopt(site, one, where, product, next(iter(address), None), given)):
            click.echo(f"  {line}")
    if given["propose"] or (given["several"] and not has_intent(site)):
        for line in today(propose(site)):
            click.echo(line)
    click.echo(f"next: coexist check {site}", err=True)


def _adopt(
    site: Path, name: str, source: str, software: str, address: str | None, given: Mapping[str, Any]
) -> Adopted:
    from coexist.app.adopt import Wanted, adopt, refuse_by_hand
    from coexist.app.adopt_sources import beside, over_ssh

    user, at, rest = source.rpartition("@")
    host, _, path = rest.partition(":")
    if at:
        refuse_by_hand(site, name, "" if given["again"] else software)
        connect = connector(given["ssh_config"], given["connect_timeout"])
        fetch, listing = over_ssh(connect, name, host, user, sudo=given["sudo"])
        own = _address(address) or _plain_address(host)
    else:
        fetch, listing = beside(Path(source), given["include_roots"])
        own = _address(address)
        host = user = path = ""
    wanted = Wanted(
        name=name,
        product=software,
        path=path,
        address=own,
        vlan=given["vlan"],
        host=host,
        user=user,
        again=given["again"],
    )
    return adopt(site, wanted, fetch, listing)


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

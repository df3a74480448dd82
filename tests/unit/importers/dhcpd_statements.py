"""Statements of dhcpd.conf(5), dhcp-options(5) and dhcp-eval(5), one after the other, by where they stand."""

from __future__ import annotations

from pathlib import Path

_TEXT = """authoritative;
option domain-name "example.org";
option arch code 93 = unsigned integer 16;
class "pxe" {{ match if substring(option vendor-class-identifier, 0, 9) = "PXEClient"; filename "pxe.0"; }}
{top}
subnet 10.80.0.0 netmask 255.255.255.0 {{
  {range}
  option routers 10.80.0.1;
  {subnet}
}}
host a {{
  hardware ethernet 02:00:00:00:aa:01;
  {address}
  {host}
}}
host b {{ hardware ethernet 02:00:00:00:aa:02; option host-name "bee"; }}
{behind}
"""
_PLACES = ("top", "range", "subnet", "host", "behind")


def file_with(place: str = "", statement: str = "") -> str:
    """A small file with the statement at its place, alone in its line."""
    said = dict.fromkeys(_PLACES, "") | {"range": "range 10.80.0.10 10.80.0.60;"}
    said["address"] = "" if place == "host" and "fixed" in statement else "fixed-address 10.80.0.5;"
    return _TEXT.format(**(said | ({place: statement} if place else {})))


def cases() -> list[tuple[str, str]]:
    """Each place with each of its statements."""
    lines = (Path(__file__).parent / "dhcpd_statements.txt").read_text().splitlines()
    parted = (line.partition(":") for line in lines if not line.startswith("#"))
    return [(place, statement.strip()) for place, _, statement in parted]

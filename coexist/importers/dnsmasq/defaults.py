"""What dnsmasq tells by itself where its file says nothing (``do_options`` of ``src/rfc2131.c``, 2.90).

Itself as router, as DNS server and as the server of the boot file, and its domain: an inventory says what is
told, so the import says it too.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from coexist.boot.leases.dnsmasq_file import domain_of
from coexist.importers.dnsmasq.source import Source
from coexist.languages.dnsmasq.config import Range
from coexist.wire.option_codes import Option

_SIADDR = 255
SENT_BY_ITSELF = frozenset(
    {
        Option.SUBNET_MASK,
        Option.ROUTER,
        Option.DOMAIN_NAME_SERVER,
        Option.DOMAIN_NAME,
        Option.BROADCAST_ADDRESS,
    }
)
"""Options that dnsmasq tells without a line; DNS servers only where it is one."""


def say_defaults(source: Source, scope: dict[str, Any], ranges: list[Range], own: IPv4Address | None) -> None:
    """Add to a scope what its server tells by itself.

    ``own``: its address on the scope's VLAN, None where only relay agents stand there.
    """
    config = source.config
    said = {line.code for line in config.options if not line.is_inside and not line.tags}
    options: dict[int, Any] = scope.get("options", {})
    found: dict[int, str] = {}
    if own is not None:
        found[int(Option.ROUTER)] = str(own)
        if config.dns:
            found[int(Option.DOMAIN_NAME_SERVER)] = str(own)
        if _SIADDR not in said and "next_server" not in scope:
            scope["next_server"] = str(own)
    elif not {int(Option.ROUTER)} & (said | options.keys()):
        source.leave(ranges[0].line, "dnsmasq names the relay agent as the router; write it as option 3")
    domain = domain_of(config, ranges[0].start)
    if domain:
        found[int(Option.DOMAIN_NAME)] = domain
    new = {code: value for code, value in found.items() if code not in said and code not in options}
    if new:
        scope["options"] = dict(sorted({**options, **new}.items()))

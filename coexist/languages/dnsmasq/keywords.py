"""What dnsmasq 2.90 takes as a line of its configuration, before it looks at the value.

Every keyword was tried on Debian's 2.90 with ``dnsmasq --test``: alone, with a value, and twice. A line that
the daemon would not start with is refused in the daemon's words, at the same line.
"""

from __future__ import annotations

from coexist.errors import InputError, Position, Problem
from coexist.languages.dnsmasq.config import DnsmasqConfig
from coexist.languages.dnsmasq.files import LONGEST_LINE, Lines
from coexist.languages.dnsmasq.lexer import assignment, plain_line


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


FLAGS = _words(
    "all-servers bind-dynamic bind-interfaces bogus-priv clear-on-reload conntrack dhcp-authoritative",
    "dhcp-client-update dhcp-fqdn dhcp-ignore-clid dhcp-no-override dhcp-rapid-commit dhcp-sequential-ip",
    "dns-loop-detect dnssec dnssec-debug dnssec-no-timecheck domain-needed enable-ra expand-hosts",
    "filter-A filter-AAAA filterwin2k help keep-in-foreground leasefile-ro localise-queries localmx",
    "log-debug log-dhcp no-daemon no-hosts no-ident no-negcache no-ping no-poll no-resolv no-round-robin",
    "proxy-dnssec quiet-dhcp quiet-dhcp6 quiet-ra quiet-tftp read-ethers rebind-localhost-ok script-arp",
    "script-on-renewal selfmx stop-dns-rebind strict-order strip-mac strip-subnet test tftp-lowercase",
    "tftp-no-blocksize tftp-no-fail tftp-secure tftp-single-port version",
)
"""Keywords without a value."""

VALUED = _words(
    "add-cpe-id addn-hosts address alias auth-peer auth-sec-servers auth-server auth-soa auth-ttl",
    "auth-zone bogus-nxdomain bridge-interface caa-record cache-rr cname conf-dir conf-script",
    "connmark-allowlist dhcp-boot dhcp-circuitid dhcp-duid dhcp-host dhcp-hostsdir dhcp-hostsfile",
    "dhcp-ignore dhcp-lease dhcp-lease-max dhcp-luascript dhcp-mac dhcp-match dhcp-name-match dhcp-option",
    "dhcp-option-force dhcp-optsdir dhcp-optsfile dhcp-pxe-vendor dhcp-range dhcp-relay dhcp-remoteid",
    "dhcp-reply-delay dhcp-script dhcp-scriptuser dhcp-subscrid dhcp-ttl dhcp-userclass dhcp-vendorclass",
    "dns-forward-max dns-rr dnssec-limits dnssec-timestamp domain domain-suffix dumpfile dumpmask",
    "dynamic-host edns-packet-max except-interface filter-rr host-record hostsdir ignore-address",
    "interface interface-name ipset listen-address local local-ttl log-facility max-cache-ttl max-port",
    "max-tcp-connections max-ttl min-cache-ttl min-port mx-host mx-target naptr-record neg-ttl nftset",
    "no-dhcp-interface no-dhcpv4-interface no-dhcpv6-interface port port-limit ptr-record pxe-prompt",
    "pxe-service query-port ra-param rebind-domain-ok rev-server server servers-file shared-network",
    "srv-host synth-domain tag-if tftp-max tftp-mtu tftp-port-range tftp-root trust-anchor txt-record",
)
"""Keywords with a value."""

EITHER = _words(
    "add-mac add-subnet bootp-dynamic cache-size conf-file connmark-allowlist-enable dhcp-alternate-port",
    "dhcp-broadcast dhcp-generate-names dhcp-ignore-names dhcp-leasefile dhcp-proxy dnssec-check-unsigned",
    "enable-dbus enable-tftp enable-ubus fast-dns-retry group local-service log-async log-queries",
    "pid-file resolv-file tftp-unique-root umbrella use-stale-cache user",
)
"""Keywords with or without a value."""

ONCE = _words(
    "add-cpe-id add-subnet auth-server auth-soa auth-ttl cache-size connmark-allowlist-enable",
    "dhcp-alternate-port dhcp-lease dhcp-lease-max dhcp-leasefile dhcp-reply-delay dhcp-script",
    "dhcp-scriptuser dhcp-ttl dns-forward-max dnssec-limits dnssec-timestamp dumpfile dumpmask",
    "edns-packet-max enable-dbus enable-ubus fast-dns-retry group local-service local-ttl log-async",
    "log-facility max-cache-ttl max-port max-tcp-connections max-ttl min-cache-ttl min-port mx-target",
    "neg-ttl pid-file port port-limit query-port servers-file tftp-max tftp-mtu umbrella use-stale-cache",
    "user",
)
"""Keywords that may stand in one line of all files together."""

KEYWORDS = FLAGS | VALUED | EITHER


_LONGEST_SHOWN = 40


def refuse_bad_lines(lines: Lines, config: DnsmasqConfig) -> None:
    """Raise InputError for the first line that dnsmasq's option.c refuses. ``config``: what was read of them.

    Of a hosts file or options file the daemon skips such a line.
    """
    refused = {entry.line: entry.why for entry in config.refused if entry.line not in lines.listed}
    seen: dict[str, Position] = {}
    for number, (text, place) in enumerate(zip(lines.texts, lines.places, strict=True), start=1):
        plain = plain_line(text)
        if plain is None and number not in lines.listed:
            raise InputError([Problem(place, 'missing "', "end the quoted text")])
        if not plain:
            continue
        keyword, value = assignment(plain)
        found = _fault(keyword, value is not None, seen)
        if found is None and number in refused:
            found = (
                f"{refused[number]}: dnsmasq 2.90 does not start with it",
                "correct the line, or remove it",
            )
        if found is not None:
            message, remedy = found
            if place.column > 1:
                remedy = f"dnsmasq reads {LONGEST_LINE} octets at once: make the line shorter"
            raise InputError([Problem(place, message, remedy)])
        seen.setdefault(keyword, place)


def _fault(keyword: str, assigned: bool, seen: dict[str, Position]) -> tuple[str, str] | None:
    """What dnsmasq says of a line, and what to write."""
    if keyword not in KEYWORDS:
        text = keyword.encode("utf-8", "surrogatepass").decode("ascii", "replace")
        shown = "".join(c if " " <= c <= "~" else "?" for c in text[:_LONGEST_SHOWN])
        return f'bad option: dnsmasq 2.90 has no keyword "{shown}"', "correct the line, or remove it"
    if keyword in FLAGS and assigned:
        return f"extraneous parameter: {keyword} takes no value", f"write {keyword} alone"
    if keyword in VALUED and not assigned:
        return f"missing parameter: {keyword} needs a value", f"write {keyword}=..."
    if keyword in ONCE and keyword in seen:
        return (
            f"illegal repeated keyword: {keyword} stands in {seen[keyword]} already",
            "remove one of the two",
        )
    return None

"""The keywords of Kea 2.2's DHCPv4 configuration and the kinds of their values.

Each was tried on Debian's kea-dhcp4 2.2.0 with ``kea-dhcp4 -t``: every word of the daemon in every map, with
a value of no kind, by which it says whether it knows the word there and what it expects.
"""

from __future__ import annotations

from collections.abc import Iterator

from coexist.errors import InputError, Problem
from coexist.importers.account import Harmless
from coexist.languages.kea.json_nodes import Node
from coexist.languages.kea.versions import SINCE
from coexist.text.closest import closest
from coexist.text.redaction import HIDDEN, names_secret

_EXPECTED: dict[str, tuple[str, tuple[type, ...]]] = {
    "text": ("constant string", (str,)),
    "integer": ("integer", (int,)),
    "boolean": ("boolean", (bool,)),
    "floating": ("floating point", (float,)),
    "map": ("{", (dict,)),
    "list": ("[", (list,)),
    "any": ("", (object,)),
}
"""What Kea says it expects of each kind, and the types that are it."""


def _keys(**kinds: str) -> dict[str, str]:
    return {key: kind for kind, keys in kinds.items() for key in keys.split()}


# Of a release later than 2.2, wherever they stand.
_LATER = frozenset({*SINCE, "client-classes"})
_SINCE_3 = frozenset({"client-classes", *(key for key, first in SINCE.items() if first >= (3, 0))})
# Since 3.0 the same under another name.
_RENAMED = {
    "evaluate-additional-classes": "require-client-classes",
    "only-in-additional-list": "only-if-required",
}
_NOT_YET = "Kea 2.2 does not know this keyword, a later release does"

# What earlier releases read or passed over in the same file; kea-dhcp4 2.2 refuses it.
_BESIDE = frozenset({"Control-agent", "Dhcp6", "DhcpDdns", "Logging", "Netconf"})
_NO_LONGER = Harmless("another section than Dhcp4, which earlier releases of Kea took in one file")

MAPS: dict[str, dict[str, str]] = {
    "Dhcp4": _keys(
        text="boot-file-name comment ddns-generated-prefix ddns-qualifying-suffix "
             "hostname-char-replacement hostname-char-set next-server reservation-mode "
             "server-hostname server-tag",
        integer="cache-max-age decline-probation-period dhcp4o6-port max-valid-lifetime "
                "min-valid-lifetime parked-packet-limit rebind-timer renew-timer "
                "statistic-default-sample-age statistic-default-sample-count valid-lifetime",
        boolean="authoritative calculate-tee-times ddns-override-client-update "
                "ddns-override-no-update ddns-send-updates ddns-update-on-renew "
                "ddns-use-conflict-resolution early-global-reservations-lookup echo-client-id "
                "ip-reservations-unique match-client-id reservations-global reservations-in-subnet "
                "reservations-lookup-first reservations-out-of-pool store-extended-info",
        floating="cache-threshold t1-percent t2-percent",
        map="compatibility config-control control-socket dhcp-ddns dhcp-queue-control "
            "expired-leases-processing hosts-database interfaces-config lease-database "
            "multi-threading sanity-checks user-context",
        list="client-classes hooks-libraries host-reservation-identifiers hosts-databases loggers "
             "option-data option-def reservations shared-networks subnet4",
        any="ddns-replace-client-name",
    ),
    "client-classes": _keys(
        text="boot-file-name comment name next-server server-hostname test",
        integer="max-valid-lifetime min-valid-lifetime valid-lifetime",
        boolean="only-if-required",
        map="user-context",
        list="option-data option-def",
    ),
    "compatibility": _keys(
        boolean="lenient-option-parsing",
    ),
    "control-socket": _keys(
        text="comment socket-name socket-type",
        map="user-context",
    ),
    "dhcp-ddns": _keys(
        text="comment generated-prefix hostname-char-replacement hostname-char-set ncr-format "
             "ncr-protocol qualifying-suffix sender-ip server-ip",
        integer="max-queue-size sender-port server-port",
        boolean="enable-updates override-client-update override-no-update",
        map="user-context",
        any="replace-client-name",
    ),
    "hosts-database": _keys(
        text="cert-file cipher-list host key-file name on-fail password trust-anchor type user",
        integer="connect-timeout lfc-interval max-reconnect-tries port reconnect-wait-time",
        boolean="persist readonly",
    ),
    "interfaces-config": _keys(
        text="comment dhcp-socket-type outbound-interface",
        integer="service-sockets-max-retries service-sockets-retry-wait-time",
        boolean="re-detect service-sockets-require-all",
        map="user-context",
        list="interfaces",
    ),
    "lease-database": _keys(
        text="cert-file cipher-list host key-file name on-fail password trust-anchor type user",
        integer="connect-timeout lfc-interval max-reconnect-tries max-row-errors port "
                "reconnect-wait-time",
        boolean="persist",
    ),
    "loggers": _keys(
        text="comment name severity",
        integer="debuglevel",
        map="user-context",
        list="output_options",
    ),
    "multi-threading": _keys(
        text="comment",
        integer="packet-queue-size thread-pool-size",
        boolean="enable-multi-threading",
        map="user-context",
    ),
    "hooks-libraries": _keys(
        text="library",
        map="parameters",
    ),
    "option-data": _keys(
        text="comment data name space",
        integer="code",
        boolean="always-send csv-format",
        map="user-context",
    ),
    "option-def": _keys(
        text="comment encapsulate name record-types space type",
        integer="code",
        boolean="array",
        map="user-context",
    ),
    "reservations": _keys(
        text="boot-file-name circuit-id client-id comment duid flex-id hostname hw-address "
             "ip-address next-server server-hostname",
        map="user-context",
        list="client-classes option-data",
    ),
    "shared-networks": _keys(
        text="boot-file-name client-class comment ddns-generated-prefix ddns-qualifying-suffix "
             "hostname-char-replacement hostname-char-set interface name next-server "
             "reservation-mode server-hostname",
        integer="cache-max-age max-valid-lifetime min-valid-lifetime rebind-timer renew-timer "
                "valid-lifetime",
        boolean="authoritative calculate-tee-times ddns-override-client-update "
                "ddns-override-no-update ddns-send-updates ddns-update-on-renew "
                "ddns-use-conflict-resolution match-client-id reservations-global "
                "reservations-in-subnet reservations-out-of-pool store-extended-info",
        floating="cache-threshold t1-percent t2-percent",
        map="relay user-context",
        list="option-data require-client-classes subnet4",
        any="ddns-replace-client-name",
    ),
    "subnet4": _keys(
        text="4o6-interface 4o6-interface-id 4o6-subnet boot-file-name client-class comment "
             "ddns-generated-prefix ddns-qualifying-suffix hostname-char-replacement "
             "hostname-char-set interface next-server reservation-mode server-hostname subnet",
        integer="cache-max-age id max-valid-lifetime min-valid-lifetime rebind-timer renew-timer "
                "valid-lifetime",
        boolean="authoritative calculate-tee-times ddns-override-client-update "
                "ddns-override-no-update ddns-send-updates ddns-update-on-renew "
                "ddns-use-conflict-resolution match-client-id reservations-global "
                "reservations-in-subnet reservations-out-of-pool store-extended-info",
        floating="cache-threshold t1-percent t2-percent",
        map="relay user-context",
        list="option-data pools require-client-classes reservations",
        any="ddns-replace-client-name",
    ),
    "config-control": _keys(
        integer="config-fetch-wait-time",
        list="config-databases",
    ),
    "expired-leases-processing": _keys(
        integer="flush-reclaimed-timer-wait-time hold-reclaimed-time max-reclaim-leases "
                "max-reclaim-time reclaim-timer-wait-time unwarned-reclaim-cycles",
    ),
    "sanity-checks": _keys(
        text="lease-checks",
    ),
    "output_options": _keys(
        text="output pattern",
        integer="maxsize maxver",
        boolean="flush",
    ),
    "pools": _keys(
        text="client-class comment pool",
        map="user-context",
        list="option-data require-client-classes",
    ),
    "relay": _keys(
        text="ip-address",
        list="ip-addresses",
    ),
    "config-database": _keys(
        text="cert-file cipher-list host key-file name on-fail password trust-anchor type user",
        integer="connect-timeout lfc-interval max-reconnect-tries port reconnect-wait-time",
        boolean="persist",
    ),
}  # fmt: skip
"""The keywords of each map, with the kind of value each has. A map that is not here is free: user-context."""

_HELD_BY = {
    "hosts-databases": "hosts-database",
    "config-databases": "config-database",
}
_FREE = frozenset({"user-context", "parameters"})
"""Maps with keys of other people."""
# Lists of words, not of maps.
_WORDS = {("reservations", "client-classes")}


def release_of(tree: Node) -> str | None:
    """The first release line that has all keywords of a file: 3.0, 2.6, or None for what 2.2 knows too."""
    found = {release for key, item in tree.members() if key not in _FREE for release in _releases(key, item)}
    found |= {release_of(item) for item in tree.elements() if isinstance(item.value, dict)}
    return max(filter(None, found), default=None)


def _releases(key: str, item: Node) -> Iterator[str | None]:
    if key in _RENAMED or (key in _SINCE_3 and item.why == _NOT_YET):
        yield "3.0"
    elif key in _LATER and item.why == _NOT_YET:
        yield "2.6"
    yield release_of(item)


def refuse_unknown_keys(tree: Node) -> None:
    """Raise InputError for every keyword and kind of value ``kea-dhcp4 -t`` would not read.

    Keywords of earlier and later releases are left, with the reason.
    """
    problems: list[Problem] = []
    for key, item in tree.members():
        if key == "Dhcp4":
            problems += _problems(item, key)
        elif key in _BESIDE:
            item.leave(_NO_LONGER)
        else:
            what = f'got unexpected keyword "{key}" beside Dhcp4'
            problems.append(Problem(item.at, what, "keep Dhcp4 alone in its file"))
    if problems:
        raise InputError(problems)


def _problems(node: Node, name: str) -> Iterator[Problem]:
    known = MAPS[name]
    for key, item in node.members():
        kind = known.get(_RENAMED.get(key, key))
        if kind is not None:
            yield from _value_problems(item, name, key, kind)
        elif key in _LATER:
            item.leave(_NOT_YET)
        else:
            yield Problem(item.at, f'got unexpected keyword "{key}" in {name} map', closest(key, known))


def _value_problems(item: Node, name: str, key: str, kind: str) -> Iterator[Problem]:
    expected, types = _EXPECTED[kind]
    if not isinstance(item.value, types) or (kind == "integer" and isinstance(item.value, bool)):
        value = HIDDEN if names_secret(key) else _shown(item.value)
        what = f'unexpected {value} as "{key}", expecting {expected}'
        yield Problem(item.value_at, what, f"correct the value of {key}")
        return
    inner = _HELD_BY.get(key, key)
    if inner not in MAPS or (name, key) in _WORDS:
        return
    if kind == "map":
        yield from _problems(item, inner)
        return
    for element in item.elements():
        if isinstance(element.value, dict):
            yield from _problems(element, inner)
        else:
            what = f'unexpected {_shown(element.value)} in "{key}", expecting {{'
            yield Problem(element.value_at, what, "write a map in braces")


def _shown(value: object) -> str:
    """The kind of a value in Kea's words."""
    if value is None:
        return "null"
    for word, types in _EXPECTED.values():
        if isinstance(value, types) and not (word == "integer" and isinstance(value, bool)):
            return word
    return "value"

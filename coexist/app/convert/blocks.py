"""What the scopes of a dhcpd.conf set, as blocks of values, each under one condition in Kea's words.

dhcpd executes statements one after the other and a later value replaces an earlier one. Blocks stand the
other way round: the first that has a value gives it, as the first of Kea's classes does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from coexist.app.convert.kea_text import KeaWords, NoEqualError
from coexist.errors import Position
from coexist.importers.account import Account
from coexist.languages.dhcpd.levels import Level
from coexist.languages.dhcpd.syntax import (
    Assign,
    Binary,
    Case,
    Data,
    Expression,
    HostLookup,
    If,
    Number,
    Other,
    SetVariable,
    Statement,
    Switch,
)
from coexist.records import dataclass

Key = int | str | tuple[str, str]
"""What is set: an option's code, one of Kea's parameters, or the options of a space."""

LEASE_TIMES = ("default-lease-time", "max-lease-time", "min-lease-time")
_FIELDS = {"next-server": "next-server", "filename": "boot-file-name", "server-name": "server-hostname"}
_SERVER_NUMBERS = {"default-lease-time", "max-lease-time", "min-lease-time"}
IGNORE, KNOWN_ONLY, HOST_NAMES, ECHO, VENDOR = "ignore", "known-only", "host-names", "echo", "vendor-space"
FLAGS = frozenset({IGNORE, KNOWN_ONLY, HOST_NAMES, ECHO, VENDOR})
_FLAGS = {
    "allow-booting": IGNORE,
    "boot-unknown-clients": KNOWN_ONLY,
    "use-host-decl-names": HOST_NAMES,
    "echo-client-id": ECHO,
}
TIMERS = {58: "renew-timer", 59: "rebind-timer"}
BY_CLIENT_ID = "match-client-id"
ONE_PLACE = frozenset({*TIMERS.values(), BY_CLIENT_ID})
"""Parameters of the file, a network or a subnet alone: no class, pool or reservation of Kea has them."""
_SILENT = frozenset(
    [
        "ddns-update-style",
        "one-lease-per-client",
        "get-lease-hostnames",
        "dynamic-bootp",
        "allow-bootp",
        "log-facility",
        "lease-file-name",
        "pid-file-name",
        "db-time-format",
        "always-reply-rfc1048",
        "update-optimization",
        "update-static-leases",
        "client-updates",
        "stash-agent-options",
        "dont-use-fsync",
        "delayed-ack",
        "max-ack-delay",
        "declines",
        "duplicates",
        "limited-broadcast-address",
        "local-port",
        "remote-port",
        "dhcp-cache-threshold",
        "log-threshold-low",
        "log-threshold-high",
        "infinite-is-reserved",
        "adaptive-lease-time-threshold",
        "ddns-ttl",
        "do-forward-updates",
        "do-reverse-updates",
        "ping-timeout",
        "ping-timeout-ms",
        "ping-cltt-secs",
        "use-lease-addr-for-default-route-off",
        "fqdn-reply",
    ]
)
"""Parameters that change no answer, or ask for what Kea does anyway."""
_DYNAMIC_DNS = "dynamic DNS is set up in Kea's own D2 server (kea-dhcp-ddns)"
_REASONS = {
    "ddns-domainname": _DYNAMIC_DNS,
    "ddns-hostname": _DYNAMIC_DNS,
    "ddns-rev-domainname": _DYNAMIC_DNS,
    "ddns-updates": _DYNAMIC_DNS,
    "omapi-port": "Kea has a control socket in its place",
    "omapi-key": "Kea has a control socket in its place",
    "min-secs": "Kea has no threshold on secs",
    "always-broadcast": "Kea answers as the client asks it to",
    "ping-check": "Kea pings no address by itself (the hook ping_check of 3.0 does)",
    "leasequery": "Kea has a hook for lease queries",
    "vendor-option-space": "the space is set under a condition",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Octets, a text or a number, and the statement that says so. Of a space: code and octets of each."""

    content: bytes | str | int | bool | tuple[tuple[int, bytes], ...]
    at: Position
    text: str


@dataclass(slots=True)
class Block:
    """Values under one condition, ``test`` in Kea's words, None where it always holds."""

    test: str | None
    values: dict[Key, Value] = field(default_factory=dict)

    def without(self, keys: Iterable[Key]) -> Block:
        """The same block without some of its values."""
        gone = frozenset(keys)
        return Block(self.test, {key: value for key, value in self.values.items() if key not in gone})

    def only(self, keys: Iterable[Key]) -> Block:
        """The same block with some of its values alone."""
        kept = frozenset(keys)
        return Block(self.test, {key: value for key, value in self.values.items() if key in kept})


@dataclass(slots=True)
class Reader:
    """Reads the statements of levels into blocks; what has no equal goes to the account. ``cases``: this Kea
    has lcase and ucase."""

    account: Account
    words: KeaWords
    cases: bool = True

    def blocks(self, levels: Iterable[Level]) -> list[Block]:
        """What some levels set, the outermost first, as blocks with the one that counts most first."""
        found: list[Block] = []
        for level in levels:
            self._read(level.statements, None, found)
        return _settled(found)

    def _read(self, statements: Iterable[Statement], test: str | None, found: list[Block]) -> None:
        for statement in statements:
            match statement:
                case Assign():
                    self._assign(statement, test, found)
                case If():
                    self._if(statement, test, found)
                case Switch():
                    self._switch(statement, test, found)
                case SetVariable():
                    self._lost(statement, "Kea has no variables")
                case Other(kind=kind):
                    if kind not in ("marker", "break", "failover"):
                        self._lost(statement, _other_reason(kind))
                    elif kind == "failover":
                        self._lost(statement, "a failover pair becomes Kea's hook for high availability")
                case _:
                    self._lost(statement, "Kea has no such statement")

    def _lost(self, statement: Statement, why: str) -> None:
        self.account.left_out(statement.at, statement.text, why)

    def _if(self, statement: If, test: str | None, found: list[Block]) -> None:
        try:
            said = self.test(statement.condition)
        except NoEqualError as error:
            self._lost(statement, str(error))
            return
        self._read(statement.then, _both(test, said), found)
        self._read(statement.otherwise, _both(test, f"not ({said})"), found)

    def test(self, condition: Expression) -> str:
        """A condition as the test of a class of this Kea. Raises `NoEqualError`."""
        said = self.words.test_of(condition)
        if not self.cases and ("lcase(" in said or "ucase(" in said):
            raise NoEqualError("Kea compares without regard to capital letters since 2.6")
        return said

    def _switch(self, switch: Switch, test: str | None, found: list[Block]) -> None:
        """Each case up to its ``break``; one that runs on into the next is lost."""
        before: list[str] = []
        for case, body in _cases(switch.body):
            try:
                if not body or not (isinstance(body[-1], Other) and body[-1].kind == "break"):
                    raise NoEqualError("a case that runs on into the next one")
                said = self._is_case(switch.value, case.value) if case.value is not None else None
            except NoEqualError as error:
                self._lost(case, str(error))
                continue
            others = " and ".join(f"not ({other})" for other in before)
            inner = _both(test, _both(others or None, said) or "member('ALL')")
            if said is not None:
                before.append(said)
            self._read(body, inner, found)

    def _is_case(self, value: Expression, wanted: Expression) -> str:
        return self.test(Binary("=", value, wanted))

    def _assign(self, statement: Assign, test: str | None, found: list[Block]) -> None:
        option = statement.option
        if statement.how in ("append", "prepend"):
            self._lost(statement, "Kea does not put one value together from several levels")
            return
        try:
            key, content = _meant(statement)
        except NoEqualError as error:
            self._lost(statement, str(error))
            return
        if key is None:
            return
        value = Value(content=content, at=statement.at, text=statement.text)
        if statement.how == "default":
            found.insert(0, Block(test, {key: value}))
            return
        if not found or found[-1].test != test:
            found.append(Block(test))
        values = found[-1].values
        if isinstance(key, tuple):
            before = values.get(key)
            listed = before.content if before is not None and isinstance(before.content, tuple) else ()
            assert isinstance(content, bytes)
            inner = {**dict(listed), option.code: content}
            value = Value(content=tuple(sorted(inner.items())), at=value.at, text=value.text)
        values[key] = value


def _meant(statement: Assign) -> tuple[Key | None, bytes | str | int | bool]:
    """What an assignment sets in Kea; no key for what changes nothing."""
    option = statement.option
    if option.space == "server":
        return _parameter(statement)
    octets = _constant(statement.value)
    if option.space == "dhcp":
        if option.code in TIMERS:
            return TIMERS[option.code], int.from_bytes(octets, "big")
        if option.code in (51, 53, 55, 57, 82):
            raise NoEqualError(f"Kea sets option {option.code} by itself")
        return option.code, octets
    if option.space == "agent":
        raise NoEqualError("Kea sends the relay agent's options back as they came")
    return ("space", option.space.lower()), octets


def _parameter(statement: Assign) -> tuple[Key | None, bytes | str | int | bool]:
    name = statement.option.name
    if name in _SILENT:
        return None, b""
    if name in _FIELDS:
        octets = _constant(statement.value)
        if name == "next-server":
            if len(octets) < 4:
                raise NoEqualError("the address of the next server is not known here")
            return _FIELDS[name], ".".join(map(str, octets[:4]))
        return _FIELDS[name], octets.decode("utf-8", "surrogateescape")
    if name in _SERVER_NUMBERS:
        return name, int.from_bytes(_constant(statement.value), "big")
    if name in _FLAGS:
        return _FLAGS[name], _constant(statement.value)[:1] == b"\1"
    if name == "ignore-client-uids":
        return BY_CLIENT_ID, _constant(statement.value)[:1] != b"\1"
    if name == "vendor-option-space":
        return VENDOR, _constant(statement.value).decode("latin-1").lower()
    if name == "use-lease-addr-for-default-route" and _constant(statement.value)[:1] != b"\1":
        return None, b""
    if name in ("ping-check", "always-broadcast", "ddns-updates") and _constant(statement.value)[:1] != b"\1":
        return None, b""
    raise NoEqualError(_REASONS.get(name, "Kea has no such parameter"))


def _constant(value: Expression | None) -> bytes:
    match value:
        case Data(octets=octets):
            return octets
        case Number(value=number):
            return number.to_bytes(4, "big")
        case None:
            return b""
        case HostLookup():
            raise NoEqualError("a host name, which dhcpd looks up in DNS: write its address")
    raise NoEqualError("the value is computed from the packet or the lease")


def _other_reason(kind: str) -> str:
    return {
        "on": "it runs when a lease changes; Kea has a hook for scripts (run_script)",
        "key": "a key of OMAPI or dynamic DNS",
        "zone": _DYNAMIC_DNS,
        "log": "Kea's classes write no log lines",
        "execute": "a program that dhcpd runs",
        "interface": "Kea finds a network by the addresses of its card; where that is not enough, write "
        '"interface" into the subnet',
        "add": "Kea puts a client into a class by the class's own test",
    }.get(kind, "Kea has no such statement")


def _cases(body: Sequence[Statement]) -> Iterator[tuple[Case, list[Statement]]]:
    case: Case | None = None
    inner: list[Statement] = []
    for statement in body:
        if isinstance(statement, Case):
            if case is not None:
                yield case, inner
            case, inner = statement, []
        else:
            inner.append(statement)
    if case is not None:
        yield case, [*inner, Other(case.at, "break;", "break")]


def _both(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one if other is None else other
    return f"({one}) and ({other})"


def _settled(found: list[Block]) -> list[Block]:
    """The blocks turned round, without values that an unconditional one further on replaces."""
    decided: set[Key] = set()
    result: list[Block] = []
    for block in reversed(found):
        left = block.without(decided)
        if block.test is None:
            decided |= block.values.keys()
        if left.values:
            result.append(left)
    return result


def merged(blocks: Iterable[Block]) -> dict[Key, Value]:
    """The values of blocks that always hold; the first says them."""
    values: dict[Key, Value] = {}
    for block in blocks:
        if block.test is None:
            for key, value in block.values.items():
                values.setdefault(key, value)
    return values

"""What the statements of a scope set, as steps in the order dhcpd executes them (common/execute.c)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from ipaddress import IPv4Address

from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import ALWAYS, Inexpressible, spelled_value
from coexist.importers.dhcpd.meaning import Facts, condition_of, constant, looked_up
from coexist.importers.dhcpd.request_list import REQUEST_LIST, request_list
from coexist.importers.program import (
    FILENAME,
    IGNORE,
    LEASE_TIMES,
    NEXT_SERVER,
    Branch,
    Key,
    Step,
    chosen,
)
from coexist.languages.dhcpd.levels import Level, Outline
from coexist.languages.dhcpd.syntax import (
    Assign,
    Binary,
    Case,
    Expression,
    Function,
    If,
    Other,
    SetVariable,
    Statement,
    Switch,
)
from coexist.records import dataclass
from coexist.wire.bootp import fits_header_file
from coexist.wire.option_codes import Option

UNKNOWN_CLIENTS = "unknown-clients"
"""The key of `boot-unknown-clients`, which becomes a refusal of those who are not known."""

SPACE_IN_USE = "space-in-use"
"""The key of `vendor-option-space`: its value is the space that option 43 is made of."""

SITE_SPACE = "site-space"
"""The key of `site-option-space`: its value is the space that options of high codes are taken from."""

DECLARED_NAMES = "declared-names"
"""The key of `use-host-decl-names`: whether machines are told the names of their declarations."""

_NO_EFFECT = {
    "log": Harmless("writes a log line, nothing a client sees"),
    "execute": Harmless("starts a program, nothing a client sees"),
    "on": Harmless("runs when a lease changes, nothing a client sees before it boots"),
    "eval": Harmless("computes without an effect on the answer"),
    "key": Harmless("a key for OMAPI or dynamic DNS; secrets stay out of an inventory"),
    "zone": Harmless("dynamic DNS says nothing about booting"),
    "lease limit": "a limit of leases for a class is not in the inventory",
    "interface": Harmless("the inventory knows VLANs, not the server's network cards"),
    "db-time-format": Harmless("how the daemon writes its lease file"),
    "lease-id-format": Harmless("how the daemon writes its lease file"),
    "fixed-prefix6": Harmless("a prefix that only DHCPv6 clients are given"),
    "v6relopt": Harmless("an identifier that only DHCPv6 relays send"),
    "server-duid": Harmless("what a DHCPv6 server calls itself"),
    "parse-vendor-option": "option 43 of clients is not read by a space of the file",
    "marker": Harmless("how the daemon keeps the declaration"),
    "old class": "classes by vendor-class and user-class are obsolete; declare one with `match if`",
    "add": "a class that is joined while statements are executed",
    "unset": "variables are followed only where they are set once",
    "return": "functions are not followed",
    "break": "ends a switch or a function",
}

_DNS = Harmless("dynamic DNS says nothing about booting")
_LEASES = Harmless("how leases are kept says nothing about booting")
_DAEMON = Harmless("how the daemon runs says nothing about booting")
_PARAMETERS = {
    "server-name": "the header field sname, which the inventory does not have",
    "get-lease-hostnames": "the host name that DNS has for an address, which the inventory does not have",
    "allow-bootp": Harmless("about BOOTP clients, which the inventory does not know"),
    "dynamic-bootp": Harmless("about BOOTP clients, which the inventory does not know"),
    "always-broadcast": "that every answer is broadcast, which the inventory does not say",
    "ignore-client-uids": _LEASES,
    "one-lease-per-client": _LEASES,
    "duplicates": _LEASES,
    "declines": _LEASES,
    **dict.fromkeys(
        (
            "ddns-update-style", "ddns-updates", "ddns-domainname", "ddns-hostname", "ddns-rev-domainname",
            "ddns-ttl", "client-updates", "update-optimization", "update-static-leases",
            "do-forward-updates", "do-reverse-updates", "update-conflict-detection",
        ),
        _DNS,
    ),
    **dict.fromkeys(
        (
            "omapi-port", "omapi-key", "log-facility", "lease-file-name", "pid-file-name", "local-port",
            "remote-port", "leasequery",
        ),
        _DAEMON,
    ),
}  # fmt: skip

_OFF = Harmless("switches off what is not on")
# Parameters that do nothing where they are off.
_FLAGS = frozenset({"get-lease-hostnames", "always-broadcast"})

_SWITCHES = {
    "allow-booting": IGNORE,
    "boot-unknown-clients": UNKNOWN_CLIENTS,
    "use-host-decl-names": DECLARED_NAMES,
}
_SPACES = {"vendor-option-space": SPACE_IN_USE, "site-option-space": SITE_SPACE}

# What a DHCP server says by itself in every answer, or a client tells it.
_NOT_TO_SET = frozenset({50, 51, 52, 53, 54, 55, 57, 82})
_LEASE_TIMES = dict(zip(("default-lease-time", "min-lease-time", "max-lease-time"), LEASE_TIMES, strict=True))


@dataclass(slots=True)
class Execution:
    """The steps of a scope, and those of `default` statements, which count only where nothing else does."""

    steps: list[Step] = field(default_factory=list)
    defaults: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SubOption:
    """The key of a value inside an encapsulated option."""

    space: str
    code: int


class Interpreter:
    """Turns statements into steps; each scope once."""

    def __init__(self, outline: Outline, facts: Facts, account: Account) -> None:
        self.outline = outline
        self.facts = facts
        self.account = account
        self._done: dict[Level, Execution] = {}
        self.assigned: list[SetVariable] = []
        self.server_identifier: IPv4Address | None = None
        self.naming: list[Assign] = []
        self.server_identifiers: list[tuple[Assign, IPv4Address]] = []
        self.ping_check: bool | None = None

    def level(self, level: Level) -> Execution:
        """What the statements of one scope (without those around it) do."""
        found = self._done.get(level)
        if found is None:
            found = Execution()
            found.steps = self.body(level.statements, found)
            self._done[level] = found
        return found

    def chain(self, level: Level, limit: Iterable[Level] = ()) -> Execution:
        """The scope and those around it, outermost first, up to (not with) one in ``limit``."""
        known = set(limit)
        levels: list[Level] = []
        for outer in level.outwards():
            if outer in known:
                break
            levels.append(outer)
        result = Execution()
        for one in reversed(levels):
            done = self.level(one)
            result.steps += done.steps
            result.defaults += done.defaults
        return result

    # -- statements ------------------------------------------------------------------------------

    def body(self, statements: Iterable[Statement], execution: Execution) -> list[Step]:
        """The steps of statements in their order."""
        steps: list[Step] = []
        for statement in statements:
            match statement:
                case Assign():
                    step = self.assign(statement)
                    if step is not None and statement.how == "default":
                        execution.defaults.append(step)
                    elif step is not None:
                        steps.append(step)
                case If():
                    steps += self.conditional(_branches(statement), execution)
                case Switch():
                    steps += self.switch(statement, execution)
                case SetVariable(name=name) if self.facts.variables.get(name) is not None:
                    self.account.modelled(statement.at)
                    self.assigned.append(statement)
                case SetVariable():
                    why = "variables are followed only where they are set once to one expression"
                    self.account.left_out(statement.at, statement.text, why)
                case Other(kind="failover"):
                    # The pair it refers to is accounted for as a whole.
                    self.account.modelled(statement.at)
                case Other(kind=kind):
                    self.account.left_out(
                        statement.at, statement.text, _NO_EFFECT.get(kind, "not understood")
                    )
        return steps

    def conditional(
        self,
        branches: list[tuple[Expression | None, Statement, tuple[Statement, ...]]],
        execution: Execution,
    ) -> list[Step]:
        """The steps of the branches of which the first whose condition holds is executed."""
        understood: list[Branch] = []
        for number, (expression, owner, body) in enumerate(branches):
            try:
                condition = ALWAYS if expression is None else condition_of(expression, self.facts)
            except Inexpressible as reason:
                for _, later, statements in branches[number:]:
                    self.account.left_out(later.at, later.text, str(reason))
                    self._leave_out(statements, f"stands under a condition that is left out: {reason}")
                break
            self.understood(owner)
            understood.append(Branch(condition=condition, steps=tuple(self.body(body, execution))))
        try:
            return chosen(understood)
        except Inexpressible as reason:
            for _, owner, statements in branches:
                self.account.left_out(owner.at, owner.text, str(reason))
                self._leave_out(statements, f"stands under a condition that is left out: {reason}")
            return []

    def understood(self, owner: Statement) -> None:
        """A condition is taken over; small differences get a line."""
        self.account.modelled(owner.at)
        for caveat in self.facts.caveats:
            self.account.left_out(owner.at, owner.text, caveat)
        self.facts.caveats.clear()

    def _leave_out(self, statements: Iterable[Statement], why: str) -> None:
        for statement in statements:
            self.account.left_out(statement.at, statement.text, why)
            if isinstance(statement, If):
                self._leave_out((*statement.then, *statement.otherwise), why)
            elif isinstance(statement, Switch):
                self._leave_out(statement.body, why)

    def switch(self, statement: Switch, execution: Execution) -> list[Step]:
        """A switch whose cases all end in ``break`` is a chain of conditions."""
        branches: list[tuple[Expression | None, Statement, tuple[Statement, ...]]] = []
        cases: list[tuple[Case, list[Statement]]] = []
        for inner in statement.body:
            if isinstance(inner, Case):
                cases.append((inner, []))
            elif cases:
                cases[-1][1].append(inner)
        last = len(cases) - 1
        for number, (case, body) in enumerate(cases):
            ends = bool(body) and isinstance(body[-1], Other) and body[-1].kind == "break"
            if not ends and number < last:
                why = "a case that runs on into the next one"
                self.account.left_out(statement.at, statement.text, why)
                self._leave_out(statement.body, f"stands in a switch that is left out: {why}")
                return []
            if ends:
                self.account.modelled(body[-1].at)
            expression = None if case.value is None else Binary("=", statement.value, case.value)
            branches.append((expression, case, tuple(body[:-1] if ends else body)))
        # `default` is taken where no case fits, wherever it stands.
        branches.sort(key=lambda branch: branch[0] is None)
        self.account.modelled(statement.at)
        return self.conditional(branches, execution)

    # -- values ----------------------------------------------------------------------------------

    def assign(self, statement: Assign) -> Step | None:
        """The step of one assignment, or None with a line in the account."""
        option = statement.option
        if statement.how in ("append", "prepend"):
            self.account.left_out(statement.at, statement.text, "a list put together from several scopes")
            return None
        value = constant(statement.value, self.facts)
        if isinstance(value, int):
            value = None
        listed = request_list(statement, value)
        if listed is not None:
            return self._step(statement, REQUEST_LIST, listed)
        if value is None:
            name = looked_up(statement.value)
            why = (
                f"{name} is looked up in DNS while the daemon runs; write its address"
                if name
                else "the value depends on the client's packet or its lease"
            )
            if statement.value is None:
                why = "an option without a value"
            if not (option.space == "server" and option.name in _PARAMETERS):
                self.account.left_out(statement.at, statement.text, why)
                return None
            value = b""
        return self.parameter(statement, value) if option.space == "server" else self.option(statement, value)

    def option(self, statement: Assign, value: bytes) -> Step | None:
        """An option for the client."""
        option = statement.option
        if option.space != "dhcp":
            return self._step(statement, SubOption(option.space, option.code), value)
        if option.code == Option.SERVER_IDENTIFIER and len(value) == 4:
            self.server_identifier = self.server_identifier or IPv4Address(value)
            self.server_identifiers.append((statement, IPv4Address(value)))
            self.account.modelled(statement.at)
            return None
        if option.code == Option.CLIENT_IDENTIFIER:
            # In a host declaration it says whose it is.
            why = "the inventory knows machines by their MAC address only"
            self.account.left_out(statement.at, statement.text, why)
            return None
        if option.code in _NOT_TO_SET or not 0 < option.code < 255:
            self.account.left_out(statement.at, statement.text, "an option the server answers by itself")
            return None
        if not value:
            self.account.left_out(statement.at, statement.text, "an option without octets")
            return None
        return self._step(statement, option.code, option_text(option.code, value))

    def parameter(self, statement: Assign, value: bytes) -> Step | None:
        """One of dhcpd's own parameters."""
        name = statement.option.name
        match name:
            case "filename":
                return self._file(statement, value)
            case "next-server" if len(value) == 4:
                return self._step(statement, NEXT_SERVER, str(IPv4Address(value)))
            case "min-secs":
                return self._step(statement, "min_secs", value[0])
            case "default-lease-time" | "min-lease-time" | "max-lease-time" if len(value) == 4:
                return self._step(statement, _LEASE_TIMES[name], int.from_bytes(value, "big"))
            case "allow-booting" | "boot-unknown-clients":
                return self._step(statement, _SWITCHES[name], value != b"\1")
            case "use-host-decl-names":
                self.naming.append(statement)
                return self._step(statement, _SWITCHES[name], value == b"\1")
            case "vendor-option-space" | "site-option-space":
                return self._step(statement, _SPACES[name], value.decode("latin-1").lower())
            case "ping-check":
                self.ping_check = value == b"\1"
                self.account.modelled(statement.at)
            case "local-address" if len(value) == 4:
                self.server_identifier = self.server_identifier or IPv4Address(value)
                self.account.modelled(statement.at)
            case _:
                why = _PARAMETERS.get(name, "a parameter the inventory does not have")
                if name in _FLAGS and value == b"\0":
                    why = _OFF
                self.account.left_out(statement.at, statement.text, why)
        return None

    def _file(self, statement: Assign, value: bytes) -> Step | None:
        text = value.split(b"\0")[0].decode("utf-8", "surrogateescape")
        if not text.isprintable():
            self.account.left_out(statement.at, statement.text, "the file name is no printable UTF-8 text")
            return None
        if not fits_header_file(value):
            self.account.left_out(
                statement.at, statement.text, "longer than the 127 octets of the header field"
            )
            return None
        return self._step(statement, FILENAME, text)

    def _step(self, statement: Assign, key: Key | SubOption, value: object) -> Step:
        self.account.modelled(statement.at)
        return Step(condition=ALWAYS, key=key, value=value, at=statement.at, text=statement.text)


def _branches(
    statement: If,
) -> list[tuple[Expression | None, Statement, tuple[Statement, ...]]]:
    """The chain of an if with its elsifs and its else."""
    result: list[tuple[Expression | None, Statement, tuple[Statement, ...]]] = []
    while True:
        result.append((statement.condition, statement, statement.then))
        rest = statement.otherwise
        if len(rest) != 1 or not isinstance(rest[0], If):
            if rest:
                result.append((None, statement, rest))
            return result
        statement = rest[0]


def option_text(code: int, value: bytes) -> str:
    """The value as it is written in an inventory: exactly these octets.

    A renderer ends a boot file name with the NUL that firmware needs; a value without one is
    written in octets so that it stays without.
    """
    if code == Option.BOOTFILE_NAME:
        if value.endswith(b"\0") and not value[:-1].endswith(b"\0") and value[:-1]:
            return spelled_value(code, value[:-1])
        return "hex:" + value.hex(":")
    return spelled_value(code, value)


def variables_of(statements: Iterable[Statement]) -> dict[str, Expression | None]:
    """The variables that are set in one place to one expression, outside of conditions; None for others."""
    result: dict[str, Expression | None] = {}

    def visit(body: Iterable[Statement], *, plain: bool) -> None:
        for statement in body:
            if isinstance(statement, SetVariable):
                again = statement.name in result
                is_known = plain and not again
                value = statement.value
                result[statement.name] = value if is_known and not isinstance(value, Function) else None
            elif isinstance(statement, If):
                visit((*statement.then, *statement.otherwise), plain=False)
            elif not isinstance(statement, Other):
                visit(getattr(statement, "body", None) or (), plain=plain)

    visit(statements, plain=True)
    return result

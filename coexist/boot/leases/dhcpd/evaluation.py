"""Expressions and statements of dhcpd.conf for one packet (``common/tree.c``, ``common/execute.c``).

Every evaluation may fail; None is that failure. It is no truth value: ``not`` of it fails too, and so does an
``and`` whose first part is false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.options import ClientOptions, OptionState, Setting
from coexist.boot.leases.lease import Origin
from coexist.errors import Position
from coexist.languages.dhcpd.expressions import kind_of
from coexist.languages.dhcpd.levels import Level
from coexist.languages.dhcpd.syntax import (
    Assign,
    Atom,
    Binary,
    Call,
    Case,
    Data,
    Exists,
    Expression,
    Function,
    HostLookup,
    If,
    Not,
    Number,
    OptionName,
    OptionOf,
    Other,
    SetVariable,
    Statement,
    Switch,
    Variable,
)
from coexist.records import dataclass
from coexist.wire.domain_names import packed_names, unpacked_names

Value = bytes | int | bool | Function | None
Resolve = Callable[[str], tuple[IPv4Address, ...]]
_WORD = 0xFFFF_FFFF_FFFF_FFFF
# What C's tolower and toupper do in the C locale.
_LOWER = bytes(range(256)).lower()
_UPPER = bytes(range(256)).upper()
_MOST_CALLS = 60


class OpenError(Exception):
    """The value depends on what only the running daemon knows; the text says on what."""


class EndlessError(Exception):
    """An option is computed from itself: dhcpd follows it until its stack ends, and dies of SIGSEGV
    (4.4.3-P1; ``dhcpd -t`` accepts the file). ``origin``: the statement."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin


@dataclass(slots=True)
class Held:
    """What dhcpd knows of the lease while it evaluates: its address, whether it is the client's own by
    declaration, and the name of that declaration."""

    address: IPv4Address | None = None
    is_static: bool = False
    host_name: str | None = None


@dataclass(slots=True)
class Scope:
    """Variables and functions, and those around them."""

    values: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, name: str) -> Value:
        """What a name stands for, None for nothing."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        return None

    def has(self, name: str) -> bool:
        """Whether a name was set or unset here or around."""
        return name in self.values or (self.outer is not None and self.outer.has(name))

    def set(self, name: str, value: Value) -> None:
        """Give a name a value, where it has one already or here."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                scope.values[name] = value
                return
            scope = scope.outer
        self.values[name] = value


class _Done(Exception):  # noqa: N818
    """``return`` was executed."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


@dataclass(slots=True)
class Evaluation:
    """The state of one evaluation.

    ``decide``: how an open condition at a place is decided. ``remembered``: the variables a lease may keep
    from an earlier packet. ``classify``: ``add CLASS``. ``into_reply``: a value is computed for the reply,
    whose address is known. ``within``: the options whose values are being computed.
    """

    client: ClientOptions | None
    state: OptionState | None
    scope: Scope
    resolve: Resolve
    decide: Callable[[Position], bool]
    known: bool = False
    held: Held | None = None
    remembered: frozenset[str] = frozenset()
    classify: Callable[[str], None] | None = None
    on_commit: tuple[Statement, ...] = ()
    calls: int = 0
    into_reply: bool = False
    within: set[tuple[str, int]] = field(default_factory=set)

    # -- statements --------------------------------------------------------------------------------

    def execute_level(self, level: Level, limit: Iterable[Level] = ()) -> None:
        """The statements of a scope and those around it, up to one of ``limit``
        (execute_statements_in_scope)."""
        stop = frozenset(map(id, limit))
        chain: list[Level] = []
        for scope in level.outwards():
            if id(scope) in stop:
                break
            chain.append(scope)
        for scope in reversed(chain):
            self.execute(scope.statements)

    def execute(self, statements: Iterable[Statement]) -> None:
        """Statements in their order, until a ``break`` among them."""
        for statement in statements:
            match statement:
                case Assign(how=how, option=option, value=value):
                    if self.state is not None:
                        self.state.set(how, Setting(option, value, statement.at))
                case If(condition=condition, then=then, otherwise=otherwise):
                    self.execute(then if self.holds(condition, statement.at) else otherwise)
                case Switch():
                    self.execute(self._chosen(statement))
                case SetVariable(name=name, value=new):
                    self.scope.set(name, new if isinstance(new, Function) else self._or_none(new))
                case Other(kind="break"):
                    return
                case Other():
                    self._other(statement)

    def _other(self, statement: Other) -> None:
        match statement.kind:
            case "return" if statement.value is not None and self.calls:
                raise _Done(self.value(statement.value))
            case "return" if statement.value is not None:
                # Outside of a function it ends nothing (4.4.3-P1).
                self._or_none(statement.value)
            case "eval" if statement.value is not None:
                self._or_none(statement.value)
            case "unset":
                self.scope.set(statement.names[0], None)
            case "add" if self.classify is not None:
                self.classify(statement.names[0])
            case "on" if "commit" in statement.names and self.held is not None:
                self.on_commit = statement.body
            case "parse-vendor-option" if self.client is not None and self.state is not None:
                setting = self.state.find("server", 19)
                name = None if setting is None else self.computed(setting)
                if name:
                    self.client.parse_vendor(name.decode("latin-1").lower())

    def holds(self, condition: Expression, at: Position) -> bool:
        """Whether a condition holds; one that fails does not, an open one is decided elsewhere."""
        try:
            return bool(self.boolean(condition))
        except OpenError:
            return self.decide(at)

    def _or_none(self, expression: Expression) -> Value:
        try:
            return self.value(expression)
        except OpenError:
            return None

    def _chosen(self, switch: Switch) -> tuple[Statement, ...]:
        """The statements behind the case that fits, or behind ``default`` (find_matching_case)."""
        compute = self.data if kind_of(switch.value) in ("data", "any") else self.numeric
        try:
            wanted = compute(switch.value)
        except OpenError:
            return switch.body if self.decide(switch.at) else ()
        for number, statement in enumerate(switch.body):
            value = statement.value if isinstance(statement, Case) else None
            if value is not None and wanted is not None and compute(value) == wanted:
                return switch.body[number + 1 :]
        for number, statement in enumerate(switch.body):
            if isinstance(statement, Case) and statement.value is None:
                return switch.body[number + 1 :]
        return ()

    # -- values ------------------------------------------------------------------------------------

    def computed(self, setting: Setting) -> bytes | None:
        """The octets of an option that was set; None where the expression fails or is open."""
        if setting.value is None:
            return None
        outer, self.into_reply = self.into_reply, True
        try:
            return self.data(setting.value)
        except OpenError:
            return None
        finally:
            self.into_reply = outer

    def _configured(self, option: OptionName) -> bytes | None:
        """``config-option``: what has been set so far."""
        key = (option.space.lower(), option.code)
        setting = None if self.state is None else self.state.find(*key)
        if setting is None or setting.value is None:
            return None
        if key in self.within:
            raise EndlessError(setting.origin)
        self.within.add(key)
        try:
            return self.data(setting.value)
        finally:
            self.within.discard(key)

    def value(self, expression: Expression) -> Value:
        """Whatever an expression yields (evaluate_expression)."""
        if isinstance(expression, Variable) and not expression.defined:
            return self._variable(expression.name)
        if isinstance(expression, Call) and expression.own:
            return self._called(expression)
        match kind_of(expression):
            case "boolean":
                return self.boolean(expression)
            case "numeric":
                return self.numeric(expression)
        return self.data(expression)

    def _variable(self, name: str) -> Value:
        found = self.scope.find(name)
        if found is None and name in self.remembered and not self.scope.has(name):
            raise OpenError(f"what the lease remembers as {name}")
        return found

    def _called(self, call: Call) -> Value:
        function = self.scope.find(call.function)
        if not isinstance(function, Function) or len(function.parameters) != len(call.arguments):
            return None
        if self.calls >= _MOST_CALLS:
            return None
        arguments = {
            name: self.value(argument)
            for name, argument in zip(function.parameters, call.arguments, strict=True)
        }
        outer, self.scope = self.scope, Scope(arguments, self.scope)
        self.calls += 1
        try:
            self.execute(function.body)
        except _Done as done:
            return done.value
        finally:
            self.scope = outer
            self.calls -= 1
        return None

    # -- booleans ----------------------------------------------------------------------------------

    def boolean(self, expression: Expression) -> bool | None:
        """A condition, None if it fails (evaluate_boolean_expression)."""
        match expression:
            case Not(operand=operand):
                inner = self.boolean(operand)
                return None if inner is None else not inner
            case Exists(option=option):
                return self.client is not None and self.client.get(option.space, option.code) is not None
            case Variable(name=name, defined=True):
                return self._variable(name) is not None
            case Atom(word="known"):
                return self.known
            case Atom(word="static"):
                return self.held is not None and self.held.is_static
            case Binary(operator=operator, left=left, right=right):
                return self._binary(operator, left, right)
        found = self.value(expression) if kind_of(expression) == "any" else None
        return found if isinstance(found, bool) else None

    def _binary(self, operator: str, left: Expression, right: Expression) -> bool | None:
        match operator:
            case "=" | "!=":
                ours, theirs = self.value(left), self.value(right)
                equal = type(ours) is type(theirs) and ours == theirs
                return equal == (operator == "=")
            case "and":
                # A false first part makes the whole fail, and so does its negation.
                ours = self.boolean(left)
                theirs = self.boolean(right) if ours else None
                return None if theirs is None else bool(theirs)
            case "or":
                ours = self.boolean(left)
                theirs = None if ours else self.boolean(right)
                return None if ours is None and theirs is None else bool(ours or theirs)
        return self._matches(self.data(left), self.data(right), ignore_case=operator == "~~")

    @staticmethod
    def _matches(text: bytes | None, pattern: bytes | None, *, ignore_case: bool) -> bool | None:
        if text is None or pattern is None:
            return None
        # An empty substring has no octets to look at, and a NUL ends a C string.
        if not text:
            return False
        compiled = _regex(pattern.partition(b"\0")[0], ignore_case)
        return compiled is not None and compiled.search(text.partition(b"\0")[0]) is not None

    # -- numbers -----------------------------------------------------------------------------------

    def numeric(self, expression: Expression) -> int | None:
        """A number, None if it fails (evaluate_numeric_expression)."""
        match expression:
            case Number(value=value):
                return value & _WORD
            case Call(function="extract-int", arguments=(inner, Number(value=bits))):
                octets = self.data(inner)
                width = bits // 8
                enough = octets is not None and len(octets) >= width
                return int.from_bytes(octets[:width], "big") if enough and octets is not None else None
            case Atom(word="lease-time"):
                raise OpenError("how long the client holds its lease already")
            case Binary(operator=operator, left=left, right=right):
                return _arithmetic(operator, self.numeric(left), self.numeric(right))
        found = self.value(expression) if kind_of(expression) == "any" else None
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    # -- octets ------------------------------------------------------------------------------------

    def data(self, expression: Expression) -> bytes | None:
        """Octets, None if they cannot be had (evaluate_data_expression)."""
        match expression:
            case Data(octets=octets):
                return octets
            case OptionOf(option=option, configured=True):
                return self._configured(option)
            case OptionOf(option=option):
                return None if self.client is None else self.client.get(option.space.lower(), option.code)
            case HostLookup(name=name):
                return b"".join(address.packed for address in self.resolve(name)) or None
            case Atom(word=word):
                return self._atom(word)
            case Call(function=function, arguments=arguments, own=False):
                return self._call(function, arguments)
        found = self.value(expression) if kind_of(expression) == "any" else None
        return found if isinstance(found, bytes) else None

    def _atom(self, word: str) -> bytes | None:
        packet = None if self.client is None else self.client.packet
        match word:
            case "hardware" if packet is not None:
                return bytes((packet.htype,)) + packet.chaddr[: packet.hlen]
            case "filename" if packet is not None:
                return packet.file.partition(b"\0")[0] or None
            case "server-name" if packet is not None:
                return packet.sname.partition(b"\0")[0] or None
            case "leased-address" if self.held is not None and self.held.address is not None:
                if not self.held.is_static and not self.into_reply:
                    raise OpenError("which address the client is leased")
                return self.held.address.packed
            case "host-decl-name" if self.held is not None and self.held.host_name is not None:
                return self.held.host_name.encode("latin-1", "replace")
            case "gethostname":
                raise OpenError("the host name of the server")
        return None

    def _call(self, function: str, arguments: tuple[Expression, ...]) -> bytes | None:
        match function:
            case "pick-first-value":
                return next((found for a in arguments if (found := self.data(a)) is not None), None)
            case "concat":
                parts = [self.data(a) for a in arguments]
                return None if None in parts else b"".join(part for part in parts if part is not None)
            case "concat-domain-lists":
                # Of lists with pointers, which are unpacked first (expr_concat_dclist).
                lists = [self.data(a) for a in arguments]
                if any(octets is None for octets in lists):
                    return None
                names = [name for octets in lists for name in unpacked_names(octets or b"")]
                return packed_names(names, compressed=True)
            case "packet":
                return self._packet(self.numeric(arguments[0]), self.numeric(arguments[1]))
            case "encode-int":
                number, bits = self.numeric(arguments[0]), self.numeric(arguments[1])
                return None if number is None or bits is None else _encoded(number, bits)
            case "binary-to-ascii":
                return self._ascii(arguments)
            case "reverse":
                width, octets = self.numeric(arguments[0]), self.data(arguments[1])
                return None if width is None or octets is None else _reversed(width, octets)
            case "substring" | "suffix" | "lcase" | "ucase":
                octets = self.data(arguments[0])
                numbers = [self.numeric(a) for a in arguments[1:]]
                return None if octets is None else _piece(function, octets, numbers)
        return None

    def _packet(self, offset: int | None, length: int | None) -> bytes | None:
        if self.client is None or offset is None or length is None:
            return None
        from coexist.wire.bootp import encode

        octets = encode(self.client.packet)
        return octets[offset : offset + length] if offset < len(octets) else None

    def _ascii(self, arguments: tuple[Expression, ...]) -> bytes | None:
        base, bits = self.numeric(arguments[0]), self.numeric(arguments[1])
        separator, octets = self.data(arguments[2]), self.data(arguments[3])
        if base is None or separator is None or octets is None or bits not in (8, 16, 32):
            return None
        width = bits // 8
        if len(octets) % width or not 2 <= base <= 36:
            return None
        words = (int.from_bytes(octets[at : at + width], "big") for at in range(0, len(octets), width))
        return separator.join(_digits(word, base) for word in words)


def _piece(function: str, octets: bytes, numbers: list[int | None]) -> bytes | None:
    match function, numbers:
        case "substring", [int(start), int(length)]:
            return octets[start : start + length]
        case "suffix", [int(length)]:
            return octets[len(octets) - length :] if len(octets) > length else octets
        case "lcase", _:
            return octets.translate(_LOWER)
        case "ucase", _:
            return octets.translate(_UPPER)
    return None


def _encoded(number: int, bits: int) -> bytes:
    return (number & (1 << bits) - 1).to_bytes(bits // 8, "big")


def _reversed(width: int, octets: bytes) -> bytes | None:
    if not width or len(octets) % width:
        return None
    return b"".join(octets[at : at + width] for at in range(len(octets) - width, -1, -width))


def _digits(word: int, base: int) -> bytes:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while word or not text:
        word, digit = divmod(word, base)
        text = digits[digit] + text
    return text.encode()


def _arithmetic(operator: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None or (operator in ("/", "%") and not right):
        return None
    match operator:
        case "+":
            return left + right & _WORD
        case "*":
            return left * right & _WORD
        case "/":
            return left // right
        case "%":
            return left % right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
    return None


_CLASSES = {
    b"alpha": b"A-Za-z", b"digit": b"0-9", b"alnum": b"A-Za-z0-9", b"upper": b"A-Z", b"lower": b"a-z",
    b"space": rb" \t\n\r\f\v", b"blank": rb" \t", b"xdigit": b"0-9A-Fa-f",
    b"punct": rb"!-/:-@\[-`{-~", b"print": b" -~", b"graph": b"!-~", b"cntrl": rb"\x00-\x1f\x7f",
}  # fmt: skip


def _regex(pattern: bytes, ignore_case: bool) -> re.Pattern[bytes] | None:
    """A POSIX extended expression (regcomp); None if it is none."""
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        return re.compile(_translated(pattern), flags | re.DOTALL)
    except re.error:
        return None


def _translated(pattern: bytes) -> bytes:
    """POSIX to Python: a backslash in brackets is itself, else it only quotes, ``$`` is the end."""
    result = bytearray()
    at = 0
    while at < len(pattern):
        sign = pattern[at : at + 1]
        if sign == b"[":
            piece, at = _bracket(pattern, at)
            result += piece
            continue
        if sign == b"\\" and at + 1 < len(pattern):
            result += re.escape(pattern[at + 1 : at + 2])
            at += 2
            continue
        result += rb"\Z" if sign == b"$" else sign
        at += 1
    return bytes(result)


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    result = bytearray(b"[")
    at += 1
    if pattern[at : at + 1] == b"^":
        result += b"^"
        at += 1
    first = True
    while at < len(pattern):
        sign = pattern[at : at + 1]
        if sign == b"]" and not first:
            return bytes(result + b"]"), at + 1
        end = pattern.find(b":]", at + 2) if pattern[at : at + 2] == b"[:" else -1
        if end >= 0:
            result += _CLASSES.get(pattern[at + 2 : end], b"")
            at = end + 2
        else:
            result += b"\\" + sign if sign in b"[]\\&~|" else sign
            at += 1
        first = False
    return bytes(result), at

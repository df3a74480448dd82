"""Expressions and statements of dhcpd.conf for one packet (``common/tree.c``, ``common/execute.c``).

Every evaluation may fail; None is that failure. It is no truth value: ``not`` of it fails too, and so does an
``and`` whose first part is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.functions import WORD, arithmetic, encoded, in_ascii, in_reverse, piece
from coexist.boot.leases.dhcpd.options import ClientOptions, OptionState, Setting
from coexist.boot.leases.dhcpd.patterns import matches
from coexist.boot.leases.dhcpd.variables import Scope, Value
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

Resolve = Callable[[str], tuple[IPv4Address, ...]]
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
        text, pattern = self.data(left), self.data(right)
        if text == b"" and self._points_nowhere(left):
            return None
        if text is not None and pattern == b"" and self._points_nowhere(right):
            return False
        return matches(text, pattern, ignore_case=operator == "~~")

    def _points_nowhere(self, expression: Expression) -> bool:
        """Whether an expression without octets has no place for any either.

        To look for a pattern there fails, and as a pattern it is found nowhere (4.4.3, packets). A text of
        nothing and a substring behind the end are that; what a function made anew and a substring of no
        length are not.
        """
        match expression:
            case Data():
                return True
            case Call(function="substring", arguments=(inner, start, _)):
                return len(self.data(inner) or b"") <= (self.numeric(start) or 0)
            case Call(function="suffix", arguments=(inner, _)):
                return not self.data(inner) and self._points_nowhere(inner)
            case Call(function="pick-first-value", arguments=arguments):
                chosen = next((each for each in arguments if self.data(each) is not None), None)
                return chosen is not None and self._points_nowhere(chosen)
        return False

    # -- numbers -----------------------------------------------------------------------------------

    def numeric(self, expression: Expression) -> int | None:
        """A number, None if it fails (evaluate_numeric_expression)."""
        match expression:
            case Number(value=value):
                return value & WORD
            case Call(function="extract-int", arguments=(inner, Number(value=bits))):
                octets = self.data(inner)
                width = bits // 8
                enough = octets is not None and len(octets) >= width
                return int.from_bytes(octets[:width], "big") if enough and octets is not None else None
            case Atom(word="lease-time"):
                raise OpenError("how long the client holds its lease already")
            case Binary(operator=operator, left=left, right=right):
                return arithmetic(operator, self.numeric(left), self.numeric(right))
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
                return None if number is None or bits is None else encoded(number, bits)
            case "binary-to-ascii":
                return self._ascii(arguments)
            case "reverse":
                width, octets = self.numeric(arguments[0]), self.data(arguments[1])
                return None if width is None or octets is None else in_reverse(width, octets)
            case "substring" | "suffix" | "lcase" | "ucase":
                octets = self.data(arguments[0])
                numbers = [self.numeric(a) for a in arguments[1:]]
                return None if octets is None else piece(function, octets, numbers)
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
        if base is None or separator is None or octets is None:
            return None
        return in_ascii(base, bits, separator, octets)

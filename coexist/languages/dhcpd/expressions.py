"""Expressions of dhcpd.conf: common/parse.c of ISC DHCP 4.4, dhcp-eval(5).

Two things differ from what one would expect: ``and`` and ``or`` bind equally tight and are read
from left to right, and ``not`` takes one operand, so that a comparison behind it needs parentheses.
"""

from __future__ import annotations

from collections.abc import Callable

from coexist.languages.dhcpd.lexer import NAME, NUMBER, NUMBER_OR_NAME, STRING, Lexer
from coexist.languages.dhcpd.numbers import c_integer, is_hexadecimal, parse_octets
from coexist.languages.dhcpd.options import OptionSpaces
from coexist.languages.dhcpd.syntax import (
    Atom,
    Binary,
    Call,
    Data,
    Exists,
    Expression,
    HostLookup,
    Not,
    Number,
    OptionName,
    OptionOf,
    Variable,
)

# The arguments of each function: d data, n numeric.
_FUNCTIONS = {
    "substring": "dnn",
    "suffix": "dn",
    "lcase": "d",
    "ucase": "d",
    "binary-to-ascii": "nndd",
    "reverse": "nd",
    "packet": "nn",
    "v6relay": "nd",
}
_DATA_ATOMS = frozenset({"hardware", "leased-address", "filename", "server-name", "null", "host-decl-name"})
_CONSTANTS = frozenset(
    [
        "formerr",
        "noerror",
        "notauth",
        "notimp",
        "notzone",
        "nxdomain",
        "nxrrset",
        "refused",
        "servfail",
        "yxdomain",
        "yxrrset",
        "booting",
        "reboot",
        "select",
        "request",
        "bound",
        "renew",
        "rebind",
    ]
)
_NUMERIC_ATOMS = frozenset({"client-state", "lease-time"}) | _CONSTANTS
_PRECEDENCE = {
    **dict.fromkeys(("=", "!=", "~=", "~~"), 4),
    **dict.fromkeys(("and", "or"), 3),
    **dict.fromkeys("+-", 2),
    **dict.fromkeys("*/%", 1),
    **dict.fromkeys("&|^", 100),
}
_ARITHMETIC = frozenset("+-*/%&|^")
_SIGNS = frozenset("=+/*%&|^") | {"and", "or"}


def kind_of(expression: Expression) -> str:
    """What an expression yields: data, numeric, boolean, or any (a variable, a function of the file)."""
    match expression:
        case Not() | Exists() | Variable(defined=True):
            return "boolean"
        case Binary(operator=operator):
            return "numeric" if operator in _ARITHMETIC else "boolean"
        case Number():
            return "numeric"
        case Call(function=function, own=own):
            return "any" if own else "numeric" if function == "extract-int" else "data"
        case Atom(word=word):
            if word in _NUMERIC_ATOMS:
                return "numeric"
            return "boolean" if word in ("known", "static", "check") else "data"
        case Variable():
            return "any"
    return "data"


class ExpressionParser:
    """Reads expressions and option names from a lexer."""

    def __init__(self, lexer: Lexer, spaces: OptionSpaces) -> None:
        self.lexer = lexer
        self.spaces = spaces

    # -- names ---------------------------------------------------------------------------------

    def option_name(self) -> OptionName:
        """A defined option."""
        space, name = self.option_words()
        found = self.spaces.find(space, name)
        if found is None:
            self.lexer.fail(
                f"no option named {name} in space {space}", "define it first with `option ... code`"
            )
        self.check_code(found)
        return found

    def option_words(self) -> tuple[str, str]:
        """The space and name of an option, defined or not."""
        lexer = self.lexer
        token = lexer.next()
        if not token.is_identifier:
            lexer.fail("expecting identifier after option keyword.")
        if lexer.peek().kind != ".":
            return "dhcp", token.value
        lexer.next()
        second = lexer.next()
        if not second.is_identifier:
            lexer.fail("expecting identifier after '.'")
        if not self.spaces.has_space(token.value):
            lexer.fail(f"no option space named {token.value}.")
        return token.value.lower(), second.value

    def check_code(self, option: OptionName) -> None:
        """Refuse the codes an area cannot carry."""
        if option.name.lower().startswith("unknown-") and option.code in (0, 255):
            self.lexer.fail(f"Option codes 0 and 255 are illegal in the {option.space} space.")

    # -- expressions ---------------------------------------------------------------------------

    def boolean(self, otherwise: str) -> Expression:
        """A condition; ``otherwise`` is the complaint when there is no expression at all."""
        result = self.expression("boolean")
        if result is None:
            self.lexer.fail(otherwise)
        if kind_of(result) not in ("boolean", "any"):
            self.lexer.fail("Expecting a boolean expression.")
        return result

    def data(self, otherwise: str = "expecting data expression.") -> Expression:
        """Octets."""
        result = self.expression("data")
        if result is None:
            self.lexer.fail(otherwise)
        if kind_of(result) not in ("data", "any"):
            self.lexer.fail("Expecting a data expression.")
        return result

    def numeric(self, otherwise: str = "expecting numeric expression.") -> Expression:
        """A number."""
        result = self.expression("numeric")
        if result is None:
            self.lexer.fail(otherwise)
        if kind_of(result) not in ("numeric", "any"):
            self.lexer.fail("Expecting a numeric expression.")
        return result

    def expression(
        self, context: str, left: Expression | None = None, operator: str = ""
    ) -> Expression | None:
        """An expression, or None if there is none here. With ``left`` the right side of an operator."""
        lexer = self.lexer
        while True:
            right = self.operand(context)
            if right is None:
                if left is not None:
                    lexer.fail("expecting right-hand side.")
                return None
            following = self._operator()
            if following:
                context = kind_of(right)
            if left is None:
                if not following:
                    return right
                lexer.next()
                left, operator = right, following
                continue
            if following and _PRECEDENCE[operator] < _PRECEDENCE[following]:
                lexer.next()
                inner = self.expression("any", right, following)
                assert inner is not None  # with a left side it fails instead
                right, following = inner, ""
            self._check_operands(operator, left, right)
            if not following:
                return Binary(operator, left, right)
            lexer.next()
            left, operator = Binary(operator, left, right), following

    def _operator(self) -> str:
        """The operator that follows, its last sign not consumed; empty if none follows."""
        lexer = self.lexer
        token = lexer.peek()
        if token.kind == "!":
            lexer.next()
            if lexer.peek().kind != "=":
                lexer.fail("! in boolean context without =")
            return "!="
        if token.kind == "~":
            lexer.next()
            if lexer.peek().kind not in ("~", "="):
                lexer.fail("expecting ~= or ~~ operator")
            return "~" + lexer.peek().kind
        return token.kind if token.kind in _SIGNS else ""

    def _check_operands(self, operator: str, left: Expression, right: Expression) -> None:
        ours, theirs = kind_of(left), kind_of(right)
        if "any" not in (ours, theirs) and ours != theirs:
            self.lexer.fail("illegal expression relating different types")
        if operator in ("=", "!=") and theirs == "boolean":
            self.lexer.fail("expecting data/numeric expression")
        if operator == "~=" and theirs != "data":
            self.lexer.fail("expecting data expression")
        if operator in ("and", "or") and theirs not in ("boolean", "any"):
            self.lexer.fail("expecting boolean expressions")
        if operator in _ARITHMETIC and theirs not in ("numeric", "any"):
            self.lexer.fail("expecting numeric expressions")

    def operand(self, context: str) -> Expression | None:
        """An expression without a binary operator, or None if there is none here."""
        lexer = self.lexer
        token = lexer.peek()
        kind = token.kind
        if kind == "(":
            return self._parenthesis(context)
        if kind == STRING:
            return Data(lexer.next().value.encode("latin-1"))
        if kind == NUMBER and context in ("numeric", "data-or-numeric"):
            return Number(c_integer(lexer.next().value))
        if is_hexadecimal(token):
            return Data(parse_octets(lexer))
        if kind in _FUNCTIONS:
            lexer.next()
            return self._call(kind, _FUNCTIONS[kind])
        if kind in _DATA_ATOMS or kind in _NUMERIC_ATOMS or kind in ("known", "static"):
            lexer.next()
            return Atom(kind)
        special = _SPECIAL.get(kind)
        if special is not None:
            lexer.next()
            return special(self)
        return self._variable() if kind == NAME else None

    def _parenthesis(self, context: str) -> Expression:
        self.lexer.next()
        inner = self.expression(context)
        if inner is None:
            self.lexer.fail("expression expected")
        self._sign(")", "right paren expected")
        return inner

    def _sign(self, kind: str, complaint: str) -> None:
        if self.lexer.next().kind != kind:
            self.lexer.fail(complaint)

    def _call(self, function: str, shape: str) -> Expression:
        self._sign("(", "left parenthesis expected.")
        arguments: list[Expression] = []
        for number, letter in enumerate(shape):
            if number:
                self._sign(",", "comma expected.")
            arguments.append(self.data() if letter == "d" else self.numeric())
        self._sign(")", "right parenthesis expected.")
        return Call(function, tuple(arguments))

    def _list_call(self, function: str, least: int) -> Expression:
        self._sign("(", "left parenthesis expected.")
        arguments = [self.data()]
        while len(arguments) < least or self.lexer.peek().kind == ",":
            self._sign(",", "comma expected.")
            arguments.append(self.data())
        self._sign(")", "right parenthesis expected.")
        return Call(function, tuple(arguments))

    def _integer_call(self, function: str) -> Expression:
        self._sign("(", "left parenthesis expected.")
        value = self.data() if function == "extract-int" else self.numeric()
        self._sign(",", "comma expected.")
        token = self.lexer.next()
        if token.kind != NUMBER:
            self.lexer.fail("number expected.")
        size = c_integer(token.value)
        if size not in (8, 16, 32):
            self.lexer.fail(f"unsupported integer size {size}")
        self._sign(")", "right parenthesis expected.")
        return Call(function, (value, Number(size)))

    def _not(self) -> Expression:
        operand = self.operand("boolean")
        if operand is None:
            self.lexer.fail("expression expected")
        if kind_of(operand) != "boolean":
            self.lexer.fail("boolean expression expected", "put the comparison behind `not` in parentheses")
        return Not(operand)

    def _check(self) -> Expression:
        if self.lexer.next().kind != STRING:
            self.lexer.fail("string expected.")
        self.lexer.fail("unknown collection.")

    def _defined(self) -> Expression:
        self._sign("(", "left parenthesis expected.")
        token = self.lexer.next()
        if token.kind not in (NAME, NUMBER_OR_NAME):
            self.lexer.fail(f"{token.value} can't be a variable name")
        self._sign(")", "right parenthesis expected.")
        return Variable(token.value, defined=True)

    def _own_host_name(self) -> Expression:
        self._sign("(", "left parenthesis expected.")
        self._sign(")", "right parenthesis expected.")
        return Atom("gethostname")

    def _host_lookup(self) -> Expression:
        self._sign("(", "left parenthesis expected.")
        token = self.lexer.next()
        if token.kind != STRING:
            self.lexer.fail('Expecting quoted literal: "foo.example.com"')
        self._sign(")", "right parenthesis expected.")
        return HostLookup(token.value)

    def _variable(self) -> Expression:
        name = self.lexer.next().value
        if self.lexer.peek().kind != "(":
            return Variable(name)
        self.lexer.next()
        arguments: list[Expression] = []
        while True:
            argument = self.expression("any")
            if argument is None:
                self.lexer.fail("expecting expression.")
            arguments.append(argument)
            token = self.lexer.next()
            if token.kind != ",":
                break
        if token.kind != ")":
            self.lexer.fail("Right parenthesis expected.")
        return Call(name, tuple(arguments), own=True)


_SPECIAL: dict[str, Callable[[ExpressionParser], Expression]] = {
    "check": ExpressionParser._check,
    "not": ExpressionParser._not,
    "exists": lambda self: Exists(self.option_name()),
    "option": lambda self: OptionOf(self.option_name()),
    "config-option": lambda self: OptionOf(self.option_name(), configured=True),
    "concat": lambda self: self._list_call("concat", 2),
    "pick": lambda self: self._list_call("pick-first-value", 1),
    "pick-first-value": lambda self: self._list_call("pick-first-value", 1),
    "extract-int": lambda self: self._integer_call("extract-int"),
    "encode-int": lambda self: self._integer_call("encode-int"),
    "defined": ExpressionParser._defined,
    "gethostname": ExpressionParser._own_host_name,
    "gethostbyname": ExpressionParser._host_lookup,
}

"""Option definitions and option spaces, keys and zones: declarations that stand apart from the rest."""

from __future__ import annotations

import re

from coexist.languages.dhcpd.expressions import ExpressionParser
from coexist.languages.dhcpd.lexer import END, NUMBER, STRING, Lexer
from coexist.languages.dhcpd.numbers import c_integer, parse_host_name
from coexist.languages.dhcpd.option_values import address6, address_or_name
from coexist.languages.dhcpd.options import OptionSpaces
from coexist.languages.dhcpd.syntax import OptionName
from coexist.text.secret_references import is_token

_SIMPLE_TYPES = {"boolean": "f", "ip-address": "I", "ip6-address": "6"}
_LAST_TYPES = {"domain-name": "d", "text": "t", "string": "X", "zerolen": "Z"}
_SIZES = {8: "bB", 16: "sS", 32: "lL"}
_BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+\Z")


def semicolon(lexer: Lexer) -> None:
    """The end of a statement."""
    if lexer.next().kind != ";":
        lexer.fail("semicolon expected.")


def parse_space(lexer: Lexer, spaces: OptionSpaces) -> str:
    """``space NAME [code width N] [length width N] [hash size N];``, the word ``space`` not consumed."""
    lexer.next()
    token = lexer.next()
    if not token.is_identifier:
        lexer.fail("expecting identifier.")
    widths = {"code": 1, "length": 1}
    while (word := lexer.next()).kind != ";":
        if word.kind not in ("code", "length", "hash"):
            lexer.fail("Unexpected token.")
        if lexer.next().kind != ("size" if word.kind == "hash" else "width"):
            lexer.fail("expecting size token." if word.kind == "hash" else "expecting width token.")
        number = lexer.next()
        allowed = {"code": (1, 2, 4), "length": (1, 2)}.get(word.kind)
        if number.kind != NUMBER or (allowed and c_integer(number.value) not in allowed):
            lexer.fail(f"invalid {word.kind} width")
        if allowed:
            widths[word.kind] = c_integer(number.value)
    spaces.add_space(token.value, widths["code"], widths["length"])
    return token.value


def parse_definition(lexer: Lexer, spaces: OptionSpaces, space: str, name: str) -> OptionName:
    """``code N = TYPE;``, the word ``code`` not consumed. The option is known from here on."""
    lexer.next()
    code = lexer.next()
    if code.kind != NUMBER:
        lexer.fail("expecting option code number.")
    if lexer.next().kind != "=":
        lexer.fail('expecting "="')
    shape = _Type(lexer, spaces).parse()
    option = OptionName(space, c_integer(code.value), name, shape)
    spaces.define(option)
    return option


class _Type:
    """The type of an option: one, an array, a record, or an array of records."""

    def __init__(self, lexer: Lexer, spaces: OptionSpaces) -> None:
        self.lexer = lexer
        self.spaces = spaces
        self.letters: list[str] = []

    def parse(self) -> str:
        lexer = self.lexer
        token = lexer.next()
        array = token.kind == "array"
        if array:
            self._of()
            token = lexer.next()
        record = token.kind == "{"
        if record:
            token = lexer.next()
        last, repeats_last, ends = self._one(token.kind, token.value, array, record)
        while record:
            if repeats_last:
                self.letters.append("a")
            token = lexer.next()
            if token.kind != ",":
                if token.kind != "}":
                    lexer.fail("expecting right brace.")
                break
            if last == "E":
                lexer.fail("encapsulate must always be the last item.")
            if ends:
                lexer.fail(f"{'text' if last == 't' else 'string'} must be at end of record.")
            token = lexer.next()
            last, repeats_last, ends = self._one(token.kind, token.value, array, record)
        semicolon(lexer)
        if last == "E" and array:
            lexer.fail("Arrays of encapsulations don't make sense.")
        whole = "A" if array else "a" if repeats_last and not record else ""
        return "".join(self.letters) + whole

    def _of(self) -> None:
        if self.lexer.next().kind != "of":
            self.lexer.fail('expecting "of".')

    def _one(self, kind: str, text: str, array: bool, record: bool) -> tuple[str, bool, bool]:
        """One field: its letter, whether it is repeated, whether nothing may follow it."""
        lexer = self.lexer
        repeated = False
        if kind == "array":
            if array:
                lexer.fail("no nested arrays.")
            self._of()
            token = lexer.next()
            if record and token.kind == "{":
                lexer.fail("only uniform array inside record.")
            kind, text, repeated = token.kind, token.value, True
        if kind in _SIMPLE_TYPES:
            letter = _SIMPLE_TYPES[kind]
        elif kind in ("integer", "signed", "unsigned"):
            letter = self._integer(kind)
        elif kind == "encapsulate":
            return self._encapsulation(), repeated, False
        elif kind in _LAST_TYPES or kind == "domain-list":
            if array or repeated:
                lexer.fail("arrays of text strings not yet supported.")
            return self._last(kind), False, True
        else:
            lexer.fail(f"unknown data type {text}")
        self.letters.append(letter)
        return letter, repeated, False

    def _last(self, kind: str) -> str:
        if kind == "domain-list":
            letter = "D"
            if self.lexer.peek().kind == "compressed":
                self.lexer.next()
                letter = "Dc"
        else:
            letter = _LAST_TYPES[kind]
        self.letters.append(letter)
        return letter[0]

    def _integer(self, kind: str) -> str:
        lexer = self.lexer
        if kind != "integer" and lexer.next().kind != "integer":
            lexer.fail('expecting "integer" keyword.')
        size = lexer.next()
        if size.kind != NUMBER:
            lexer.fail("expecting number.")
        letters = _SIZES.get(c_integer(size.value))
        if letters is None:
            lexer.fail(f"{size.value} bit precision is not supported.")
        return letters[kind == "unsigned"]

    def _encapsulation(self) -> str:
        token = self.lexer.next()
        if not token.is_identifier:
            self.lexer.fail("expecting option space identifier")
        if not self.spaces.has_space(token.value):
            self.lexer.fail(f"unknown option space {token.value}")
        self.letters.append(f"E{token.value.lower()}.")
        return "E"


def parse_zone(lexer: Lexer, keys: set[str]) -> str:
    """A zone for dynamic DNS, the word ``zone`` consumed; returns its name."""
    name = parse_host_name(lexer)
    if not name:
        lexer.fail("expecting hostname.")
    if lexer.next().kind != "{":
        lexer.fail("expecting left brace")
    seen: set[str] = set()
    while (token := lexer.peek()).kind in ("primary", "secondary", "primary6", "secondary6", "key"):
        lexer.next()
        if token.kind in seen:
            lexer.fail(f"more than one {token.kind}.")
        seen.add(token.kind)
        if token.kind == "key":
            _zone_key(lexer, keys)
        else:
            _zone_addresses(lexer, six=token.kind.endswith("6"))
    if lexer.next().kind != "}":
        lexer.fail("expecting right brace.")
    return name


def _zone_addresses(lexer: Lexer, *, six: bool) -> None:
    read = address6 if six else address_or_name
    read(lexer)
    while (token := lexer.next()).kind == ",":
        read(lexer)
    if token.kind != ";":
        lexer.fail("expecting semicolon.")


def _zone_key(lexer: Lexer, keys: set[str]) -> None:
    name = lexer.next().value if lexer.peek().kind == STRING else parse_host_name(lexer)
    if not name:
        lexer.fail("expecting key name.")
    if name.lower() not in keys:
        lexer.fail(f"unknown key {name}")
    semicolon(lexer)


def parse_key(lexer: Lexer) -> str:
    """A key, the word ``key`` consumed; returns its name. The secret is not kept."""
    name = lexer.next().value if lexer.peek().kind == STRING else parse_host_name(lexer)
    if not name:
        lexer.fail("expecting key name.")
    if lexer.next().kind != "{":
        lexer.fail("expecting left brace")
    seen: set[str] = set()
    while (token := lexer.next()).kind in ("algorithm", "secret"):
        if token.kind in seen:
            lexer.fail(f"key {name}: too many {token.kind}s")
        seen.add(token.kind)
        if token.kind == "algorithm":
            if not parse_host_name(lexer):
                lexer.fail("expecting key algorithm name.")
        else:
            _secret(lexer)
        semicolon(lexer)
    if token.kind != "}":
        lexer.fail("expecting right brace.")
    if lexer.peek().kind == ";":
        lexer.next()
    return name


def _secret(lexer: Lexer) -> None:
    text = lexer.next().value
    if is_token(text):
        return
    while lexer.peek().kind != END and _BASE64.match(lexer.peek().value):
        text += lexer.next().value
    body = text.rstrip("=")
    if not _BASE64.match(text):
        lexer.fail("invalid base64 character.")
    if "=" in body:
        lexer.fail("stuff after base64 '=' terminator.")
    left_over = {1: 0x3F, 2: 0x0F, 3: 0x03}.get(len(body) % 4, 0)
    if len(text) % 4 and body and _BASE64_DIGITS.index(body[-1]) & left_over:
        lexer.fail("partial base64 value left over.")


def parse_option_or_definition(
    expressions: ExpressionParser, spaces: OptionSpaces, *, at_root: bool
) -> tuple[OptionName, bool]:
    """The option behind the word ``option``, and whether it was defined here."""
    lexer = expressions.lexer
    space, name = expressions.option_words()
    if lexer.peek().kind == "code":
        if not at_root:
            lexer.fail("option definitions may not be scoped.")
        return parse_definition(lexer, spaces, space, name), True
    found = spaces.find(space, name)
    if found is None:
        lexer.fail(f"unknown option {space}.{name}", "define it first: option NAME code N = TYPE;")
    expressions.check_code(found)
    return found, False

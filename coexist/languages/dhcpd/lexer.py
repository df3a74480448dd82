"""The words of dhcpd.conf, one at a time, as ISC dhcpd 4.4 cuts them (common/conflex.c).

The text is not cut into a list beforehand: a file has millions of words, and a plain host
declaration is read by one regular expression (``Lexer.match``) without any.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import accumulate
from typing import NoReturn

from coexist.errors import InputError, Position, Problem
from coexist.languages.dhcpd.keywords import KEYWORDS
from coexist.records import dataclass

# No keyword can be mistaken for these: "string" and "number" are words of the language.
STRING, NUMBER, NUMBER_OR_NAME, NAME, END = "<string>", "<number>", "<octets>", "<name>", "<end>"

SKIPPED = r"(?:[ \t\n\r\f\v]++|#[^\n]*+\n?)*+"
"""What stands between words: blanks and comments."""

_SKIP = re.compile(SKIPPED)
_WORD = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_-]*")
_PLAIN_STRING = re.compile(r'"([^"\\]*)"')
_NUMBER = re.compile(r"-?[0-9]*\Z")
_HEX_NUMBER = re.compile(r"(?:-?[0-9]*[0-9A-Fa-f]*|0[xX][0-9A-Fa-f]+)\Z")
_HEX_NAME = re.compile(r"[A-Za-z][0-9A-Fa-f]*\Z")
_ESCAPE = re.compile(r"x([0-9A-Fa-f]{2})|([0-3][0-7]{2})")
_PLAIN_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "b": "\b"}
# Its buffer for one word.
_LONGEST = 1500
# Characters between two places whose lines are counted beforehand.
_PIECE = 4096


@dataclass(slots=True)
class Token:
    """A word: ``kind`` is STRING, NUMBER, NUMBER_OR_NAME, NAME, END, a keyword in lower case, or the
    character itself. ``value`` is its text; of a string what it means, one character an octet."""

    kind: str
    value: str
    start: int
    end: int

    @property
    def is_identifier(self) -> bool:
        """Whether it may stand as a name: every word that is no number, string or sign."""
        return self.kind in (NAME, NUMBER_OR_NAME) or self.kind in KEYWORDS


_REMEDY = "correct the statement here"


class Lexer:
    """One file. ``next`` consumes a word, ``peek`` looks at it.

    The daemon names the line of the last word it consumed, so ``fail`` does too.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self._peeked: Token | None = None
        self._last = 0

    @cached_property
    def _lines_before(self) -> list[int]:
        """How many lines end before each piece of the text."""
        pieces = range(0, len(self.text), _PIECE)
        ends = (self.text.count("\n", start, start + _PIECE) for start in pieces)
        return list(accumulate(ends, initial=0))

    def position(self, offset: int) -> Position:
        """Line and column of a character."""
        piece = offset // _PIECE
        line = 1 + self._lines_before[piece] + self.text.count("\n", piece * _PIECE, offset)
        return Position(self.file, line, offset - self.text.rfind("\n", 0, offset))

    def peek(self) -> Token:
        """The next word, which stays the next one."""
        if self._peeked is None:
            self._peeked = self._read()
        return self._peeked

    def next(self) -> Token:
        """The next word, consumed."""
        token = self.peek()
        self._peeked = None
        self.at = token.end
        if token.kind != END:
            self._last = token.start
        return token

    def looking_at(self, *kinds: str) -> bool:
        """Whether the next words are of these kinds; nothing is consumed."""
        at, peeked, last = self.at, self._peeked, self._last
        found = all(self.next().kind == kind for kind in kinds)
        self.at, self._peeked, self._last = at, peeked, last
        return found

    def jump(self, offset: int, last: int) -> None:
        """Go on at an offset; the last word consumed began at ``last``."""
        self._peeked = None
        self._last = last
        self.at = offset

    def fail(self, message: str, remedy: str = _REMEDY) -> NoReturn:
        """Refuse the file at the line the daemon would name."""
        place = self.position(self._last)
        seen = self._peeked
        if seen is not None and seen.kind != END:
            looked_at = self.position(seen.start)
            place = looked_at if looked_at.line == place.line else place
        raise InputError([Problem(place, message, remedy)])

    def fail_at(self, offset: int, message: str, remedy: str = _REMEDY) -> NoReturn:
        """Refuse the file at a place of our own, where the daemon names none."""
        raise InputError([Problem(self.position(offset), message, remedy)])

    # -- reading -------------------------------------------------------------------------------

    def _read(self) -> Token:
        text = self.text
        start = skip(text, self.at)
        if start == len(text):
            return Token(END, "", start, start)
        word = _WORD.match(text, start)
        if word is not None:
            return self._word(word.group(), start, word.end())
        if text[start] == '"':
            return self._string(start)
        return Token(text[start], text[start], start, start + 1)

    def _word(self, text: str, start: int, end: int) -> Token:
        if len(text) >= _LONGEST:
            self.fail_at(start, "this word is too long for the daemon")
        first = text[0]
        if first.isalpha():
            lower = text.lower()
            if lower in KEYWORDS:
                return Token(lower, text, start, end)
            return Token(NUMBER_OR_NAME if _HEX_NAME.match(text) else NAME, text, start, end)
        if _NUMBER.match(text):
            return Token(NUMBER, text, start, end)
        return Token(NUMBER_OR_NAME if _HEX_NUMBER.match(text) else NAME, text, start, end)

    def _string(self, start: int) -> Token:
        plain = _PLAIN_STRING.match(self.text, start)
        if plain is not None and len(plain[1]) < _LONGEST:
            return Token(STRING, _octets(plain[1]), start, plain.end())
        pieces: list[str] = []
        at = start + 1
        end = len(self.text)
        while at < end and self.text[at] != '"':
            if self.text[at] == "\\":
                at = self._escape(start, at + 1, pieces)
            else:
                pieces.append(_octets(self.text[at]))
                at += 1
        if at >= end:
            self.fail_at(start, "eof in string constant", "close the quote")
        if sum(map(len, pieces)) >= _LONGEST:
            self.fail_at(start, "string constant larger than internal buffer")
        return Token(STRING, "".join(pieces), start, at + 1)

    def _escape(self, start: int, at: int, pieces: list[str]) -> int:
        """What follows a backslash; returns where the string goes on.

        A NUL with fewer than three digits swallows the character after it and makes the one after
        that an escape, as in the daemon's read_string: a string that ends in such a NUL never ends.
        """
        text = self.text
        found = _ESCAPE.match(text, at)
        if found is not None:
            pieces.append(chr(int(found[1] or found[2], 16 if found[1] else 8)))
            return found.end()
        character = text[at : at + 1]
        if character == "x":
            self.fail_at(start, "invalid hex digit", "write two hexadecimal digits after \\x")
        if character == "0":
            zeros = at + (2 if text[at + 1 : at + 2] == "0" else 1)
            if text[zeros : zeros + 1] in "01234567" and zeros < len(text):
                self.fail_at(start, "invalid octal digit", "write three octal digits, as \\000")
            return self._escape(start, zeros + 1, pieces)
        if character in ("1", "2", "3"):
            self.fail_at(start, "invalid octal digit", "write three octal digits, as \\000")
        pieces.append(_PLAIN_ESCAPES.get(character) or _octets(character))
        return at + 1


def skip(text: str, at: int) -> int:
    """Where the next word begins: behind blanks and comments."""
    found = _SKIP.match(text, at)
    return found.end() if found else at


def _octets(text: str) -> str:
    """Text as the octets it has in the file, each one a character below 256."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")

"""One line of a dnsmasq.conf: quotes, comments, keyword, value (read_file in ``src/option.c`` of 2.90).

What stands in quotes is text: the characters that mean something outside of them (a comma, a colon, a dot, a
digit) are *hidden* while a value is taken apart. Here a hidden character is a code point of its own, which no
text that was read from a file can hold.
"""

from __future__ import annotations

# The characters the daemon hides (``meta`` of option.c).
_META = frozenset("\0\b\t\n\r\033 :,.1234567890abcdefABCDEF")
# High surrogates: decoding UTF-8 never gives one, and ``surrogateescape`` gives low ones.
_HIDDEN = 0xD800
_ESCAPES = {"t": "\t", "n": "\n", "b": "\b", "r": "\r", "e": "\033", '"': '"', "\\": "\\"}
_SPACES = frozenset(" \t\n\v\f\r")


def hide(text: str) -> str:
    """A text as it stands for itself, whatever characters it has."""
    return "".join(chr(_HIDDEN + ord(c)) if c in _META else c for c in text)


def reveal(text: str) -> str:
    """A text with its hidden characters as they are."""
    return "".join(chr(ord(c) - _HIDDEN) if _HIDDEN <= ord(c) < _HIDDEN + 0x80 else c for c in text)


def octets_of(text: str) -> bytes:
    """The octets of a text, as they stood in the file."""
    return reveal(text).encode("utf-8", "surrogateescape")


def plain_line(line: str) -> str | None:
    """A line without quotes and comment, what was quoted hidden; None for a quote that does not end."""
    kept: list[str] = []
    after_space, at = True, 0
    while at < len(line):
        if line[at] == '"':
            end = _quoted(line, at + 1, kept)
            if end is None:
                return None
            at = end + 1
            if at == len(line):
                break
        # The character behind a quoted text is taken as it is, even if it is another quote.
        if line[at] in _SPACES:
            kept.append(" ")
            after_space = True
        elif after_space and line[at] == "#":
            break
        else:
            kept.append(line[at])
            after_space = False
        at += 1
    return "".join(kept).strip(" ")


def _quoted(line: str, at: int, kept: list[str]) -> int | None:
    """Add a quoted text to ``kept``; where its closing quote stands."""
    while at < len(line) and line[at] != '"':
        char = line[at]
        if char == "\\" and line[at + 1 : at + 2] in _ESCAPES:
            at += 1
            char = _ESCAPES[line[at]]
        kept.append(hide(char))
        at += 1
    return at if at < len(line) else None


def assignment(plain: str) -> tuple[str, str | None]:
    """The keyword of a plain line and its value; None without an equals sign."""
    keyword, sign, value = plain.partition("=")
    return keyword.rstrip(" "), value.lstrip(" ") if sign else None


def split(text: str, sign: str = ",") -> tuple[str, str | None]:
    """What stands before the first comma and behind it, without the spaces beside it (split_chr)."""
    before, found, behind = text.partition(sign)
    return (before.rstrip(" "), behind.lstrip(" ")) if found else (text, None)


def parts_of(text: str) -> list[str]:
    """All parts between commas."""
    parts: list[str] = []
    rest: str | None = text
    while rest is not None:
        part, rest = split(rest)
        parts.append(part)
    return parts


def split_keyword(line: str) -> tuple[str, str]:
    """Keyword and value as they are written, without the comment: quotes and escapes are kept."""
    quoted, kept = False, []
    for at, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        if char == "#" and not quoted and (at == 0 or line[at - 1].isspace()):
            break
        kept.append(char)
    keyword, _, value = "".join(kept).strip().partition("=")
    return keyword.strip(), value.strip()

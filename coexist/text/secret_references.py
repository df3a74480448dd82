"""A secret by reference: ``{secret: env:NAME}`` or ``{secret: file:/PATH}`` stands where its value would.

Until a server is spoken to a token stands for the value: in rendered files, in plans, in the history, in
every message. Who connects to a server exchanges it (``rollout.secret_values``).
"""

from __future__ import annotations

import re
from typing import Any

from coexist.text.patterns import pattern
from coexist.text.redaction import HIDDEN

_KEY = "secret"
_REFERENCE = pattern(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[A-Za-z0-9_./-]+")
_TOKEN_TEXT = rb"@coexist-secret\((env:[A-Za-z_][A-Za-z0-9_]*|file:/[A-Za-z0-9_./-]+)\)"
_TOKEN = pattern(_TOKEN_TEXT)
_BEGIN = b"@coexist-secret("


def _digits(octets: bytes, between: bytes) -> bytes:
    return between.join(b"%02x" % octet for octet in octets)


_FORMS = (b"", b":")
"""What stands between two octets of a text that a file has as hexadecimal digits."""
_WRITTEN = {
    form: pattern(_digits(_BEGIN, form) + b"(?:%b[0-9a-f]{2})*?" % form + form + _digits(b")", form))
    for form in _FORMS
}
_OTHERWISE = pattern(_digits(_BEGIN, b"(?:[,\\s'\"]|0x)+"), re.IGNORECASE)
_QUOTED = pattern(rb"[\"']?" + _TOKEN_TEXT + rb"[\"']?")


def token(reference: str) -> str:
    """What stands for a secret."""
    return f"@coexist-secret({reference})"


def is_token(text: str) -> bool:
    """Whether a text is a token and nothing else."""
    return _TOKEN.fullmatch(text.encode("utf-8", "surrogateescape")) is not None


def with_tokens(value: Any) -> Any:
    """A value of an inventory with a token for each ``{secret: ...}`` in it. Raises ``ValueError``."""
    if isinstance(value, dict):
        if set(value) == {_KEY}:
            return _token_of(value[_KEY])
        return {key: with_tokens(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(with_tokens, value))
    return value


def _token_of(reference: Any) -> str:
    if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
        # It may be the secret itself: it is not repeated.
        raise ValueError("a secret is named, not written: `{secret: env:NAME}` or `{secret: file:/PATH}`")
    return token(reference)


def references_in(content: bytes) -> frozenset[str]:
    """The secrets that a file with tokens needs."""
    plain = frozenset(found.decode() for found in _TOKEN.findall(content))
    return plain.union(
        *(references_in(_octets(f, form)) for form in _FORMS for f in _WRITTEN[form].findall(content))
    )


def hides_a_token(content: bytes) -> bool:
    """Whether a token stands in a file in a form in which no value takes its place."""
    return _OTHERWISE.search(content) is not None


def named_only(content: bytes) -> bytes:
    """The file as ``redacted`` shows it where nothing but tokens stand for its secrets."""
    return _QUOTED.sub(HIDDEN.encode(), content)


def exchanged(content: bytes, values: dict[str, bytes]) -> bytes:
    """The file with the values in their places."""
    content = _TOKEN.sub(lambda found: values[found[1].decode()], content)
    for form, written in _WRITTEN.items():
        at, parts = 0, []
        for found in written.finditer(content):
            parts += [content[at : found.start()], _digits(exchanged(_octets(found[0], form), values), form)]
            at = found.end()
        content = b"".join([*parts, content[at:]])
    return content


def _octets(digits: bytes, between: bytes) -> bytes:
    return bytes.fromhex(digits.replace(between, b"").decode() if between else digits.decode())


def hidden(content: bytes, values: dict[str, bytes]) -> bytes:
    """The file with a token in the place of each value; the longest value first, which may hold another."""
    for reference, value in sorted(values.items(), key=lambda item: (-len(item[1]), item[0])):
        stands = token(reference).encode()
        content = content.replace(value, stands)
        for form in _FORMS:
            content = content.replace(_digits(value, form), _digits(stands, form))
    return content

"""A secret by reference: ``{secret: env:NAME}`` or ``{secret: file:/PATH}`` stands where its value would.

Until a server is spoken to a token stands for the value: in rendered files, in plans, in the history, in
every message. Who connects to a server exchanges it (``rollout.secret_values``).
"""

from __future__ import annotations

import re
from typing import Any

from coexist.text.redaction import HIDDEN

_KEY = "secret"
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[A-Za-z0-9_./-]+")
_TOKEN = re.compile(rb"@coexist-secret\((env:[A-Za-z_][A-Za-z0-9_]*|file:/[A-Za-z0-9_./-]+)\)")
_QUOTED = re.compile(rb"[\"']?" + _TOKEN.pattern + rb"[\"']?")


def token(reference: str) -> str:
    """What stands for a secret."""
    return f"@coexist-secret({reference})"


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
    return frozenset(found.decode() for found in _TOKEN.findall(content))


def named_only(content: bytes) -> bytes:
    """The file as ``redacted`` shows it where nothing but tokens stand for its secrets."""
    return _QUOTED.sub(HIDDEN.encode(), content)


def exchanged(content: bytes, values: dict[str, bytes]) -> bytes:
    """The file with the values in their places."""
    return _TOKEN.sub(lambda found: values[found[1].decode()], content)


def hidden(content: bytes, values: dict[str, bytes]) -> bytes:
    """The file with a token in the place of each value; the longest value first, which may hold another."""
    for reference, value in sorted(values.items(), key=lambda item: (-len(item[1]), item[0])):
        content = content.replace(value, token(reference).encode())
    return content

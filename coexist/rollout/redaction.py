"""Present files may hold keys of other people's making: what of them may be shown or kept. Pure."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"

_WORD = (
    r"[\w-]*(?:secret|passw(?:or)?d|passphrase|api[-_]?key|private[-_]?key|community|token|credential)[\w-]*"
)
# dhcpd: secret "..."; Kea: "password": "..."; dnsmasq, YAML and the like: password=..., password: ...
_ASSIGNED = re.compile(
    rf"(?P<name>[\"']?\b{_WORD}[\"']?\s*(?:[=:]\s*|\s+))(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s;,}}\]]+)",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
# http://user:password@host
_URL = re.compile(r"(?P<name>\b[a-z][a-z0-9+.-]*://[^\s/:@\"']+:)(?P<value>[^\s/@\"']+)(?=@)", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with the values of passwords, keys and the like hidden; its lines stay its lines."""
    text = _BLOCK.sub(lambda found: "\n".join([HIDDEN] * (found[0].count("\n") + 1)), text)
    for pattern in (_URL, _ASSIGNED):
        text = pattern.sub(lambda found: found["name"] + HIDDEN, text)
    return text


def holds_secret(content: bytes) -> bool:
    """Whether a file seems to hold one: such a file is not copied off its server."""
    text = content.decode("utf-8", "replace")
    return redacted(text) != text

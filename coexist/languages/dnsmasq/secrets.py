"""A dnsmasq.conf without its secrets, which means the same for every client."""

from __future__ import annotations

from coexist.text.redaction import HIDDEN, redacted

REDACTED = "REDACTED"
"""What stands for a secret."""


def without_secrets(text: str) -> str:
    """The text with whatever looks like a password or key replaced; its lines stay."""
    hidden = redacted(text)
    lines = text.split("\n")
    for number, (line, other) in enumerate(zip(lines, hidden.split("\n"), strict=True)):
        if line != other:
            comment = line.lstrip().startswith("#")
            lines[number] = f"# {REDACTED}" if comment else other.replace(HIDDEN, REDACTED)
    return "\n".join(lines)

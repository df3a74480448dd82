"""A dhcpd.conf without its secrets, which means the same for every client."""

from __future__ import annotations

import re

from coexist.text.redaction import redacted

REDACTED = "REDACTED"
"""What stands for a secret: base64, as the daemon wants it of a key."""

_KEY = re.compile(r"\b(secret[ \t\n]+)(?:\"[^\"\n]*\"|[A-Za-z0-9+/=]+)(?=[ \t\n]*;)", re.IGNORECASE)
_TEXT = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"")
_COMMENT = re.compile(r"#.*")


def without_secrets(text: str) -> str:
    """The text with the secrets of keys, and whatever else looks like one, replaced; its lines stay."""
    text = _KEY.sub(rf"\g<1>{REDACTED}", text)
    hidden = redacted(text.replace(REDACTED, ""))
    lines = text.split("\n")
    for number, (line, other) in enumerate(zip(lines, hidden.split("\n"), strict=True)):
        if line.replace(REDACTED, "") != other and REDACTED not in line:
            said = _COMMENT.sub(f"# {REDACTED}", line) if line.lstrip().startswith("#") else line
            lines[number] = _TEXT.sub(f'"{REDACTED}"', said)
    return "\n".join(lines)

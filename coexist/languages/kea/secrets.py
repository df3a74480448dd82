"""A Kea configuration without its secrets, which means the same for every client."""

from __future__ import annotations

import re

from coexist.text.redaction import names_secret, redacted

REDACTED = "REDACTED"
"""What stands for a secret."""

_MEMBER = re.compile(r'("((?:[^"\\\n]|\\.)*)"\s*:\s*)"((?:[^"\\\n]|\\.)*)"')
_COMMENT = re.compile(r"^(\s*(?:#|//)).*$")


def without_secrets(text: str) -> str:
    """The text with passwords, keys and the like replaced, and comments that seem to hold one; its lines
    stay."""
    text = _MEMBER.sub(_member, text)
    hidden = redacted(text.replace(REDACTED, ""))
    lines = text.split("\n")
    for number, (line, other) in enumerate(zip(lines, hidden.split("\n"), strict=True)):
        if line.replace(REDACTED, "") != other and REDACTED not in line:
            lines[number] = _COMMENT.sub(rf"\1 {REDACTED}", line)
    return "\n".join(lines)


def _member(found: re.Match[str]) -> str:
    before, name, value = found.groups()
    if names_secret(name) and value:
        return f'{before}"{REDACTED}"'
    # A URL may have a password before its host.
    return before + redacted(f'"{value}"').replace("(hidden)", REDACTED) if "://" in value else found[0]

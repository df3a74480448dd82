"""What of an export must not stand in an inventory: the key two servers authenticate each other by."""

from __future__ import annotations

import codecs
import re

from coexist.text.octets import UTF_16_MARKS

_SECRET = re.compile(r"(<SharedSecret\b[^>]*>)([^<]+)(</SharedSecret>)")


def without_secrets(text: str) -> str:
    """The same text with REDACTED in the place of each secret. It may be UTF-16 that was taken for octets."""
    octets = text.encode("utf-8", "surrogateescape")
    if not octets.startswith(UTF_16_MARKS):
        return _SECRET.sub(r"\1REDACTED\3", text)
    wide = octets.decode("utf-16")
    cleaned = _SECRET.sub(r"\1REDACTED\3", wide)
    if cleaned == wide:
        return text
    code = "utf-16-le" if octets.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    mark = codecs.BOM_UTF16_LE if code == "utf-16-le" else codecs.BOM_UTF16_BE
    return (mark + cleaned.encode(code)).decode("utf-8", "surrogateescape")

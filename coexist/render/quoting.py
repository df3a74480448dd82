"""One quoting filter for each target's language. Names come from people: quotes, newlines, ``$(...)``,
anything.

Whatever a filter returns, the target reads back as exactly what went in, or the filter says
(``ValueError``) that its language has no way to write it. ``comment`` is for texts that no program reads.
"""

from __future__ import annotations

import base64


def comment(text: str) -> str:
    """A text as part of a one-line comment: what is not printable, or could end or continue the line, is
    ``?``."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text)


# -- ISC dhcpd ---------------------------------------------------------------------------------

# conflex.c (4.4.3) reads \\t \\r \\n \\b, octal and \\x escapes in strings; octal can write any octet.
_DHCPD_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')


def dhcpd_string(value: str | bytes) -> str:
    """A string literal of dhcpd.conf. dhcpd keeps strings in a buffer of 1499 octets (conflex.c, TOKBUF)."""
    octets = value.encode() if isinstance(value, str) else value
    if len(octets) > 1499:
        raise ValueError(f"dhcpd reads strings of 1499 octets at most, this one has {len(octets)}")
    return '"' + "".join(chr(o) if o in _DHCPD_PLAIN else f"\\{o:03o}" for o in octets) + '"'


def dhcpd_octets(value: bytes) -> str:
    """Octets as dhcpd's colon-separated hexadecimal, which is a value as well as an expression."""
    return value.hex(":") if value else '""'


# -- Kea ---------------------------------------------------------------------------------------


def kea_octets(value: bytes) -> str:
    """Octets in a Kea expression: ``0x...``; the empty string has no hexadecimal form."""
    return f"0x{value.hex()}" if value else "''"


def kea_name(value: str) -> str:
    """A name inside ``member('...')``: Kea's lexer has no escape for the apostrophe."""
    if "'" in value or "\n" in value:
        raise ValueError(f"a Kea class cannot be called {value!r}: its expressions cannot quote that name")
    return f"'{value}'"


# -- dnsmasq -----------------------------------------------------------------------------------

# option.c of 2.90 (read_file): \\t \\n \\b \\r \\e, \\" and \\\\ inside double quotes; the comma, colon and
# # are only text there. Nothing stands for other control characters.
_DNSMASQ_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\t": "\\t",
    "\n": "\\n",
    "\b": "\\b",
    "\r": "\\r",
    "\x1b": "\\e",
}


def dnsmasq_string(value: str) -> str:
    """A quoted value of dnsmasq.conf."""
    bad = next((c for c in value if (ord(c) < 32 and c not in _DNSMASQ_ESCAPES) or c == "\x7f"), None)
    if bad is not None:
        raise ValueError(f"dnsmasq.conf cannot hold the control character {bad!r}")
    quoted = '"' + "".join(_DNSMASQ_ESCAPES.get(c, c) for c in value) + '"'
    if len(quoted.encode()) > 900:
        raise ValueError("dnsmasq.conf reads lines of 1025 octets at most")
    return quoted


# -- PowerShell --------------------------------------------------------------------------------

# PowerShell takes the typographic apostrophes for the ASCII one (about_Quoting_Rules).
_APOSTROPHES = frozenset("'\u2018\u2019\u201a\u201b")


def powershell_string(value: str) -> str:
    """A single-quoted PowerShell string, in which only the apostrophe means something.

    Control characters, which would break the line, are written as ``[char]`` in an expression in parentheses.
    """
    pieces: list[str] = []
    plain: list[str] = []
    for c in value:
        if ord(c) < 32 or c in "\x7f\x85\u2028\u2029":
            pieces += [f"'{''.join(plain)}'", f"[char]0x{ord(c):x}"]
            plain = []
        else:
            plain.append(c + c if c in _APOSTROPHES else c)
    pieces.append(f"'{''.join(plain)}'")
    return pieces[0] if len(pieces) == 1 else "(" + " + ".join(pieces) + ")"


# -- LDIF --------------------------------------------------------------------------------------

_LDIF_UNSAFE_FIRST = frozenset(" :<")


def ldif_attribute(name: str, value: str) -> str:
    """One attribute line of LDIF (RFC 2849): plain where it is a SAFE-STRING, else in base64. Never
    folded."""
    safe = (
        value.isascii()
        and not any(ord(c) < 32 or ord(c) == 127 for c in value)
        and value[:1] not in _LDIF_UNSAFE_FIRST
        and not value.endswith(" ")
    )
    return f"{name}: {value}" if safe else f"{name}:: {base64.b64encode(value.encode()).decode()}"


_DN_SPECIAL = frozenset('"+,;<>\\=')


def ldap_dn_value(value: str) -> str:
    """An attribute value inside a distinguished name (RFC 4514 section 2.4)."""
    result = []
    for at, c in enumerate(value):
        if c in _DN_SPECIAL or (c == "#" and at == 0) or (c == " " and at in (0, len(value) - 1)):
            result.append("\\" + c)
        elif ord(c) < 32 or ord(c) == 127:
            result.append("".join(f"\\{o:02X}" for o in c.encode()))
        else:
            result.append(c)
    return "".join(result)

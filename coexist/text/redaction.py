"""Foreign files may hold passwords and keys: what of them may be shown or kept. Pure, in linear time.

``redacted`` reads a text as the lexers of all its formats would: words and quoted names, what stands between
a name and its value, and where the value ends (quotes with escapes, blocks by indentation, folded lines,
brackets, XML elements). It hides rather too much. A reader that has a tree asks ``names_secret`` as well.
"""

from __future__ import annotations

import re

from coexist.text.patterns import pattern
from coexist.text.secret_forms import SIGNS, forms_hidden

HIDDEN = "(hidden)"

_NEEDLE = pattern(
    r"secret|passw(?:or)?[dt]|passwd|kennwort|zugangsdaten|contrase|passphrase|passcode|api[-_.]?key"
    r"|wachtwoord|has\u0142o|haslo|\u043f\u0430\u0440\u043e\u043b|\u5bc6\u7801|\u5bc6\u78bc"
    r"|\u30d1\u30b9\u30ef\u30fc\u30c9|l[\u00f6o]senord|^senha|^heslo|salasana|jelsz[\u00f3o]|[\u015fs]ifre"
    r"|schl(?:\u00fc|ue)ssel$"
    r"|(?:private|shared|access|auth|host|wpa|wep|krb|principal|encryption|signing|master|product"
    r"|activation|licen[cs]e|luks)[-_.]?key|key[-_]?material|pkcs12|bcrypt[-_]?hash|^prv$|[-_]wep$"
    r"|key[-_]?data|community|token|credential|creds?$|authorization|securestring|(?:nt|lm)hash|^(?:set-)?cookie$"
    r"|pre[-_]?shared|(?:^|[-_.])(?:pwd|psk|pass|passe|pin|t?otp)(?:$|[-_.\d])"
    r"|(?:bind|root|admin|user|ldap|db|login)pw(?:d)?$|(?:^|[-_.])pw$|psk$|pwd$|^auth$",
    re.IGNORECASE,
)
# What every name of a secret, every address and every key has in it.
_SIGNS = [
    *("secret", "securestring", "pass", "kennwort", "zugangsdaten", "contrase", "key", "community", "token"),
    *("cred", "auth", "shared", "pwd", "psk", "pin", "pw", "otp", "cookie", "hash", "{sha", "{ssha", "{md5"),
    *("{smd5", "{crypt", "{pbkdf2", "{argon2", "$", "://", ":\\/", "%3a%2f%2f"),
    *("wachtwoord", "haslo", "losenord", "senha", "heslo", "salasana", "jelszo", "sifre", "schluessel"),
    *("pkcs", "prv", "wep", *SIGNS),
]
_PLAIN_SIGNS = frozenset(sign.lower().encode("ascii").translate(None, b"0123456789") for sign in _SIGNS)
_FOREIGN_SIGNS = ("has\u0142o", "\u043f\u0430\u0440\u043e\u043b", "\u5bc6", "\u30d1\u30b9", "l\u00f6senord")
_MAY_HOLD_ONE = pattern(
    "|".join(map(re.escape, (*_SIGNS, *_FOREIGN_SIGNS, "jelsz\u00f3", "\u015fifre", "schl\u00fcssel"))),
    re.IGNORECASE,
)
_WORD = pattern(r"[\w.-]+")
_BLANKS = pattern(r"[^\S\n]*")
_SPACE = pattern(r"\s*")
_BLOCK_MARK = pattern(r"[|>][+\-\d]*[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_PEM_BEGIN = pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_SCHEME_END = pattern(r":(?:\\?/){2}|%3a%2f%2f", re.IGNORECASE)
_AUTHORITY = pattern(r"[^\s\"'<>/]*")
# A password may have a slash, which should be %2F; a port is a number.
_MORE_AUTHORITY = pattern(r"[^\s\"'<>@]{0,256}@")
_USER_END = pattern(r":(?!\d+(?:$|/))|%3a", re.IGNORECASE)
_HOST_BEGIN = pattern(r"@|%40", re.IGNORECASE)
# crypt(5), and the schemes of LDAP (RFC 2307): what they are stands in themselves, whatever it is called.
_HASH = pattern(
    r"\$(?:\d[a-z]?|y|gy|7|sha1|md5|apr1|argon2\w{1,2}|pbkdf2[\w-]{0,12})\$[./\w$=,+-]{4,512}"
    r"|\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,12}|ARGON2)\}[^\s\"',;<>]{4,512}",
    re.IGNORECASE,
)
_QUOTE = pattern(r"\\{0,8}[\"']?")
# {"name": "db-password", "value": "..."}, <add key="Password" value="..."/>
_PAIR = pattern(
    r"[\\\"']{1,4}\s*(?:,\s*)?[\\\"']{0,4}(?:value|data|content|text)[\\\"']{0,4}\s*[:=]\s*", re.IGNORECASE
)
_BEFORE = pattern(
    r"[\\\"']{0,2}\b(?:value|data|content|text)[\\\"']{0,2}\s{0,8}[:=]\s{0,8}(?=[\"'])", re.IGNORECASE
)
_LOOK_BACK = 512
# userPassword;lang-de: (RFC 4512), passwords[0] =, config["password"] =
_TAIL = pattern(r"(?:;[\w.-]{1,64}){1,8}(?=:)|\[[^\]\n]{0,64}\](?=\s{0,64}=)|\](?=\s{0,64}[=:])|")
_COMMENT_BEGIN = pattern(r"/\*|#|//")
_LONGEST_COMMENT = 4096
_MOST_COMMENTS = 16
_ATTRIBUTES = pattern(r"\s[^<>]{0,1024}[^<>/]>")
# <key>password</key> <string>...</string>
_SIBLING = pattern(
    r"</[\w:.-]{1,64}>\s{0,64}<(?:[\w.-]{1,32}:)?(?:value|data|string|text|content)\b[^<>]{0,256}>",
    re.IGNORECASE,
)
_CLOSING = {"[": "]", "{": "}"}


def names_secret(name: str) -> bool:
    """Whether what has this name is a password, a key or the like."""
    return _NEEDLE.search(name) is not None


def redacted(text: str) -> str:
    """The text with the values of passwords, keys and the like hidden; its lines stay its lines."""
    if not _may_hold_one(text):
        return text
    text = _values_hidden(_addresses_hidden(_keys_hidden(forms_hidden(text, HIDDEN))))
    return _HASH.sub(HIDDEN, text)


def _may_hold_one(text: str) -> bool:
    """Whether a text has a sign; now and then without one."""
    if not text.isascii():
        return _MAY_HOLD_ONE.search(text) is not None
    # A list of a hundred thousand clients is searched for plain words in a tenth of the pattern's time, and
    # most of it are digits: a line that has a sign has it without digits too, and few lines are then left
    # that differ.
    octets = b"\n".join({*_without_digits(text).split(b"\n")})
    return any(sign in octets for sign in _PLAIN_SIGNS)


def _without_digits(text: str) -> bytes:
    return text.lower().encode("ascii").translate(None, b"0123456789")


def holds_secret(content: bytes) -> bool:
    """Whether a file seems to hold one: such a file is not copied off its server."""
    text = content.decode("utf-8", "replace")
    return redacted(text) != text


def _hidden(text: str) -> str:
    """What stands for a value of one or more lines."""
    return "\n".join([HIDDEN] * (text.count("\n") + 1))


def _keys_hidden(text: str) -> str:
    pieces, at = [], 0
    while (begin := _PEM_BEGIN.search(text, at)) is not None:
        end = _PEM_END.search(text, begin.end())
        stop = end.end() if end is not None else len(text)
        pieces += [text[at : begin.start()], _hidden(text[begin.start() : stop])]
        at = stop
    return "".join([*pieces, text[at:]])


def _addresses_hidden(text: str) -> str:
    """Hide what stands before the host in http://user:password@host."""
    pieces, at, look = [], 0, 0
    while (mark := _SCHEME_END.search(text, look)) is not None:
        begin = mark.end()
        look = _after(_AUTHORITY, text, begin)
        colon = _USER_END.search(text, begin, look)
        if colon is None or text[begin] == "[":  # the colons of an IPv6 address
            continue
        if _HOST_BEGIN.search(text, colon.end(), look) is None:
            more = _MORE_AUTHORITY.match(text, look)
            look = more.end() if more is not None else look
        signs = [sign.start() for sign in _HOST_BEGIN.finditer(text, colon.end(), look)]
        if signs:
            pieces += [text[at : colon.end()], HIDDEN]
            at = signs[-1]
    return "".join([*pieces, text[at:]])


def _values_hidden(text: str) -> str:
    pieces, at, look = [], 0, 0
    while (word := _WORD.search(text, look)) is not None:
        look = word.end()
        if not names_secret(word[0]):
            continue
        found = _value(text, word.start(), word.end())
        if found is None:
            continue
        start, end = found
        if start < at:
            continue
        pieces += [text[at:start], _hidden(text[start:end])]
        at, look = end, max(end, look)
    return "".join([*pieces, text[at:]])


def _value(text: str, name: int, end: int) -> tuple[int, int] | None:
    """Where the value of the secret named at ``name`` to ``end`` stands; None if there is none."""
    pair = _PAIR.match(text, end)
    if pair is not None:
        return _assigned(text, name, pair.end())
    named = _after(_QUOTE, text, end)
    sibling = _SIBLING.match(text, named)
    if sibling is not None:
        return None if text.startswith(HIDDEN, sibling.end()) else _element(text, sibling.end())
    for found in (_before(text, name), _of_tag(text, name, named), _argument(text, end, named)):
        if found is not None:
            return found
    if text[named : named + 1] == ">":
        return None
    begun = _begun(text, named)
    if begun is None:
        return None
    start, assigned = begun
    if assigned:
        return _assigned(text, name, start)
    if start >= len(text) or text.startswith(HIDDEN, start) or text[start] in ",;)}]>#/|&\n":
        return None
    if text[start] in "\"'":
        return start, _quoted_end(text, start)
    return _nothing_or(start, _bare_end(text, name, start, assigned=False))


def _begun(text: str, named: int) -> tuple[int, bool] | None:
    """Where a value may begin behind its name, and whether a sign says that it does."""
    at = _after(_BLANKS, text, _uncommented(text, _after(_TAIL, text, named)))
    if text.startswith("+=", at):
        at += 1
    sign = at
    while text[at : at + 1] in (":", "=", "<") and at - sign < 3:
        at += 1
    assigned = at > sign
    start = _after(_BLANKS, text, at)
    if not assigned:
        # JSON and the like have the colon on the next line, dhcpd the value.
        after = _after(_SPACE, text, start)
        if text[after : after + 1] in (":", "="):
            assigned, start = True, _after(_BLANKS, text, after + 1)
        elif after > start and (text[after : after + 1] == '"' or _ends_statement(text, after)):
            start = after
        elif start == named and text[start : start + 1] != '"':
            return None
    return start, assigned


def _of_tag(text: str, name: int, named: int) -> tuple[int, int] | None:
    """The text of an element of this name, whose attributes may stand on more lines."""
    if text[named : named + 1] == ">":
        return None if _is_closing_tag(text, name) else _element(text, named + 1)
    if text[max(name - 1, 0)] in "<:" and text[named : named + 1] == "\n" and _is_tag(text, name):
        attributes = _ATTRIBUTES.match(text, named)
        return None if attributes is None else _nothing_or(named, _element_end(text, attributes.end()))
    return None


def _argument(text: str, end: int, named: int) -> tuple[int, int] | None:
    """The quoted text of a call, or of the argument or cell behind a quoted name."""
    sign = text[named : named + 1]
    at = _after(_BLANKS, text, named + 1) if sign == "," and named > end else named + 1
    if sign not in ("(", ",") or (sign == "," and named == end):
        return None
    if text[at : at + 1] not in ('"', "'") or text.startswith(HIDDEN, at + 1):
        return None
    return at, _quoted_end(text, at)


def _before(text: str, name: int) -> tuple[int, int] | None:
    """The value that stands before its name in one element or object: value="..." name="password"."""
    if text[max(name - 1, 0)] not in "\"'":
        return None
    begin = max(text.rfind(sign, max(name - _LOOK_BACK, 0), name) for sign in "<{")
    found = _BEFORE.search(text, begin, name) if begin >= 0 else None
    if (
        found is None
        or any(sign in text[begin:name] for sign in "}>")
        or text.startswith(HIDDEN, found.end() + 1)
    ):
        return None
    end = _quoted_end(text[found.end() : name], 0)
    return (found.end(), found.end() + end) if found.end() + end < name else None


def _uncommented(text: str, at: int) -> int:
    """Behind the comments between a name and its value; ``at`` if it is no value that follows."""
    place = at
    for _ in range(_MOST_COMMENTS):
        begin = _COMMENT_BEGIN.match(text, _after(_SPACE, text, place))
        if begin is None:
            break
        closing = "*/" if begin[0] == "/*" else "\n"
        end = text.find(closing, begin.end(), begin.end() + _LONGEST_COMMENT)
        if end < 0:
            break
        place = end + len(closing.strip())
    if place == at:
        return at
    place = _after(_SPACE, text, place)
    one_line = "\n" not in text[at:place]
    return place if one_line or text[place : place + 1] in ('"', "'", ":", "=") else at


def _assigned(text: str, name: int, start: int) -> tuple[int, int] | None:
    """The value that begins behind a colon or an equals sign."""
    if start >= len(text) or text.startswith(HIDDEN, start):
        return None
    character = text[start]
    if character in "\"'":
        return start, _quoted_end(text, start)
    if character in _CLOSING:
        end = _bracket_end(text, start)
        if text[end + 1 : end + 2].strip(" \t\r\n,;)]}>#&|\"'"):  # {SSHA}hash is one value
            end = max(end, _bare_end(text, name, start, assigned=True))
        return start, end
    if character == "\n":
        return _on_next_lines(text, name, start)
    mark = _BLOCK_MARK.match(text, start)
    if mark is not None:
        return _on_next_lines(text, name, mark.end())
    return _nothing_or(start, _bare_end(text, name, start, assigned=True))


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found is not None
    return found.end()


def _nothing_or(start: int, end: int) -> tuple[int, int] | None:
    return (start, end) if end > start else None


def _ends_statement(text: str, at: int) -> bool:
    """Whether a line holds one word and a semicolon."""
    line = text[at : at + 4096].partition("\n")[0].rstrip()
    return line.endswith(";") and len(line.split()) == 1


def _is_closing_tag(text: str, name: int) -> bool:
    begin = text.rfind("<", max(name - 64, 0), name)
    return begin >= 0 and text[begin + 1] == "/" and ">" not in text[begin:name]


def _is_tag(text: str, name: int) -> bool:
    begin = text.rfind("<", max(name - 64, 0), name)
    return begin >= 0 and not text[begin + 1 : name].strip(":").count(" ")


def _element(text: str, start: int) -> tuple[int, int] | None:
    """The text of an XML element."""
    return _nothing_or(start, _element_end(text, start))


def _element_end(text: str, start: int) -> int:
    end = text.find("</", start)
    return end if end >= 0 else len(text)


def _quoted_end(text: str, start: int) -> int:
    """Behind a quoted text; one that does not end hides all that follows."""
    sign, at = text[start], start + 1
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 2
        elif character == sign:
            if text[at + 1 : at + 2] != sign or text[at + 2 : at + 3] in ("", "\n", ",", ";", " "):
                return at + 1
            at += 2  # YAML and CSV double a quote inside
        else:
            at += 1
    return len(text)


def _bracket_end(text: str, start: int) -> int:
    """Behind the bracket that belongs to the one at ``start``."""
    open_, at = [], start
    while at < len(text):
        character = text[at]
        if character in "\"'":
            at = _quoted_end(text, at)
            continue
        if character in _CLOSING:
            open_.append(_CLOSING[character])
        elif open_ and character == open_[-1]:
            open_.pop()
            if not open_:
                return at
        at += 1
    return len(text)


def _bare_end(text: str, name: int, start: int, *, assigned: bool) -> int:
    """Behind a value without quotes: the rest of its line, and the lines that are its continuation.

    A semicolon ends a statement; nothing else is sure not to belong to a password.
    """
    end = _line_end(text, start)
    semicolon = text.find(";", start, end)
    if semicolon >= 0 and not text[semicolon + 1 : end].strip(" \t}"):
        return semicolon
    if not assigned and semicolon >= 0:
        return semicolon
    while text[start:end].endswith("\\") and end < len(text):
        end = _line_end(text, end + 1)
    if assigned:
        end = _indented_end(text, end, _indentation(text, name))
    return end


def _on_next_lines(text: str, name: int, end: int) -> tuple[int, int] | None:
    """A block of lines that are indented more than the line of the name, or the items of a list."""
    start = end + 1
    after = _after(_SPACE, text, min(end, len(text)))
    if text[after : after + 1] in ('"', "'"):
        return _nothing_or(after, _quoted_end(text, after))
    if text[after : after + 1] in _CLOSING:
        return _nothing_or(after, _bracket_end(text, after))
    if text.startswith(HIDDEN, after):
        return None
    indentation = _indentation(text, name)
    if text[after : after + 1] == "-" and _indentation(text, after) == indentation:
        indentation -= 1
    stop = _indented_end(text, end, indentation)
    return _nothing_or(start, stop)


def _indented_end(text: str, end: int, indentation: int) -> int:
    """The end of the last line from ``end`` on that is indented by more than ``indentation``."""
    at = end
    while at < len(text):
        begin = at + 1
        first = _after(_BLANKS, text, min(begin, len(text)))
        if first >= len(text):
            break
        line = _line_end(text, first)
        if text[first] == "\n":
            at = line
            continue
        if first - begin <= indentation:
            break
        end = at = line
    return end


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _indentation(text: str, at: int) -> int:
    """The blanks before the line of a place, a list's dash counted among them."""
    begin = text.rfind("\n", 0, at) + 1
    first = _after(_BLANKS, text, begin)
    if text[first : first + 2] == "- " and first + 2 <= at:
        first = _after(_BLANKS, text, first + 1)
    return first - begin

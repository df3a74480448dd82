"""Secrets that no name tells: what they are stands in their form, or in the command they are an argument of.

Each pattern names what is hidden ``value``. Pure, in linear time: every repetition has a bound.
"""

from __future__ import annotations

import re

from coexist.text.patterns import pattern

SIGNS = (
    *("?", ";jsessionid", "iscsi:", "hmac", "bearer", "basic", "eyj", "ghp_", "gho_", "ghu_", "ghs_"),
    *("github_pat_", "glpat-", "xox", "sk-", "grub.pbkdf2", "encap:175,191,", "curl ", "ldap", "snmp"),
    *("smbclient", "ipmitool", "mysql ", "mysqldump ", "redis-cli", "mongo", "net use", "net ads", "com2sec"),
    *("createuser", "openssl", "sudo -s", "trap2sink", "trapsink", "oauth", "<name>", "kinit", "dig "),
)
"""Without one of these, in small letters, a text has none of the forms."""

# What stands for a value that was hidden is hidden no further.
_NEW = r"(?!\(hidden\))"
_WORD = rf"{_NEW}(?P<value>\"[^\"\n]{{1,512}}\"|'[^'\n]{{1,512}}'|[^\s\"']{{1,512}})"
# Up to some arguments between a command and its flag, on one line.
_ARGUMENTS = r"(?:[^\n;|&]{0,256}?\s)"

_FORMS = tuple(
    pattern(form, re.IGNORECASE)
    for form in (
        # A query or a fragment of an address: signatures, keys, sessions.
        (
            r"[?&;](?:x-amz-)?(?:sig|signature|hmac|key|code|p|sid|session|sessionid|jsessionid)="
            rf"{_NEW}(?P<value>[^&\s\"'#;<>]{{1,512}})"
        ),
        # A token in the place of a user's name, as hosts of git take it; the password at an iSCSI target.
        rf"://{_NEW}(?P<value>(?=[^\s/@]{{0,128}}\d)[A-Za-z0-9_.~-]{{20,512}})@",
        rf"\biscsi:[^\s:@/]{{1,128}}:{_NEW}(?P<value>[^\s@/\"']{{1,256}})@",
        # Keys of TSIG on a command line, with the name of the key or without.
        (
            rf"\bhmac-?(?:md5|sha-?\d{{1,3}})(?:\.[\w.-]{{1,64}})?:(?:[\w.-]{{1,64}}:)?"
            rf"{_NEW}(?P<value>[A-Za-z0-9+/]{{6,512}}={{0,2}})"
        ),
        rf"\b(?:dig|nsupdate)\s{_ARGUMENTS}?-y\s{{1,8}}(?:hmac-[\w-]{{1,16}}:)?[\w.-]{{1,64}}:{_WORD}",
        # Credentials of HTTP (RFC 7617, 6750), tokens that say what they are, a password of GRUB.
        rf"\b(?:bearer|basic)\s{{1,8}}{_NEW}(?P<value>(?=[^\s\"']{{0,64}}\d)[A-Za-z0-9+/=._~-]{{8,2048}})",
        r"\b(?P<value>eyJ[\w-]{8,2048}\.[\w-]{4,4096}\.[\w-]{4,1024})",
        r"\b(?P<value>(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk-)[\w-]{12,256})",
        rf"\bgrub\.pbkdf2\.\w{{1,16}}\.\d{{1,8}}\.{_NEW}(?P<value>[\w.]{{4,1024}})",
        # iPXE's own option 175.191: the password of its user (src/include/ipxe/dhcp.h).
        rf"\bencap:175,191,{_WORD}",
        # Arguments of commands.
        rf"\bcurl\s{_ARGUMENTS}?(?:-u\s{{0,8}}|--(?:proxy-)?user[= ]\s{{0,8}})[^\s:]{{1,128}}:{_WORD}",
        rf"\bsshpass\s{_ARGUMENTS}?-p\s{{0,8}}{_WORD}",
        rf"\bldap(?:search|modify|add|delete|passwd|whoami)\s{_ARGUMENTS}?-w\s{{0,8}}{_WORD}",
        rf"\bsnmp(?:get|walk|set|bulkwalk|bulkget|getnext|table|trap|inform)\s{_ARGUMENTS}?-[cAX]\s{{0,8}}{_WORD}",
        rf"\bsnmp(?:get|walk|set|bulkwalk|bulkget|getnext|table)\s[^\n]{{0,256}}\s-X\s{{0,8}}{_WORD}",
        rf"\b(?:smbclient|net\s(?:ads|rpc|join))\s{_ARGUMENTS}?-U\s{{0,8}}[^\s%]{{1,128}}%{_WORD}",
        rf"\bnet\s{{1,8}}use\s{{1,8}}(?:\w:\s{{1,8}})?\\\\\S{{1,256}}\s{{1,8}}(?!/){_WORD}",
        rf"\bipmitool\s{_ARGUMENTS}?-P\s{{0,8}}{_WORD}",
        rf"\b(?:mysql|mysqldump|mysqladmin|mongo|mongosh)\s{_ARGUMENTS}?-p\s?{_NEW}(?P<value>[^\s\"'-]\S{{0,255}})",
        rf"\bredis-cli\s{_ARGUMENTS}?-a\s{{0,8}}{_WORD}",
        rf"\bopenssl\s{_ARGUMENTS}?-[kK]\s{{1,8}}{_WORD}",
        rf"\becho\s{{1,8}}{_WORD}\s{{0,8}}\|\s{{0,8}}sudo\s{{1,8}}-S",
        rf"\bkinit\s[^\n]{{0,128}}<<<\s{{0,8}}{_WORD}",
        # Net-SNMP's: com2sec NAME SOURCE COMMUNITY, createUser NAME SHA X AES Y, trap2sink HOST COMMUNITY.
        rf"\bcom2sec6?\s{{1,8}}(?:-Cn\s{{1,8}}\S{{1,64}}\s{{1,8}})?\S{{1,64}}\s{{1,8}}\S{{1,64}}\s{{1,8}}{_WORD}",
        rf"\bcreateUser\s[^\n]{{0,128}}?\b(?:SHA(?:-\d{{1,3}})?|MD5)\s{{1,8}}{_WORD}",
        rf"\bcreateUser\s[^\n]{{0,256}}\b(?:AES(?:-\d{{1,3}})?|DES)\s{{1,8}}{_WORD}",
        rf"\btrap2?sink\s{{1,8}}\S{{1,128}}\s{{1,8}}{_WORD}",
        # <value>x</value><name>password</name>: the name stands behind.
        (
            rf"<value>\s{{0,16}}{_NEW}(?P<value>[^<\s][^<]{{0,512}})</value>\s{{0,64}}<name>"
            r"[^<]{0,64}(?:secret|pass|psk|token|credential|community|key)[^<]{0,64}</name>"
        ),
    )
)


def forms_hidden(text: str, hidden: str) -> str:
    """The text with secrets of these forms hidden; its lines stay its lines."""
    for form in _FORMS:
        text = form.sub(lambda found: _without(found, hidden), text)
    return text


def _without(found: re.Match[str], hidden: str) -> str:
    start, end = (place - found.start() for place in found.span("value"))
    return found[0][:start] + hidden + found[0][end:]

"""Whatever a filter writes, its language reads back as what went in."""

import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.render import quoting
from tests.golden.checkers import ldif_records, powershell_tree, walk

HOSTILE = [
    'say "hi"',
    "it's",
    "\u2019curly\u2018",
    "line\nbreak",
    "carriage\rreturn",
    "$(reboot)",
    "`reboot`",
    "${jndi}",
    "{{ 7*7 }}",
    "{% raw %}",
    "#{x}",
    "a;b|c&d",
    "back\\slash",
    "\\",
    "\\n",
    '"; shutdown; "',
    "K\u00f6ln \u6771\u4eac \U0001f9a6",
    "#%BASEDN%#",
    " dn: x",
    ": colon",
    "<url",
    "trailing ",
    "tab\there",
    "'@\n",
    "--><!--",
    "]]>",
    "%s%n",
    "",
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))


def read_dhcpd(literal: str) -> bytes:
    """What conflex.c (4.4.3) makes of a string: it knows octal, and takes any other escaped character as
    itself."""
    assert literal[0] == literal[-1] == '"'
    assert "\n" not in literal
    body = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), literal[1:-1])
    return body.encode("latin-1")


@given(texts)
def test_dhcpd_string(text):
    literal = quoting.dhcpd_string(text)
    assert literal.isascii()
    assert literal.isprintable()
    assert '"' not in re.sub(r"\\[0-7]{3}", "", literal[1:-1])
    assert read_dhcpd(literal) == text.encode()


def test_dhcpd_string_has_a_limit():
    with pytest.raises(ValueError, match="1499"):
        quoting.dhcpd_string("x" * 1500)


@pytest.mark.needs("dhcpd")
@settings(max_examples=20)
@given(st.lists(texts, min_size=30, max_size=30))
def test_dhcpd_takes_every_string(tmp_path_factory, many):
    path = tmp_path_factory.mktemp("dhcpd") / "dhcpd.conf"
    lines = [
        f"option x{n} code {200 + n} = text;\noption x{n} {quoting.dhcpd_string(t)};"
        for n, t in enumerate(many)
        if t
    ]
    comments = [f"# {quoting.comment(t)}" for t in many]
    path.write_text("\n".join([*comments, *lines, "subnet 10.0.0.0 netmask 255.0.0.0 {}", ""]))
    done = subprocess.run(["dhcpd", "-t", "-cf", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def read_dnsmasq(literal: str) -> str:
    """What read_file of option.c (2.90) makes of a quoted value."""
    escapes = {"t": "\t", "n": "\n", "b": "\b", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
    return re.sub(r"\\(.)", lambda m: escapes[m[1]], literal[1:-1])


@given(texts)
def test_dnsmasq_string(text):
    try:
        literal = quoting.dnsmasq_string(text)
    except ValueError:
        assert any(ord(c) < 32 or c == "\x7f" for c in text)
        return
    assert "\n" not in literal
    assert "\r" not in literal
    assert not re.search(r'(?<!\\)(?:\\\\)*"', literal[1:-1])
    assert read_dnsmasq(literal) == text


@pytest.mark.needs("dnsmasq")
@settings(max_examples=20)
@given(st.lists(texts, min_size=20, max_size=20))
def test_dnsmasq_takes_every_string(tmp_path_factory, many):
    path = tmp_path_factory.mktemp("dnsmasq") / "dnsmasq.conf"
    lines = []
    for text in many:
        lines.append(f"dhcp-host=52:54:00:12:34:56,set:x # {quoting.comment(text)}")
        try:
            lines.append(f"dhcp-option=17,{quoting.dnsmasq_string('x' + text)}")
        except ValueError:
            continue
    path.write_bytes("\n".join([*lines, ""]).encode())
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_kea_names_and_octets():
    assert quoting.kea_name("office/1") == "'office/1'"
    assert quoting.kea_octets(b"") == "''"
    assert quoting.kea_octets(b"a\0") == "0x6100"
    for name in ("it's", "a\nb"):
        with pytest.raises(ValueError, match="Kea class"):
            quoting.kea_name(name)


def read_powershell(expression: str) -> str:
    """What PowerShell makes of single-quoted strings and [char] casts joined by +."""
    result = []
    for string, code in re.findall(r"'((?:[^']|'')*)'|\[char\]0x([0-9a-f]+)", expression):
        result.append(
            chr(int(code, 16)) if code else re.sub("(['\u2018\u2019\u201a\u201b])\\1", r"\1", string)
        )
    return "".join(result)


@given(texts)
def test_powershell_string(text):
    literal = quoting.powershell_string(text)
    assert not re.search("[\n\r\x85\u2028\u2029]", literal)
    assert read_powershell(literal) == text


@settings(max_examples=60)
@given(texts)
def test_powershell_parses_every_string_as_one_argument(text):
    # The grammar knows the ASCII apostrophe only; PowerShell takes four others for it, which are doubled as
    # well.
    script = f"Write-Output -InputObject {quoting.powershell_string(text)} -NoEnumerate\n"
    tree = powershell_tree(script.encode())
    assert not tree.root_node.has_error
    parameters = [node.text for node in walk(tree.root_node) if node.type == "command_parameter"]
    assert parameters == [b"-InputObject", b"-NoEnumerate"]


@given(texts)
def test_ldif_attribute(text):
    record = f"version: 1\n\ndn: cn=x,#%BASEDN%#\n{quoting.ldif_attribute('description', text)}\ncn: x\n"
    # The manager puts its base in at the end of any line; such a text it would change itself.
    if text.endswith("#%BASEDN%#"):
        return
    ((_, attributes),) = ldif_records(record)
    assert attributes["description"] == [text]
    assert attributes["cn"] == ["x"]


@given(texts)
def test_a_dn_value_stays_one_value(text):
    quoted = quoting.ldap_dn_value(text)
    assert not re.search(r'(?<!\\)(?:\\\\)*[",+;<>=]', quoted)
    assert "\n" not in quoted
    plain = re.sub(
        rb"\\([0-9A-F]{2})|\\(.)", lambda m: bytes.fromhex(m[1].decode()) if m[1] else m[2], quoted.encode()
    )
    assert plain == text.encode()


@given(texts)
def test_comment_is_one_harmless_line(text):
    line = quoting.comment(text)
    assert len(line.splitlines()) <= 1
    assert "\\" not in line
    assert line.isprintable()
    assert len(line) == len(text)


@given(texts)
def test_xml_comment(text):
    from coexist.render.targets.openthinclient import _xml_comment

    ElementTree.fromstring(f"<a><!-- {_xml_comment(text)} --></a>")

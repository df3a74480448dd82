from __future__ import annotations

import re

import pytest

from coexist.server.access import Access
from coexist.server.files import NotServedError
from coexist.server.templates import ClientFiles, compile_templates

MAC = 0x525400000001


def files(tmp_path, pattern, text):
    (tmp_path / "t.j2").write_text(text)
    compiled = compile_templates({pattern: "t.j2"}, tmp_path)
    return ClientFiles(compiled, lambda mac: {"name": f"desk-{mac & 15}", "tags": ("a", "b")}, "10.0.0.6")


def made(tmp_path, pattern, text, name, mac=MAC, address="10.10.1.7"):
    content = files(tmp_path, pattern, text).make(name, Access(allowed=True, mac=mac), address)
    return None if content is None else content.data.decode()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("pxelinux.cfg/01-{mac}", "pxelinux.cfg/01-52-54-00-00-00-01"),
        ("pxelinux.cfg/01-{mac}", "/pxelinux.cfg/01-52-54-00-00-00-01"),
        ("pxelinux.cfg/01-{mac}", "\\pxelinux.cfg\\01-52-54-00-00-00-01"),
        ("grub.cfg-{mac}", "grub.cfg-52:54:00:00:00:01"),
        ("boot/{mac}.ipxe", "boot/525400000001.ipxe"),
        ("pxelinux.cfg/{hex_address}", "pxelinux.cfg/0A0A0107"),
        ("by-address/{address}", "by-address/10.10.1.7"),
        ("menu.ipxe", "menu.ipxe"),
    ],
)
def test_a_client_gets_its_own_file(tmp_path, pattern, name):
    text = "{{ name }} {{ mac }} {{ address }} {{ server }} {{ tags | join(',') }}\n"
    assert made(tmp_path, pattern, text, name) == "desk-1 52:54:00:00:00:01 10.10.1.7 10.0.0.6 a,b\n"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("pxelinux.cfg/01-{mac}", "pxelinux.cfg/01-52-54-00-00-00-02"),
        ("pxelinux.cfg/{hex_address}", "pxelinux.cfg/0A0A0108"),
        ("by-address/{address}", "by-address/10.10.1.8"),
    ],
)
def test_nobody_gets_another_clients_file(tmp_path, pattern, name):
    with pytest.raises(NotServedError, match="another client"):
        made(tmp_path, pattern, "x", name)


@pytest.mark.parametrize(
    "name", ["pxelinux.cfg/01-52-54-00-00-00", "pxelinux.cfg/01-52-54-00-00-00-01/x", "default"]
)
def test_other_names_are_other_files(tmp_path, name):
    assert made(tmp_path, "pxelinux.cfg/01-{mac}", "x", name) is None


@pytest.mark.parametrize(
    "text", ["{{ nothing }}", "{{ 1 / 0 }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"]
)
def test_a_template_that_cannot_be_rendered_serves_nothing(tmp_path, text):
    with pytest.raises(NotServedError, match="cannot be rendered"):
        made(tmp_path, "a-{mac}", text, "a-52-54-00-00-00-01")


@pytest.mark.parametrize("pattern", ["a-{who}", "{mac}-{mac}"])
def test_unusable_patterns_say_so(tmp_path, pattern):
    with pytest.raises(ValueError, match=rf"{re.escape(pattern)}.*\bmac, address"):
        files(tmp_path, pattern, "x")


def test_a_broken_template_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"t\.j2 cannot be used"):
        files(tmp_path, "a", "{% if %}")


@pytest.mark.parametrize("pattern", ["pxelinux.cfg/01-{mac}", "boot-{mac}.ipxe"])
def test_a_peer_that_nobody_knows_gets_no_clients_file(tmp_path, pattern):
    """As with ``unknown_addresses: serve``."""
    name = pattern.replace("{mac}", "52-54-00-00-00-01")
    with pytest.raises(NotServedError):
        made(tmp_path, pattern, "{{ name }}", name, mac=None)

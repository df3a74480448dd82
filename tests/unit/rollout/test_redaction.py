from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.rollout.drift import diff
from coexist.rollout.redaction import holds_secret, redacted

SECRET = "c2VjcmV0LWtleQ"


@pytest.mark.parametrize(
    "text",
    [
        f'key omapi {{ algorithm hmac-md5; secret "{SECRET}"; }}',
        f"secret {SECRET};",
        f'"password": "{SECRET}",',
        f"password={SECRET}",
        f"api_key: {SECRET}",
        f"snmp-community {SECRET}",
        f"url: http://admin:{SECRET}@host/x",
        f"token = '{SECRET}'",
        f'ldap-password "{SECRET}";',
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_neither_shown_nor_kept(text):
    assert SECRET not in redacted(text)
    assert holds_secret(text.encode())
    assert redacted(text).count("\n") == text.count("\n")
    assert SECRET not in diff(text.encode(), b"new\n", "a", "b")
    assert SECRET not in diff(b"old\n", text.encode(), "a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.10 10.0.0.20; }",
        "dhcp-host=00:80:64:10:00:02,set:in-moved",
        'option bootfile-name "syslinux64.efi\\000";',
        "rules: [{name: main, clients: {everyone: true}}]",
    ],
)
def test_ordinary_configuration_is_left_alone(text):
    assert redacted(text) == text
    assert not holds_secret(text.encode())


@given(st.text())
def test_hiding_twice_is_hiding_once(text):
    assert redacted(redacted(text)) == redacted(text)


def test_a_diff_does_not_talk_to_the_terminal():
    assert "\x1b" not in diff(b"old\n", b"\x1b[2Jnew\n", "a", "b")
    assert diff(b"\0binary", b"text", "a", "b").endswith("binary files differ\n")

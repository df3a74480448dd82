"""dnsmasq refuses a second ``dhcp-reply-delay``: one line says who waits and how long."""

from typing import Any

import pytest

from coexist.render import render_site
from tests.unit.render.sites import site

PROXY = {"software": "dnsmasq 2.90", "roles": ["proxydhcp"], "programs": {"bios": "a.0"}}


def lines(server: dict[str, Any]) -> tuple[list[str], int]:
    rendered = render_site(site({**PROXY, **server}))
    text = rendered.files["s"][0].content.decode()
    told = sum(finding.code.code == "CX506" for finding in rendered.findings)
    return [line for line in text.splitlines() if line.startswith("dhcp-reply-delay")], told


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({}, []),
        ({"delay": 2}, ["dhcp-reply-delay=2"]),
        ({"delay": 2, "delay_for": {"thin": 2}}, ["dhcp-reply-delay=2"]),
        ({"delay_for": {"thin": 3}}, ["dhcp-reply-delay=tag:in-thin,3"]),
        ({"delay_for": {"everyone": 3}}, ["dhcp-reply-delay=3"]),
        ({"delay_for": {"thin": 3, "phones": 3}}, ["dhcp-reply-delay=tag:any-5,3"]),
        ({"delay": 2, "delay_for": {"thin": "none"}}, ["dhcp-reply-delay=tag:!in-thin,2"]),
        ({"delay_for": {"thin": "none", "everyone": 2}}, ["dhcp-reply-delay=tag:!in-thin,2"]),
    ],
)
def test_one_delay_needs_one_line(server, expected):
    found, told = lines(server)
    assert found == expected
    assert not told


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"delay": 1, "delay_for": {"thin": 3}}, ["dhcp-reply-delay=3"]),
        ({"delay_for": {"thin": 1, "phones": 3}}, ["dhcp-reply-delay=tag:any-5,3"]),
        ({"delay": 1, "settings": {"dhcp-reply-delay": "2"}}, ["dhcp-reply-delay=2"]),
    ],
)
def test_two_delays_are_told_and_the_longer_one_is_written(server, expected):
    assert lines(server) == (expected, 1)

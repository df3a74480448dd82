"""Set-up installed what tests and demo start: each program runs and says which it is."""

from __future__ import annotations

import re
import subprocess

import pytest


@pytest.mark.parametrize(
    ("command", "says"),
    [
        pytest.param([program, *arguments], says, id=program, marks=pytest.mark.needs(program))
        for program, *arguments, says in [
            ("dhcpd", "--version", r"isc-dhcpd-4\.4"),
            ("kea-dhcp4", "-v", r"^\d+\.\d+\.\d+"),
            ("dnsmasq", "--version", r"Dnsmasq version 2\."),
            ("in.tftpd", "-V", r"tftp-hpa 5\."),
            ("tftp", "-V", r"tftp-hpa 5\."),
            ("atftp", "--version", "atftp"),
            ("tcpdump", "--version", "tcpdump version"),
            ("qemu-system-x86_64", "--version", "QEMU emulator version"),
            ("sshd", "-V", "OpenSSH_"),
        ]
    ],
)
def test_the_program_is_the_one_expected(command, says):
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(says, finished.stdout + finished.stderr)


def test_a_namespace_is_apart_from_the_machine():
    asked = subprocess.run(
        ["unshare", "--net", "ip", "-o", "link"], capture_output=True, text=True, check=True
    )
    assert [line.split()[1] for line in asked.stdout.splitlines()] == ["lo:"]

"""What is said to a command and heard of it, with a shell of this machine in ssh's place."""

from __future__ import annotations

import subprocess

import pytest

from coexist.rollout import openssh
from coexist.rollout.openssh import _end, _Talk

TOKEN = b"0123456789abcdef "


def talk(script: str, stdin: bytes = b"", seconds: float = 20.0) -> tuple[str | None, _Talk]:
    told = f"{{ {script}\n}}; printf '%s%s\\n' '{TOKEN.decode()}' \"$?\""
    process = subprocess.Popen(
        ["/bin/sh", "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    talking = _Talk(process, stdin, seconds, TOKEN)
    try:
        return talking.run(), talking
    finally:
        _end(process)


@pytest.mark.parametrize("stdin", [b"", b"x" * 300_000])
def test_input_outputs_and_exit_code(stdin):
    how, heard = talk("cat; echo oops >&2; (exit 7)", stdin)
    assert how is None
    assert (heard.code, bytes(heard.out), bytes(heard.err)) == (7, stdin, b"oops\n")


def test_what_holds_the_output_open_is_not_waited_for():
    how, heard = talk("sleep 60 & echo begun")
    assert how is None
    assert (heard.code, bytes(heard.out)) == (0, b"begun\n")


def test_an_end_without_a_code_is_a_lost_connection():
    how, heard = talk("kill -9 $$")
    assert how is None
    assert heard.code is None


@pytest.mark.parametrize("script", ["cat /dev/zero", "while :; do echo x; sleep 0.05; done", "sleep 60"])
def test_an_answer_without_end_ends(monkeypatch, script):
    monkeypatch.setattr(openssh, "TOTAL_SECONDS", 0.5)
    monkeypatch.setattr(openssh, "MOST_ANSWER", 1 << 20)
    how, heard = talk(script, seconds=0.2)
    assert how is not None
    assert heard.code is None

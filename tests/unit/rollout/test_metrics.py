"""What a boot server's own metrics say, asked from it and read from a copy."""

from __future__ import annotations

import errno
import os
import re
import socket
import urllib.request
from pathlib import Path

import pytest

from coexist.errors import HostError
from coexist.inventory import inventory_from_tree
from coexist.rollout.local import or_local
from coexist.rollout.metrics import Counted, copied_metrics, parse_metrics, read_metrics
from coexist.rollout.transport import Finished
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.metrics import ServerCollector, serve_metrics
from coexist.server.seen import ClientsSeen
from tests.unit.planning.sites import tree

COUNTED = Counted(
    server="new", answers=7, transfers={"finished": 3, "timed out": 1}, http={"200": 2, "404": 1}, clients=0
)


@pytest.fixture
def port():
    """A port of this machine on which the metrics of a boot server are served."""
    counters = Counters()
    counters.offers = 7
    counters.transfers |= {"finished": 3, "timed out": 1}
    counters.http |= {"200": 2, "404": 1}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    end = serve_metrics(ServerCollector(counters, ClientsSeen(), Log()), port)
    yield port
    end()


def site(port, host="localhost", **deploy):
    plain = tree(waves=[{"name": "rest"}])
    plain["servers"]["new"]["settings"] = {"metrics_port": port}
    plain["servers"]["new"]["deploy"] = {"host": host, **deploy}
    return inventory_from_tree(plain)


def nowhere(address):
    raise HostError(f"{address.name}: cannot be reached")


def test_they_are_asked_on_this_machine(port):
    assert read_metrics(site(port), "new", or_local(nowhere)) == COUNTED
    assert COUNTED.loaded == 5


def test_a_copy_says_the_same(port, tmp_path: Path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as got:
        (tmp_path / "copy").write_bytes(got.read())
    assert copied_metrics("new", tmp_path / "copy") == COUNTED


class Answering:
    """A connection whose server prints this."""

    name = "new"

    def __init__(self, code, printed):
        self.finished = Finished(code=code, stdout=printed, stderr=b"")

    def run(self, script, *, stdin=b"", seconds=60.0):
        assert "127.0.0.1:9100/metrics" in script
        return self.finished

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize(
    ("inventory", "connect", "why"),
    [
        (site(9100, host="far"), nowhere, "cannot be reached"),
        (site(9100, host="far"), lambda _: Answering(1, b""), "nothing answers on port 9100"),
        (site(9100, host="far"), lambda _: Answering(0, b"<html>"), "cannot be understood"),
        (site(9100, host="far"), lambda _: Answering(0, b"up 1\n"), "no metrics of coexist's boot server"),
        (site(None), nowhere, "declare `settings: {metrics_port"),
    ],
)
def test_why_they_are_missing_is_one_sentence(inventory, connect, why):
    with pytest.raises(HostError, match="^new: .*" + re.escape(why)):
        read_metrics(inventory, "new", connect)


@pytest.mark.parametrize(
    "text", ["coexist_answers_total NaN\n", "coexist_answers_total\n", "{{{", "a{b=} 1\n"]
)
def test_a_broken_text_is_one_sentence(text):
    with pytest.raises(HostError, match=r"^new: "):
        parse_metrics("new", text)


def test_a_copy_that_is_not_there(tmp_path: Path):
    with pytest.raises(HostError, match=os.strerror(errno.ENOENT)):
        copied_metrics("new", tmp_path / "none")

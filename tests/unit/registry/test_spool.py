from __future__ import annotations

from pathlib import Path

import pytest

from coexist.registry.records import Decision, Known, Note
from coexist.registry.spool import MOST_A_BATCH, Batch, Spool
from coexist.registry.sqlite import SqliteEngine, sqlite_registry


def note(mac: int, at: float = 1.0) -> Note:
    return Note(mac, "", "office", 7, "", "answered", "thin", "", at, at, 1, False)


def test_a_batch_keeps_its_number_over_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.keep([note(1)], Batch(writer="old", number=7, notes=(note(1), note(2))))
    spool.keep([note(1, 2.0)])
    spool.close()
    spool = Spool(tmp_path / "spool")
    assert spool.waiting == 3
    begun, gathered = spool.batches("new", 1)
    assert (begun.writer, begun.number, [each.mac for each in begun.notes]) == ("old", 7, [1, 2])
    assert (gathered.label, [each.requests for each in gathered.notes]) == ("new:1", [2])
    # A batch that was begun and not sent is the same batch the next time.
    assert [batch.label for batch in spool.batches("new", 2)] == ["new:1", "old:7"]
    registry = sqlite_registry(tmp_path / "registry")
    for _ in range(2):
        for batch in spool.batches("new", 2):
            registry.note(batch.notes, server="otc", batch=(batch.writer, batch.number))
    assert {row.mac: row.requests for row in registry.rows()} == {1: 3, 2: 1}
    for batch in list(spool.batches("new", 2)):
        spool.sent(batch)
    assert spool.waiting == 0
    spool.close()
    registry.close()


def test_batches_are_of_a_size_that_is_quickly_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.keep([note(mac) for mac in range(MOST_A_BATCH + 1)])
    assert [len(batch.notes) for batch in spool.batches("a", 1)] == [MOST_A_BATCH, 1]
    spool.close()


def test_the_snapshot_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.known.generation == -1
    first = Decision(1, "registered", "desk", "", "", "lab", 1.0, 4)
    spool.keep_decisions([first], Known(timeline=5, generation=4), whole=True)
    second = Decision(2, "ignored", "", "", "", "", 2.0, 6)
    spool.keep_decisions([second], Known(timeline=5, generation=6), whole=False)
    spool.close()
    spool = Spool(tmp_path / "spool")
    assert (spool.known, spool.decisions()) == (Known(timeline=5, generation=6), [first, second])
    spool.close()


def test_what_a_worker_left_is_sent_by_another(tmp_path: Path) -> None:
    left, spool = Spool(tmp_path / "spool-w1"), Spool(tmp_path / "spool")
    left.keep([note(1)], Batch(writer="w1", number=3, notes=(note(2),)))
    left.close()
    spool.keep([note(4)])
    spool.take_over(tmp_path / "spool-w1")
    assert {batch.writer: [each.mac for each in batch.notes] for batch in spool.batches("w0", 1)} == {
        "w1": [2],
        "w0": [1, 4],
    }
    assert not list(tmp_path.glob("spool-w1*"))
    spool.close()


def whole_spool(path: Path) -> None:
    """A spool with many decisions and sights, closed."""
    spool = Spool(path)
    decisions = [Decision(mac, "registered", f"desk-{mac}", "", "", "lab", 1.0, 4) for mac in range(2000)]
    spool.keep_decisions(decisions, Known(timeline=5, generation=4), whole=True)
    spool.keep([note(mac) for mac in range(2000)])
    spool.close()


@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_a_truncated_file_is_put_aside_and_begun_anew(tmp_path: Path, share: float) -> None:
    path = tmp_path / "spool"
    whole_spool(path)
    octets = path.read_bytes()
    path.write_bytes(octets[: int(len(octets) * share)])
    spool = Spool(path)
    assert spool.put_aside is not None
    assert spool.put_aside[0].read_bytes() == octets[: int(len(octets) * share)]
    assert (spool.known.generation, spool.waiting) == (-1, 0)
    spool.keep([note(1)])
    spool.close()
    spool = Spool(path)
    assert (spool.put_aside, spool.waiting) == (None, 1)
    spool.close()


def test_a_file_of_a_newer_coexist_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    whole_spool(path)
    newer = SqliteEngine(path)
    newer.run("UPDATE meta SET value = 1000 WHERE name = 'schema'")
    newer.close()
    spool = Spool(path)
    assert spool.put_aside is not None
    assert spool.waiting == 0
    spool.close()


def test_what_a_worker_left_is_taken_once_though_its_file_outlives_it(tmp_path: Path) -> None:
    left, spool = tmp_path / "spool-w1", Spool(tmp_path / "spool")
    other = Spool(left)
    other.keep([note(1)], Batch(writer="w1", number=3, notes=(note(2),)))
    other.close()
    copy = left.read_bytes()
    spool.take_over(left)
    left.write_bytes(copy)  # as after a power cut between the two
    spool.take_over(left)
    assert {each.mac: each.requests for batch in spool.batches("w0", 1) for each in batch.notes} == {
        1: 1,
        2: 1,
    }
    spool.close()

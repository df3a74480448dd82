from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.server.files import (
    CHUNK_BLOCKS,
    PIECE_BLOCKS,
    ChangedError,
    FrameCache,
    MadeContent,
    NotServedError,
    open_file,
    resolve,
)
from coexist.server.mmsg import NOWHERE


@pytest.fixture
def root(tmp_path):
    inside = tmp_path / "root"
    (inside / "dir").mkdir(parents=True)
    (inside / "a.0").write_bytes(b"x" * 5000)
    (inside / "dir" / "b.efi").write_bytes(b"y" * 10)
    (tmp_path / "root-secret").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "outdir").symlink_to(tmp_path)
    (inside / "in").symlink_to("dir/b.efi")
    os.mkfifo(inside / "fifo")
    return os.path.realpath(inside)


@pytest.mark.parametrize(
    "name",
    ["a.0", "/a.0", "//a.0", "./a.0", "\\a.0", "dir\\b.efi", "/dir//b.efi", "in", "dir/./b.efi"],
)
def test_names_inside_are_found(root, name):
    open_file(root, name).close()


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/../secret",
        "..\\secret",
        "dir/../../secret",
        "dir/../a.0",
        "dir\\..\\..\\secret",
        "../root-secret",
        "out",
        "outdir/secret",
        "outdir\\secret",
        "a.0\0.txt",
        "x" * 2000,
    ],
)
def test_what_leaves_the_root_is_refused(root, name):
    with pytest.raises(NotServedError) as refusal:
        open_file(root, name)
    assert not refusal.value.missing


@pytest.mark.parametrize("name", ["nothing", "", "/", "dir/nothing", "a.0/x", "dir", "fifo", "x" * 300])
def test_what_is_no_file_is_missing(root, name):
    with pytest.raises(NotServedError) as refusal:
        open_file(root, name)
    assert refusal.value.missing


def test_a_name_that_was_plain_is_looked_at_again(root):
    """A directory of it, or the file itself, may have become a link since."""
    for _ in range(2):
        open_file(root, "dir/b.efi").close()
    folder, file = Path(root, "dir"), Path(root, "a.0")
    folder.rename(Path(root, "moved"))
    folder.symlink_to("moved")
    open_file(root, "dir/b.efi").close()
    folder.unlink()
    folder.symlink_to("/etc")
    with pytest.raises(NotServedError):
        open_file(root, "dir/b.efi")
    open_file(root, "a.0").close()
    file.unlink()
    file.symlink_to("../secret")
    with pytest.raises(NotServedError) as refusal:
        open_file(root, "a.0")
    assert not refusal.value.missing


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "dir", "out", "/", "\\", "a.0", "\udc80"])).map("/".join)
)
def test_no_spelling_leaves_the_root(tmp_path_factory, name):
    base = tmp_path_factory.getbasetemp() / "spelling"
    (base / "root" / "dir").mkdir(parents=True, exist_ok=True)
    (base / "secret").write_text("secret")
    (base / "root" / "a.0").write_text("a")
    root = os.path.realpath(base / "root")
    try:
        path = resolve(root, name)
    except NotServedError:
        return
    assert path.startswith(root + "/")


@given(
    size=st.integers(0, 300_000),
    blksize=st.integers(8, 1468),
    first=st.integers(1, 300),
    count=st.integers(1, 100),
)
def test_frames_are_data_packets_one_behind_the_other(size, blksize, first, count):
    data = struct.pack(">I", size) * (size // 4 + 1)
    framed = FrameCache().take(MadeContent(data[:size]), blksize)
    first = min(first, framed.last)
    count = min(count, framed.last - first + 1)
    octets = b"".join(framed.frames(first, count))
    expected = b"".join(
        struct.pack("!HH", 3, block & 0xFFFF) + data[:size][(block - 1) * blksize : block * blksize]
        for block in range(first, first + count)
    )
    assert octets == expected


@given(
    size=st.integers(0, 300_000),
    blksize=st.integers(8, 1468),
    window=st.sampled_from([1, 2, 4, 16, CHUNK_BLOCKS]),
    first=st.integers(1, 900),
)
def test_prepared_windows_are_the_frames_and_the_acks_between_them(size, blksize, window, first):
    data = struct.pack(">I", size) * (size // 4 + 1)
    framed = FrameCache().take(MadeContent(data[:size]), blksize)
    first = min(first, framed.last)
    begins = first - (first - 1) % PIECE_BLOCKS
    ends = min(begins + PIECE_BLOCKS - 1, framed.last)
    windows = framed.windows(first, window)
    assert b"".join(octets for octets, _ in windows) == b"".join(framed.frames(begins, ends - begins + 1))
    lasts = [min(begin + window - 1, ends) for begin in range(begins, ends + 1, window)]
    awaited = [struct.pack("!HH", 4, last & 0xFFFF) for last in lasts[:-1]]
    assert [ack for _, ack in windows] == [*awaited, None]


def followed(framed, first):
    """The blocks of the piece that block ``first`` is in, as whoever goes by what follows sends them: number,
    octets and the ACK that calls for the next one."""
    blocks = framed.blocks(first)
    entry = blocks.following[0]
    found = []
    while entry is not None:
        awaited, place, after, number = entry
        assert blocks.following[number - blocks.first] is entry
        found.append((number, bytes(blocks.block(number)), awaited))
        assert (after is None) == (awaited is None) == (place == NOWHERE)
        if after is not None:
            assert place == blocks.held.places[after[3] - blocks.first]
        entry = after
    return found


@given(size=st.integers(0, 300_000), blksize=st.integers(8, 1468), first=st.integers(1, 900))
def test_blocks_that_leave_together_follow_one_another_as_windows_of_one_do(size, blksize, first):
    framed = FrameCache().take(MadeContent(os.urandom(size)), blksize)
    first = min(first, framed.last)
    found = followed(framed, first)
    numbers = [number for number, _, _ in found]
    begins = first - (first - 1) % PIECE_BLOCKS
    assert numbers == list(range(begins, min(begins + PIECE_BLOCKS - 1, framed.last) + 1))
    assert [octets for _, octets, _ in found] == [octets for octets, _ in framed.windows(first, 1)]
    acks = [struct.pack("!HH", 4, number & 0xFFFF) for number in numbers]
    assert [ack for _, _, ack in found] == [*acks[:-1], None]


def test_block_numbers_roll_over_in_frames():
    framed = FrameCache().take(MadeContent(bytes(70_000 * 8)), 8)
    octets = b"".join(framed.frames(65_535, 3))
    assert [octets[at : at + 4] for at in (0, 12, 24)] == [b"\0\3\xff\xff", b"\0\3\0\0", b"\0\3\0\1"]
    assert [ack for _, _, ack in followed(framed, 65_535)][-2:] == [b"\0\4\xff\xff", None]
    assert followed(framed, 65_537)[0] == (65_537, b"\0\3\0\1" + bytes(8), b"\0\4\0\1")


def test_transfers_of_one_file_share_their_frames(root):
    cache = FrameCache()
    first = cache.take(open_file(root, "a.0"), 512)
    second = cache.take(open_file(root, "a.0"), 512)
    assert first is second
    assert cache.take(open_file(root, "a.0"), 1024) is not first
    cache.release(first)
    assert bytes(second.frames(1, 1)[0])[4:] == b"x" * 512
    cache.release(second)


@pytest.mark.parametrize("blksize", [8, 512, 1468])
def test_the_cache_counts_what_it_holds(blksize):
    most = 1 << 20
    cache = FrameCache(most=most)
    framed = cache.take(MadeContent(bytes(2_000_000)), blksize)
    tracemalloc.start()
    for first in range(1, min(framed.last, 60_000), CHUNK_BLOCKS):
        framed.windows(first, 1)
        framed.blocks(first)
        framed.frames(first, 1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.3 * most
    cache.release(framed)


def test_the_cache_is_bounded():
    cache = FrameCache(most=100_000)
    framed = cache.take(MadeContent(bytes(1_000_000)), 100)
    for first in range(1, framed.last - CHUNK_BLOCKS, CHUNK_BLOCKS):
        framed.frames(first, CHUNK_BLOCKS)
        assert cache.octets <= 100_000
        for window in (1, 4):
            framed.windows(first, window)
            assert cache.octets <= 100_000
        framed.blocks(first)
        assert cache.octets <= 100_000
    cache.release(framed)
    assert cache.octets == 0


def test_nothing_is_open_after_the_last_transfer(root):
    before = len(list(Path("/proc/self/fd").iterdir()))
    cache = FrameCache()
    taken = [cache.take(open_file(root, "a.0"), 512) for _ in range(5)]
    for framed in taken:
        cache.release(framed)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_replaced_file_is_served_as_it_was(root):
    cache = FrameCache()
    framed = cache.take(open_file(root, "a.0"), 512)
    new = Path(root, "new")
    new.write_bytes(b"z" * 5000)
    new.rename(Path(root, "a.0"))
    assert bytes(framed.frames(1, 1)[0])[4:] == b"x" * 512
    assert open_file(root, "a.0").read(0, 3) == b"zzz"


@pytest.mark.parametrize("size", [0, 100, 4999])
def test_a_truncated_file_is_noticed(root, size):
    framed = FrameCache().take(open_file(root, "a.0"), 512)
    os.truncate(f"{root}/a.0", size)
    with pytest.raises(ChangedError):
        framed.frames(1, 1)


def test_a_rewritten_file_is_noticed(root):
    framed = FrameCache().take(open_file(root, "a.0"), 8)
    framed.frames(1, 1)
    with Path(root, "a.0").open("r+b") as file:
        file.write(b"changed")
    os.utime(f"{root}/a.0", ns=(1, 1))
    with pytest.raises(ChangedError):
        framed.frames(1 + CHUNK_BLOCKS, 1)

"""A line dnsmasq would not start with is refused where it stands, and no other."""

import subprocess
from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.importers import import_files
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.keywords import EITHER, FLAGS, KEYWORDS, ONCE, VALUED, refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("port=0\ngarbage in here\n", 2, 'bad option: dnsmasq 2.90 has no keyword "garbage in here"'),
        ("\N{BYTE ORDER MARK}port=0\n", 1, "bad option"),
        ("no-ping=1\n", 1, "extraneous parameter: no-ping takes no value; write no-ping alone"),
        ("port\n", 1, "missing parameter: port needs a value"),
        ("dhcp-reply-delay=1\n# x\ndhcp-reply-delay=tag:a,2\n", 3, "illegal repeated keyword"),
        ('dhcp-boot="a\n', 1, 'missing "'),
    ],
)
def test_refused_at_its_line(text, line, words, tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        import_files("dnsmasq", [path])
    (problem,) = error.value.problems
    assert str(problem).startswith(f"{path}:{line}:1: {words}")


def test_octets_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_bytes(bytes(range(128, 256)) + b"\n")
    with pytest.raises(InputError, match="bad option"):
        import_files("dnsmasq", [path])


def test_a_keyword_may_stand_once_in_all_files_together(tmp_path: Path):
    (tmp_path / "more.conf").write_text("port=0\n")
    (tmp_path / "dnsmasq.conf").write_text("port=0\nconf-file=more.conf\n")
    with pytest.raises(InputError, match=r"more\.conf:1:1: illegal repeated keyword.*dnsmasq\.conf:1:1"):
        import_files("dnsmasq", [tmp_path / "dnsmasq.conf"])


def test_comments_and_quotes(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text('# "\nport = 0 # " \npxe-prompt="a \\" # b",3\n\n  no-ping\ndhcp-boot=a#b\n')
    lines = read_lines(path)
    refuse_bad_lines(lines, read_dnsmasq(lines.texts))


@pytest.mark.needs("dnsmasq")
def test_the_daemon_agrees(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"

    def words(*lines: str) -> str:
        path.write_text("".join(f"{line}\n" for line in lines))
        done = subprocess.run(
            ["dnsmasq", "--test", f"--conf-file={path}"], check=False, capture_output=True, text=True
        )
        return done.stderr

    for keyword in sorted(KEYWORDS):
        alone, valued = words(keyword), words(f"{keyword}=1")
        assert "bad option" not in alone, keyword
        assert ("extraneous parameter" in valued) == (keyword in FLAGS), keyword
        assert ("missing parameter" in alone) == (keyword in VALUED), keyword
    for keyword in sorted(ONCE):
        values = ("=1", "=192.168.0.1", "=/a/", "=a,b", "")
        lines = [f"{keyword}{value}" for value in values]
        assert any("illegal repeated keyword" in words(line, line) for line in lines), keyword
    assert FLAGS | VALUED | EITHER == KEYWORDS
    assert KEYWORDS >= ONCE

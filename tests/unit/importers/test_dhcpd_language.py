"""The language of dhcpd.conf, with `dhcpd -t` as its judge."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coexist.errors import InputError, Problem
from coexist.importers.dhcpd.site import import_dhcpd
from coexist.languages.dhcpd.parser import parse_dhcpd
from tests.unit.importers.dhcpd_statements import cases, file_with

OWN = Path(__file__).parent / "dhcpd_conf"
SHARED = Path(os.environ.get("COEXIST_SHARED", Path(__file__).parents[4] / "shared"))
FILES = [*sorted(OWN.glob("*.conf")), *sorted(SHARED.glob("corpus/dhcpd*.conf"))]

REFUSED = {
    "no semicolon": 'option routers 10.0.0.1;\nfilename "x"\n\nnext-server 10.0.0.1;\n',
    "unknown option": "\noption arch 00:07;\n",
    "host twice": "host a { hardware ethernet 0:1:2:3:4:5; }\nhost a { hardware ethernet 0:1:2:3:4:6; }\n",
    "host twice in long form": "host a { hardware ethernet 0:1:2:3:4:5; }\n"
    "host a {\n  # a comment\n  hardware ethernet 0:1:2:3:4:6;\n}\n",
    "class declared later": 'subnet 10.0.0.0 netmask 255.255.255.0 {\n pool {\n  allow members of "c";\n'
    '  range 10.0.0.5;\n }\n}\nclass "c" { match if known; }\n',
    "not without parentheses": 'if not option user-class = "x" { filename "a"; }\n',
    "types": 'if option user-class = "x" and 5 {\n filename "a"; }\n',
    "number too large": "\n\nmin-secs 300;\n",
    "string that never ends": 'option bootfile-name "d.efi\\0";\nfilename "a";\n',
    "mask": "subnet 10.0.0.5 netmask 255.255.255.0 { }\n",
    "pool without range": "subnet 10.0.0.0 netmask 255.255.255.0 {\n"
    " pool {\n  deny unknown-clients;\n }\n}\n",
    "empty shared network": "shared-network x {\n}\n",
    "leases twice": "subnet 10.0.0.0 netmask 255.255.255.0 {\n"
    " range 10.0.0.1 10.0.0.9;\n range 10.0.0.5;\n}\n",
    "brace at the end": "subnet 10.0.0.0 netmask 255.255.255.0 {\n option routers 10.0.0.1;\n",
    "definition in a subnet": "subnet 10.0.0.0 netmask 255.255.255.0 {\n option a code 200 = text;\n}\n",
    "bad value": "log-facility none;\n",
    "IPv6": "subnet6 2001:db8::/64 {\n}\n",
}


def daemon(text: str, directory: Path) -> tuple[bool, int | None]:
    """Whether dhcpd accepts a file, and the first line it complains about."""
    path = directory / "dhcpd.conf"
    path.write_text(text)
    for hosts in OWN.glob("*-hosts.conf"):
        shutil.copy(hosts, directory)
    done = subprocess.run(
        ["dhcpd", "-t", "-cf", path.name, "-lf", "/dev/null"], cwd=directory, capture_output=True, check=False
    )
    found = re.search(r"^\S+ line (\d+): ", done.stderr.decode("latin-1"), re.MULTILINE)
    return done.returncode == 0, max(int(found[1]), 1) if found else None


def ours(text: str) -> tuple[bool, int | None]:
    try:
        parse_dhcpd(text, "dhcpd.conf", lambda name: (OWN / Path(name).name).read_text())
    except InputError as error:
        return False, error.problems[0].position.line
    return True, None


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_accepted_or_refused_as_by_the_daemon(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    assert ours(text) == daemon(text, tmp_path)


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_daemons_line(name: str, tmp_path: Path) -> None:
    text = REFUSED[name]
    accepted, line = daemon(text, tmp_path)
    assert not accepted
    assert ours(text) == (False, line)


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize(("place", "statement"), cases())
def test_a_statement_is_accepted_or_refused_as_by_the_daemon(
    place: str, statement: str, tmp_path: Path
) -> None:
    text = file_with(place, statement)
    accepted, line = daemon(text, tmp_path)
    assert ours(text) == (accepted, None if accepted else line or ours(text)[1])


# What the file says already, or what the daemon does by itself; a group and a class that nobody belongs to.
_NO_EFFECT = frozenset(
    {
        "allow unknown-clients;", "boot-unknown-clients true;", "allow booting;", "ping-check true;",
        "authoritative;", "local-address 10.80.0.254;", "server-identifier 10.80.0.254;",
        'default domain-name "d";', "vendor-option-space nowhere;", "range 10.80.0.60 10.80.0.10;",
        "group { }", 'group g1 { option root-path "g"; }', 'class "empty" { }',
    }
)  # fmt: skip


def told(text: str) -> object:
    """Everything an import says of a file, without the line breaks that the statement brought."""
    imported = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("10.80.0.254"))
    return imported.tree, imported.clients, [(e.statement, e.why) for e in imported.not_modelled]


@pytest.mark.parametrize(("place", "statement"), [case for case in cases() if ours(file_with(*case))[0]])
def test_a_statement_is_said_in_words_or_told_with_its_line(place: str, statement: str) -> None:
    changes = told(file_with(place, statement)) != told(file_with())
    assert changes is not (statement in _NO_EFFECT)


WORDS = st.sampled_from(
    sorted(
        {
            word
            for path in OWN.glob("*.conf")
            for word in re.findall(r'"[^"\n]*"|[\w.:-]+|[^\s\w]', path.read_text())
        }
    )
)


def test_a_host_that_never_ends_costs_no_time() -> None:
    """Quadratic is bearable, exponential is not: this takes milliseconds or for ever."""
    body = 'option x-y "a" , "b" ;  \n' * 200
    assert ours(f"host a {{ hardware ethernet 0:1:2:3:4:5; {body} if known {{ }} }}")[0] is False


def problem_of(text: str) -> Problem | None:
    """What an import complains about first; anything but an InputError is a defect."""
    try:
        import_dhcpd(text, "fuzz.conf", lambda name: (OWN / Path(name).name).read_text())
    except InputError as error:
        return error.problems[0]
    except OSError as error:
        raise AssertionError(text) from error
    return None


def assert_placed(text: str) -> None:
    problem = problem_of(text)
    if problem is not None and problem.position.file == "fuzz.conf":
        assert 1 <= problem.position.line <= text.count("\n") + 1
        assert problem.message


@given(st.lists(WORDS, max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_words_end_in_a_tree_or_in_a_place(words: list[str]) -> None:
    assert_placed(" ".join(words))


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_ends_in_a_tree_or_in_a_place(text: str) -> None:
    assert_placed(text)


@given(st.sampled_from(sorted(OWN.glob("*.conf"))), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_word_ends_in_a_tree_or_in_a_place(path: Path, data: st.DataObject) -> None:
    pieces = re.split(r'("[^"\n]*"|[\w.:-]+|[^\s\w])', path.read_text())
    place = data.draw(st.integers(0, len(pieces) - 1))
    pieces[place] = data.draw(WORDS)
    assert_placed("".join(pieces))

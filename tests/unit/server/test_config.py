from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.cli import run
from coexist.errors import InputError, Position, Problem
from coexist.server.config import _read_lines, _read_list, load_config
from coexist.wire.mac import format_mac

HEAD = "name: otc\nlisten: [{address: 10.10.0.6}]\n"


def problems(tmp_path, text):
    path = tmp_path / "coexist.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        load_config(path)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("listen: [{address: 10.10.0.6}]\n", "coexist.yaml:1:1:", "'name' is missing"),
        (HEAD + "speed: 5\n", "coexist.yaml:3:1:", "'speed' is not known"),
        (HEAD + "rules:\n  - {name: a, clients: {macs: [52:54]}}\n", "coexist.yaml:4:", "not a MAC address"),
        (HEAD + "rules:\n  - {name: a, clients: {prefixes: [zz]}}\n", "coexist.yaml:4:", "not the beginning"),
        (HEAD + "rules:\n  - {name: a, clients: {ranges: [x]}}\n", "coexist.yaml:4:", "not a range"),
        (
            HEAD + "rules:\n  - {name: a, clients: {files: [none]}}\n",
            "coexist.yaml:4:33:",
            "none cannot be read",
        ),
        (HEAD + "rules:\n  - {name: a, clients: {}, delay: soon}\n", "coexist.yaml:4:", "write seconds"),
        (HEAD + "services: [dhcp]\n", "coexist.yaml:3:11:", "leases no addresses"),
        (HEAD + "services: [http]\n", "coexist.yaml:3:11:", "has no settings"),
        (HEAD + "tftp: {templates: {'x-{who}': t.j2}}\n", "coexist.yaml:3:20:", "cannot be used"),
        (HEAD + "tftp: {templates: {'x-{mac}': t.j2}}\n", "coexist.yaml:3:20:", "t.j2 cannot be used"),
        (
            HEAD + "rules:\n  - {name: a, clients: {}}\n  - {name: a, clients: {}}\n",
            "coexist.yaml:5:12:",
            "line 4",
        ),
        (HEAD + "tftp: {port_range: [5001, 5000]}\n", "coexist.yaml:3:20:", "write the smaller port first"),
        (HEAD + "tftp: {port_range: [5001, 70000]}\n", "coexist.yaml:3:27:", "write 65535 or less"),
        *(
            (HEAD + f"options: {{{code}: 'hex:01'}}\n", "coexist.yaml:3:11:", "must not be set")
            for code in (52, 53, 54, 82, 97)
        ),
        (HEAD + "tftp: {rot: x}\n", "coexist.yaml:3:8:", "did you mean 'root'?"),
        (
            "name: otc\nlisten:\n  - {address: 10.10.0.6}\n  - {address: 10.10.0.6, vlan: a}\n",
            "coexist.yaml:4:15:",
            "line 3",
        ),
        (
            HEAD + "rules:\n  - name: a\n    clients: {everyone: true}\n    menu:\n      items:\n"
            "        - {text: x, type: 2}\n        - {text: y}\n        - {text: z, local: true}\n",
            "coexist.yaml:9:11:",
            "line 8",
        ),
        (HEAD + "name: again\n", "coexist.yaml:3:1:", "line 1"),
        ("- a\n", "coexist.yaml:1:1:", "is a mapping"),
        ("a: [\n", "coexist.yaml:2:1:", "not YAML"),
    ],
)
def test_each_mistake_has_its_place_and_its_remedy(tmp_path, text, place, what):
    found = problems(tmp_path, text)
    assert [(line.startswith(place), what in line) for line in found] == [(True, True)], found


def test_all_mistakes_are_named_in_one_run(tmp_path):
    text = (
        HEAD + "rules:\n  - {name: a, clients: {macs: [x]}}\n  - {name: b, clients: {prefixes: [y]}}\nz: 1\n"
    )
    assert len(problems(tmp_path, text)) == 3


def test_list_files_are_relative_and_their_mistakes_have_lines(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "thin.txt").write_bytes(
        b"\xef\xbb\xbf52:54:00:00:00:01\r\n# a comment\r\n\r\n5254.0000.0002 desk\nnonsense\n525400000003"
    )
    text = HEAD + "rules:\n  - {name: a, clients: {files: [lists/thin.txt]}}\n"
    assert problems(tmp_path, text)[0].startswith("lists/thin.txt:5:1: 'nonsense' is not a MAC address")
    (tmp_path / "lists" / "thin.txt").write_text("52:54:00:00:00:01\n52-54-00-00-00-02\n")
    loaded = load_config(tmp_path / "coexist.yaml")
    assert loaded.policy.rules[0].clients.points == {0x525400000001, 0x525400000002}
    assert not loaded.changed()
    (tmp_path / "lists" / "thin.txt").write_text("52:54:00:00:00:01\n")
    assert loaded.changed()


def test_a_missing_configuration_is_one_sentence(tmp_path, capsys):
    assert run(["serve", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_check_names_no_mistakes(tmp_path, capsys):
    (tmp_path / "coexist.yaml").write_text(HEAD)
    assert run(["serve", str(tmp_path / "coexist.yaml"), "--check"]) == 0
    assert "no mistakes" in capsys.readouterr().out


@given(st.lists(st.integers(0, (1 << 48) - 1), max_size=30))
def test_plain_lists_are_read_at_once(tmp_path_factory, macs):
    path = tmp_path_factory.mktemp("list") / "list"
    path.write_text("".join(f"{format_mac(mac)}\n" for mac in macs))
    problems: list[Problem] = []
    assert _read_list(path, Position("c"), problems).points == set(macs)
    assert problems == []


@given(st.text("0123456789aF:- \n#", max_size=80))
def test_any_list_is_read_as_line_by_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("list") / "list"
    path.write_text("52:54:00:00:00:01\n" + text)
    quick: list[Problem] = []
    slow: list[Problem] = []
    macs: set[int] = set()
    _read_lines(path.read_bytes(), path, 1, macs, slow)
    assert _read_list(path, Position("c"), quick).points == macs
    assert quick == slow


def test_what_is_strange_is_said_and_served(tmp_path, capsys):
    (tmp_path / "coexist.yaml").write_text(
        HEAD + "tftp: {root: none}\n"
        "groups: {lab: {prefixes: ['52:54:02']}}\n"
        "rules:\n"
        "  - {name: a, clients: {groups: [lab, lad]}, programs: {bios: a.0}}\n"
        "  - {name: b, clients: {macs: ['52:54:00:00:00:01']}}\n"
        "  - {name: c, clients: {everyone: true}, programs: {bios: c.0}}\n"
        "  - {name: d, clients: {macs: ['52:54:00:00:00:02']}, action: ignore}\n"
    )
    assert run(["serve", str(tmp_path / "coexist.yaml"), "--check"]) == 0
    said = capsys.readouterr()
    assert "4 rules, no mistakes" in " ".join(said.out.split())
    expected = """
caution: coexist.yaml:3:14: there is no directory none: no file is served until it is there; create it, or
caution: coexist.yaml:6:39: no group 'lad' is declared in this file: it has only the machines registered into
caution: coexist.yaml:7:5: the rule 'b' has no program: its clients are not answered; write `programs: {bios:
caution: coexist.yaml:9:5: no client reaches the rule 'd': 'c' before it takes everyone; put 'c' last
"""
    lines = said.err.replace(f"{tmp_path}/", "").splitlines()
    assert [line[: len(wanted)] for line, wanted in zip(lines, expected.split("\n")[1:-1], strict=True)] == (
        expected.split("\n")[1:-1]
    )


@pytest.mark.parametrize(
    ("services", "wanted"),
    [("[tftp]", ["there is no directory"]), ("[boot-server]", ["there is no rule", "`root` has no effect"])],
)
def test_only_what_is_served_is_looked_at(tmp_path, services, wanted):
    (tmp_path / "coexist.yaml").write_text(HEAD + f"services: {services}\ntftp: {{root: none}}\n")
    cautions = [caution.message for caution in load_config(tmp_path / "coexist.yaml").cautions]
    assert [caution[: len(start)] for caution, start in zip(cautions, wanted, strict=True)] == wanted


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("http: {port: 8080}\n", "3:1", "`http` is not among the services, and is served all the same"),
        (
            "services: [proxydhcp]\ntftp: {port: 6969}\n",
            "4:8",
            "`port` has no effect: no `tftp` among the services",
        ),
        (
            "services: [proxydhcp]\ntftp: {root: /}\n",
            "4:8",
            "`root` has no effect: no `tftp` or `http` among",
        ),
        (
            "services: [boot-server]\nfollow_offers: true\n",
            "4:1",
            "`follow_offers` has no effect: no `proxydhcp`",
        ),
        ("services: [tftp]\nanswers_4011: false\n", "4:1", "`answers_4011` has no effect: no `proxydhcp` or"),
        ("services: [tftp]\noptions: {6: 10.10.0.1}\n", "4:1", "`options` has no effect"),
        (
            "rules:\n  - {name: a, clients: {everyone: true}, action: ignore, delay: 2}\n",
            "4:58",
            "`delay` has no effect: the rule 'a' ignores its clients",
        ),
        (
            "rules:\n  - name: a\n    clients: {}\n    menu: {items: [{local: true, type: 7, text: disk}]}\n",
            "6:34",
            "`type` has no effect: 'disk' boots from the disk",
        ),
        ("deny: {except: {macs: ['52:54:00:00:00:01']}}\n", "3:8", "`except`"),
    ],
)
def test_nothing_that_is_written_is_without_effect_in_silence(tmp_path, text, place, what):
    path = tmp_path / "coexist.yaml"
    path.write_text(HEAD + text)
    found = [str(caution).replace(f"{path}:", "") for caution in load_config(path).cautions]
    assert [line for line in found if line.startswith(f"{place}: ") and what in line], found


@pytest.mark.parametrize(
    "text",
    [
        "services: [http]\nhttp: {port: 8080}\ntftp: {root: /, templates: {}}\n",
        "services: [proxydhcp, http]\nhttp: {port: 80, root: /}\nfollow_offers: true\n",
        "services: [boot-server]\noptions: {6: 10.10.0.1}\ndiscovery_control: 8\n",
    ],
)
def test_what_a_service_looks_at_is_no_surprise(tmp_path, text):
    path = tmp_path / "coexist.yaml"
    path.write_text(HEAD + text + "rules: [{name: a, clients: {everyone: true}, programs: {bios: a.0}}]\n")
    found = [caution.message for caution in load_config(path).cautions]
    assert [message for message in found if "effect" in message or "services" in message] == []

"""What ``kea-dhcp4 -t`` would not read is refused at its place; what it reads is taken or told."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.importers import Imported
from coexist.importers.kea.keywords import MAPS, refuse_unknown_keys
from coexist.importers.kea.site import import_kea
from coexist.importers.written import site_yaml
from coexist.inventory import load_inventory
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.render import render_site

BESIDE = '{"Dhcp4": {"valid-lifetime": 600},\n "%s": {}}'


def refused(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        import_kea(text, "kea.json")
    assert all(problem.remedy for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def told(imported: Imported) -> dict[str, str]:
    return {entry.statement: entry.why for entry in imported.not_modelled}


@pytest.mark.parametrize(
    ("inside", "column", "words"),
    [
        ('"valid-lifetme": 1', 1, 'got unexpected keyword "valid-lifetme" in Dhcp4 map; did you mean'),
        ('"subnet4": [{"pool": 1}]', 14, 'got unexpected keyword "pool" in subnet4 map; did you mean'),
        ('"subnet4": [{"hw-address": "x"}]', 14, 'got unexpected keyword "hw-address" in subnet4 map'),
        ('"reservations": [{"mac": "x"}]', 19, 'got unexpected keyword "mac" in reservations map'),
        ('"lease-database": {"readonly": true}', 20, '"readonly" in lease-database map'),
        ('"loggers": [{"output_options": [{"file": "x"}]}]', 34, '"file" in output_options map'),
        ('"valid-lifetime": "600"', 19, 'unexpected constant string as "valid-lifetime", expecting integer'),
        ('"valid-lifetime": true', 19, 'unexpected boolean as "valid-lifetime", expecting integer'),
        ('"next-server": null', 16, 'unexpected null as "next-server", expecting constant string'),
        ('"subnet4": {"subnet": "x"}', 12, 'unexpected { as "subnet4", expecting ['),
        ('"subnet4": [1]', 13, 'unexpected integer in "subnet4", expecting {'),
    ],
)
def test_what_kea_does_not_read_is_refused_where_it_stands(inside: str, column: int, words: str) -> None:
    (message,) = refused('{"Dhcp4": {\n' + inside + "}}")
    assert message.startswith(f"kea.json:2:{column}: ")
    assert words in message


def test_all_that_kea_does_not_read_is_named_at_once() -> None:
    text = '{"Dhcp4": {"foo": 1, "subnet4": [{"subnet": 1, "bar": 1}]}}'
    assert [message.split(":")[2] for message in refused(text)] == ["12", "45", "48"]


def test_a_section_beside_dhcp4_is_told_or_refused() -> None:
    assert "earlier releases" in told(import_kea(BESIDE % "Logging", "kea.json"))['"Logging": {}']
    assert 'kea.json:2:2: got unexpected keyword "Dhcp5" beside Dhcp4' in refused(BESIDE % "Dhcp5")[0]


def test_a_keyword_of_a_later_release_is_told() -> None:
    data = '[{"name": "root-path", "data": "x", "never-send": true}]'
    part = '[{"name": "c", "template-test": "hexstring(pkt4.mac, \':\')"}]'
    text = '{"Dhcp4": {"option-data": %s, "client-classes": %s, "subnet4": [{"subnet": "10.0.0.0/24"}]}}'
    imported = import_kea(text % (data, part), "kea.json")
    assert [
        why for statement, why in told(imported).items() if "never-send" in statement and "Kea 2.2" in why
    ]
    assert imported.tree["servers"]["dhcp"]["software"] == "kea 2.6"


def test_keywords_of_a_later_release_that_change_no_answer_are_written(tmp_path: Path) -> None:
    text = """{"Dhcp4": {"offer-lifetime": 60, "ddns-ttl": 300, "subnet4": [
      {"subnet": "10.0.0.0/24", "id": 9, "allocator": "random",
       "pools": [{"pool": "10.0.0.5-10.0.0.9", "pool-id": 4}]}
    ]}}"""
    imported = import_kea(text, "kea.json")
    assert not imported.not_modelled
    (tmp_path / "site.yaml").write_text(site_yaml(imported))
    site = render_site(load_inventory(tmp_path))
    dhcp4 = json.loads(site.files["dhcp"][0].content)["Dhcp4"]
    (subnet,) = dhcp4["subnet4"]
    assert (dhcp4["offer-lifetime"], dhcp4["ddns-ttl"]) == (60, 300)
    assert (subnet["id"], subnet["allocator"], subnet["pools"][0]["pool-id"]) == (9, "random", 4)


def test_notes_and_parameters_of_hooks_are_free() -> None:
    text = """{"Dhcp4": {"user-context": {"foo": [1, {"bar": null}]},
    "hooks-libraries": [{"library": "x.so", "parameters": {"foo": {"subnet4": 1}}}],
    "reservations": [{"hw-address": "52:54:00:00:00:01", "client-classes": ["a"]}]}}"""
    assert len(told(import_kea(text, "kea.json"))) >= 3


SAMPLES = {
    "text": '"x"',
    "integer": "1",
    "boolean": "true",
    "floating": "0.5",
    "map": '{"zz": 1}',
    "list": "[]",
    "any": "true",
}
# Values of which Kea knows all that may stand there.
WORDS = {
    "output_options": '[{"output": "x"}]',
    "reservation-mode": '"all"',
    "type": '"memfile"',
    "on-fail": '"stop-retry-exit"',
    "dhcp-socket-type": '"raw"',
    "outbound-interface": '"use-routing"',
    "ncr-protocol": '"UDP"',
    "ncr-format": '"JSON"',
}
# How a map is reached from the top.
PATHS = {
    "Dhcp4": "{}",
    "output_options": '{{"loggers": [{{"output_options": [{}]}}]}}',
    "pools": '{{"subnet4": [{{"pools": [{}]}}]}}',
    "relay": '{{"subnet4": [{{"relay": {}}}]}}',
    "hosts-database": '{{"hosts-databases": [{}]}}',
    "config-database": '{{"config-control": {{"config-databases": [{}]}}}}',
}


def inside(name: str, text: str) -> str:
    as_list = name in {key for kinds in MAPS.values() for key, kind in kinds.items() if kind == "list"}
    path = PATHS.get(name, '{{"' + name + '": ' + ("[{}]" if as_list else "{}") + "}}")
    return '{"Dhcp4": ' + path.format(text) + "}"


def says_syntax(text: str, directory: Path) -> str | None:
    """What kea-dhcp4 says of the words of a file; None if it reads them all."""
    path = directory / "kea.json"
    path.write_text(text)
    run = subprocess.run(
        ["kea-dhcp4", "-t", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    found = re.search(
        r"Syntax check failed with: [^\n]*?(got unexpected keyword|syntax error)[^\n]*",
        run.stdout + run.stderr,
    )
    return found.group() if found else None


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("name", MAPS)
def test_the_daemon_agrees_about_each_map(name: str, tmp_path: Path) -> None:
    """All keywords of a map at once, then one it does not know."""
    words = {key: WORDS.get(key, SAMPLES[kind]) for key, kind in MAPS[name].items() if kind != "any"}
    for key in (key for key, kind in MAPS[name].items() if key in MAPS and kind == "map"):
        del words[key]  # has keywords of its own
    if name == "relay":
        del words["ip-address"]  # instead of ip-addresses
    good = inside(name, "{" + ", ".join(f'"{key}": {value}' for key, value in words.items()) + "}")
    assert says_syntax(good, tmp_path) is None
    refuse_unknown_keys(tree(good))
    bad = inside(name, '{"zz": 1}')
    assert says_syntax(bad, tmp_path) is not None
    with pytest.raises(InputError, match='unexpected keyword "zz"'):
        refuse_unknown_keys(tree(bad))


def tree(text: str) -> Node:
    def no_file(name: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", name)

    return read_json(text, "kea.json", no_file)

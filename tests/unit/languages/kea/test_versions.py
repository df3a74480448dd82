"""What a Kea of a version knows: keywords and standard options."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.errors import InputError
from coexist.languages.kea.json_nodes import read_json
from coexist.languages.kea.option_data import LATER
from coexist.languages.kea.versions import SINCE, UNTIL

DAEMON = {"interfaces-config": {"interfaces": []}, "lease-database": {"type": "memfile"}}
VALUES: dict[str, Any] = {
    "adaptive-lease-time-threshold": 0.5, "allocator": "random", "ddns-ttl-percent": 0.1,
    "offer-lifetime": 60, "stash-agent-options": True, "control-sockets": [],
    "ddns-conflict-resolution-mode": "check-with-dhcid",
    "ddns-ttl": 60, "ddns-ttl-max": 60, "ddns-ttl-min": 60, "reservation-mode": "all",
}  # fmt: skip
OPTION_12 = {"code": 12, "data": "x"}
POOL = {"pool": "10.9.0.9/32", "pool-id": 1}
ELSEWHERE: dict[str, dict[str, Any]] = {
    "never-send": {"option-data": [{**OPTION_12, "never-send": True}]},
    "pool-id": {"subnet4": [{"id": 1, "subnet": "10.9.0.0/24", "pools": [POOL]}]},
    "template-test": {"client-classes": [{"name": "a", "template-test": "option[12].hex"}]},
    "output-options": {"loggers": [{"name": "kea-dhcp4", "output-options": [{"output": "stdout"}]}]},
    "retry-on-startup": {"lease-database": {"type": "memfile", "retry-on-startup": True}},
}


def told(keyword: str) -> str:
    """A file that says a keyword."""
    own = ELSEWHERE.get(keyword) or {keyword: VALUES[keyword]}
    return json.dumps({"Dhcp4": {**DAEMON, **own}}, indent=1)


def compiled(text: str, version: tuple[int, int] | None) -> KeaConfig:
    def no_file(name: str) -> str:
        raise FileNotFoundError(name)

    return compile_kea(read_json(text, "kea.conf", no_file), version)


@pytest.mark.parametrize("keyword", SINCE)
def test_a_keyword_is_known_from_its_release_on(keyword: str) -> None:
    text = told(keyword)
    with pytest.raises(InputError) as caught:
        compiled(text, (2, 2))
    (problem,) = caught.value.problems
    assert text.splitlines()[problem.position.line - 1].strip().startswith(f'"{keyword}"')
    assert problem.remedy
    compiled(text, SINCE[keyword])
    compiled(text, (3, 0))
    compiled(text, None)


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("keyword", SINCE)
def test_the_daemon_of_2_2_refuses_it(keyword: str, tmp_path: Path) -> None:
    path = tmp_path / "kea.json"
    path.write_text(told(keyword))
    run = subprocess.run(["kea-dhcp4", "-t", path], capture_output=True, text=True, check=False, timeout=60)
    assert f'got unexpected keyword "{keyword}"' in run.stdout + run.stderr


@pytest.mark.parametrize("keyword", UNTIL)
def test_a_keyword_that_is_gone_is_refused(keyword: str) -> None:
    compiled(told(keyword), (2, 2))
    with pytest.raises(InputError) as caught:
        compiled(told(keyword), (3, 0))
    assert [problem.remedy for problem in caught.value.problems] == [UNTIL[keyword][1]]


def test_what_a_hook_is_told_is_no_keyword() -> None:
    hook = {"library": "/x/libdhcp_lease_cmds.so", "parameters": {"allocator": 1}}
    context = {"user-context": {"never-send": 1}, "hooks-libraries": [hook]}
    compiled(json.dumps({"Dhcp4": context}), (2, 2))


def test_what_stands_beside_the_server_is_refused_at_its_line() -> None:
    """Up to 1.6 a file held several servers and "Logging"; the grammar of 2.2 has one (tried)."""
    text = json.dumps({"Dhcp4": {}, "Logging": {"loggers": []}}, indent=1)
    with pytest.raises(InputError) as caught:
        compiled(text, (2, 2))
    assert [problem.position.line for problem in caught.value.problems] == [3]
    compiled(text, (1, 6))
    compiled(text, None)


DATA = {
    121: ("10.0.0.0/8 - 10.1.0.1, 10.27.129.0/25-10.1.0.2, 0.0.0.0/0 - 10.1.0.3",
          "080a0a010001190a1b81000a010002000a010003"),
    143: ("https://a.example", "0011" + b"https://a.example".hex()),
    151: ("1,x", "0178"),
    152: ("7", "00000007"),
    156: ("2", "02"),
}  # fmt: skip


@pytest.mark.parametrize("code", DATA)
def test_a_standard_option_is_known_by_name_from_its_release_on(code: int) -> None:
    data, octets = DATA[code]
    since, option = LATER[code]
    text = json.dumps({"Dhcp4": {"option-data": [{"name": option.name, "data": data}]}}, indent=1)
    assert compiled(text, since).level.options[code].octets.hex() == octets
    assert compiled(text, None).level.options[code].octets.hex() == octets
    with pytest.raises(InputError) as caught:
        compiled(text, (2, 2))
    (problem,) = caught.value.problems
    assert problem.position.line == 4
    assert problem.remedy


@pytest.mark.parametrize("data", ["10.0.0.0/8", "10.0.0.1/8 - 10.1.0.1", "10.0.0.0/33 - 10.1.0.1", "x - y"])
def test_what_is_no_route_is_refused(data: str) -> None:
    text = json.dumps({"Dhcp4": {"option-data": [{"name": "classless-static-route", "data": data}]}})
    with pytest.raises(InputError):
        compiled(text, (3, 0))


@pytest.mark.parametrize(("version", "is_read"), [((2, 4), True), ((2, 6), False), (None, True)])
def test_who_defines_a_standard_option_is_refused_where_it_is_one(
    version: tuple[int, int] | None, is_read: bool
) -> None:
    own = {"name": "routes", "code": 121, "type": "uint8", "array": True}
    text = json.dumps(
        {"Dhcp4": {"option-def": [own], "option-data": [{"name": "routes", "data": "0, 10, 1, 0, 3"}]}}
    )
    if is_read:
        assert compiled(text, version).level.options[121].octets.hex() == "000a010003"
        return
    with pytest.raises(InputError):
        compiled(text, version)

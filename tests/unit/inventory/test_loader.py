# ruff: noqa: E501 (one row of the table below is one mistake)
"""Whole inventories: every mistake named in one run, with its place and what to write instead."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import InputError, Problem
from coexist.inventory import EVERYONE, MacSet, inventory_from_tree, load_inventory
from coexist.inventory.named_servers import server_address
from coexist.inventory.schema import inventory_schema

ROOT = Path(__file__).resolve().parents[3]
INVENTORIES = sorted(path.parent for path in (ROOT / "inventories").glob("*/site.yaml"))

SITE = """\
site: test
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
  voice: {id: 30, subnet: 10.30.0.0/16, gateway: 10.30.0.1, relay_to: [dhcp, 10.99.0.1]}
servers:
  dhcp: {software: isc-dhcpd 4.4, address: 10.10.0.5, vlan: office}
  otc:
    software: coexist
    address: 10.10.0.6
    vlan: office
    answers: {only: thin}
    delay: 1.5
scopes:
  office: {server: dhcp, vlan: office, pools: [10.10.1.0-10.10.1.99], options: {66: 10.10.0.6}}
clients: clients.csv
groups:
  thin: {where: {hardware: tc}}
  phones: {oui: "80:5e:c0", except: odd}
  odd: {macs: [80:5e:c0:00:00:01]}
intent:
  - {clients: thin, boot_from: otc}
"""
CSV = "mac,name,hardware,vlan\n52:54:00:00:00:01,a,tc,office\n52:54:00:00:00:02,b,pc,\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write an inventory into the working directory and return its folder."""
    monkeypatch.chdir(tmp_path)

    def write(site: str = SITE, csv: str = CSV, **further: str) -> Path:
        folder = tmp_path / "inv"
        folder.mkdir(exist_ok=True)
        (folder / "site.yaml").write_text(site)
        (folder / "clients.csv").write_text(csv)
        for name, text in further.items():
            (folder / f"{name}.yaml").write_text(text)
        return folder

    return write


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_inventory(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_inventory(write: Write) -> None:
    inventory = load_inventory(write())
    assert inventory.group("thin") == MacSet.of([0x525400000001])
    assert inventory.group("phones").size == (1 << 24) - 1
    assert inventory.members(("everyone",), ("known",)) == EVERYONE - inventory.known
    assert str(inventory.where("servers", "otc", "delay")) == "inv/site.yaml:12:5"
    assert inventory.site.servers["otc"].delay.after == 1.5
    assert inventory.site.servers["dhcp"].effective_roles == {"dhcp"}
    assert server_address(inventory.site, "otc") == IPv4Address("10.10.0.6")
    assert server_address(inventory.site, "otter") is None


@pytest.mark.parametrize("folder", INVENTORIES, ids=lambda path: path.name)
def test_the_shipped_inventories_load_and_fit_the_schema(folder: Path) -> None:
    assert load_inventory(folder).site.site
    tree = yaml.safe_load((folder / "site.yaml").read_text())
    jsonschema.validate(json.loads(json.dumps(tree, default=str)), inventory_schema())


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ("office: {server: dhcp,", "office: {servers: dhcp,"),
        ("except: odd", "excluded: odd"),
    ],
)
def test_a_key_has_one_spelling(write: Write, right: str, other: str) -> None:
    """What the models call a field is no second spelling: the schema does not know it either."""
    assert right in SITE
    with pytest.raises(InputError) as refused:
        load_inventory(write(SITE.replace(right, other)))
    key = re.findall(r"(\w+):", other)[-1]
    assert any(repr(key) in problem.message for problem in refused.value.problems)


def test_the_schema_refuses_what_the_loader_refuses(write: Write) -> None:
    schema = inventory_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    tree = yaml.safe_load(SITE)
    jsonschema.validate(json.loads(json.dumps(tree)), schema)
    tree["servers"]["otc"]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(tree)), schema)


REFUSED = {
    "unknown key": ("delay: 1.5", "dealy: 1.5", "12:5 dealy"),
    "unknown software": ("isc-dhcpd 4.4", "isc-dhcp 4.4", "6:20 isc-dhcp isc-dhcpd"),
    "bad delay": ("delay: 1.5", "delay: soon", "12:12 soon"),
    "two kinds": ("delay: 1.5", "delay: {after: 1, secs_at_least: 4}", "12:12"),
    "negative": ("delay: 1.5", "delay: -1", "12:12 -1.0"),
    "host bits": ("10.30.0.0/16", "10.30.0.1/16", "4:27 10.30.0.1/16 10.30.0.0/16"),
    "no subnet": ("10.30.0.0/16", "nonsense", "4:27 nonsense"),
    "overlap": ("10.30.0.0/16, gateway: 10.30.0.1", "10.10.4.0/24, gateway: 10.10.4.1", "4:27 10.10.4.0/24 10.10.0.0/16 office"),
    "gateway outside": ("gateway: 10.30.0.1", "gateway: 10.31.0.1", "4:50 10.31.0.1 10.30.0.0/16"),
    "same vlan id": ("id: 30", "id: 10", "4:15 10"),
    "relay target": ("relay_to: [dhcp,", "relay_to: [dhpc,", "4:72 dhpc dhcp"),
    "address outside": ("10.10.0.6\n    vlan", "10.11.0.6\n    vlan", "9:14 10.11.0.6 10.10.0.0/16 office"),
    "same address": ("address: 10.10.0.6", "address: 10.10.0.5", "7:3 10.10.0.5 dhcp"),
    "no such vlan": ("    vlan: office", "    vlan: ofice", "10:11 ofice office"),
    "no such group": ("only: thin}", "only: thick}", "11:21 thick"),
    "empty list": ("only: thin}", "only: []}", "11:14 only"),
    "empty whitelist": ("hardware: tc}", "hardware: tcx}", "11:14 thin"),
    "answers whom": ("{only: thin}", "everybody", "11:14 everybody"),
    "no such column": ("hardware: tc}", "hardwear: tc}", "17:18 hardwear hardware"),
    "circle": ("macs: [80:5e:c0:00:00:01]", "groups: phones", "18:3 phones odd"),
    "bad oui": ('"80:5e:c0"', '"80:5e:zz"', "18:17 80:5e:zz"),
    "bad mac": ("[80:5e:c0:00:00:01]", "[80:5e:c0:00:00]", "19:16 80:5e:c0:00:00"),
    "bad option": ("{66: 10.10.0.6}", "{tftp: 10.10.0.6}", "14:80 tftp"),
    "bad option value": ("{66: 10.10.0.6}", "{51: soon}", "14:80 51"),
    "pool outside": ("10.10.1.0-10.10.1.99", "10.20.1.0-10.20.1.99", "14:48 10.20.1.0-10.20.1.99"),
    "pool backwards": ("10.10.1.0-10.10.1.99", "10.10.1.99-10.10.1.0", "14:48 10.10.1.0-10.10.1.99"),
    "not a dhcp server": ("server: dhcp,", "server: otc,", "14:20 otc"),
    "boot from": ("boot_from: otc", "boot_from: oct", "21:32 oct otc"),
    "no intent": ("boot_from: otc", "reason: none", "21:5"),
    "no such file": ("clients.csv", "client.csv", "15:10 clients.csv client.csv"),
    "built-in name": ("  odd:", "  known:", "19:3 known"),
}  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "told"), REFUSED.values(), ids=REFUSED)
def test_each_mistake_is_named_where_it_stands(write: Write, right: str, wrong: str, told: str) -> None:
    """``told``: its place, and the values that it must name."""
    assert SITE.count(right) == 1
    place, *values = told.split()
    found = problems_of(write(SITE.replace(right, wrong)))
    there = [line for line in found if line.startswith(f"inv/site.yaml:{place}: ")]
    assert any(all(value in line for value in values) for line in there), found
    assert all("; " in line for line in found), "the remedy is missing"


def test_all_mistakes_in_one_run(write: Write) -> None:
    site = (
        SITE.replace("10.30.0.0/16", "10.30.0.1/16")
        .replace("isc-dhcpd", "isc")
        .replace("boot_from: otc", "boot_from: x")
    )
    found = problems_of(write(site, CSV + "52:54:00:00:00:02,c,pc,nowhere\nnope,d,pc,\n"))
    assert [line.split(": ")[0] for line in found] == [
        "inv/clients.csv:4:1",
        "inv/clients.csv:4:24",
        "inv/clients.csv:5:1",
        "inv/site.yaml:4:27",
        "inv/site.yaml:6:20",
        "inv/site.yaml:21:32",
    ]
    # What is broken itself is not reported again by those who refer to it.
    assert not any("'dhcp'" in line or "'voice'" in line for line in found)


def test_two_mistakes_in_one_declaration_hide_none_elsewhere(write: Write) -> None:
    site = (
        SITE.replace("10.30.0.0/16, gateway: 10.30.0.1", "10.30.0.1/16, gateway: none")
        .replace("delay: 1.5", "delay: soon\n    dealy: 1")
        .replace("    vlan: office", "    vlan: offce")
        .replace("boot_from: otc", "boot_from: dhpc")
        .replace('"80:5e:c0"', '"80:5e:zz"')
        .replace("[80:5e:c0:00:00:01]", "[80:5e]")
        .replace("only: thin", "only: thick")
    )
    found = problems_of(write(site))
    assert [line.split(": ")[0].removeprefix("inv/site.yaml:") for line in found] == [
        "4:27",  # host bits
        "4:50",  # no address
        "12:12",  # no delay
        "13:5",  # no key
        "19:17",  # no prefix
        "20:16",  # no MAC
        "22:32",  # no server: the other declarations are still held against each other
    ]
    assert {"'dhpc'", "'dhcp'?"} <= set(re.split(r"[ ;]", found[-1]))


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("subnet: 10.10.0.0/16", "subnet: 10.10.0.1/16", "3:28"),
        ("vlans:", "vlans: 5\nfirmwares:", "2:8"),
    ],
    ids=["declaration", "section"],
)
def test_rows_that_name_a_wrong_declaration_are_not_wrong(
    write: Write, right: str, wrong: str, place: str
) -> None:
    table = "mac,hardware,vlan,firmware\n52:54:00:00:00:01,tc,office,\n52:54:00:00:00:02,pc,,ibm\n"
    found = problems_of(write(SITE.replace(right, wrong, 1), table))
    assert f"inv/site.yaml:{place}" in {line.split(": ")[0] for line in found}
    assert not any("'office'" in line for line in found)
    assert any("'ibm'" in line for line in found)


def test_a_section_with_nothing_in_it_is_as_good_as_not_written(write: Write) -> None:
    empty = "migrations:\n  # later\nsuppress:\nfirmwares: ~\n"
    assert load_inventory(write(SITE + empty)).site == load_inventory(write()).site


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"site: x\nvlans: [\n", "3:1 YAML"),
        (b"site: caf\xe9\n", "1:1 UTF-8"),
        ("site: x\n".encode("utf-16"), "1:1 UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_only_complaint(write: Write, data: bytes, told: str) -> None:
    folder = write(more="intent:\n  - {clients: phones, boot_from: otc}\n")
    (folder / "site.yaml").write_bytes(data)
    (found,) = problems_of(folder)
    place, what = told.split()
    assert found.startswith(f"inv/site.yaml:{place}: ")
    assert what in found


def test_what_is_no_file_is_told_and_not_waited_for(write: Write) -> None:
    folder = write(SITE.replace("clients.csv", "[folder, circle.csv]"))
    (folder / "folder").mkdir()
    (folder / "circle.csv").symlink_to("circle.csv")
    (folder / "more.yaml").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.yaml")
    found = problems_of(folder)
    assert [line.split(": ")[0].removeprefix("inv/") for line in found] == [
        "more.yaml:1:1",  # it leads nowhere
        "pipe.yaml:1:1",
        "site.yaml:15:11",  # the folder
        "site.yaml:15:19",  # the circle
    ]
    assert os.strerror(errno.ENOENT) in found[0]
    assert os.strerror(errno.ELOOP) in found[3]


def test_the_file_of_a_group_is_told_like_any_other(write: Write) -> None:
    site = SITE.replace("macs: [80:5e:c0:00:00:01]", "file: gone.csv")
    (missing,) = problems_of(write(site))
    assert missing.startswith("inv/site.yaml:19:15: ")
    assert {"gone.csv", "clients.csv"} <= set(re.split(r"[ ;]+", missing))
    folder = write(site)
    (folder / "gone.csv").write_text("mac\nnope\n")
    (wrong,) = problems_of(folder)
    assert wrong.startswith("inv/gone.csv:2:1: 'nope' ")


def test_the_same_mac_in_two_files(write: Write) -> None:
    folder = write(SITE.replace("clients: clients.csv", "clients: [clients.csv, more.csv]"))
    (folder / "more.csv").write_text("mac\r\n5254.0000.0001\r\n")
    (twice,) = problems_of(folder)
    assert twice.startswith("inv/more.csv:2:1: 52:54:00:00:00:01 ")
    assert "inv/clients.csv:2:1" in twice


def test_unquoted_macs_stay_macs(write: Write) -> None:
    listed = "clients:\n  - {mac: 52:54:00:12:34:56}\n  - {mac: 525400123457}\n  - {mac: 5254.0012.3458, vlan: office}\n"
    inventory = load_inventory(
        write(SITE.replace("clients: clients.csv\n", listed).replace("hardware: tc", "vlan: office"))
    )
    assert sorted(inventory.clients.macs) == [0x525400123456, 0x525400123457, 0x525400123458]
    assert str(inventory.clients.position(2)) == "inv/site.yaml:18:5"


def test_sections_in_further_files(write: Write) -> None:
    inventory = load_inventory(
        write(more="groups:\n  lab: {oui: 525400}\nintent:\n  - {clients: lab, boot_from: nobody}\n")
    )
    assert inventory.group("lab").size == 1 << 24
    assert sorted(str(rule.boot_from) for rule in inventory.site.intent) == ["nobody", "otc"]
    assert inventory.where("groups", "lab").file == "inv/more.yaml"


def test_the_same_name_in_two_files(write: Write) -> None:
    found = problems_of(write(more="groups:\n  thin: {oui: 525400}\n"))
    assert len(found) == 1
    assert found[0].startswith("inv/more.yaml:2:3: groups.thin ")
    assert "inv/site.yaml:17:3" in found[0]


def test_positions_of_appended_lists(write: Write) -> None:
    found = problems_of(
        write(more="intent:\n  - {clients: thin, boot_from: otc}\n  - {clients: thin, boot_from: gone}\n")
    )
    assert [line.split(": ")[0] for line in found] == ["inv/more.yaml:3:32"]


def test_what_is_no_inventory(write: Write, tmp_path: Path) -> None:
    assert problems_of(tmp_path / "nothing")[0].startswith("nothing:1:1: there is no such file")
    (tmp_path / "empty").mkdir()
    assert problems_of(tmp_path / "empty")[0].startswith(
        "empty/site.yaml:1:1: this directory has no site.yaml"
    )
    assert any("an inventory is a mapping" in line for line in problems_of(write("- a\n- b\n")))
    assert "'site' is missing" in problems_of(write("vlans: {}\n", "mac\n"))[0]


def test_many_mistakes_of_a_kind_are_counted(write: Write) -> None:
    rows = "".join(f"52:54:00:00:{n // 256:02x}:{n % 256:02x},x,tc,nowhere\n" for n in range(300))
    found = problems_of(write(csv="mac,name,hardware,vlan\n" + rows))
    assert len(found) == 51
    assert sum("and 249 more rows" in line for line in found) == 1


def test_an_inventory_made_in_memory() -> None:
    tree = {
        "site": "made",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
        "servers": {"s": {"software": "coexist", "address": "10.0.0.1", "vlan": "a"}},
        "clients": [{"mac": "525400000001"}],
    }
    assert inventory_from_tree(tree).known == MacSet.of([0x525400000001])


@given(st.data())
def test_a_tree_with_anything_in_it_is_refused_not_crashed_on(data: st.DataObject) -> None:
    tree = yaml.safe_load(
        SITE.replace("clients: clients.csv\n", "").replace("where: {hardware: tc}", "oui: '525400'")
    )
    section = data.draw(st.sampled_from(sorted(tree)))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=4,
    )
    if isinstance(tree[section], dict) and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(tree[section])))
        part = tree[section][name]
        key = data.draw(st.sampled_from(sorted(part))) if isinstance(part, dict) else None
        if key is None:
            tree[section][name] = data.draw(junk)
        else:
            part[key] = data.draw(junk)
    else:
        tree[section] = data.draw(junk)
    problems: tuple[Problem, ...] = ()
    try:
        inventory_from_tree(tree)
    except InputError as error:
        problems = error.problems
    assert all(problem.remedy for problem in problems)

"""Option data and definitions of a Kea file: what the daemon reads is read, what it refuses is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_levels import Level
from coexist.errors import InputError
from coexist.languages.kea.json_nodes import read_json

DAEMON = {"interfaces-config": {"interfaces": []}, "lease-database": {"type": "memfile"}}


def no_file(name: str) -> str:
    raise FileNotFoundError(name)


def level_of(text: str) -> Level:
    return compile_kea(read_json(text, "kea.json", no_file)).level


def with_data(datum: dict[str, Any]) -> str:
    return json.dumps({"Dhcp4": {**DAEMON, "option-data": [datum]}})


def with_definitions(*definitions: dict[str, Any]) -> str:
    made = [{"name": "own", "code": 150, "type": "string", **definition} for definition in definitions]
    return json.dumps({"Dhcp4": {**DAEMON, "option-def": made}})


def in_class(**definition: Any) -> str:
    part = {"name": "c", "option-def": [{"name": "own", "type": "string", **definition}]}
    return json.dumps({"Dhcp4": {**DAEMON, "client-classes": [part]}})


def with_fields(where: str, **fields: str) -> str:
    """A file with header fields at a place below the global parameters."""
    host: dict[str, Any] = {"hw-address": "52:54:00:93:00:01", "hostname": "one"}
    subnet: dict[str, Any] = {"id": 1, "subnet": "10.93.0.0/24", "reservations": [host]}
    network: dict[str, Any] = {"name": "halls", "subnet4": [subnet]}
    known: dict[str, Any] = {"name": "c", "test": "option[77].exists"}
    {"host": host, "subnet": subnet, "network": network, "class": known}[where].update(fields)
    return json.dumps({"Dhcp4": {**DAEMON, "client-classes": [known], "shared-networks": [network]}})


def with_test(text: str) -> str:
    return json.dumps({"Dhcp4": {**DAEMON, "client-classes": [{"name": "c", "test": text}]}})


def with_host(**said: Any) -> str:
    host = {"hw-address": "52:54:00:93:00:01", **said}
    subnet = {"id": 1, "subnet": "10.93.0.0/24", "reservations": [host]}
    return json.dumps({"Dhcp4": {**DAEMON, "subnet4": [subnet]}})


def whole(**said: Any) -> str:
    return json.dumps({"Dhcp4": {**DAEMON, **{key.replace("_", "-"): value for key, value in said.items()}}})


def subnet(number: int, net: int, **said: Any) -> dict[str, Any]:
    return {
        "id": number,
        "subnet": f"10.{net}.0.0/16",
        **{key.replace("_", "-"): value for key, value in said.items()},
    }


def hall(*subnets: dict[str, Any], **said: Any) -> list[dict[str, Any]]:
    return [{"name": "hall", **said, "subnet4": list(subnets)}]


HOST = {"hw-address": "52:54:00:93:00:01", "ip-address": "10.93.0.1"}
OTHER = {**HOST, "hw-address": "52:54:00:93:00:02"}
CONTRADICTIONS = {
    "an id twice": whole(subnet4=[subnet(1, 93), subnet(1, 94)]),
    "an id that one without gets": whole(subnet4=[{"subnet": "10.93.0.0/16"}, subnet(1, 94)]),
    "a subnet twice": whole(subnet4=[subnet(1, 93), subnet(2, 93)]),
    "a network twice": whole(shared_networks=[*hall(subnet(1, 93)), *hall(subnet(2, 94))]),
    "a reservation outside": whole(subnet4=[subnet(1, 94, reservations=[HOST])]),
    "a machine twice": whole(
        subnet4=[subnet(1, 93, reservations=[HOST, {**HOST, "ip-address": "10.93.0.2"}])]
    ),
    "an address twice": whole(subnet4=[subnet(1, 93, reservations=[HOST, OTHER])]),
    "an address twice for all": whole(reservations=[HOST, OTHER]),
    "two identifiers": whole(subnet4=[subnet(1, 93, reservations=[{**HOST, "client-id": "01"}])]),
    "no identifier": whole(subnet4=[subnet(1, 93, reservations=[{"ip-address": "10.93.0.1"}])]),
    "a pool outside": whole(subnet4=[subnet(1, 93, pools=[{"pool": "10.94.0.1-10.94.0.9"}])]),
    "pools that overlap": whole(
        subnet4=[subnet(1, 93, pools=[{"pool": "10.93.0.1-10.93.0.9"}, {"pool": "10.93.0.9-10.93.0.12"}])]
    ),
    "a renewal after rebinding": whole(rebind_timer=200, subnet4=[subnet(1, 93, renew_timer=300)]),
    "a least time above the usual": whole(min_valid_lifetime=7201, subnet4=[subnet(1, 93)]),
    "a usual time above the most": whole(max_valid_lifetime=100, subnet4=[subnet(1, 93)]),
    "an authoritative part": whole(shared_networks=hall(subnet(1, 93, authoritative=True))),
    "two network cards": whole(
        shared_networks=hall(subnet(1, 93, interface="a"), subnet(2, 94, interface="b"))
    ),
    "a test of all": whole(client_classes=[{"name": "ALL", "test": "option[60].exists"}]),
    "two ways to say where": whole(reservation_mode="global", reservations_global=True),
}
NO_CONTRADICTIONS = {
    "one network, written differently": whole(subnet4=[subnet(1, 93), {"id": 2, "subnet": "10.93.5.0/16"}]),
    "an address twice where that is allowed": whole(
        ip_reservations_unique=False, subnet4=[subnet(1, 93, reservations=[HOST, OTHER])]
    ),
    "a machine in two subnets": whole(
        subnet4=[
            subnet(1, 93, reservations=[HOST]),
            subnet(2, 94, reservations=[{**HOST, "ip-address": "10.94.0.1"}]),
        ]
    ),
    "a part that is not authoritative of a server that is": whole(
        authoritative=True, shared_networks=hall(subnet(1, 93, authoritative=False))
    ),
    "one network card of a part": whole(shared_networks=hall(subnet(1, 93, interface="lo"), subnet(2, 94))),
    "times that are one": whole(
        subnet4=[subnet(1, 93, renew_timer=300, rebind_timer=300, valid_lifetime=300, max_valid_lifetime=300)]
    ),
}
PLACES = ("host", "subnet", "network", "class")
FILES_THAT_FIT = {
    **{
        f"a full file of a {where}": with_fields(where, **{"boot-file-name": "x" * 128})
        for where in PLACES[1:]
    },
    "a file and its NUL of a host": with_fields("host", **{"boot-file-name": "x" * 127}),
    **{f"a name of a {p}": with_fields(p, **{"server-hostname": "x" * 63}) for p in PLACES},
}
FILES_TOO_LONG = {
    **{f"a long file of a {p}": with_fields(p, **{"boot-file-name": "x" * 129}) for p in PLACES},
    "a full file of a host": with_fields("host", **{"boot-file-name": "x" * 128}),
    **{f"a long name of a {p}": with_fields(p, **{"server-hostname": "x" * 64}) for p in PLACES},
}

READ = {
    "octets between blanks": (with_data({"name": "nwip-suboptions", "data": "0a 0B\tfF"}), "0a0bff"),
    "a list that ends with a comma": (
        with_data({"code": 42, "data": "10.3.0.1,,10.3.0.2,"}),
        "0a0300010a030002",
    ),
    "an empty list": (with_data({"code": 42, "data": ""}), ""),
    "a field too many": (with_data({"name": "client-ndi", "data": "1,3,16,9"}), "010310"),
    "a large True": (with_data({"name": "mask-supplier", "data": "True"}), "01"),
    "names with a pointer": (
        with_data({"code": 119, "csv-format": False, "data": "036c6162036e657400027063c004"}),
        "036c6162036e657400027063036e657400",
    ),
    "an address and more": (with_data({"code": 28, "csv-format": False, "data": "0A5D000105"}), "0a5d0001"),
    "a number and more": (with_data({"code": 13, "csv-format": False, "data": "000102"}), "0001"),
    "a number and what looks like an option": (
        with_data({"code": 22, "csv-format": False, "data": "05DC010203040506"}),
        "05dc01020304",
    ),
    "its name and its code": (with_data({"name": "host-name", "code": 12, "data": "a"}), "61"),
}
REFUSED = {
    "text without data": with_data({"name": "root-path"}),
    "text of nothing": with_data({"name": "root-path", "data": ""}),
    "half an octet": with_data({"name": "nwip-suboptions", "data": "0a0"}),
    "octets behind 0x": with_data({"name": "nwip-suboptions", "data": "0x0a"}),
    "octets between colons": with_data({"name": "nwip-suboptions", "data": "0a:0b"}),
    "another option's name": with_data({"name": "root-path", "code": 15, "data": "x"}),
    "the pad": with_data({"code": 0, "csv-format": False, "data": "00"}),
    "the end": with_data({"code": 255, "csv-format": False, "data": "00"}),
    "a field too few": with_data({"name": "client-ndi", "data": "1,3"}),
    "a pointer ahead": with_data({"code": 119, "csv-format": False, "data": "036c6162c020"}),
    "a name without an end": with_data({"code": 88, "csv-format": False, "data": "036c6162"}),
    "a list of no names": with_data({"code": 119, "csv-format": False, "data": ""}),
    "a type that is none": with_definitions({"type": "text"}),
    "a blank in a name": with_definitions({"name": "o w n"}),
    "a standard code": with_definitions({"code": 66}),
    "a standard name": with_definitions({"name": "root-path"}),
    "a code too large": with_definitions({"code": 256}),
    "the end defined": with_definitions({"code": 255}),
    "a record without fields": with_definitions({"type": "record"}),
    "a record of one field": with_definitions({"type": "record", "record-types": "uint8"}),
    "fields of no record": with_definitions({"type": "uint8", "record-types": "uint8"}),
    "text before a number": with_definitions({"type": "record", "record-types": "string,uint8"}),
    "a list of texts": with_definitions({"array": True}),
    "its own space inside": with_definitions({"type": "empty", "encapsulate": "dhcp4"}),
    "a name twice": with_definitions({}, {"code": 151}),
    "a code twice": with_definitions({}, {"name": "other"}),
    "a public code in a class": in_class(code=150),
    "an address of three octets": with_data({"code": 6, "csv-format": False, "data": "0A5D00"}),
    "addresses and a half": with_data(
        {"code": 2, "space": "vendor-4491", "csv-format": False, "data": "0A5D00010A5D"}
    ),
    "an option that nobody defined": with_test("option[own-thing].hex == 'a'"),
    "a code of nine bits": with_test("option[256].exists"),
    "a field that no packet has": with_test("pkt4.secs == 1"),
    "a reservation of nothing": with_host(**{"boot-file-name": "", "next-server": "0.0.0.0"}),
    **FILES_TOO_LONG,
    **CONTRADICTIONS,
}
ACCEPTED = {**FILES_THAT_FIT, **NO_CONTRADICTIONS}


@pytest.mark.parametrize("what", READ)
def test_what_the_daemon_reads(what: str) -> None:
    text, octets = READ[what]
    (datum,) = level_of(text).options.values()
    assert datum.octets.hex() == octets


@pytest.mark.parametrize("what", ACCEPTED)
def test_what_the_daemon_accepts_is_read(what: str) -> None:
    compile_kea(read_json(ACCEPTED[what], "kea.json", no_file))


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_daemon_refuses_is_refused_at_its_line(what: str) -> None:
    with pytest.raises(InputError) as caught:
        level_of(REFUSED[what])
    (problem,) = caught.value.problems
    assert problem.position.line == 1
    assert problem.position.column > len('{"Dhcp4": {')
    assert problem.remedy


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("what", [*READ, *ACCEPTED, *REFUSED])
def test_the_daemon_agrees(what: str, tmp_path: Path) -> None:
    path = tmp_path / "kea.json"
    path.write_text(READ[what][0] if what in READ else {**ACCEPTED, **REFUSED}[what])
    run = subprocess.run(["kea-dhcp4", "-t", path], capture_output=True, text=True, check=False, timeout=60)
    said = run.stdout + run.stderr
    assert ("Error encountered" in said or run.returncode != 0) == (what in REFUSED), said


def test_functions_of_later_releases() -> None:
    tree = read_json(with_test("lcase(option[12].hex) == 'a'"), "kea.json", no_file)
    with pytest.raises(InputError):
        compile_kea(tree, (2, 2))
    assert compile_kea(tree, (2, 4)).classes


def test_what_stands_inside_an_option_stands_there_once() -> None:
    """Its own data come before the options of the space that it encapsulates (packets of 2.2.0)."""
    space = "vendor-encapsulated-options-space"
    text = json.dumps({"Dhcp4": {"option-data": [
        {"code": 43, "csv-format": False, "data": "0601080901FF"},
        {"code": 6, "space": space, "csv-format": False, "data": "03"},
        {"code": 8, "space": space, "csv-format": False, "data": "00"},
    ]}})  # fmt: skip
    assert level_of(text).options[43].octets.hex() == "0601080801000901ff"


def test_an_option_that_stands_twice_goes_to_all_if_either_does() -> None:
    said = [{"code": 15, "data": "a", "always-send": True}, {"code": 15, "data": "b"}]
    (datum,) = level_of(json.dumps({"Dhcp4": {"option-data": said}})).options.values()
    assert (datum.octets, datum.always) == (b"b", True)


def test_options_of_cable_labs_are_known_by_name() -> None:
    """docsis3_option_defs.h."""
    text = json.dumps({"Dhcp4": {"option-data": [
        {"name": "vivso-suboptions", "data": "4491"},
        {"name": "tftp-servers", "space": "vendor-4491", "data": "10.3.0.7, 10.3.0.8"},
    ]}})  # fmt: skip
    (datum,) = level_of(text).enterprises[4491]
    assert (datum.code, datum.octets.hex()) == (2, "0a0300070a030008")

"""Files of a source: where they are looked for, and what is said of those that cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.importers import import_files, kinds
from coexist.importers.written import clients_csv
from coexist.languages.dnsmasq.files import LONGEST_LINE, read_lines
from coexist.languages.source_files import Surroundings, beside, text_lines

INCLUDING = {
    "dhcpd": ('option domain-name "x";\ninclude "{}";\n', "2:9"),
    "kea": ('{{"Dhcp4":\n  <?include "{}"?>}}', "2:3"),
    "dnsmasq": ("port=0\nconf-file={}\n", "2:1"),
}


def problem(kind: str, path: Path) -> str:
    with pytest.raises(InputError) as caught:
        import_files(kind, [path])
    (only,) = caught.value.problems
    assert only.remedy
    return str(only)


@pytest.mark.parametrize("kind", kinds())
def test_a_file_that_is_not_there_is_told_alike(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "none"
    told = problem(kind, path)
    assert told.startswith(f"{path}:1:1: ")
    assert os.strerror(errno.ENOENT) in told


@pytest.mark.parametrize("kind", INCLUDING)
def test_an_include_that_is_not_there_is_told_alike(kind: str, tmp_path: Path) -> None:
    text, place = INCLUDING[kind]
    path = tmp_path / "source"
    path.write_text(text.format("/etc/else/none.conf"))
    told = problem(kind, path)
    assert told.startswith(f"{path}:{place}: /etc/else/none.conf ")
    assert os.strerror(errno.ENOENT) in told
    assert "--include-root" in told


@pytest.mark.parametrize("kind", INCLUDING)
def test_an_include_that_is_no_file_is_not_waited_for(kind: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text, place = INCLUDING[kind]
    path = tmp_path / "source"
    path.write_text(text.format("pipe"))
    assert f"{path}:{place}: pipe " in problem(kind, path)


WHOLE = {
    "dhcpd": 'include "{}";\nsubnet 10.0.0.0 netmask 255.255.255.0 {{ range 10.0.0.10 10.0.0.20; }}\n',
    "kea": '{{"Dhcp4": {{"subnet4": [{{"id": 1, "subnet": "10.0.0.0/24"}}]\n<?include "{}"?>}}}}',
    "dnsmasq": "conf-file={}\ndhcp-range=10.0.0.10,10.0.0.20,255.255.255.0\n",
}


@pytest.mark.parametrize("name", ["/dev/null", "nothing", "/etc/dhcp/nothing"])
@pytest.mark.parametrize("kind", WHOLE)
def test_the_null_device_is_an_empty_file_of_every_machine(kind: str, name: str, tmp_path: Path) -> None:
    """As `dhcpd -t` 4.4, `kea-dhcp4 -t` 2.2 and `dnsmasq --test` 2.90 take it, by its name or by a link."""
    (tmp_path / "nothing").symlink_to("/dev/null")
    path = tmp_path / "source"
    path.write_text(WHOLE[kind].format(name))
    assert len(import_files(kind, [path]).tree["scopes"]) == 1


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "zero"])
@pytest.mark.parametrize("kind", INCLUDING)
def test_a_device_that_never_ends_is_not_read(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    text, place = INCLUDING[kind]
    path = tmp_path / "source"
    path.write_text(text.format(name))
    assert problem(kind, path).startswith(f"{path}:{place}: {name} ")
    with pytest.raises(InputError) as caught:
        import_files(kind, [path], include_roots=[Path("/")])
    assert [str(each.position) for each in caught.value.problems] == [f"{path}:{place}"]


@pytest.mark.parametrize("kind", INCLUDING)
def test_the_name_of_an_include_may_be_anything(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_text(INCLUDING[kind][0].format("a\N{SNOWMAN}" + "b" * 300))
    assert problem(kind, path).startswith(f"{path}:2:")


def test_an_included_file_is_found_as_another_machine_called_it(tmp_path: Path) -> None:
    read = beside(tmp_path / "dhcpd.conf")
    (tmp_path / "hosts.conf").write_text("beside")
    assert read("/etc/nowhere/hosts.conf") == "beside"
    (tmp_path / "etc/nowhere").mkdir(parents=True)
    (tmp_path / "etc/nowhere/hosts.conf").write_text("under the same path")
    assert read("/etc/nowhere/hosts.conf") == "under the same path"
    for name in ("", "a\0b", "/etc/nowhere"):
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            read(name)


def test_only_ends_of_lines_end_lines() -> None:
    assert text_lines("a\r\nb\rc\nd\u2028\x0b\x85e") == ["a", "b", "c", "d\u2028\x0b\x85e"]
    assert text_lines("") == []


def test_a_dnsmasq_line_ends_where_the_daemon_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "dnsmasq.conf"
    path.write_bytes(b"port=0\r\n# a\x0bno-ping\xe2\x80\xa8no-ping\rno-ping\ndhcp-boot=a\0b\n")
    lines = read_lines(path)
    assert [text.strip() for text in lines.texts] == [
        "port=0",
        "dhcp-boot=a",
    ]
    assert [place.line for place in lines.places] == [1, 3]


def test_the_rest_of_a_long_dnsmasq_line_is_a_line(tmp_path: Path) -> None:
    """`dnsmasq --test` of 2.90 refuses both: "bad option at line 2"."""
    path = tmp_path / "dnsmasq.conf"
    path.write_text("port=0\n#" + "x" * LONGEST_LINE + "\n")
    message = problem("dnsmasq", path)
    assert message.startswith(f"{path}:2:{LONGEST_LINE + 1}: bad option")
    assert message.endswith(f"dnsmasq reads {LONGEST_LINE} octets at once: make the line shorter")


def test_dnsmasq_reads_a_file_of_its_configuration_once(tmp_path: Path) -> None:
    """`dnsmasq --test` of 2.90 starts with files that include each other."""
    path = tmp_path / "dnsmasq.conf"
    (tmp_path / "d").mkdir()
    path.write_text("conf-file=dnsmasq.conf\nconf-dir=/etc/d # folder\nconf-file=d/x\ndhcp-boot=a\n")
    (tmp_path / "d" / "x").write_text("conf-dir=d\ndhcp-lease-max=3\n")
    texts = read_lines(path).texts
    assert texts.count("dhcp-lease-max=3") == 1
    assert texts.count("dhcp-boot=a") == 1


def test_a_dnsmasq_conf_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("dhcp-boot=a\n")
    path = tmp_path / "dnsmasq.conf"
    path.write_text("conf-file=d\n")
    told = problem("dnsmasq", path)
    assert told.startswith(f"{path}:1:1: ")
    assert "write conf-dir=d" in told
    path.write_text("conf-file=\nconf-dir=\nport=0\n")
    assert read_lines(path).texts == ["conf-file=", "conf-dir=", "port=0"]


def test_kea_takes_the_words_of_an_included_file_as_its_own(tmp_path: Path) -> None:
    """`kea-dhcp4 -t` of 2.2 reads these files."""
    (tmp_path / "some.json").write_text('"valid-lifetime": 0600, "subnet4": [')
    (tmp_path / "subnets.json").write_text('{"subnet": "10.0.0.0/24"},\n{"subnet": "10.0.1.0/24"}')
    path = tmp_path / "kea.json"
    path.write_text('{"Dhcp4": {\n<?include "some.json"?> <?include "subnets.json"?>, ] } } # end')
    scopes = import_files("kea", [path]).tree["scopes"]
    assert [scope["lease_time"] for scope in scopes.values()] == [600, 600]


def test_kea_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[<?include "b.json"?>]')
    (tmp_path / "b.json").write_text('<?include "a.json"?>')
    assert "Too many nested include.; remove an include" in problem("kea", tmp_path / "a.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_of_any_system_is_read(encoding: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(end.join(["mac;name", "52:54:00:00:00:01;Müller\u2028"]).encode(encoding))
    (row,) = import_files("macs", [path]).clients
    assert (row.mac, row.name) == ("52:54:00:00:00:01", "Müller")


def test_a_cell_of_any_length_is_told(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("x" * 200_000 + "\n52:54:00:00:00:01\n")
    imported = import_files("macs", [path])
    assert len(imported.clients) == 1
    assert [entry.position.line for entry in imported.not_modelled] == [1]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("dnsmasq", b"dhcp-range=10.0.0.10,10.0.0.20,255.0.255.0\n"),
        ("dnsmasq", b"dhcp-range=10.0.0.0,proxy\npxe-service=x86PC,a,b\xff\ntftp-root=/\xff\nenable-tftp\n"),
        ("kea", b'{"Dhcp4": {"option-data": [{"name": "root-path", "data": "\xff"}], "subnet4": []}}'),
    ],
)
def test_what_an_inventory_cannot_hold_is_told(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(content)
    imported = import_files(kind, [path])
    assert "\udcff" not in str(imported.tree)
    assert imported.not_modelled


def test_a_failover_peer_nothing_refers_to_is_refused_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "dhcpd.conf"
    peer = "address 10.0.0.1; peer address 10.0.0.2; secondary;"
    path.write_text(f'\n\nfailover peer "p" {{ {peer} }}\n')
    assert f"{path}:3:1: Failover peer p has no referring pools." in problem("dhcpd", path)


def test_a_range_is_read_as_dnsmasq_reads_it(tmp_path: Path) -> None:
    """`dnsmasq --test` of 2.90 refuses the first, and takes the others; the last needs a netmask here."""
    path = tmp_path / "dnsmasq.conf"
    path.write_text("port=0\ndhcp-range=10.0.0.5,10.0.1.9,255.255.255.0\n")
    assert f"{path}:2:1: inconsistent DHCP range" in problem("dnsmasq", path)
    path.write_text("dhcp-range=10.0.0.9,10.0.0.5\n")
    (scope,) = import_files("dnsmasq", [path]).tree["scopes"].values()
    assert scope["pools"] == ["10.0.0.5-10.0.0.9"]
    # The daemon takes the netmask of its network card, which no file tells.
    path.write_text("dhcp-range=10.0.0.9,10.0.0.5\ndhcp-range=10.1.0.9,10.1.5.5\n")
    told = problem("dnsmasq", path)
    assert f"{path}:2:1: " in told
    assert "10.1.0.9,10.1.5.5,255.255.248.0" in told


def test_a_pool_outside_its_subnet_is_refused_as_kea_does(tmp_path: Path) -> None:
    path = tmp_path / "kea.json"
    subnet = '{"subnet": "10.0.0.0/24", "pools": [\n{"pool": "10.0.1.1-10.0.1.4"}]}'
    path.write_text('{"Dhcp4": {"subnet4": [' + subnet + "]}}")
    assert f"{path}:2:1: the pool 10.0.1.1-10.0.1.4 " in problem("kea", path)


def test_a_name_stays_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"52:54:00:00:00:01,ab\r\n52:54:00:00:00:02,a\rb\n")
    imported = import_files("dnsmasq-hosts", [path])
    # A carriage return is a space to the daemon, and a name with a space is none.
    assert clients_csv(imported.clients).splitlines()[1:] == ["52:54:00:00:00:01,ab"]
    assert [entry.position.line for entry in imported.not_modelled] == [2]


@pytest.mark.parametrize("kind", INCLUDING)
def test_nothing_outside_the_folder_is_read(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    outside = tmp_path / "shadow"
    outside.write_text("root:$6$hash:1:0\n")
    (folder / "link").symlink_to(outside)
    path = folder / "conf"
    for name in (str(outside), "../shadow", "link"):
        path.write_text(INCLUDING[kind][0].format(name))
        assert "outside the folder" in problem(kind, path) or "No such file" in problem(kind, path)


def test_a_hosts_file_of_this_machine_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "dnsmasq.conf"
    path.write_text("dhcp-range=10.0.0.10,10.0.0.20\ndhcp-hostsfile=/etc/passwd\n")
    assert "root:" not in problem("dnsmasq", path)


def test_the_copy_beside_the_file_is_read_before_this_machine(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "hosts.conf").write_text("of this machine")
    folder = tmp_path / "copy"
    folder.mkdir()
    named = str(other / "hosts.conf")
    with pytest.raises(OSError, match=r"outside the folder|No such file"):
        beside(folder / "dhcpd.conf")(named)
    assert beside(folder / "dhcpd.conf", (other,))(named) == "of this machine"
    (folder / "hosts.conf").write_text("of the copy")
    assert beside(folder / "dhcpd.conf")(named) == "of the copy"


def test_every_file_that_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dnsmasq.conf"
    (tmp_path / "hosts").write_text("00:80:64:10:00:01,a\n")
    path.write_text("dhcp-range=10.0.0.10,10.0.0.20\ndhcp-hostsfile=/etc/hosts\n")
    imported = import_files("dnsmasq", [path])
    assert imported.sources == (str(path), str(tmp_path / "hosts"))


@pytest.mark.parametrize("kind", ["a path below", "an absolute path", "the folder itself"])
def test_a_folder_of_dnsmasq_is_read_however_its_main_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    copies = tmp_path / "copies"
    (copies / "dnsmasq.d").mkdir(parents=True)
    (copies / "dnsmasq.conf").write_text("conf-dir=/etc/dnsmasq.d/,*.conf\n")
    (copies / "dnsmasq.d" / "b.conf").write_text("dhcp-lease-max=3\n")
    monkeypatch.chdir(copies if kind == "the folder itself" else tmp_path)
    main = {
        "a path below": Path("copies/dnsmasq.conf"),
        "an absolute path": copies / "dnsmasq.conf",
        "the folder itself": Path("dnsmasq.conf"),
    }[kind]
    lines = read_lines(main)
    assert lines.texts[1] == "dhcp-lease-max=3"
    assert Path(lines.places[1].file) == main.parent / "dnsmasq.d" / "b.conf"


def test_a_folder_of_dnsmasq_in_a_root_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more" / "etc" / "d").mkdir(parents=True)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "dnsmasq.conf").write_text("conf-dir=/etc/d\n")
    (tmp_path / "more" / "etc" / "d" / "x").write_text("dhcp-lease-max=3\n")
    monkeypatch.chdir(tmp_path)
    around = Surroundings(Path("copies"), (Path("more"),))
    assert read_lines(Path("copies/dnsmasq.conf"), around=around).texts[1] == "dhcp-lease-max=3"

"""Secrets by reference: on the server, and nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.errors import CoexistError, InputError
from coexist.inventory import load_inventory
from coexist.render import render_site
from coexist.rollout.secret_values import value_of

pytestmark = pytest.mark.needs("flock", "dd")

VALUE = "xK9-vowel.rabbit+42"
OTHER = "second(value)of=it"
SITE = """site: one
vlans: {{lan: {{id: 1, subnet: 10.99.0.0/24}}}}
servers:
  dhcp:
    software: kea 2.2
    address: 10.99.0.5
    vlan: lan
    settings:
      hosts-database: {{type: mysql, name: kea, user: kea, password: {{secret: env:COEXIST_TEST_DB}}}}
      control-socket: {{socket-type: unix, socket-name: /run/kea.sock}}
    deploy: {{host: localhost, paths: {{"*": {target}}}, check: "grep -q {words} {{path}}", reload: "true"}}
scopes: {{lan: {{server: dhcp, vlan: lan, pools: [10.99.0.10-10.99.0.20]}}}}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COEXIST_TEST_DB", VALUE)
    target = tmp_path / "server"
    target.mkdir()
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE.format(target=target, words="hosts-database"))
    return folder


def texts(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes().decode("latin-1")


def test_a_plan_that_changes_something_says_what_is_next(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site.parent / "plan.json"
    assert run(["plan", str(site), "-o", str(path)]) == 0
    *_, following = capsys.readouterr().err.splitlines()
    assert run(following.partition("coexist ")[2].split()) == 0
    assert run(["plan", str(site), "-o", str(path)]) == 0
    assert str(path) not in capsys.readouterr().err


def applied(site: Path) -> str:
    """Plan and apply; what the server then has."""
    plan = site.parent / "plan.json"
    assert run(["plan", str(site), "-o", str(plan)]) == 0
    assert run(["apply", str(plan)]) == 0
    return (site.parent / "server" / "kea-dhcp4.conf").read_text()


def test_the_server_gets_the_value_and_nothing_else_does(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = json.loads(applied(site))["Dhcp4"]["hosts-database"]
    assert database["password"] == VALUE
    assert run(["render", str(site), "-o", str(site.parent / "out")]) == 0
    assert run(["plan", str(site), "--detailed-exitcode"]) == 0, "nothing is to be changed"
    run(["history", str(site)])
    run(["check", str(site)])
    for folder in (site, site.parent / "out"):
        assert not any(VALUE in text for text in texts(folder))
    assert VALUE not in (site.parent / "plan.json").read_text()
    output = capsys.readouterr()
    assert VALUE not in output.out + output.err


def test_a_new_value_is_a_change_and_a_rollback_brings_the_old_one(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    applied(site)
    (site / "site.yaml").write_text((site / "site.yaml").read_text().replace("name: kea,", "name: kea2,"))
    assert '"kea2"' in applied(site)
    assert run(["rollback", str(site)]) == 0
    text = (site.parent / "server" / "kea-dhcp4.conf").read_text()
    assert '"kea2"' not in text
    assert VALUE in text
    monkeypatch.setenv("COEXIST_TEST_DB", OTHER)
    assert run(["plan", str(site)]) == 1, "somebody else changed the file, as far as is known"
    assert run(["plan", str(site), "--overwrite", "--detailed-exitcode"]) == 3
    output = capsys.readouterr()
    assert not any(value in output.out + output.err for value in (VALUE, OTHER))


def test_what_a_command_says_of_the_value_is_not_repeated(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (site / "site.yaml").read_text()
    # A check that prints the line with the value, and fails.
    text = text.replace("grep -q hosts-database {path}", "grep password {path} /none")
    (site / "site.yaml").write_text(text)
    plan = site.parent / "plan.json"
    assert run(["plan", str(site), "-o", str(plan)]) == 0
    assert run(["apply", str(plan)]) == 4
    output = capsys.readouterr()
    assert VALUE not in output.out + output.err
    assert not any(VALUE in text for text in texts(site))


def test_a_secret_that_is_not_there_is_named_without_a_value(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COEXIST_TEST_DB")
    assert run(["check", str(site)]) in (0, 1), "only who speaks to a server needs it"
    assert run(["plan", str(site)]) == 2
    assert "COEXIST_TEST_DB" in capsys.readouterr().err


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(VALUE + "\n")
    path.chmod(0o644)
    with pytest.raises(CoexistError, match="chmod 600"):
        value_of(f"file:{path}")
    path.chmod(0o600)
    assert value_of(f"file:{path}") == VALUE.encode()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "none", "."):
        with pytest.raises(CoexistError):
            value_of(f"file:{tmp_path / name}")


@pytest.mark.parametrize(
    "value", ["short", "with a blank", 'with"quote', "with'apostrophe", "back\\slash", "ümlaut-long"]
)
def test_values_that_a_file_could_not_hold_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COEXIST_TEST_DB", value)
    with pytest.raises(CoexistError) as refused:
        value_of("env:COEXIST_TEST_DB")
    assert value not in str(refused.value)


@pytest.mark.parametrize("reference", [VALUE, "env:two words", "file:relative", "exec:cat x"])
def test_a_value_in_the_place_of_a_name_is_refused_and_not_repeated(site: Path, reference: str) -> None:
    text = (site / "site.yaml").read_text()
    (site / "site.yaml").write_text(text.replace("env:COEXIST_TEST_DB", f'"{reference}"'))
    with pytest.raises(InputError) as refused:
        load_inventory(site)
    assert refused.value.problems[0].position.line > 1
    assert reference not in str(refused.value)


@pytest.mark.parametrize("product", ["kea 2.2", "isc-dhcpd", "dnsmasq 2.90"])
def test_an_option_and_a_part_of_a_url_may_be_secret(
    product: str, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COEXIST_TEST_URL", OTHER)
    text = (site / "site.yaml").read_text()
    settings = text[text.index("    settings:") : text.index("    deploy:")]
    text = text.replace(settings, "    roles: [dhcp]\n" if product.startswith("dnsmasq") else "")
    text = text.replace("kea 2.2", product).replace("grep -q hosts-database {path}", "true")
    told = "options: {17: {secret: env:COEXIST_TEST_DB}, 160: {secret: env:COEXIST_TEST_DB}}"
    url = 'filename: "http://boot:@coexist-secret(env:COEXIST_TEST_URL)@10.99.0.9/x.ipxe"'
    text = text.replace("pools: [10.99.0.10-10.99.0.20]", f"pools: [10.99.0.10-10.99.0.20], {told}, {url}")
    (site / "site.yaml").write_text(text)
    plan = site.parent / "plan.json"
    given = ["plan", str(site), "-o", str(plan), "--reason", "a test of secrets"]
    assert run(given) == 0
    assert run(["apply", str(plan)]) == 0
    (written,) = (p for p in (site.parent / "server").rglob("*.conf"))
    content = written.read_bytes()
    forms = [form(value.encode()) for value in (VALUE, OTHER) for form in (bytes, _plain_digits, _digits)]
    assert any(form in content for form in forms[:3])
    assert f"http://boot:{OTHER}@10.99.0.9/x.ipxe".encode() in content
    assert b"coexist-secret" not in content
    assert b"coexist-secret".hex().encode() not in content.replace(b":", b"")
    assert run([*given, "--detailed-exitcode"]) == 0, "nothing is to be changed"
    assert run(["render", str(site), "-o", str(site.parent / "out")]) in (0, 1)
    run(["check", str(site)])
    run(["history", str(site)])
    output = capsys.readouterr()
    said = [output.out, output.err, plan.read_text(), *texts(site), *texts(site.parent / "out")]
    assert not any(form.decode() in text for text in said for form in forms)


def _plain_digits(octets: bytes) -> bytes:
    return octets.hex().encode()


def _digits(octets: bytes) -> bytes:
    return octets.hex(":").encode()


def test_a_secret_in_a_form_that_takes_no_value_is_refused(tmp_path: Path) -> None:
    site = "site: one\nvlans: {lan: {id: 1, subnet: 10.99.0.0/24}}\n"
    site += "servers: {dhcp: {software: windows-dhcp, address: 10.99.0.5, vlan: lan}}\n"
    site += "scopes: {lan: {server: dhcp, vlan: lan, pools: [10.99.0.10-10.99.0.20],\n"
    site += "  options: {43: {secret: env:COEXIST_TEST_DB}}}}\n"
    (tmp_path / "site.yaml").write_text(site)
    with pytest.raises(CoexistError):
        render_site(load_inventory(tmp_path))

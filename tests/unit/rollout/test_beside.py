"""What a plan looks at of servers that run on their own files, and what it never replaces unasked."""

from __future__ import annotations

from pathlib import Path

from coexist.inventory import Inventory, load_inventory
from coexist.rollout.beside import answering_of, changed_copies
from coexist.rollout.drift import losses, lost_statements
from coexist.rollout.facts import PresentFile
from coexist.wire.mac import parse_mac

INVENTORIES = Path(__file__).resolve().parents[3] / "inventories"
DHCPD, HOSTS = "/etc/dhcp/dhcpd.conf", "/etc/dhcp/hosts.conf"
THIN, PC = parse_mac("02:00:5e:20:00:01"), parse_mac("02:00:5e:77:00:01")


def adopted() -> Inventory:
    return load_inventory(INVENTORIES / "adopted")


def on_server(inventory: Inventory, **changed: bytes | None) -> dict[str, dict[str, PresentFile]]:
    copies = inventory.site.servers["dhcp1"].config
    found = {path: (inventory.root / copy).read_bytes() for path, copy in copies.items()}
    return {
        "dhcp1": {
            path: PresentFile(path=path, content=changed.get(Path(path).stem, octets))
            for path, octets in found.items()
        }
    }


def test_what_runs_is_the_copy_but_for_its_secrets() -> None:
    inventory = adopted()
    copy = (inventory.root / inventory.site.servers["dhcp1"].config[DHCPD]).read_bytes()
    with_secret = copy.replace(b"secret REDACTED;", b"secret bm90IGZvciBhbnlvbmU=;")
    assert with_secret != copy
    assert list(changed_copies(inventory, on_server(inventory, dhcpd=with_secret))) == []


def test_a_file_that_somebody_changed_is_named_at_its_line() -> None:
    inventory = adopted()
    (finding,) = changed_copies(
        inventory, on_server(inventory, hosts=b"# printers and the like\nhost x { }\n")
    )
    assert finding.code.code == "CX606"
    assert (Path(finding.position.file).name, finding.position.line) == ("hosts.conf", 2)
    (finding,) = changed_copies(inventory, on_server(inventory, hosts=None))
    assert (finding.code.code, finding.position.line) == ("CX606", 1)


def test_whom_such_a_server_boots_is_read_off_its_files_and_the_drop_in() -> None:
    inventory = adopted()
    before, after = (answering_of(inventory, "dns1", ours=ours) for ours in (False, True))
    for architecture in ("bios", "uefi-x64"):
        assert {THIN, PC} == {mac for mac in (THIN, PC) if mac in before[architecture]}
        assert {THIN} == {mac for mac in (THIN, PC) if mac in after[architecture]}


def test_what_a_replaced_file_says_is_listed_line_by_line() -> None:
    before = b"# by hand\nomapi-port 7911;\n\nsubnet 10.0.0.0 netmask 255.0.0.0 {\n  range 10.1.1.1;\n}\n"
    after = b"subnet 10.0.0.0 netmask 255.0.0.0 {\n\trange 10.1.1.2;\n}\n"
    assert lost_statements(before, after) == ((2, "omapi-port 7911;"), (5, "range 10.1.1.1;"))
    assert lost_statements(b"# nothing but words\n\n", after) == ()
    assert lost_statements(None, after) == ()


def test_only_files_that_no_rollout_wrote_can_lose_something() -> None:
    present = {"one": {path: PresentFile(path=path, content=b"secret hunter2;\n") for path in ("/a", "/b")}}
    rendered = {"one": {"/a": b"x\n", "/b": b"x\n"}}
    found = losses(present, rendered, {"one": {"/b": frozenset({"digest"})}})
    assert list(found) == [("one", "/a")]
    assert "hunter2" not in str(found)

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.policy import compile_policy
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, respond
from coexist.inventory.macset import NOBODY, MacSet
from coexist.planning.together import Delayed, Stage
from coexist.rollout.bridge import BootService, read_service, staged_config, written
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import MAC_SPACE, format_mac, mac_bytes

SERVER = IPv4Address("10.0.0.6")
A, B, C, D = range(0x5254_0000_0001, 0x5254_0000_0005)
STRANGER = 0x0200_0000_0001


def nothing(_name: str) -> bytes | None:
    return None


def config(clients: str, file: str, more: str = "") -> bytes:
    return (
        "name: otc\n"
        "listen: [{address: 10.0.0.6}]\n"
        f"{more}"
        f"rules: [{{name: main, clients: {clients}, programs: {{bios: {file}.0, uefi-x64: {file}.efi}}}}]\n"
    ).encode()


def service(content: bytes, lists: dict[str, bytes] | None = None) -> BootService:
    known: dict[str, bytes | None] = {**(lists or {})}
    read = read_service(content, known.get)
    assert read is not None
    return read


def answers(boot: BootService, mac: int, code: int = 0) -> tuple[str, float] | None:
    """The file a client is given and after how long: by the server's own respond."""
    policy = compile_policy(boot.config, boot.lists.__getitem__)
    vendor = f"PXEClient:Arch:{code:05d}:UNDI:003000".encode()
    packet = Packet(
        op=BOOTREQUEST,
        xid=1,
        chaddr=mac_bytes(mac),
        options={53: b"\x01", 60: vendor, 93: code.to_bytes(2, "big")},
    )
    request = boot_request(packet)
    assert request is not None
    answer = respond(policy, request, server=SERVER)
    return (answer.packet.file.decode(), answer.after) if isinstance(answer, Answer) else None


def staged(stage: Stage, before: BootService | None, after: BootService) -> BootService:
    lists = after.lists if stage.base == "after" or before is None else before.lists
    content = staged_config(stage, before, after)
    return service(
        content,
        {name: b"".join(format_mac(m).encode() + b"\n" for m in macs.points) for name, macs in lists.items()},
    )


def macs(*members: int) -> str:
    return "{macs: [" + ", ".join(f'"{format_mac(mac)}"' for mac in members) + "]}"


def test_the_opening_takes_a_client_late_and_leaves_the_others_as_they_are():
    before, after = service(config(macs(A), "old")), service(config(macs(A, B), "new"))
    taken = (Delayed(architecture="bios", macs=MacSet.of([B]), delay=1.2),)
    between = staged(Stage(server="otc", version="opening", base="before", taken=taken), before, after)
    assert answers(between, A) == ("old.0", 0.0)
    assert answers(between, B) == ("new.0", 1.2)
    assert answers(between, B, 7) is None
    assert answers(between, STRANGER) is None


def test_the_middle_keeps_it_late_under_the_new_rules():
    before, after = service(config(macs(A, C), "old")), service(config(macs(A, B), "new"))
    taken = (Delayed(architecture="bios", macs=MacSet.of([B]), delay=2.4),)
    between = staged(Stage(server="otc", version="middle", base="after", taken=taken), before, after)
    assert answers(between, A) == ("new.0", 0.0)
    assert answers(between, B) == ("new.0", 2.4)
    assert answers(between, C) is None


def test_a_client_that_leaves_is_held_by_the_old_rules():
    before, after = service(config(macs(A, C), "old")), service(config(macs(A), "new"))
    held = (Delayed(architecture="bios", macs=MacSet.of([C]), delay=1.2),)
    between = staged(Stage(server="otc", version="middle", base="after", held=held), before, after)
    assert answers(between, C) == ("old.0", 1.2)
    assert answers(between, A) == ("new.0", 0.0)


def test_a_server_that_is_new_answers_nobody_but_those_it_takes():
    after = service(config("{everyone: true}", "new"))
    taken = (Delayed(architecture="uefi-x64", macs=MacSet.of([B]), delay=1.2),)
    between = staged(Stage(server="otc", version="opening", base="before", taken=taken), None, after)
    assert answers(between, B, 7) == ("new.efi", 1.2)
    assert answers(between, A, 7) is None


def test_a_deny_list_does_not_hide_whom_the_stage_serves():
    before = service(config(macs(A), "old", f"deny: {macs(B, C)}\n"))
    after = service(config(macs(A, B), "new"))
    taken = (Delayed(architecture="bios", macs=MacSet.of([B]), delay=1.2),)
    between = staged(Stage(server="otc", version="opening", base="before", taken=taken), before, after)
    assert answers(between, B) == ("new.0", 1.2)
    assert answers(between, C) is None


def test_list_files_are_read():
    content = config("{files: [a.macs]}", "x")
    boot = service(content, {"a.macs": b"52:54:00:00:00:01 # tc-1\n\n5254.0000.0002\n"})
    assert boot.answering["bios"] == MacSet.of([A, B])
    assert read_service(content, nothing) is None
    assert read_service(content, lambda _: b"nonsense\n") is None


def test_whom_a_configuration_boots_follows_rules_in_order():
    content = (
        b"name: x\nlisten: [{address: 10.0.0.6}]\n"
        b"deny: {macs: ['52:54:00:00:00:04']}\n"
        b"rules:\n"
        b"  - {name: no, clients: {macs: ['52:54:00:00:00:01']}, action: ignore}\n"
        b"  - {name: some, clients: {macs: ['52:54:00:00:00:02']}, programs: {bios: x}}\n"
        b"  - {name: rest, clients: {everyone: true}, architectures: uefi-x64, programs: {uefi-x64: y}}\n"
    )
    answering = service(content).answering
    assert answering["bios"] == MacSet.of([B])
    # The second rule takes B for every architecture and has no program for this one.
    assert A not in answering["uefi-x64"]
    assert B not in answering["uefi-x64"]
    assert D not in answering["uefi-x64"]
    assert STRANGER in answering["uefi-x64"]


def test_what_is_no_configuration_is_none():
    assert read_service(b"{{{", nothing) is None
    assert read_service(b"name: x\n", nothing) is None
    assert read_service(b"\xff\xfe", nothing) is None


POINTS = st.sets(st.integers(0, MAC_SPACE - 1), max_size=6).map(MacSet.of)
INTERVALS = st.tuples(st.integers(0, MAC_SPACE - 1), st.integers(0, MAC_SPACE - 1)).map(
    lambda ends: MacSet.interval(min(ends), max(ends))
)


@given(st.one_of(POINTS, INTERVALS, st.builds(lambda a, b: a ^ b, INTERVALS, POINTS)))
def test_any_set_of_clients_can_be_written_into_a_configuration(clients):
    boot = service(config("{everyone: true}", "x"))
    assert boot.members(written(clients)) == (clients or NOBODY)

"""Boot loaders: whom each asks, for what, from packets of every shape."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.firmware.machine import Machine
from coexist.boot.loaders.ipxe import embedded_stage
from coexist.boot.loaders.loader import Ending, Loaded, Role, Stage, complete, requests
from coexist.boot.loaders.names import loader_by_name
from coexist.boot.loaders.registry import LOADERS
from coexist.inventory import boot_programs
from coexist.wire.bootp import BOOTREPLY, Packet
from coexist.wire.mac import parse_mac

LEASE = IPv4Address("192.0.2.2")
PROXY = IPv4Address("192.0.2.3")
FILES = IPv4Address("192.0.2.4")
MACHINE = Machine(
    mac=parse_mac("52:54:00:ab:cd:ef"), architecture=7, uuid=bytes.fromhex("00112233445566778899aabbccddeeff")
)

BY_HTTP = Machine(mac=MACHINE.mac, architecture=16)


def packet(server: IPv4Address = LEASE, **more: Any) -> Packet:
    options = {54: server.packed, **more.pop("options", {})}
    return Packet(op=BOOTREPLY, options=options, **more)


def ack(**more: Any) -> Packet:
    return packet(yiaddr=IPv4Address("192.0.2.77"), **more)


def loaded(file: str = "x/loader", **more: Any) -> Loaded:
    return Loaded(machine=more.pop("machine", MACHINE), server=PROXY, file=file, **{"ack": ack(), **more})


def asked(stage: Stage) -> list[str]:
    return [fetch.file for fetch in stage.fetches]


def test_the_inventory_knows_every_loader() -> None:
    assert set(boot_programs.LOADERS) == set(LOADERS)
    assert all(model.source for model in LOADERS.values())


@pytest.mark.parametrize(
    ("file", "loader"),
    [
        ("boot/pxelinux.0", "pxelinux"), ("lpxelinux.0", "lpxelinux"), ("efi64/syslinux.efi", "syslinux-efi"),
        ("grub/grubnetx64.efi.signed", "grub"), ("boot/grub/i386-pc/core.0", "grub-core"),
        ("EFI\\shimx64.efi", "shim"), ("undionly.kpxe", "ipxe"), ("netboot.xyz-undionly.kpxe", "netboot.xyz"),
        ("boot\\x86\\wdsnbp.com", "wdsnbp"), ("http://192.0.2.4/bootmgfw.efi", "bootmgfw"),
        ("grub/grub.cfg", None), ("ldlinux.c32", None), ("vmlinuz", None), ("bootx64.efi", None),
        ("boot.ipxe", None), ("shim.txt", None),
    ],
)  # fmt: skip
def test_loaders_are_known_by_their_names(file: str, loader: str | None) -> None:
    assert loader_by_name(file) == loader


def test_grub_takes_the_siaddr_of_the_lease_and_no_other() -> None:
    offered = packet(PROXY, siaddr=PROXY, file=b"grubnetx64.efi")
    stage = LOADERS["grub"].follow(loaded(ack=ack(siaddr=FILES), proxy=offered))
    assert (stage.server, stage.ending) == (FILES, Ending.CONFIGURATION)
    assert asked(stage)[-1] == "/grub/grub.cfg"
    alone = LOADERS["grub"].follow(loaded(proxy=offered))
    assert (alone.server, alone.ending, alone.fetches) == (None, Ending.PROMPT, ())
    assert alone.remedy
    named = LOADERS["grub"].follow(loaded(ack=ack(sname=b"boot.example")))
    assert named.server == "boot.example"


def test_grubs_core_image_loads_modules_and_looks_for_its_own_configuration() -> None:
    stage = LOADERS["grub-core"].follow(loaded(ack=ack(siaddr=FILES)))
    assert asked(stage)[0] == "/boot/grub/x86_64-efi/normal.mod"
    assert "/boot/grub/grub.cfg-01-52-54-00-ab-cd-ef" in asked(stage)
    assert "/boot/grub/grub.cfg-C000024D" in asked(stage)
    assert asked(stage)[-1] == "/boot/grub/grub.cfg"
    bios = LOADERS["grub-core"].follow(loaded(ack=ack(siaddr=FILES), machine=Machine(mac=1, architecture=0)))
    assert "/boot/grub/i386-pc/verifiers.mod" in asked(bios)


def test_red_hats_grub_takes_the_proxys_offer() -> None:
    offered = packet(PROXY, siaddr=PROXY, file=b"efi/grubx64.efi")
    stage = LOADERS["grub-redhat"].follow(loaded("efi/grubx64.efi", ack=ack(siaddr=FILES), proxy=offered))
    assert stage.server == PROXY
    assert asked(stage)[-1] == "/efi/grub.cfg"
    assert LOADERS["grub-redhat"].follow(loaded(ack=ack(siaddr=FILES))).server == FILES


def test_grub_finds_no_packet_after_http_boot() -> None:
    url = "http://192.0.2.4/grubx64.efi"
    stage = LOADERS["grub"].follow(loaded(url, ack=ack(siaddr=FILES), machine=BY_HTTP))
    assert (stage.ending, stage.certain) == (Ending.PROMPT, False)
    assert LOADERS["shim"].follow(loaded(url, machine=BY_HTTP)).server == "192.0.2.4"


@pytest.mark.parametrize(
    ("lease", "proxy", "reply", "server", "loads"),
    [
        # netboot.c, parseDhcp4: the lease only if its header names a file
        ({"siaddr": FILES, "file": b"a/shim.efi"}, {"siaddr": PROXY, "file": b"b/s.efi"}, None, FILES, "a/"),
        ({"siaddr": FILES}, {"siaddr": PROXY, "file": b"b/shim.efi"}, None, PROXY, "b/"),
        ({"options": {67: b"o"}}, {"siaddr": PROXY}, {"siaddr": FILES, "file": b"c/s.efi"}, FILES, "c/"),
        ({"siaddr": FILES, "file": b"shim.efi"}, None, None, FILES, ""),
        ({"file": b"shim.efi"}, None, None, None, None),
    ],
)
def test_shim_reads_the_lease_only_if_its_header_names_a_file(
    lease: dict[str, Any], proxy: Any, reply: Any, server: Any, loads: str | None
) -> None:
    stage = LOADERS["shim"].follow(
        loaded(
            ack=ack(**lease),
            proxy=packet(PROXY, **proxy) if proxy else None,
            reply=packet(PROXY, **reply) if reply else None,
        )
    )
    assert stage.server == server
    assert stage.loads == (None if loads is None else loads + "grubx64.efi")
    assert stage.fails == (server is None)


def test_pxelinux_follows_the_packet_that_named_the_file() -> None:
    offered = packet(PROXY, siaddr=PROXY, file=b"boot/pxelinux.0")
    stage = LOADERS["pxelinux"].follow(loaded(ack=ack(siaddr=FILES), proxy=offered))
    assert stage.server == PROXY
    assert asked(stage)[0] == "boot/ldlinux.c32"
    assert "/boot/isolinux/ldlinux.c32" in asked(stage)
    assert asked(stage)[6:9] == [
        "boot/pxelinux.cfg/00112233-4455-6677-8899-aabbccddeeff",
        "boot/pxelinux.cfg/01-52-54-00-ab-cd-ef",
        "boot/pxelinux.cfg/C000024D",
    ]
    assert asked(stage)[-1] == "boot/pxelinux.cfg/default"
    assert len(stage.fetches) == 6 + 2 + 8 + 1


def test_pxelinux_uses_option_54_only_while_no_siaddr_is_known() -> None:
    nameless = packet(PROXY, file=b"pxelinux.0")
    assert LOADERS["pxelinux"].follow(loaded(ack=ack(siaddr=FILES), proxy=nameless)).server == FILES
    assert LOADERS["pxelinux"].follow(loaded(proxy=nameless)).server == LEASE
    assert LOADERS["pxelinux"].follow(loaded(ack=None)).ending is Ending.NOBODY


def test_options_209_and_210_come_first_and_a_prefix_may_be_a_url() -> None:
    options = {209: b"own.cfg", 210: b"http://192.0.2.4/net/"}
    stage = LOADERS["lpxelinux"].follow(loaded(ack=ack(siaddr=FILES, file=b"lpxelinux.0", options=options)))
    assert stage.server == "192.0.2.4"
    assert asked(stage)[0] == "http://192.0.2.4/net/ldlinux.c32"
    assert "http://192.0.2.4/net/own.cfg" in asked(stage)
    assert {fetch.protocol for fetch in stage.fetches} == {"http"}


@pytest.mark.parametrize(("architecture", "core"), [(7, "ldlinux.e64"), (6, "ldlinux.e32")])
def test_syslinux_efi_loads_the_core_of_its_machine(architecture: int, core: str) -> None:
    machine = Machine(mac=MACHINE.mac, architecture=architecture)
    stage = LOADERS["syslinux-efi"].follow(
        loaded(ack=ack(siaddr=FILES, file=b"syslinux.efi"), machine=machine)
    )
    assert asked(stage)[0] == core
    assert stage.notes


def test_windows_programs_lead_to_the_boot_manager() -> None:
    reply = packet(PROXY, siaddr=PROXY, file=b"boot\\x64\\wdsnbp.com")
    stage = LOADERS["wdsnbp"].follow(loaded("boot\\x64\\wdsnbp.com", reply=reply))
    assert (stage.server, stage.loads) == (PROXY, "boot\\x64\\pxeboot.n12")
    last = LOADERS["bootmgfw"].follow(loaded(proxy=packet(PROXY)))
    assert (last.server, asked(last)) == (PROXY, ["\\Boot\\BCD"])


def test_netboot_xyz_asks_its_next_server_only_for_its_own_file() -> None:
    own = LOADERS["netboot.xyz"].follow(loaded(ack=ack(siaddr=FILES, file=b"netboot.xyz.kpxe")))
    assert (own.server, asked(own)[0]) == (FILES, "local-vars.ipxe")
    assert "MAC-525400abcdef.ipxe" in asked(own)
    other = LOADERS["netboot.xyz"].follow(loaded(ack=ack(siaddr=FILES, file=b"other.kpxe")))
    assert asked(other) == ["https://boot.netboot.xyz/menu.ipxe", "http://boot.netboot.xyz/menu.ipxe"]


def test_a_built_in_script_reads_the_settings_of_its_own_dhcp() -> None:
    script = ("tftp://${next-server}/a.ipxe", "http://192.0.2.9/${mac:hexhyp}.ipxe")
    found = embedded_stage(loaded(ack=ack(siaddr=FILES), embedded=script))
    assert [(f.server, f.protocol) for f in found.fetches] == [
        (FILES, "tftp"),
        (IPv4Address("192.0.2.9"), "http"),
    ]
    assert asked(found)[0] == "a.ipxe"
    assert embedded_stage(loaded(embedded=script)).ending is Ending.PROMPT


def test_what_is_asked_depends_on_which_files_exist() -> None:
    stage = LOADERS["pxelinux"].follow(loaded(ack=ack(siaddr=FILES, file=b"pxelinux.0")))
    there = {"ldlinux.c32", "pxelinux.cfg/C000"}
    made = [file for _, file, _ in requests(stage, lambda _, file: file in there)]
    assert made[0] == "ldlinux.c32"
    assert made[-1] == "pxelinux.cfg/C000"
    assert complete(stage, lambda _, file: file in there)
    assert not complete(stage, lambda _, file: file == "ldlinux.c32")
    nothing = [file for _, file, _ in requests(stage, lambda *_: False)]
    assert nothing[0] == "ldlinux.c32"
    assert nothing[-1] == "/ldlinux.c32"
    assert not complete(stage, lambda *_: False)


addresses = st.sampled_from([IPv4Address(0), LEASE, PROXY, FILES])
packets = st.builds(
    packet,
    siaddr=addresses,
    file=st.sampled_from([b"", b"a", b"d/a", b"d\\a", b"http://192.0.2.4/a"]),
    sname=st.sampled_from([b"", b"boot"]),
    options=st.dictionaries(st.sampled_from([67, 209, 210]), st.sampled_from([b"", b"x", b"d/x\0"])),
)


@given(
    st.sampled_from(sorted(LOADERS)), packets, st.none() | packets, st.none() | packets,
    st.sampled_from(["a", "d/a", "d\\a", "http://192.0.2.4/d/a"]), st.sampled_from([MACHINE, BY_HTTP]),
)  # fmt: skip
def test_a_stage_asks_somebody_or_ends(
    name: str, lease: Packet, proxy: Packet | None, reply: Packet | None, file: str, machine: Machine
) -> None:
    stage = LOADERS[name].follow(loaded(file, ack=lease, proxy=proxy, reply=reply, machine=machine))
    assert stage.fails == (not stage.fetches and stage.ending is not Ending.DHCP)
    assert stage.fails or stage.server is not None
    assert not stage.fails or stage.remedy
    assert (stage.ending is Ending.PROGRAM) == (stage.loads is not None)
    assert all(fetch.file for fetch in stage.fetches)
    firsts = [fetch.group for fetch in stage.fetches if fetch.role is Role.FIRST]
    assert firsts == sorted(firsts)

"""What people reported in public, each as a small site of our own: who boots from whom, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from coexist.analysis.chain import Stages, stages
from coexist.analysis.ending import Failure
from coexist.analysis.race import ClientCase
from coexist.analysis.running import Halted
from coexist.analysis.world import build_world
from coexist.inventory import inventory_from_tree
from coexist.wire.mac import parse_mac

MAC = parse_mac("02:00:5e:00:00:0a")
ROUTER, OTHER, BOOT = "10.20.0.1", "10.20.0.2", "10.20.0.9"
BIOS, UEFI, HTTP = ("bios", "ipxe"), ("uefi-x64", "edk2"), ("http-x64", "edk2-http")
ROM = ("bios", "pxe21")


@dataclass(frozen=True, kw_only=True)
class Story:
    """A report: where it stands, the site, the machine, and what becomes of it.

    ``ends``: each possible (winner, file) of the firmware; ``then``: of the iPXE it loads. ``asks``: whom the
    loaders ask, in order. ``halts``: why the file does not run. ``number``: what it announces in option 93.
    """

    url: str
    site: Mapping[str, Any]
    machine: tuple[str, str]
    ends: set[tuple[str | None, str | None]]
    then: set[tuple[str | None, str | None]] | None = None
    asks: list[str | None] | None = None
    halts: set[Halted | None] = field(default_factory=lambda: {None})
    failure: Failure | None = None
    number: int | None = None


def site(dhcp: str = "isc-dhcpd", *, scope: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A DHCP server of some product with a scope, and whatever else stands there."""
    leasing = {"software": dhcp, "address": ROUTER, "vlan": "lan", "ping_check": False, "roles": ["dhcp"]}
    servers = {"router": leasing, **more.pop("servers", {})}
    pools = ["10.20.0.100-10.20.0.200"]
    return {
        "site": "reported",
        "vlans": {"lan": {"id": 1, "subnet": "10.20.0.0/24", "gateway": ROUTER}},
        "servers": servers,
        "scopes": {
            "lan": {"server": "router", "vlan": "lan", "pools": pools, **(scope or {})},
            **more.pop("scopes", {}),
        },
        **more,
    }


def tftp(address: str = BOOT) -> dict[str, Any]:
    return {"software": "tftpd", "address": address, "vlan": "lan"}


def proxy(programs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    base = {"software": "dnsmasq", "address": BOOT, "vlan": "lan", "roles": ["proxydhcp", "tftp"]}
    return {**base, "programs": programs, **more}


WRITTEN_IN_OPTIONS = site("dnsmasq", scope={"options": {66: BOOT, 67: "thin.efi"}}, servers={"boot": tftp()})
X64_BY_SEVEN = {"when": [{"option": 93, "equals": "hex:0007"}], "filename": "x64.efi", "next_server": "boot"}
X64_BY_NINE = {**X64_BY_SEVEN, "when": [{"option": 93, "equals": "hex:0009"}]}
FOR_IPXE_NOTHING = {"user_class": "iPXE", "filename": ""}
LOCKED: dict[str, Any] = {"firmwares": {"locked": {"like": "edk2", "parameters": {"secure_boot": True}}}}
SECOND = {"software": "isc-dhcpd", "address": OTHER, "vlan": "lan", "roles": ["dhcp", "tftp"]}
TWO_LEASES = {"second": {**SECOND, "ping_check": False}}


def second_scope(**more: Any) -> dict[str, Any]:
    base = {"server": "second", "vlan": "lan", "pools": ["10.20.0.210-10.20.0.240"]}
    return {"second": {**base, "filename": "node.0", "next_server": "second", **more}}


WDS = {"wds": {"software": "wds", "address": BOOT, "vlan": "lan", "answers": "nobody"}}
NAMES_WDS = {66: BOOT, 67: "boot\\x64\\wdsnbp.com"}
THRESHOLD = {"software": "coexist", "address": BOOT, "vlan": "lan", "delay": {"secs_at_least": 5}}
STORIES = {
    "option 66 of dnsmasq is not siaddr: firmware asks the router": Story(
        url="https://github.com/openwrt/packages/issues/14660",
        site=WRITTEN_IN_OPTIONS,
        machine=UEFI,
        ends={("router", "thin.efi")},
    ),
    "with the address in dhcp-boot it asks the right server": Story(
        url="https://github.com/NethServer/nethsecurity/issues/1810",
        site=site("dnsmasq", scope={"filename": "thin.efi", "next_server": "boot"}, servers={"boot": tftp()}),
        machine=UEFI,
        ends={("boot", "thin.efi")},
    ),
    "a rule for 7 gives a machine that announces 9 the catch-all": Story(
        url="https://github.com/opnsense/core/issues/2223",
        site=site(
            scope={"rules": [X64_BY_SEVEN], "filename": "legacy.0", "next_server": "boot"},
            servers={"boot": tftp()},
        ),
        machine=UEFI,
        number=9,
        ends={("boot", "legacy.0")},
        halts={Halted.ARCHITECTURE},
    ),
    "a rule for each number gives both the file": Story(
        url="https://github.com/linuxserver/docker-netbootxyz/issues/8",
        site=site(scope={"rules": [X64_BY_SEVEN, X64_BY_NINE]}, servers={"boot": tftp()}),
        machine=UEFI,
        number=9,
        ends={("boot", "x64.efi")},
    ),
    "Secure Boot does not authenticate syslinux": Story(
        url="https://github.com/beta-tester/RPi-PXE-Server/issues/6",
        site=site(servers={"boot": proxy({"uefi-x64": "syslinux.efi"})}, **LOCKED),
        machine=("uefi-x64", "locked"),
        ends={("boot", "syslinux.efi")},
        halts={Halted.SECURE_BOOT},
    ),
    "shim in front of iPXE runs with Secure Boot": Story(
        url="https://github.com/FOGProject/fog-docs/pull/93",
        site=site(servers={"boot": proxy({"uefi-x64": {"file": "shimx64.efi", "then": "ipxe"}})}, **LOCKED),
        machine=("uefi-x64", "locked"),
        ends={("boot", "shimx64.efi")},
    ),
    "iPXE is loaded, and its own lease names nothing": Story(
        url="https://github.com/intel/Edge-Software-Provisioner/issues/44",
        site=site(
            scope={
                "rules": [
                    {"user_class": "iPXE", "filename": ""},
                    {"filename": "ipxe.efi", "next_server": "boot"},
                ]
            },
            servers={"boot": tftp()},
        ),
        machine=UEFI,
        ends={("boot", "ipxe.efi")},
        then={(None, None)},
    ),
    "option 60 of a DHCP server without a boot service beside it": Story(
        url="http://www.techthoughts.info/pxe-booting-wds-dhcp-scope-vs-ip-helpers/",
        site=site(
            "windows-dhcp",
            scope={"options": {60: "PXEClient", **NAMES_WDS}},
            servers=WDS,
        ),
        machine=UEFI,
        ends={(None, None)},
    ),
    "one boot file for all machines: UEFI is given BIOS' program": Story(
        url="https://deploymentbunny.com/2016/02/29/osd-how-make-pxe-work-in-configmgr-osd-mdt-and-wds-work-perfectly-fine-stop-using-dhcp-option-66-67/",
        site=site("windows-dhcp", scope={"options": NAMES_WDS}, servers=WDS),
        machine=UEFI,
        ends={("wds", "boot\\x64\\wdsnbp.com")},
        halts={Halted.ARCHITECTURE},
    ),
    "the same file boots a BIOS machine from WDS": Story(
        url="https://www.nibonnet.fr/wds-et-dhcp/",
        site=site("windows-dhcp", scope={"options": NAMES_WDS}, servers=WDS),
        machine=ROM,
        ends={("wds", "boot\\x64\\wdsnbp.com")},
    ),
    "a threshold of five seconds is met by the second DISCOVER": Story(
        url="https://docs.microsoft.com/en-us/previous-versions/ms852361(v=msdn.10)",
        site=site(servers={"boot": {**THRESHOLD, "programs": {"bios": "rbs.0"}}}),
        machine=ROM,
        ends={("boot", "rbs.0")},
    ),
    "a phone refuses an address that another machine has": Story(
        url="https://www.css-networks.com/2017/02/cisco-spa-phones-not-getting-ip-via-dhcp/",
        site=site(
            scope={"options": {150: BOOT}},
            servers={"boot": tftp()},
            clients=[{"mac": "02:00:5e:00:00:0a", "address": BOOT}],
        ),
        machine=("bios", "phone-150"),
        ends={(None, None)},
        failure=Failure.DECLINED,
    ),
    "of two DHCP servers iPXE takes the first, which names nothing": Story(
        url="https://github.com/warewulf/warewulf3/pull/137",
        site=site(servers=TWO_LEASES, scopes=second_scope()),
        machine=BIOS,
        ends={(None, None), ("second", "node.0")},
    ),
    "PXEClient in its offer makes iPXE follow the second": Story(
        url="https://github.com/warewulf/warewulf3/pull/137",
        site=site(servers=TWO_LEASES, scopes=second_scope(options={60: "PXEClient"})),
        machine=BIOS,
        ends={("second", "node.0")},
    ),
    "UEFI passes over the lease without a file": Story(
        url="https://github.com/warewulf/warewulf3/pull/137",
        site=site(servers=TWO_LEASES, scopes=second_scope(filename="node.efi")),
        machine=UEFI,
        ends={("second", "node.efi")},
    ),
    "a DHCP server that knows only options: the file is asked of itself": Story(
        url="https://github.com/AdguardTeam/AdGuardHome/issues/2395",
        site=site("generic", scope={"options": {66: BOOT, 67: "undionly.kpxe"}}, servers={"boot": tftp()}),
        machine=UEFI,
        ends={("router", "undionly.kpxe")},
        halts={Halted.ARCHITECTURE},
    ),
    "the ProxyDHCP beside it boots": Story(
        url="https://github.com/AdguardTeam/AdGuardHome/issues/2395",
        site=site("generic", servers={"boot": proxy({"uefi-x64": "thin.efi"})}),
        machine=UEFI,
        ends={("boot", "thin.efi")},
    ),
    "UEFI HTTP boot takes no TFTP file name": Story(
        url="https://github.com/xcat2/xcat-core/issues/7743",
        site=site(
            "kea", scope={"filename": "xcat/grub2.x64", "next_server": "boot"}, servers={"boot": tftp()}
        ),
        machine=HTTP,
        ends={(None, None)},
    ),
    "without siaddr a ROM and PXELINUX ask the DHCP server itself": Story(
        url="https://github.com/flan/staticdhcpd/issues/6",
        site=site("generic", scope={"options": {66: ROUTER, 67: "pxelinux.0"}}),
        machine=ROM,
        ends={("router", "pxelinux.0")},
        asks=["router"],
    ),
    "an old ROM reads an option 67 without a NUL up to the end of the options": Story(
        url="https://github.com/netbootxyz/netboot.xyz/issues/1198",
        site=site(
            "isc-dhcpd",
            scope={"options": {67: "hex:" + b"netboot.xyz.kpxe".hex()}, "next_server": "boot"},
            servers={"boot": tftp()},
            firmwares={"old-rom": {"like": "pxe21", "parameters": {"reads_past_67": True}}},
        ),
        machine=("bios", "old-rom"),
        ends={("boot", "netboot.xyz.kpxe\xff")},
    ),
    "ended with a NUL, as dnsmasq does, it is read as it is": Story(
        url="https://github.com/netbootxyz/netboot.xyz/issues/1198",
        site=site(
            "dnsmasq",
            scope={"filename": "netboot.xyz.kpxe", "next_server": "boot"},
            servers={"boot": tftp()},
            firmwares={"old-rom": {"like": "pxe21", "parameters": {"reads_past_67": True}}},
        ),
        machine=("bios", "old-rom"),
        ends={("boot", "netboot.xyz.kpxe")},
    ),
    "iPXE does not wait for a proxy that comes after its third second": Story(
        url="https://github.com/danderson/netboot/commit/ee0987169f3767db15fb19f929fcd99c4fc9c8b0",
        site=site(servers={"boot": proxy({"bios": "thin.0"}, delay=5)}),
        machine=BIOS,
        ends={(None, None)},
    ),
}


def boot(story: Story) -> Stages:
    architecture, firmware = story.machine
    case = ClientCase(mac=MAC, vlan="lan", architecture=architecture, firmware=firmware, number=story.number)
    return stages(build_world(inventory_from_tree(dict(story.site))), case)


def ends(outcomes: Any) -> set[tuple[str | None, str | None]]:
    return {(outcome.boot_server, outcome.file) for outcome in outcomes}


@pytest.mark.parametrize("story", STORIES.values(), ids=list(STORIES))
def test_a_report_is_predicted(story: Story) -> None:
    found = boot(story)
    assert ends(found.first.outcomes) == story.ends
    assert {outcome.failure for outcome in found.first.outcomes} == {story.failure}
    if any(file for _, file in story.ends):
        assert {chain.halt.kind if chain.halt else None for chain in found.chains} == story.halts
    if story.then is not None:
        assert found.next is not None
        assert ends(found.next.result.outcomes) == story.then
    if story.asks is not None:
        assert [step.asks for chain in found.chains for step in chain.steps] == story.asks

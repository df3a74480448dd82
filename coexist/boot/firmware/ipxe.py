"""iPXE as a ROM or chain-loaded: ``net/udp/dhcp.c``, ``usr/autoboot.c``, ``usr/pxemenu.c`` of ipxe.org.

Function names below are iPXE's. The behaviour was held against Debian's 1.0.0+git-20190125, BIOS and EFI.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address
from typing import Literal, NamedTuple

from coexist.boot.firmware.ipxe_packet import (
    NO_PXEDHCP,
    XID,
    XID_MENU,
    discover,
    first_vendor,
    has_pxe_options,
    listed_servers,
    menu_of,
    options_with,
    plain_options,
    priority_of,
    pseudo_id,
    server_id,
    uri_host,
    vendor_options,
)
from coexist.boot.firmware.machine import (
    KEEP,
    Boot,
    GiveUp,
    Heard,
    Machine,
    OnePhase,
    Send,
    Span,
    Step,
    boot_file,
    item_option,
    later,
    request,
    text_of,
)
from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions

NOTHING = "Nothing to boot"

Version = Literal["1.0", "2.0", "2.2"]


class Stage(Enum):
    """The states of struct dhcp_session_state."""

    DISCOVERING = "discovery"
    REQUESTING = "request"
    PROXY = "asking the ProxyDHCP on port 4011"
    MENU = "showing the PXE menu"
    BOOT_SERVER = "boot server discovery"


class State(NamedTuple):
    """A session. ``packets``: sent in it, ``tries``: of this stage, which ``began`` then."""

    machine: Machine
    stage: Stage = Stage.DISCOVERING
    began: Span = (0.0, 0.0)
    packets: int = 0
    tries: int = 0
    lease: Heard | None = None
    # zalloc: an offer of negative priority is never taken.
    lease_priority: int = 0
    no_proxy: bool = False
    proxy: Heard | None = None
    proxy_priority: int = 0
    ack: Heard | None = None
    settings: tuple[Heard, ...] = ()
    item: int = 0
    servers: tuple[IPv4Address, ...] = ()
    accepted: tuple[IPv4Address, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipxe(OnePhase):
    """The parameters of iPXE, in seconds.

    ``discover_timeout``: first and longest wait for an offer; each is twice the one before
    (DHCP_DISC_START/END_TIMEOUT_SEC, config/dhcp.h). ``proxy_wait``: how long a lease waits for a proxy
    (DHCP_DISC_PROXY_TIMEOUT_SEC). ``request_timeout``: first and longest wait for an ACK (config/dhcp.h,
    net/retry.c). ``proxy_give_up``: when an unanswered port 4011 is given up (DHCP_REQ_PROXY_TIMEOUT_SEC).
    ``boot_server_timeout``: first and longest wait for a boot server of a menu (PXEBS_START/END_TIMEOUT_SEC),
    ``boot_server_wait``: after which the next one is asked (PXEBS_MAX_TIMEOUT_SEC). ``pace``: the
    slowest and fastest clock (BIOS ticks of 1/18.2 s). ``late``: how much later its own steps may come.
    ``has_address``: it begins with an address its loader left it, and then asks for broadcast answers
    (dhcp_create_packet: ipv4_has_any_addr). ``reads_from``: a network card that hands over nothing before.
    ``version``: 1.0 waits for a router's advertisement between lease and file, ``ipv6_wait`` long where none
    comes; 2.0 and 2.2 do not (captures of all three). ``blksize``: the largest TFTP block it asks for, in
    octets (net/udp/tftp.c TFTP_MAX_BLKSIZE; captures).
    """

    name: str = "ipxe"
    version: Version = "1.0"
    discover_timeout: tuple[float, float] = (1.0, 10.0)
    proxy_wait: float = 2.0
    request_timeout: tuple[float, float] = (0.25, 10.0)
    proxy_give_up: float = 2.0
    boot_server_timeout: tuple[float, float] = (1.0, 10.0)
    boot_server_wait: float = 3.0
    pace: tuple[float, float] = (0.99, 1.02)
    late: float = 0.02
    has_address: bool = False
    reads_from: float = 0.0
    ipv6_wait: float = 0.0
    blksize: int = 1432
    assumptions: tuple[str, ...] = ()

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        return self._transmit(State(machine=machine), (0.0, 0.0))

    # -- sending ---------------------------------------------------------------------------------

    def _transmit(self, state: State, at: Span, note: str = "") -> Step:
        """dhcp_tx, and the retry timer doubled (net/retry.c start_timer)."""
        first, _ = self._timeouts(state.stage)
        state = state._replace(packets=state.packets + 1, tries=state.tries + 1)
        return Step(
            state=state,
            sends=(self._packet(state),),
            timer=self._after(at, first * 2 ** (state.tries - 1)),
            note=note,
        )

    def _timeouts(self, stage: Stage) -> tuple[float, float]:
        """First and longest wait of a stage (struct dhcp_session_state)."""
        if stage is Stage.DISCOVERING:
            return self.discover_timeout
        return self.boot_server_timeout if stage is Stage.BOOT_SERVER else self.request_timeout

    def _after(self, at: Span, seconds: float) -> Span:
        return at[0] + seconds * self.pace[0], at[1] + seconds * self.pace[1] + self.late

    def _enter(self, state: State, stage: Stage, at: Span, note: str) -> Step:
        """dhcp_set_state: the timer starts over, the count of packets goes on."""
        return self._transmit(state._replace(stage=stage, began=at, tries=0), at, note)

    def _packet(self, state: State) -> Send:
        # secs is not time: dhcp_tx has (count << 2) | offer ? 2 | proxy offer ? 1.
        secs = state.packets << 2 | (2 if state.lease else 0) | (1 if state.proxy else 0)
        machine = state.machine
        if state.stage is Stage.DISCOVERING:
            return Send(discover(machine, secs, self.has_address))
        if state.stage is Stage.REQUESTING:
            assert state.lease is not None
            options = plain_options(machine)
            server = server_id(state.lease)
            if server != UNSPECIFIED:
                options[Option.SERVER_IDENTIFIER] = server.packed
            options[Option.REQUESTED_IP_ADDRESS] = state.lease.packet.yiaddr.packed
            return Send(
                request(machine, MessageType.REQUEST, options, xid=XID, secs=secs, broadcast=self.has_address)
            )
        assert state.ack is not None
        own = state.ack.packet.yiaddr
        if state.stage is Stage.PROXY:
            assert state.proxy is not None
            target = pseudo_id(state.proxy)
            options = {**options_with(state.machine, state.settings), Option.SERVER_IDENTIFIER: target.packed}
            packet = request(
                machine, MessageType.REQUEST, options, xid=XID, secs=secs, broadcast=True, ciaddr=own
            )
            return Send(packet, address=target, port=BOOT_SERVER_PORT, source=own)
        target = state.servers[0]
        # dhcp_pxebs_tx: boot item of the chosen type, layer 0; its session is a new one (xid 0).
        options = {**options_with(state.machine, state.settings), **item_option(state.item)}
        packet = request(
            machine,
            MessageType.REQUEST,
            options,
            xid=XID_MENU,
            secs=state.tries << 2,
            broadcast=True,
            ciaddr=own,
        )
        port = DHCP_PORT if target == LIMITED_BROADCAST else BOOT_SERVER_PORT
        return Send(packet, address=target, port=port, source=own)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """dhcp_deliver: op, xid and hardware address must be this session's."""
        packet = heard.packet
        wanted = XID_MENU if state.stage is Stage.BOOT_SERVER else XID
        if (
            packet.op != BOOTREPLY
            or packet.xid != wanted
            or packet.chaddr[:6] != mac_bytes(state.machine.mac)
        ):
            return ()
        match state.stage:
            case Stage.DISCOVERING:
                return self._hear_offer(state, heard, at)
            case Stage.REQUESTING:
                return self._hear_ack(state, heard, at)
            case Stage.PROXY:
                return self._hear_proxy(state, heard, at)
            case Stage.BOOT_SERVER:
                return self._hear_boot_server(state, heard, at)
            case _:
                return ()

    def _hear_offer(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """dhcp_discovery_rx."""
        packet = heard.packet
        encapsulated = decode_suboptions(packet.options.get(Option.IPXE_ENCAPSULATED, b""))
        priority = priority_of(packet)
        notes = []
        is_lease = (
            packet.yiaddr != UNSPECIFIED
            and heard.source_port == DHCP_PORT
            and packet.options.get(Option.DHCP_MESSAGE_TYPE, b"\2") == b"\2"
        )
        if is_lease and priority >= state.lease_priority:
            no_proxy = any(encapsulated.get(NO_PXEDHCP, b"\0"))
            notes.append("the lease it will take" if state.lease is None else "replaces the earlier lease")
            state = state._replace(lease=heard, lease_priority=priority, no_proxy=no_proxy)
        is_proxy = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"PXEClient")
        if is_proxy and pseudo_id(heard) != UNSPECIFIED and priority >= state.proxy_priority:
            notes.append("the proxy it will follow" if state.proxy is None else "replaces the earlier proxy")
            state = state._replace(proxy=heard, proxy_priority=priority)
        note = ", ".join(notes) or "not for it"
        stays = Step(state=state, timer=KEEP, note=note)
        if state.lease is None:
            return (stays,)
        leaves = self._enter(state, Stage.REQUESTING, at, f"{note}: goes on")
        if state.no_proxy or state.proxy is not None:
            return (leaves,)
        shortest, longest = self._after((0.0, 0.0), self.proxy_wait)
        if at[0] > longest:
            return (leaves,)
        return (stays,) if at[1] <= shortest else (stays, leaves)

    def _hear_ack(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """dhcp_request_rx."""
        assert state.lease is not None
        packet = heard.packet
        if heard.source_port != DHCP_PORT or packet.options.get(Option.DHCP_MESSAGE_TYPE, b"\5") != b"\5":
            return ()
        if server_id(heard) != server_id(state.lease) or packet.yiaddr != state.lease.packet.yiaddr:
            return ()
        state = state._replace(ack=heard, settings=(heard,))
        if state.proxy is None or state.no_proxy:
            return (self._boot(state, at),)
        if has_pxe_options(state.proxy.packet):
            return (self._boot(_registered(state, state.proxy), at),)
        note = f"the proxy's offer names no file: asks {pseudo_id(state.proxy)} on port 4011"
        return (self._enter(state, Stage.PROXY, at, note),)

    def _hear_proxy(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """dhcp_proxy_rx."""
        assert state.proxy is not None
        server = server_id(heard)
        if (
            heard.source_port != BOOT_SERVER_PORT
            or heard.packet.message_type not in (MessageType.OFFER, MessageType.ACK)
            or (server != UNSPECIFIED and server != pseudo_id(state.proxy))
            or not has_pxe_options(heard.packet)
        ):
            return (Step(state=state, timer=KEEP, note="names no boot file: ignored"),)
        return (self._boot(_registered(state, heard), at),)

    def _hear_boot_server(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """dhcp_pxebs_rx; its socket has the client's address, so no broadcast gets there (udp_demux)."""
        packet = heard.packet
        if heard.broadcast:
            return (Step(state=state, timer=KEEP, note="a broadcast: it listens on its own address only"),)
        item = vendor_options(packet).get(SubOption.BOOT_ITEM, b"")
        server = server_id(heard)
        if (
            heard.source_port not in (DHCP_PORT, BOOT_SERVER_PORT)
            or packet.message_type is not MessageType.ACK
            or int.from_bytes(item[:2], "big") != state.item
        ):
            return ()
        if (
            state.accepted is not None
            and (server if server != UNSPECIFIED else heard.source) not in state.accepted
        ):
            return ()
        return (self._load(state, (heard,), "the boot server"),)

    # -- time ------------------------------------------------------------------------------------

    def expire(self, state: State, at: Span) -> Step:
        """The retry timer, or the menu's."""
        match state.stage:
            case Stage.MENU:
                return self._menu_item(state, at)
            case Stage.DISCOVERING:
                # dhcp_discovery_expired: by the second timeout more than two seconds have gone.
                if state.lease is not None and at[1] - state.began[0] > self.proxy_wait:
                    return self._enter(state, Stage.REQUESTING, at, "no proxy came: goes on with the lease")
            case Stage.PROXY if at[0] - state.began[0] > self.proxy_give_up:
                return self._boot(state, at, "port 4011 stayed silent: goes on with the lease")
            case Stage.BOOT_SERVER if at[1] - state.began[0] >= self.boot_server_wait:
                # dhcp_pxebs_expired: by the second timeout more than three seconds have gone.
                return self._next_boot_server(state, at)
        first, longest = self._timeouts(state.stage)
        if first * 2**state.tries > longest:
            return Step(state=state, end=GiveUp(error=NOTHING, why=f"{state.stage.value}: no usable reply"))
        return self._transmit(state, at, "no usable reply yet: again")

    def _next_boot_server(self, state: State, at: Span) -> Step:
        if len(state.servers) == 1:
            return Step(state=state, end=GiveUp(error=NOTHING, why="no boot server of the menu answered"))
        state = state._replace(servers=state.servers[1:], began=at, tries=0)
        return self._transmit(state, at, "asks the next boot server")

    @property
    def _waits(self) -> float:
        """How long it waits for an IPv6 router (net/ndp.c: a netdev configurator of old versions)."""
        return self.ipv6_wait if self.version == "1.0" else 0.0

    # -- what to boot (usr/autoboot.c netboot) -----------------------------------------------------

    def _boot(self, state: State, at: Span, note: str = "") -> Step:
        if self._waits:
            at = later(at, self._waits)
        menu = menu_of(state.settings)
        if menu is not None:
            return self._show_menu(state._replace(stage=Stage.MENU), at)
        return self._load(state, state.settings, note)

    def _show_menu(self, state: State, at: Span) -> Step:
        """pxe_menu_prompt_and_select: at once, after the prompt's seconds, or never without a person."""
        if state.machine.architecture:
            # PXE_MENU is of BIOS builds (config/defaults/pcbios.h); others have a pxe_menu_boot that fails.
            why = "there is a PXE menu, and iPXE for UEFI has none"
            return Step(state=state, end=GiveUp(error=NOTHING, why=why))
        prompt = first_vendor(state.settings, SubOption.MENU_PROMPT)
        timeout = prompt[0] if prompt else 255
        if timeout == 255:
            return Step(
                state=state, end=GiveUp(error="waits at the PXE menu", why="the menu has no time limit")
            )
        if timeout:
            return Step(state=state, timer=self._after(at, timeout), note=f"PXE menu for {timeout} s")
        return self._menu_item(state, at)

    def _menu_item(self, state: State, at: Span) -> Step:
        """The first item of the menu, and which servers are asked for it (start_pxebs)."""
        menu = first_vendor(state.settings, SubOption.BOOT_MENU) or b""
        item = int.from_bytes(menu[:2], "big")
        if not item:
            return Step(state=state, end=GiveUp(error=NOTHING, why="the menu's first item is local boot"))
        control = (first_vendor(state.settings, SubOption.DISCOVERY_CONTROL) or b"\0")[0]
        servers: list[IPv4Address] = []
        multicast = first_vendor(state.settings, SubOption.DISCOVERY_MCAST_ADDR)
        if not control & 2 and multicast and len(multicast) == 4 and any(multicast):
            servers.append(IPv4Address(multicast))
        if not control & 1:
            servers.append(LIMITED_BROADCAST)
        listed = listed_servers(first_vendor(state.settings, SubOption.BOOT_SERVERS) or b"", item)
        servers += listed
        if not servers:
            return Step(state=state, end=GiveUp(error=NOTHING, why="the menu's item has no boot server"))
        state = state._replace(
            stage=Stage.BOOT_SERVER,
            item=item,
            servers=tuple(servers),
            accepted=tuple(listed) if control & 4 else None,
            began=at,
            tries=0,
        )
        return self._transmit(state, at, f"PXE menu item {item}: asks {servers[0]}")

    def _load(self, state: State, settings: tuple[Heard, ...], note: str) -> Step:
        """fetch_next_server_and_filename: both from the first packet that names a file, header first."""
        for block in settings:
            packet = block.packet
            name = boot_file(packet)
            if not name:
                continue
            file = text_of(name)
            is_uri = "://" in file
            if packet.siaddr == UNSPECIFIED and not is_uri:
                why = f"{block.source} names {file} but no next server (siaddr 0)"
                return Step(state=state, end=GiveUp(error=NOTHING, why=why), note=note)
            return Step(
                state=state,
                end=Boot(
                    server=uri_host(file) if is_uri else packet.siaddr,
                    file=file,
                    by=block.source,
                    why=f"the packet of {block.source} is the first that names a file; "
                    "the server is its siaddr",
                    after=(self._waits, self._waits + self.late),
                ),
                note=note,
            )
        return Step(state=state, end=GiveUp(error=NOTHING, why="no packet names a file"), note=note)


def _registered(state: State, heard: Heard) -> State:
    """register_settings: a block of higher priority (175.1) comes before the lease, of equal after it."""
    assert state.ack is not None
    own, other = priority_of(state.ack.packet), priority_of(heard.packet)
    blocks = (heard, state.ack) if other > own else (state.ack, heard)
    return state._replace(settings=blocks)

"""UEFI PXE as EDK2 has it: ``NetworkPkg/UefiPxeBcDxe`` on ``NetworkPkg/Dhcp4Dxe`` (edk2-stable202211).

Function names below are EDK2's. The behaviour was held against OVMF 2022.11;
docs/concepts/how-a-client-chooses.md tells it in words.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.firmware import edk2_packet
from coexist.boot.firmware.edk2_offers import Stage, State, keep, select
from coexist.boot.firmware.edk2_packet import Cached, Kind
from coexist.boot.firmware.edk2_request import XID, XID_4011, discover, plain_options, sized_options
from coexist.boot.firmware.edk2_windows import Windows
from coexist.boot.firmware.machine import (
    KEEP,
    Boot,
    GiveUp,
    Heard,
    Machine,
    Send,
    Span,
    Step,
    item_option,
    later,
    request,
)
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption

TIMEOUT = "PXE-E18: Server response timeout."
NO_OFFER = "PXE-E16: No valid offer received."
CANCELLED = "PXE-E21: Remote boot cancelled."
NO_FILE = "PXE-E53: No boot filename received."
UNKNOWN = "PXE-E99: Unexpected network error."


@dataclass(frozen=True, slots=True, kw_only=True)
class Edk2(Windows):
    """The parameters of UEFI PXE beside its windows, in seconds.

    ``binl_windows``: how long each try on port 4011 listens (PXEBC_BOOT_REQUEST_TIMEOUT times the try).
    ``proxies``: it keeps the offers of ProxyDHCP servers (builds before April 2017 did not, edk2 issue 6944).
    ``needs_43``: of these only those with option 43. ``blksize``: the largest TFTP block it asks for, in
    octets (what an Ethernet frame takes; captures of OVMF).
    """

    name: str = "edk2"
    binl_windows: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    proxies: bool = True
    needs_43: bool = False
    blksize: int = 1468
    assumptions: tuple[str, ...] = ()

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1; ``phase`` is how long the first window lasts."""
        state = State(machine=machine, ends=self.ends(phase))
        return Step(state=state, sends=(self._discover(state),), timer=self.end_of(state.ends, state.window))

    # -- collecting ------------------------------------------------------------------------------

    def _discover(self, state: State) -> Send:
        return Send(discover(state.machine, self.secs_of(state.window)))

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """Take one packet, as the stage does."""
        if heard.packet.xid == XID_4011 or state.stage in (Stage.ASKING, Stage.DISCOVERING):
            return self._hear_reply(state, heard)
        # Dhcp4Driver.c DhcpConfigUdpIo: RemotePort 67.
        if heard.source_port != DHCP_PORT or heard.packet.xid != XID or not edk2_packet.is_acceptable(heard):
            return ()
        if state.stage is Stage.REQUESTING:
            return self._hear_ack(state, heard, at)
        if state.stage is Stage.SELECTING:
            return self._hear_offer(state, heard)
        return ()

    def _hear_offer(self, state: State, heard: Heard) -> tuple[Step, ...]:
        """DhcpHandleSelect, PxeBcCacheDhcp4Offer."""
        cached = edk2_packet.parse(heard)
        is_bootp = cached.kind is Kind.BOOTP
        if not is_bootp and (heard.packet.message_type is not MessageType.OFFER or not cached.server_id):
            return ()
        state = state._replace(
            fresh=True,
            heard_any=True,
            last=cached if state.last is not None or cached.damaged else None,
        )
        note = ""
        if heard.packet.yiaddr == UNSPECIFIED and not self._follows(heard.packet):
            note = "a ProxyDHCP offer of a kind that this firmware discards"
        elif state.cached >= self.cache:
            note = f"the cache of {self.cache} offers is full: not looked at"
        else:
            state, note = keep(state, cached)
        return (Step(state=state, timer=self.end_of(state.ends, state.window), note=note),)

    def _follows(self, packet: Packet) -> bool:
        return self.proxies and (not self.needs_43 or Option.VENDOR_SPECIFIC_INFORMATION in packet.options)

    # -- time ------------------------------------------------------------------------------------

    def expire(self, state: State, at: Span) -> Step:
        """End of a window or of a try."""
        match state.stage:
            case Stage.SELECTING:
                return self._end_of_window(state, at)
            case Stage.REQUESTING:
                return self._repeat_request(state, at)
            case Stage.ASKING | Stage.DISCOVERING:
                return self._end_of_try(state, at)
            case Stage.PROMPTING:
                return self._take_item(state, at)

    def _end_of_window(self, state: State, at: Span) -> Step:
        """DhcpOnTimerTick: select if this window brought anything, else DISCOVER again."""
        if state.fresh:
            chosen, why = select(state)
            if chosen is not None:
                return self._request(state, chosen, why, at)
        window = state.window + 1
        if window == len(state.ends):
            error = NO_OFFER if state.heard_any else TIMEOUT
            why = "nothing heard could be booted from" if state.heard_any else "no offer was heard at all"
            return Step(state=state, end=GiveUp(error=error, why=why))
        last = state.last if state.last is not None and not state.fresh else None
        state = state._replace(window=window, fresh=False, last=last)
        return Step(
            state=state,
            sends=(self._discover(state),),
            timer=self.end_of(state.ends, state.window),
            note="nothing to boot from yet: DISCOVER again",
        )

    def _request(self, state: State, chosen: Cached, why: str, at: Span) -> Step:
        """DhcpChooseOffer: the offer the PXE driver names, or the last one received if that is damaged."""
        selected = chosen
        if chosen.damaged and not chosen.valid_when_damaged:
            selected = state.last or chosen
            why += "; an option 67 without a NUL damaged it, so the last offer received is requested"
        state = state._replace(
            stage=Stage.REQUESTING, chosen=chosen, selected=selected, attempt=0, base=at[0]
        )
        return Step(state=state, sends=(self._dhcp_request(state),), timer=later(at, 4.0), note=why)

    def _dhcp_request(self, state: State) -> Send:
        assert state.selected is not None
        options: dict[int, bytes] = {Option.SERVER_IDENTIFIER: state.selected.server_id}
        if state.selected.packet.yiaddr != UNSPECIFIED:
            options[Option.REQUESTED_IP_ADDRESS] = state.selected.packet.yiaddr.packed
        secs = self.secs_of(state.window)
        packet = request(
            state.machine,
            MessageType.REQUEST,
            {**options, **plain_options(state.machine)},
            xid=XID,
            secs=secs,
            broadcast=True,
        )
        return Send(packet)

    def _repeat_request(self, state: State, at: Span) -> Step:
        """Dhcp4Io.c mDhcp4DefaultTimeout: 4, 8, 16 and 32 s."""
        attempt = state.attempt + 1
        if attempt == 4:
            return Step(
                state=state, end=GiveUp(error=TIMEOUT, why="the request for the address was never answered")
            )
        state = state._replace(attempt=attempt)
        return Step(
            state=state,
            sends=(self._dhcp_request(state),),
            timer=later(at, (4.0, 8.0, 16.0, 32.0)[attempt]),
            note="the request for the address was not answered: again",
        )

    def _hear_ack(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """DhcpHandleRequest."""
        assert state.selected is not None
        packet = heard.packet
        if packet.options.get(Option.SERVER_IDENTIFIER) != state.selected.server_id:
            return ()
        if packet.message_type is MessageType.NAK:
            return (Step(state=state, end=GiveUp(error=UNKNOWN, why="the address was refused (DHCPNAK)")),)
        if packet.message_type is not MessageType.ACK:
            return ()
        if packet.yiaddr != state.selected.packet.yiaddr or packet.yiaddr == UNSPECIFIED:
            why = "the address acknowledged is not the one that was offered"
            return (Step(state=state, end=GiveUp(error=UNKNOWN, why=why)),)
        state = state._replace(ack=edk2_packet.parse(heard))
        return (self._handle_offer(state, at),)

    # -- after the lease (PxeBcHandleDhcp4Offer) --------------------------------------------------

    def _handle_offer(self, state: State, at: Span) -> Step:
        chosen = state.chosen
        assert chosen is not None
        assert state.ack is not None
        if chosen.kind is Kind.DHCP_BINL:
            return self._ask(state._replace(queue=(chosen,)), at)
        if chosen.kind is Kind.DHCP_ONLY:
            if state.proxy_pxe10:
                return self._boot_from(state._replace(reply=edk2_packet.reread(state.proxy_pxe10[0])), at)
            if state.proxy_binl:
                return self._ask(state._replace(queue=state.proxy_binl), at)
            if state.proxy_seen:
                # SelectProxyType was never set: PxeBcCopyProxyOffer takes the first plain offer.
                return self._boot_from(state._replace(reply=edk2_packet.reread(state.dhcp_only[0])), at)
        return self._boot_from(state, at)

    def _ask(self, state: State, at: Span) -> Step:
        """PxeBcRetryBinlOffer: the first of the queue, at its siaddr, else its option 54."""
        asked = state.queue[0]
        target = asked.packet.siaddr if asked.packet.siaddr != UNSPECIFIED else IPv4Address(asked.server_id)
        state = state._replace(stage=Stage.ASKING, attempt=0, targets=(target,), answered=False, reply=None)
        return self._try(state, at, f"asks {target} on port 4011: {asked.kind.value}")

    def _try(self, state: State, at: Span, note: str) -> Step:
        """One REQUEST of PxeBcDhcp4Discover and its window, which ends on a tick of the service."""
        assert state.ack is not None
        # The tick that ended the DISCOVER window goes on: the first second is what is left of it.
        elapsed = at[0] - state.base
        ticks = int(elapsed + 1e-6)
        end = state.base + ticks + self.binl_windows[state.attempt]
        # secs lacks its HTONS there: 0, 256, 512, 768 on the wire.
        packet = request(
            state.machine,
            MessageType.REQUEST,
            {**(item_option(state.item) if state.item else {}), **sized_options(state.machine)},
            xid=XID_4011,
            secs=256 * state.attempt,
            broadcast=state.targets[0] == LIMITED_BROADCAST,
            ciaddr=state.ack.packet.yiaddr,
        )
        broadcast = state.targets[0] == LIMITED_BROADCAST
        send = Send(
            packet,
            address=state.targets[0],
            port=DHCP_PORT if broadcast else BOOT_SERVER_PORT,
            source=state.ack.packet.yiaddr,
            source_port=CLIENT_PORT if broadcast else BOOT_SERVER_PORT,
        )
        return Step(state=state, sends=(send,), timer=(end, end + self.late + at[1] - at[0]), note=note)

    def _hear_reply(self, state: State, heard: Heard) -> tuple[Step, ...]:
        """Dhcp4Impl.c PxeDhcpInput: every well-formed reply to this xid is listed; the first counts.

        Any reply ends the tries, one of a server that is not on the list too (PxeBcDhcp4Discover).
        """
        if state.stage not in (Stage.ASKING, Stage.DISCOVERING) or heard.packet.xid != XID_4011:
            return ()
        if not edk2_packet.is_acceptable(heard) or state.reply is not None:
            return ()
        if state.listed and heard.packet.siaddr not in state.listed:
            note = f"its siaddr {heard.packet.siaddr} is not on the list of boot servers: not taken"
            return (Step(state=state._replace(answered=True), timer=KEEP, note=note),)
        state = state._replace(reply=edk2_packet.parse(heard), answered=True)
        return (Step(state=state, timer=KEEP, note="kept until this window ends"),)

    def _end_of_try(self, state: State, at: Span) -> Step:
        attempt = state.attempt + 1
        if not state.answered and attempt < len(self.binl_windows):
            return self._try(state._replace(attempt=attempt), at, "no reply yet: asks again")
        if state.stage is Stage.DISCOVERING:
            return self._end_of_discovery(state, at)
        if state.reply is not None:
            usable = state.reply.file is not None or state.reply.kind is Kind.PROXY_PXE10
            if usable and state.reply.kind is not Kind.DISCARDED:
                return self._boot_from(state, at)
            return self._next_server(state, at, "its reply names no boot file")
        return self._next_server(state, at, "it never answered on port 4011")

    def _end_of_discovery(self, state: State, at: Span) -> Step:
        """EfiPxeBcDiscover asks every server of a list, and what became of the last is what became of it."""
        if len(state.targets) > 1:
            answered = "it answered" if state.reply else "it did not answer"
            state = state._replace(targets=state.targets[1:], attempt=0, answered=False, reply=None)
            return self._try(state, at, f"{answered}: asks the next of the list, whose reply is what counts")
        if state.reply is not None and state.reply.kind is not Kind.DISCARDED:
            return self._load(state, state.reply, at)
        if state.answered:
            why = "the reply to the discovery is of no boot server of the list, or says nothing"
            return Step(state=state, end=GiveUp(error=NO_FILE, why=why))
        return Step(state=state, end=GiveUp(error=TIMEOUT, why="no boot server answered the discovery"))

    def _next_server(self, state: State, at: Span, why: str) -> Step:
        if len(state.queue) > 1:
            step = self._ask(state._replace(queue=state.queue[1:]), at)
            return replace(step, note=f"{why}: the next one; {step.note}")
        return Step(state=state, end=GiveUp(error=NO_OFFER, why=why))

    # -- the boot server and the file (PxeBcDiscoverBootFile) -------------------------------------

    def _boot_from(self, state: State, at: Span) -> Step:
        """PxeBcSelectBootPrompt: a menu, a prompt, or straight on to the file."""
        source = state.reply or state.ack
        assert source is not None
        if source.kind not in (Kind.PROXY_PXE10, Kind.DHCP_PXE10):
            return self._load(state, source, at)
        if source.control & 8 and source.file is not None:
            return self._load(state, source, at)
        prompt = source.vendor.get(SubOption.MENU_PROMPT)
        timeout = prompt[0] if prompt else 0
        if timeout == 255:
            why = "its boot menu waits for a person"
            return Step(state=state, end=GiveUp(error="waits at the boot menu", why=why))
        state = state._replace(stage=Stage.PROMPTING)
        if timeout:
            return Step(state=state, timer=later(at, timeout), note=f"boot prompt for {timeout} s")
        return self._take_item(state, at)

    def _take_item(self, state: State, at: Span) -> Step:
        """PxeBcSelectBootMenu with the default item, PxeBcExtractDiscoverInfo."""
        source = state.reply or state.ack
        assert source is not None
        menu = source.vendor.get(SubOption.BOOT_MENU)
        if SubOption.BOOT_MENU in source.vendor and (menu is None or len(menu) < 3):
            return Step(state=state, end=GiveUp(error=UNKNOWN, why="its boot menu is empty"))
        item = int.from_bytes(menu[:2], "big") if menu else 0
        if item == 0:
            why = "option 43 has no menu and does not say to use the offer's file: local boot"
            return Step(state=state, end=GiveUp(error=CANCELLED, why=why))
        return self._discover_server(state._replace(item=item), source, at)

    def _discover_server(self, state: State, source: Cached, at: Span) -> Step:
        """EfiPxeBcDiscover: multicast unless 43.6 bit 1, else broadcast unless bit 0, else the list."""
        listed: tuple[IPv4Address, ...] = ()
        targets: tuple[IPv4Address, ...]
        if SubOption.BOOT_SERVERS in source.vendor:
            found = edk2_packet.boot_servers(source, state.item)
            if found is None:
                why = "43.8 lists no boot server of its item's type"
                return Step(state=state, end=GiveUp(error=UNKNOWN, why=why))
            listed = found
        if source.control & 4 and not listed:
            why = "43.6 wants the list of boot servers, and there is none"
            return Step(state=state, end=GiveUp(error=UNKNOWN, why=why))
        named: IPv4Address | None = None
        if not source.control & 2:
            targets = (
                IPv4Address(source.vendor.get(SubOption.DISCOVERY_MCAST_ADDR, b"")[:4].ljust(4, b"\0")),
            )
        elif not source.control & 1:
            targets = (LIMITED_BROADCAST,)
        elif listed:
            targets, named = listed, listed[-1]
        else:
            return Step(state=state, end=GiveUp(error=UNKNOWN, why="43.6 leaves no way of discovery"))
        state = state._replace(
            stage=Stage.DISCOVERING,
            targets=targets,
            attempt=0,
            answered=False,
            reply=None,
            listed=listed if source.control & 4 else (),
            named=named,
        )
        return self._try(state, at, f"looks for boot server type {state.item}")

    def _load(self, state: State, source: Cached, at: Span) -> Step:
        """PxeBcDhcp4BootInfo: which server is asked for which file."""
        if source.file is None:
            return Step(state=state, end=GiveUp(error=NO_FILE, why="the chosen packet names no boot file"))
        server = None
        if source.control & 8 and SubOption.BOOT_SERVERS in source.vendor:
            entries = edk2_packet.boot_servers(source, None)
            server = entries[0] if entries else None
        why = "43.8"
        if server is None or server == UNSPECIFIED:
            # EfiPxeBcDiscover leaves the address it asked last where PxeBcDhcp4BootInfo looks first.
            server, why = state.named or UNSPECIFIED, "the list of boot servers"
        if server == UNSPECIFIED:
            server, why = source.packet.siaddr, "siaddr"
        if server == UNSPECIFIED:
            server, why = IPv4Address(source.server_id or bytes(4)), "option 54"
        return Step(
            state=state,
            end=Boot(
                server=server,
                file=source.file,
                by=source.source,
                why=f"the packet of {source.source} names the file in {source.file_from}, "
                f"the server in {why}",
                after=(0.0, self.late),
            ),
        )

"""A legacy BIOS ROM by the PXE 2.1 specification, and by what captures show of some.

The ROMs are closed. Where the specification can be read two ways, both are followed: `phases` holds the
readings, and a race that differs between them has both outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address
from typing import Literal, NamedTuple

from coexist.boot.firmware.machine import (
    KEEP,
    Boot,
    GiveUp,
    Heard,
    Machine,
    Send,
    Span,
    Step,
    boot_file,
    is_of_same_server,
    item_option,
    later,
    request,
    selecting,
    text_of,
)
from coexist.boot.firmware.pxe21_discovery import (
    AT_MENU,
    FOR_EVER,
    LOCAL_BOOT,
    NO_BOOT_SERVER,
    Plan,
    acknowledges,
    is_pxe,
    plan_of,
    port_of,
    prompt_seconds,
    server_named,
    vendor_options,
)
from coexist.boot.firmware.pxe21_request import XID, past_its_end, plain_options
from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import DiscoveryControl, PxeVendorOptions, SubOption

BOOT_IN_OFFER_FIRST, PROXY_FIRST = 0.0, 1.0
"""The readings. The first: the DHCP server's own boot file comes first (Microsoft KB 259670), the ways of
discovery are tried one after the other, a menu without a prompt waits, and the file of an offer serves where
port 4011 is silent. The second, as EDK2 whose tables descend from the same code: a proxy first, one way of
discovery, the first item of a menu without a prompt, and no file but the boot server's."""

# Sub-options 43.1 to 43.5 say how the file of this very packet is loaded (PXE 2.1 table 2-1); a zero
# multicast address is the usual way to make ROMs boot by DHCP alone, EDK2 wants all five.
_MTFTP = frozenset(range(SubOption.MTFTP_IP_ADDR, SubOption.MTFTP_DELAY + 1))
NO_ANSWER = "PXE-E51: No DHCP or proxyDHCP offers were received"
ONLY_PROXY = "PXE-E52: proxyDHCP offers were received. No DHCP offers were received"
NO_FILE = "PXE-E53: No boot filename received"
NO_4011 = "PXE-E55: ProxyDHCP service did not reply to request on port 4011"


class Stage(Enum):
    """Where the ROM stands."""

    SELECTING = "collecting offers"
    REQUESTING = "waiting for the DHCPACK"
    ASKING = "asking on port 4011"
    PROMPTING = "showing the boot prompt"
    DISCOVERING = "boot server discovery"


class State(NamedTuple):
    """A session; ``reading`` is how it ranks. Offers in order of arrival. Seconds."""

    machine: Machine
    reading: float
    stage: Stage = Stage.SELECTING
    window: int = 0
    leases: tuple[Heard, ...] = ()
    proxies: tuple[Heard, ...] = ()
    lease: Heard | None = None
    proxy: Heard | None = None
    ack: Heard | None = None
    source: Heard | None = None
    plan: Plan | None = None
    attempt: int = 0


Reading = Literal["both", "lease-first", "proxy-first"]
Which = Literal["first", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pxe21:
    """The parameters of a PXE 2.1 ROM, in seconds.

    ``windows``: how long each DISCOVER listens (PXE 2.1 section 2.2.3: 4, 8, 16, 32). ``secs``: what each
    carries; ROMs were captured with 4 in the first. ``plain_after``: window after which an offer without
    PXEClient may be taken (rediscovery on the 4 and 8 s timeouts). ``new_xid``: each DISCOVER has its own
    xid, so that a late answer to an earlier one is not heard. ``request_windows``: tries on port 4011, and of
    each boot server. ``reading``: how the specification is read; both are raced unless one is named.
    ``takes``: the first or the last of several offers of a kind. ``needs_43``: proxies without option 43 are
    of no use to it. ``menus``: it follows menus and lists of boot servers. ``blksize``: the
    largest TFTP block it asks for, in octets (1456 in public logs of ROMs). ``reads_past_67``: it reads
    option 67 up to a NUL, whatever its length, and asks for a name that is too long where there is none.
    """

    name: str = "pxe21"
    windows: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0)
    secs: tuple[int, ...] = (4, 8, 16, 32)
    plain_after: int = 2
    new_xid: bool = True
    request_windows: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    reading: Reading = "both"
    takes: Which = "first"
    needs_43: bool = False
    menus: bool = True
    blksize: int = 1456
    reads_past_67: bool = False
    late: float = 0.05
    assumptions: tuple[str, ...] = (
        "PXE 2.1 ROMs are closed: their timing is taken from the specification",
        "in a PXE 2.1 ROM the DHCP server's boot file or a proxy may come first: both are followed",
    )

    @property
    def phases(self) -> tuple[float, ...]:
        """The readings."""
        if self.reading == "both":
            return (BOOT_IN_OFFER_FIRST, PROXY_FIRST)
        return (BOOT_IN_OFFER_FIRST if self.reading == "lease-first" else PROXY_FIRST,)

    @property
    def continuous(self) -> bool:
        """There is nothing between two readings."""
        return False

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        return self._discover(State(machine=machine, reading=phase), (0.0, 0.0), "")

    def _xid(self, state: State) -> int:
        # Captures: the first octet of the xid counts the DISCOVERs.
        return XID + (state.window << 24 if self.new_xid else 0)

    def _secs(self, state: State) -> int:
        return self.secs[min(state.window, len(self.secs) - 1)]

    def _discover(self, state: State, at: Span, note: str) -> Step:
        packet = request(
            state.machine,
            MessageType.DISCOVER,
            plain_options(state.machine),
            xid=self._xid(state),
            secs=self._secs(state),
            broadcast=True,
        )
        timer = later(at, self.windows[state.window], self.late)
        return Step(state=state, sends=(Send(packet),), timer=timer, note=note)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """An offer of the open window, the ACK, or the reply of a boot server."""
        packet = heard.packet
        if packet.xid != self._xid(state):
            return ()
        match state.stage:
            case Stage.SELECTING:
                return self._hear_offer(state, heard)
            case Stage.REQUESTING:
                return self._hear_ack(state, heard, at)
            case Stage.ASKING:
                if heard.source_port != BOOT_SERVER_PORT or packet.message_type is not MessageType.ACK:
                    return ()
                return (self._follow(state, heard, at),)
            case Stage.DISCOVERING:
                return self._hear_boot_server(state, heard)
            case _:
                return ()

    def _hear_offer(self, state: State, heard: Heard) -> tuple[Step, ...]:
        packet = heard.packet
        if heard.source_port != DHCP_PORT or packet.message_type is not MessageType.OFFER:
            return ()
        if packet.yiaddr != UNSPECIFIED:
            state = state._replace(leases=(*state.leases, heard))
            return (Step(state=state, timer=KEEP, note="an address" + (", PXE" if is_pxe(packet) else "")),)
        if not is_pxe(packet):
            return (Step(state=state, timer=KEEP, note="neither address nor PXEClient: of no use"),)
        if self.needs_43 and Option.VENDOR_SPECIFIC_INFORMATION not in packet.options:
            return (Step(state=state, timer=KEEP, note="a proxy without option 43: of no use to it"),)
        state = state._replace(proxies=(*state.proxies, heard))
        return (Step(state=state, timer=KEEP, note="a proxy"),)

    def _hear_ack(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        assert state.lease is not None
        packet = heard.packet
        own = state.lease.packet
        if heard.source_port != DHCP_PORT or packet.yiaddr != own.yiaddr:
            return ()
        if packet.message_type is not MessageType.ACK:
            return ()
        if not is_of_same_server(packet, own):
            return ()
        state = state._replace(ack=heard)
        if state.proxy is None:
            return (self._load(state, heard),)
        return (self._follow(state, state.proxy, at),)

    def _hear_boot_server(self, state: State, heard: Heard) -> tuple[Step, ...]:
        assert state.plan is not None
        if heard.source_port not in (DHCP_PORT, BOOT_SERVER_PORT):
            return ()
        why = acknowledges(heard.packet, heard.source, state.plan)
        if why is not None:
            return (Step(state=state, timer=KEEP, note=f"{why}: ignored"),)
        return (self._load(state, heard),)

    # -- the boot server -------------------------------------------------------------------------

    def _follow(self, state: State, source: Heard, at: Span) -> Step:
        """What a PXE offer, or the reply on port 4011, leads to: its file, its menu, or port 4011."""
        packet = source.packet
        state = state._replace(source=source)
        vendor = vendor_options(packet)
        control = vendor.discovery_control if vendor is not None else None
        uses_own = control is not None and bool(control & DiscoveryControl.USE_BOOT_FILE)
        if state.reading == BOOT_IN_OFFER_FIRST and vendor is not None and control is None:
            uses_own = not _MTFTP.isdisjoint(vendor.other)
        if uses_own and boot_file(packet):
            return self._load(state, source)
        if vendor is not None and vendor.menu and self.menus:
            return self._prompt(state, vendor, at)
        if state.stage is Stage.ASKING or (vendor is not None and control is not None):
            # Nothing to choose from: what it names itself (first reading), or nothing (as EDK2: PXE-E21).
            if state.stage is Stage.ASKING or state.reading == BOOT_IN_OFFER_FIRST:
                return self._load(state, source)
            why = "option 43 has no menu and does not say to use the offer's file"
            return Step(state=state, end=GiveUp(error=LOCAL_BOOT, why=why))
        return self._ask(state._replace(stage=Stage.ASKING, attempt=0), at, "asks on port 4011")

    def _prompt(self, state: State, vendor: PxeVendorOptions, at: Span) -> Step:
        seconds = prompt_seconds(vendor, waits_without=state.reading == BOOT_IN_OFFER_FIRST)
        if seconds == FOR_EVER:
            why = "its boot menu waits for a person"
            return Step(state=state, end=GiveUp(error=AT_MENU, why=why))
        state = state._replace(stage=Stage.PROMPTING)
        if seconds:
            return Step(state=state, timer=later(at, seconds, self.late), note=f"boot prompt for {seconds} s")
        return self._take_item(state, at)

    def _take_item(self, state: State, at: Span) -> Step:
        """The first item of the menu, when the prompt's time is over."""
        assert state.source is not None
        vendor = vendor_options(state.source.packet)
        assert vendor is not None
        item = vendor.menu[0].type
        if not item:
            why = "the menu's first item is local boot"
            return Step(state=state, end=GiveUp(error=LOCAL_BOOT, why=why))
        plan = plan_of(vendor, item, one_after_the_other=state.reading == BOOT_IN_OFFER_FIRST)
        if plan.error:
            return Step(state=state, end=GiveUp(error=plan.error, why=plan.why))
        state = state._replace(stage=Stage.DISCOVERING, plan=plan, attempt=0)
        return self._discover_server(state, at, f"menu item {item}: asks {plan.targets[0]}")

    def _discover_server(self, state: State, at: Span, note: str) -> Step:
        assert state.plan is not None
        target = state.plan.targets[0]
        return self._ask_at(state, target, item_option(state.plan.item), at, note)

    def _ask(self, state: State, at: Span, note: str) -> Step:
        assert state.source is not None
        return self._ask_at(state, server_named(state.source.packet, state.source.source), {}, at, note)

    def _ask_at(
        self, state: State, target: IPv4Address, options: dict[int, bytes], at: Span, note: str
    ) -> Step:
        assert state.ack is not None
        own = state.ack.packet.yiaddr
        packet = request(
            state.machine,
            MessageType.REQUEST,
            {**plain_options(state.machine), **options},
            xid=self._xid(state),
            secs=self._secs(state),
            broadcast=False,
            ciaddr=own,
        )
        send = Send(packet, address=target, port=port_of(target), source=own)
        timer = later(at, self.request_windows[state.attempt], self.late)
        return Step(state=state, sends=(send,), timer=timer, note=note)

    # -- time ------------------------------------------------------------------------------------

    def expire(self, state: State, at: Span) -> Step:
        """The end of a window, of a prompt or of a try."""
        match state.stage:
            case Stage.SELECTING:
                return self._end_of_window(state, at)
            case Stage.REQUESTING:
                return self._request_again(state, at)
            case Stage.ASKING:
                return self._ask_again(state, at)
            case Stage.PROMPTING:
                return self._take_item(state, at)
            case Stage.DISCOVERING:
                return self._discover_again(state, at)

    def _end_of_window(self, state: State, at: Span) -> Step:
        lease, proxy, why = self._choose(state)
        if lease is not None:
            state = state._replace(stage=Stage.REQUESTING, lease=lease, proxy=proxy, attempt=0)
            return self._request(state, at, why)
        if state.window + 1 == len(self.windows):
            if not state.leases:
                error = ONLY_PROXY if state.proxies else NO_ANSWER
                return Step(state=state, end=GiveUp(error=error, why="no address was offered"))
            return Step(state=state, end=GiveUp(error=NO_FILE, why="no offer names a boot file"))
        state = state._replace(window=state.window + 1)
        return self._discover(state, at, "no complete answer yet: DISCOVER again")

    def _choose(self, state: State) -> tuple[Heard | None, Heard | None, str]:
        """The lease, the PXE offer it goes with (None: the lease's own file), and why."""
        with_pxe = self._pick([o for o in state.leases if is_pxe(o.packet)])
        with_file = self._pick([o for o in state.leases if boot_file(o.packet)])
        proxy = self._pick(state.proxies)
        waited = state.window + 1 >= self.plain_after
        if with_pxe is not None:
            return with_pxe, with_pxe, "the DHCP server itself says PXEClient"
        if proxy is not None and state.leases:
            if with_file is not None and state.reading == BOOT_IN_OFFER_FIRST:
                return with_file, None, "the DHCP server's own boot file (one reading)"
            return self._pick(state.leases), proxy, "an address and a proxy"
        if with_file is not None and waited:
            return with_file, None, "no PXE answer came: an offer with a boot file"
        return None, None, ""

    def _pick(self, offers: Sequence[Heard]) -> Heard | None:
        if not offers:
            return None
        return offers[0] if self.takes == "first" else offers[-1]

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        options = {**plain_options(state.machine), **selecting(state.lease.packet)}
        packet = request(
            state.machine,
            MessageType.REQUEST,
            options,
            xid=self._xid(state),
            secs=self._secs(state),
            broadcast=True,
        )
        timer = later(at, self.request_windows[state.attempt], self.late)
        return Step(state=state, sends=(Send(packet),), timer=timer, note=note)

    def _request_again(self, state: State, at: Span) -> Step:
        if state.attempt + 1 == len(self.request_windows):
            return Step(state=state, end=GiveUp(error=NO_ANSWER, why="the address was never acknowledged"))
        return self._request(state._replace(attempt=state.attempt + 1), at, "asks for the address again")

    def _ask_again(self, state: State, at: Span) -> Step:
        if state.attempt + 1 < len(self.request_windows):
            return self._ask(state._replace(attempt=state.attempt + 1), at, "asks again on port 4011")
        assert state.source is not None
        if boot_file(state.source.packet) and state.reading == BOOT_IN_OFFER_FIRST:
            note = "port 4011 is silent: some ROMs use the file of the offer, others stop here"
            return replace(self._load(state, state.source), note=note)
        return Step(state=state, end=GiveUp(error=NO_4011, why=f"{state.source.source} never answered there"))

    def _discover_again(self, state: State, at: Span) -> Step:
        plan = state.plan
        assert plan is not None
        if state.attempt + 1 < len(self.request_windows):
            return self._discover_server(state._replace(attempt=state.attempt + 1), at, "no answer: again")
        if len(plan.targets) > 1:
            plan = plan._replace(targets=plan.targets[1:])
            state = state._replace(plan=plan, attempt=0)
            return self._discover_server(state, at, f"no answer: asks {plan.targets[0]}")
        why = f"no boot server of type {plan.item} answered"
        return Step(state=state, end=GiveUp(error=NO_BOOT_SERVER, why=why))

    def _load(self, state: State, source: Heard) -> Step:
        packet = source.packet
        name = boot_file(packet)
        if not name:
            return Step(
                state=state, end=GiveUp(error=NO_FILE, why=f"the reply of {source.source} names none")
            )
        server = packet.siaddr if packet.siaddr != UNSPECIFIED else source.source
        return Step(
            state=state,
            end=Boot(
                server=server,
                file=past_its_end(packet) if self.reads_past_67 and not packet.file else text_of(name),
                by=source.source,
                why=f"the packet of {source.source} names the file and, in siaddr, the server",
                after=(0.0, self.late),
            ),
        )

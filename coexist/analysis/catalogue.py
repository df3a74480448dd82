"""Every code a finding can have, once. Codes and names are never reused.

Each has a page in docs/findings with what it means, why firmware behaves so, and a failing and a
repaired inventory.
"""

from __future__ import annotations

from coexist.analysis.findings import Code, Severity

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_TABLE: tuple[tuple[str, str, Severity, str], ...] = (
    # -- CX1xx inventory -------------------------------------------------------------------------
    ("CX101", "suppression-without-finding", WARNING, "A suppression matches no finding any more"),
    ("CX102", "suppression-expired", WARNING, "A suppression's date has passed; it no longer hides anything"),
    ("CX103", "group-never-used", INFO, "A group is declared and nothing refers to it"),
    ("CX104", "clients-without-intent", WARNING, "No intent says who shall answer these clients"),
    ("CX105", "intent-never-applies", WARNING, "An intent speaks of clients that earlier ones have taken"),
    ("CX106", "intent-expired", WARNING, "An intent's date has passed"),
    ("CX107", "groups-contradict", WARNING, "The groups of a client say different things about its hardware"),
    ("CX108", "firmware-assumed", INFO, "No firmware is declared for an architecture that clients have"),
    ("CX109", "parked-address-served", ERROR, "A parked MAC address and the real one are on one server's list"),
    ("CX110", "one-machine-two-servers", WARNING, "The network cards of one machine boot from different servers"),
    ("CX111", "group-empty", WARNING, "A group that something refers to has no members"),
    ("CX112", "server-never-boots-anyone", WARNING, "A boot service that no client of the intent boots from"),
    ("CX113", "migration-outside-its-clients", WARNING, "A migration names pilots or waves outside its clients"),
    ("CX114", "impossible-machine", WARNING, "A client's architecture and firmware exist in no machine"),
    # -- CX2xx addressing ------------------------------------------------------------------------
    ("CX201", "vlan-without-dhcp", ERROR, "No DHCP server leases addresses on a VLAN with clients"),
    ("CX202", "server-unreachable", ERROR, "No broadcast and no relay reaches a server"),
    ("CX203", "relay-missing", ERROR, "The intended server hears nothing from the clients' VLAN"),
    ("CX204", "relay-and-local", WARNING, "A server hears each broadcast twice: directly and by the relay"),
    ("CX205", "relay-to-nothing", WARNING, "A relay target answers no DHCP"),
    ("CX206", "snooping-drops-offers", ERROR, "DHCP snooping drops the offers of a server that shall answer"),
    ("CX207", "scope-out-of-reach", ERROR, "A scope's DHCP server hears nothing from the scope's VLAN"),
    ("CX208", "pools-overlap", ERROR, "Two scopes lease the same addresses"),
    ("CX209", "dhcp-servers-disagree", ERROR, "Two DHCP servers of a VLAN hand out different boot information"),
    ("CX210", "pool-holds-server", ERROR, "A pool leases the address of a server or gateway"),
    ("CX211", "reservation-in-pool", WARNING, "A reserved address lies in a pool that leases to others"),
    ("CX212", "no-router-to-boot-server", ERROR, "Clients get no router and their boot server is elsewhere"),
    ("CX213", "router-outside-subnet", ERROR, "The router option names an address outside the subnet"),
    ("CX214", "no-address-for-clients", ERROR, "Clients that shall boot are leased no address"),
    ("CX215", "authority-over-foreign-subnet", WARNING, "An authoritative DHCP server refuses others' leases"),
    ("CX216", "boot-port-blocked", ERROR, "A firewall drops a port that the boot needs"),
    ("CX217", "relay-drops-first-packets", WARNING, "The relay's threshold drops a client's first packets"),
    ("CX218", "port-opens-late", WARNING, "Spanning tree drops a client's first packets"),
    ("CX219", "port-67-shared", ERROR, "Two services on one host compete for port 67"),
    ("CX220", "too-many-offers", WARNING, "More offers reach a UEFI client than it keeps"),
    ("CX221", "reservation-in-no-scope", WARNING, "A reserved address lies in no scope that would lease it"),
    # -- CX3xx ordering and delay ----------------------------------------------------------------
    ("CX301", "two-responders", ERROR, "Two boot services answer the same client and nothing orders them"),
    ("CX302", "nobody-answers", ERROR, "No boot service answers a client that shall boot"),
    ("CX303", "wrong-server-wins", ERROR, "A client boots from another server than intended"),
    ("CX304", "winner-by-chance", ERROR, "Which server a client boots from is decided by milliseconds"),
    ("CX305", "fallback-never-wins", ERROR, "A fallback never gets the client, even when the others are silent"),
    ("CX306", "fallback-wins-first", ERROR, "The fallback gets the client although the intended server answers"),
    ("CX307", "whitelists-overlap", WARNING, "Two servers' whitelists hold the same clients"),
    ("CX308", "client-waits", WARNING, "A client boots only at its second, third or last attempt"),
    ("CX309", "delay-without-effect", WARNING, "A threshold on secs does not delay this firmware at all"),
    ("CX310", "delay-outlasts-client", ERROR, "The firmware has given up before the delay is over"),
    ("CX311", "delay-at-window-edge", WARNING, "A delay ends just when UEFI closes its first window"),
    ("CX312", "delays-too-close", ERROR, "Two servers answer the same clients within the network's jitter"),
    ("CX313", "delay-shorter-than-lease", WARNING, "The delayed server answers before the DHCP server does"),
    ("CX314", "delay-blocks-server", INFO, "The server is deaf to other clients while it delays one"),
    ("CX315", "delay-misses-retry", WARNING, "A wall-clock delay ends just after the client's second packet"),
    ("CX316", "offer-class-beats-order", ERROR, "A later offer wins because it is of a better class"),
    ("CX317", "delay-not-supported", ERROR, "The product cannot delay in the declared way"),
    ("CX318", "delay-for-nobody", WARNING, "A delay is declared for clients the server never answers"),
    ("CX319", "delay-skips-known-clients", WARNING, "The product does not delay clients it knows"),
    ("CX320", "intended-server-refuses", ERROR, "The intended server does not answer the client"),
    ("CX321", "boots-against-intent", ERROR, "A client boots that shall boot from nobody"),
    ("CX322", "outcome-unknown", WARNING, "How this firmware chooses between the offers is not known"),
    # -- CX4xx boot path -------------------------------------------------------------------------
    ("CX401", "scope-file-beside-proxy", ERROR, "A scope names a boot file for clients that also have a ProxyDHCP"),
    ("CX402", "option-60-without-service", ERROR, "A DHCP server says PXEClient and no boot service is there"),
    ("CX403", "option-60-hides-proxy", ERROR, "A DHCP server says PXEClient, so the ProxyDHCP is ignored"),
    ("CX404", "program-of-wrong-architecture", ERROR, "A boot program does not run on the client's architecture"),
    ("CX405", "no-program-for-architecture", ERROR, "The intended server has no boot program for an architecture"),
    ("CX406", "option-66-alone", ERROR, "Option 66 names the server, and firmware reads siaddr"),
    ("CX407", "file-without-server", ERROR, "A scope names a boot file and no server that has it"),
    ("CX408", "header-and-option-differ", ERROR, "The header and options 66 and 67 name different things"),
    ("CX409", "silent-on-4011", ERROR, "A boot service offers without a file and does not answer port 4011"),
    ("CX410", "next-server-without-tftp", ERROR, "The next server serves no files"),
    ("CX411", "discovery-control-without-file", ERROR, "Option 43.6 asks for a boot menu that is not there"),
    ("CX412", "http-client-without-url", ERROR, "A UEFI HTTP boot client is given something that is no URL"),
    ("CX413", "url-for-tftp-firmware", ERROR, "A firmware that only knows TFTP is given a URL"),
    ("CX414", "url-needs-dns", ERROR, "A URL names a host and the scope gives no DNS server"),
    ("CX415", "ipxe-loads-itself", ERROR, "iPXE is chain-loaded and then given iPXE again"),
    ("CX416", "second-stage-leaves", ERROR, "The second stage asks again and follows another server"),
    ("CX417", "option-missing-from-lease", ERROR, "Clients do not find the intended options in their lease"),
    ("CX418", "option-43-is-not-pxe", WARNING, "Option 43 in another format is sent together with PXEClient"),
    ("CX419", "firmware-ignores-proxies", ERROR, "The firmware knows no ProxyDHCP, and the intended server is one"),
    ("CX420", "empty-offer-for-architecture", ERROR, "A ProxyDHCP answers with an empty offer and spoils another's"),
    ("CX421", "program-server-without-tftp", ERROR, "A boot program lies on a server that serves no files"),
    ("CX422", "boots-from-stranger", WARNING, "The boot server's address belongs to no declared server"),
    ("CX423", "no-boot-program", ERROR, "A boot service has no boot program at all"),
    ("CX424", "pxe-offer-for-http-client", ERROR, "A UEFI HTTP boot client gets only PXE offers, which it ignores"),
    # -- CX6xx drift -----------------------------------------------------------------------------
    ("CX601", "edited-by-hand", WARNING, "A file on a server is not what the last rollout left there"),
    ("CX602", "file-gone", WARNING, "A file that a rollout wrote is no longer on the server"),
    ("CX603", "never-rolled-out", INFO, "A file on a server that no recorded rollout wrote will be replaced"),
    # -- CX7xx seen on the wire ------------------------------------------------------------------
    ("CX701", "stranger-answers", ERROR, "A server that the inventory does not know answers clients"),
    ("CX702", "silent-on-the-wire", ERROR, "A server that shall answer this client does not"),
    ("CX703", "answers-unexpectedly", ERROR, "A server answers a client it shall not answer"),
    ("CX704", "answer-differs", ERROR, "An answer names another file or another server than predicted"),
    ("CX705", "answer-out-of-time", WARNING, "An answer comes sooner or later than predicted"),
    ("CX706", "boot-file-differs", ERROR, "The boot file on the wire is missing or is another one"),
    ("CX707", "winner-not-predicted", ERROR, "A client booted from another server than predicted"),
)  # fmt: skip

CATALOGUE: dict[str, Code] = {
    code: Code(code=code, name=name, severity=severity, title=title) for code, name, severity, title in _TABLE
}
"""Each code by its number."""

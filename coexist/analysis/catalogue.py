"""Every code a finding can have. Codes and names are never reused.

Those that ``check`` reports stand beside their rules and are collected here. Rendering, rolling out and asking
the wire are rooms above this one, so the codes of what they find are listed here.
"""

from __future__ import annotations

from coexist.analysis import suppress
from coexist.analysis.findings import ERROR, INFO, WARNING, Code, Severity
from coexist.analysis.rules import (
    KINDS,
    addressing,
    architectures,
    bootpath,
    dropins,
    hearing,
    inventory,
    lists,
    loaders,
    ordering,
    outcome,
    pairs,
    programs,
)

# Importing a module registers its codes; naming the modules keeps that from looking unused.
MODULES = (
    inventory,
    dropins,
    lists,
    hearing,
    addressing,
    ordering,
    bootpath,
    programs,
    architectures,
    loaders,
    outcome,
    pairs,
    suppress,
)

_ABOVE: tuple[tuple[str, str, Severity, str], ...] = (
    # -- CX4xx boot path, what only the files themselves show
    ("CX429", "boot-file-missing", ERROR, "A boot file is not where its server looks for it"),
    ("CX430", "boot-file-for-other-machine", ERROR, "A boot file is built for another kind of machine"),
    ("CX431", "boot-file-and-secure-boot", INFO, "Secure Boot refuses a boot file, now or on newer machines"),
    ("CX432", "boot-file-is-another-loader", WARNING, "A boot file is not the loader that its name says"),
    # -- CX5xx not expressible on that target
    ("CX501", "target-without-delay", ERROR, "The target has no delay, and one is declared"),
    ("CX502", "target-without-secs-threshold", ERROR, "The target cannot compare the client's secs"),
    ("CX503", "target-without-first-packet-delay", ERROR, "The target does not know a client's first packet"),
    ("CX504", "target-without-offer-wait", ERROR, "The target cannot wait for another server's offer"),
    ("CX505", "delay-rounded-on-target", WARNING, "The target's delay has a coarser unit and was rounded up"),
    ("CX506", "target-without-delay-by-group", ERROR, "The target delays everyone alike"),
    ("CX507", "target-without-whitelist", ERROR, "The target cannot be told to answer only some clients"),
    ("CX508", "target-without-deny-list", ERROR, "The target cannot be told to leave some clients out"),
    ("CX509", "target-without-mac-ranges", ERROR, "The target's lists hold whole MAC addresses only"),
    ("CX510", "target-without-architecture-filter", ERROR, "The target cannot leave out an architecture"),
    ("CX511", "condition-not-on-target", ERROR, "The target cannot test what a rule asks for"),
    ("CX512", "role-not-on-target", ERROR, "The target cannot take a role that is declared"),
    ("CX513", "client-incomplete-for-target", ERROR, "A client lacks what the target needs to serve it"),
    ("CX514", "name-not-on-target", WARNING, "A name cannot be written on the target and was replaced"),
    ("CX515", "program-not-on-target", WARNING, "The target chooses the boot program by itself"),
    ("CX516", "option-not-on-target", ERROR, "The target cannot send an option as declared"),
    ("CX517", "target-without-renderer", WARNING, "The software has no renderer; it gets plain lists"),
    ("CX518", "failover-not-on-target", ERROR, "The target cannot do the failover that is declared"),
    ("CX519", "option-43-of-offers-not-on-target", WARNING, "The target decides about option 43 by itself"),
    ("CX520", "version-without-renderer", WARNING, "No files are written for this version of the product"),
    ("CX521", "ping-check-not-on-target", WARNING, "The target does not ping an address before it offers it"),
    ("CX522", "target-without-uuid", WARNING, "The target tells machines apart by MAC address only"),
    ("CX523", "copy-not-whole", ERROR, "A file that is written whole lacks its secrets"),
    ("CX524", "statements-left-out", ERROR, "A file that is written anew lacks statements of the one that was there"),
    ("CX525", "lease-time-limit-not-on-target", WARNING, "The target cannot limit what lease time clients ask for"),
    ("CX526", "shared-network-not-on-target", ERROR, "The target leases a shared subnet on its other VLANs too"),
    # -- CX6xx drift
    ("CX601", "edited-by-hand", WARNING, "A file on a server is not what the last rollout left there"),
    ("CX602", "file-gone", WARNING, "A file that a rollout wrote is no longer on the server"),
    ("CX603", "never-rolled-out", INFO, "A file on a server that no recorded rollout wrote would be replaced"),
    ("CX604", "no-longer-rendered", INFO, "A file of an earlier rollout is no longer rendered and will be removed"),
    ("CX605", "left-behind", INFO, "A server without rollouts still has files of an earlier one"),
    ("CX606", "copy-is-old", WARNING, "A file on a server differs from its copy in the inventory"),
    # -- CX7xx seen on the wire
    ("CX701", "stranger-answers", ERROR, "A server that the inventory does not know answers clients"),
    ("CX702", "silent-on-the-wire", ERROR, "A server that must answer this client does not"),
    ("CX703", "answers-unexpectedly", ERROR, "A server answers a client it must not answer"),
    ("CX704", "answer-differs", ERROR, "An answer names another file or another server than predicted"),
    ("CX705", "answer-out-of-time", WARNING, "An answer comes sooner or later than predicted"),
    ("CX706", "boot-file-differs", ERROR, "A boot file on the wire is missing or differs"),
    ("CX707", "winner-not-predicted", ERROR, "A client booted from another server than predicted"),
    ("CX708", "boot-failed", ERROR, "A client's boot ended without its boot file"),
)  # fmt: skip

_OF_ABOVE = {
    code: Code(code=code, name=name, severity=severity, title=title) for code, name, severity, title in _ABOVE
}
CATALOGUE: dict[str, Code] = dict(sorted((KINDS | _OF_ABOVE).items()))
"""Each code by its number."""

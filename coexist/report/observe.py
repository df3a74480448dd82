"""A boot that was seen: as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from coexist.probe.expectation import told
from coexist.records import dataclass
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.observe import Seen
    from coexist.probe.observation import Boot
    from coexist.probe.replay import Reason


@dataclass(frozen=True, slots=True)
class Line:
    """A line, how far it is indented, and what follows a fold still further."""

    text: str
    indent: str = "  "
    hang: int = 2


def lines(seen: Seen) -> Iterator[Line]:
    """A boot in lines; the first says who."""
    boot = seen.boot
    stage = f", stage {boot.stage}" if boot.stage > 1 else ""
    head = f"{format_mac(boot.asker.mac)} {boot.asker.architecture} ({boot.firmware}{stage})"
    yield Line(head, "")
    asked = ", ".join(f"{at:.2f} s (secs {secs})" for at, secs in boot.discovers)
    yield Line(f"DISCOVER at {asked}" if asked else "REQUEST for an address it had before")
    replies = (*boot.offers, *boot.acks, *boot.boot_server_replies, *boot.naks)
    for answer in sorted(replies, key=lambda a: a.at):
        yield Line(told(answer), hang=10)
    yield Line(_asked(boot), hang=10)
    for request in boot.requests:
        if request.file != (boot.file_request and boot.file_request.file):
            said = f": {request.why}" if request.why else ""
            what = f"then {request.server} for {request.file}: {request.end.value}{said}"
            yield Line(f"{request.at:6.2f} s  {what}", hang=10)
    if boot.left_out:
        yield Line(f"{boot.left_out} more packets of this client and to it are left out")
    yield Line(f"end: {_ended(boot)}")
    if seen.replayed is not None:
        yield Line(f"why: {_why(seen.replayed)}")
    if seen.predicted is not None:
        yield Line("predicted: " + " or ".join(str(name or "nobody") for name in seen.predicted))
    for found in seen.findings:
        yield Line(f"{found.code.code} {found.severity}: {found.message}; {found.repair}")


def _ended(boot: Boot) -> str:
    request = boot.file_request
    if request is None or not boot.failed:
        return boot.end.value
    return f"{boot.end.value}: {request.end.value}" + (f" ({request.why})" if request.why else "")


def _asked(boot: Boot) -> str:
    request = boot.file_request
    if request is None:
        return "no request for a file was captured"
    named = boot.named_by
    by = f", named by {named.server} ({named.role})" if named is not None else ", named by no captured reply"
    return f"{request.at:6.2f} s  asks {request.server} for {request.file}{by}"


def _why(replayed: tuple[Reason, ...]) -> str:
    """The model's reason; where it allows several ends, each of them."""
    return "; or ".join(f"{reason.winner or 'nobody'}: {reason.why}" for reason in replayed)


def as_dict(seen: Seen) -> dict[str, Any]:
    """The same for machines."""
    boot, request = seen.boot, seen.boot.file_request
    return {
        "mac": format_mac(boot.asker.mac),
        "architecture": boot.asker.architecture,
        "firmware": boot.firmware,
        "vlan": boot.asker.vlan or None,
        "stage": boot.stage,
        "began": boot.began,
        "discovers": [{"at": round(at, 3), "secs": secs} for at, secs in boot.discovers],
        "answers": [
            {
                "at": round(answer.at, 3),
                "server": str(answer.server),
                "role": answer.role,
                "port": answer.port,
                "file": answer.file or None,
                "boot_server": str(answer.boot_server) if answer.boot_server else None,
            }
            for answer in (*boot.offers, *boot.acks, *boot.boot_server_replies)
        ],
        "ended": {"kind": boot.end.name.lower(), "failed": boot.failed, "text": _ended(boot)},
        "requests": [
            {
                "at": round(asked.at, 3),
                "server": str(asked.server),
                "file": asked.file,
                "protocol": asked.protocol,
                "end": asked.end.name.lower(),
                "why": asked.why or None,
            }
            for asked in boot.requests
        ],
        "file_request": request
        and {"at": round(request.at, 3), "server": str(request.server), "file": request.file},
        "named_by": str(boot.named_by.server) if boot.named_by else None,
        "replayed": seen.replayed
        and [{"winner": reason.winner, "why": reason.why} for reason in seen.replayed],
        "predicted": None if seen.predicted is None else list(seen.predicted),
        "findings": [{"code": f.code.code, "message": f.message, "repair": f.repair} for f in seen.findings],
    }

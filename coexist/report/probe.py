"""What a probe heard: as text, as JSON, and as a monitoring plug-in tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from coexist.analysis.findings import Severity
from coexist.text.amounts import amount
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.probe import Probed
    from coexist.probe.answer import Responder

NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN = range(4)


def lines(probed: Probed) -> Iterator[tuple[str, str]]:
    """Each line with its indentation."""
    asked = probed.asked
    if not probed.responders:
        yield "", f"nobody answered {amount(len(asked.askers), 'client')} in {asked.seconds:.0f} s"
    for responder in probed.responders:
        name = probed.names.get(responder.address)
        told = f"{responder.address}" + (f" ({name})" if name else "")
        yield "", f"{told}: {', '.join(responder.roles)}"
        for line in _about(responder):
            yield "  ", line
    for (server, file), digest in probed.fetched.items():
        yield "", f"{server}: {file}: {digest}"
    for finding in probed.findings:
        yield "", f"{finding.code.code} {finding.severity}: {finding.message}; {finding.repair}"


def _about(responder: Responder) -> Iterator[str]:
    """What is known of one server, a line a thing."""
    on_4011 = "answers" if responder.answers_4011 else "does not answer"
    yield (
        f"first answer at {responder.earliest:.2f} s, {responder.delay:.2f} s after its packet;"
        f" {on_4011} on port 4011"
    )
    yield f"answers {', '.join(responder.answered)}"
    if responder.silent:
        yield f"silent to {', '.join(responder.silent)}"
    yield from (f"{architecture} is given {file}" for architecture, file in responder.files)
    yield from responder.remarks


def nagios(probed: Probed) -> tuple[str, int]:
    """The monitoring plug-ins' convention: status, text, performance data after a bar; and the exit code."""
    performance = " ".join(f"'{each.address}'={each.delay:.3f}s" for each in probed.responders)
    worst = max((finding.severity for finding in probed.findings), default=None)
    if worst is Severity.ERROR or (not probed.expected and not probed.responders):
        word, code = "CRITICAL", NAGIOS_CRITICAL
    elif worst is not None:
        word, code = "WARNING", NAGIOS_WARNING
    else:
        word, code = "OK", NAGIOS_OK
    told = "; ".join(each.message for each in probed.findings) or amount(len(probed.responders), "responder")
    return f"COEXIST {word} - {told.replace('|', '/')} | {performance}".rstrip(" |"), code


def as_dict(probed: Probed) -> dict[str, Any]:
    """The same for machines."""
    asked = probed.asked
    return {
        "seconds": round(asked.seconds, 3),
        "asked": [{"mac": format_mac(a.mac), "architecture": a.architecture} for a in asked.askers],
        "skipped": list(asked.skipped),
        "responders": [
            {
                "address": str(responder.address),
                "name": probed.names.get(responder.address),
                "roles": list(responder.roles),
                "answers": list(responder.answered),
                "silent": list(responder.silent),
                "first": round(responder.earliest, 3),
                "delay": round(responder.delay, 3),
                "port_4011": responder.answers_4011,
                "files": [{"architecture": a, "file": file} for a, file in responder.files],
                "remarks": list(responder.remarks),
            }
            for responder in probed.responders
        ],
        "answers": [
            {
                "server": str(answer.server),
                "mac": format_mac(answer.asker.mac),
                "architecture": answer.asker.architecture,
                "port": answer.port,
                "at": round(answer.at, 3),
                "after": round(answer.after, 3),
                "secs": answer.secs,
                "role": answer.role,
                "file": answer.file or None,
                "boot_server": str(answer.boot_server) if answer.boot_server else None,
            }
            for answer in asked.answers
        ],
        "fetched": [
            {"server": server, "file": file, "result": digest}
            for (server, file), digest in probed.fetched.items()
        ],
        "findings": [
            {
                "code": finding.code.code,
                "severity": str(finding.severity),
                "message": finding.message,
                "repair": finding.repair,
            }
            for finding in probed.findings
        ],
    }

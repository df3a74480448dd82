"""What a decision on a packet leaves behind: a count, a line of the log, and what is known of the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coexist.boot.compiled import Prepared
from coexist.boot.respond import Answer, Reason, Silence
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.seen import Client
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType


class Decisions:
    """The decisions of one port (``role``); ``registers`` takes the clients that a rule has registered.

    Times are monotonic seconds, ``now`` that of the decision. What coexist's own probe asks is
    logged, and not counted here.
    """

    def __init__(
        self, role: int, *, counters: Counters, log: Log, registers: Callable[[Client], None]
    ) -> None:
        self.role = role
        self.counters = counters
        self.log = log
        self._registers = registers

    def answered(
        self, client: Client, answer: Answer | Prepared, now: float, due: float | None = None
    ) -> None:
        """The client was answered; ``due``: when a late answer should have left."""
        client.decision, client.rule = "answered", answer.rule
        if not client.probe:
            self.counters.decisions[self.role, "ANSWERED"] += 1
        if self.log.full(client, now):
            return
        fields = {**self._about(client), "event": "answered", "rule": answer.rule, "file": _file_of(answer)}
        if due is not None:
            fields["late_ms"] = round((now - due) * 1000, 2)
        self.log.decision(client, fields)

    def silent(self, client: Client, silence: Silence, message: MessageType, now: float) -> None:
        """The client is not answered; ``message``: what it had sent."""
        reason = silence.reason
        if not client.probe:
            self.counters.decisions[self.role, reason.name] += 1
        # What the client says to another server is no decision about it.
        if reason is not Reason.OTHER_SERVER:
            client.decision, client.rule = reason.value, silence.rule or ""
        if not self.log.full(client, now):
            about = self._about(client)
            about |= {"event": "not answered", "message": message.name}
            self.log.decision(client, {**about, "rule": silence.rule, "why": reason.value})

    def waits(self, client: Client, rule: str, seconds: float, now: float) -> None:
        """The client will be answered in some seconds."""
        if not client.probe:
            self.counters.decisions[self.role, "DELAYED"] += 1
        client.decision, client.rule = "waits", rule
        if not self.log.full(client, now):
            fields = {**self._about(client), "event": "answer waits", "rule": rule}
            self.log.decision(client, {**fields, "seconds": round(seconds, 3)})

    def malformed(self, packet: Malformed, source: str, now: float) -> None:
        """What came from an address is no DHCP packet."""
        self.counters.decisions[self.role, packet.name] += 1
        if not self.log.full(None, now):
            fields = {"event": "malformed", "port": self.role, "source": source, "why": packet.value}
            self.log.decision(None, fields)

    def registered(self, client: Client) -> None:
        """A rule has the client registered, which is handed on once, and of a probe never."""
        if not client.asks and not client.probe:
            client.asks = True
            self._registers(client)

    def _about(self, client: Client) -> dict[str, Any]:
        about: dict[str, Any] = {
            "event": "",
            "mac": client.mac,
            "architecture": client.architecture if client.architecture is not None else 0,
            "vlan": client.vlan,
            "port": self.role,
        }
        return about | {"by": "coexist-probe"} if client.probe else about


def _file_of(answer: Answer | Prepared) -> str:
    """The boot file an answer names, for people."""
    return answer.file if isinstance(answer, Prepared) else answer.packet.file.decode("utf-8", "replace")

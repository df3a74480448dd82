"""The interface for programs of a console on another machine, asked with a token."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coexist.errors import CoexistError, HostError
from coexist.wire.mac import format_mac

VERSION = 1
SECONDS = 30.0
_MOST_OCTETS = 64 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is not followed: the token is for the console that was named."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


class ConsoleClient:
    """A console. ``certificates``: a file of the authorities its certificate is checked by, if they are not
    this machine's. ``tell`` hears of a token that travels in the clear. Raises `CoexistError`."""

    def __init__(
        self, url: str, token_file: Path, certificates: Path | None, tell: Callable[[str], None]
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CoexistError(f"{url} is not the address of a console; write https://HOST:8068")
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._token = read_token(token_file)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            tell(f"warning: the token travels in the clear to {parts.hostname}; use https")
        try:
            context = ssl.create_default_context(cafile=certificates)
        except (OSError, ssl.SSLError) as error:
            raise CoexistError(f"{certificates}: this is no file of certificates: {error}") from None
        self._opener = urllib.request.build_opener(
            _NoRedirect(), urllib.request.HTTPSHandler(context=context)
        )

    def clients(self, which: str = "all") -> tuple[list[dict[str, Any]], int]:
        """The machines that asked to boot, the last first, and how many there are in all."""
        said = self._asked("GET", f"/api/v1/clients?{urllib.parse.urlencode({'which': which})}")
        return [_row(client) for client in said["clients"]], int(said["found"])

    def register(self, macs: Sequence[int], columns: Mapping[str, str | None], why: str) -> str:
        """Register machines, all or none; the id of the change."""
        said = {name: value for name, value in columns.items() if value}
        machines = [{"mac": format_mac(mac), **said} for mac in macs]
        return self._change("/api/v1/registrations", {"machines": machines, "why": why})

    def ignore(self, macs: Sequence[int], why: str) -> str:
        """Have the boot servers answer machines no more; the id of the change."""
        return self._change("/api/v1/ignored", {"macs": [format_mac(mac) for mac in macs], "why": why})

    def _change(self, path: str, body: dict[str, Any]) -> str:
        return str(self._asked("POST", path, body)["change"]["id"])

    def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.base + path, content, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return self._read(answer.read(_MOST_OCTETS + 1))
        except urllib.error.HTTPError as error:
            raise CoexistError(f"{self.base}: {_reason(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)
            raise HostError(f"{self.base} cannot be asked: {why}; does the console run there?") from None

    def _read(self, octets: bytes) -> dict[str, Any]:
        try:
            said = json.loads(octets) if len(octets) <= _MOST_OCTETS else None
        except ValueError:
            said = None
        if not isinstance(said, dict) or said.get("version") != VERSION:
            raise HostError(f"{self.base}: what answers there is not the interface of a console")
        return said


def read_token(path: Path) -> str:
    """The token in a file that is its owner's alone. Raises `CoexistError`."""
    try:
        state, text = path.stat(), path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CoexistError(f"{path}: the token cannot be read: {error}") from None
    if state.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(state.st_mode) & 0o077:
        raise CoexistError(f"{path} is not yours alone; make it so: chown to yourself, chmod 600")
    if not text or not text.isascii() or not text.isprintable():
        raise CoexistError(f"{path} holds no token; `coexist users token` makes one")
    return text


def _reason(error: urllib.error.HTTPError) -> str:
    """What the console said of a refusal."""
    try:
        said = json.loads(error.read(1 << 16))
        return str(said["error"])
    except (ValueError, KeyError, TypeError, OSError):
        known = {401: "the token is not known there", 403: "the token's user has not the role for it"}
        return known.get(error.code, f"it answered {error.code} {error.reason}")


def _row(client: Mapping[str, Any]) -> dict[str, Any]:
    """A machine with the columns that a registry's list has."""
    known = {"ignored": "ignored", "registered": "registered", "wants_registration": "asking"}
    state = next((state for name, state in known.items() if client.get(name)), "seen")
    texts = ("uuid", "name", "architecture", "vlan", "address", "decision", "rule", "answered_by")
    return {
        "mac": str(client.get("mac", "")),
        "state": state,
        **{name: str(client.get(name, "")) for name in texts},
        "vendor": str(client.get("vendor", "")),
        "firmware": str(client.get("firmware", "")),
        "servers": ", ".join(map(str, client.get("servers", ()))),
        "first_seen": _time(client.get("first_seen")),
        "last_seen": _time(client.get("last_seen")),
        "requests": int(client.get("requests", 0)),
    }


def _time(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)) or not 0 < seconds < 253_402_300_799:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

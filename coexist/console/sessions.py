"""Sessions of browsers, and how often somebody may try to log in."""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable

from coexist.console.users import User
from coexist.records import dataclass

IDLE, LONGEST = 2 * 3600.0, 12 * 3600.0
"""Seconds: without a request, and in all."""
MOST_SESSIONS = 1_000
TRIES, TRY_WINDOW = 5, 60.0
"""So many failures in so many seconds; then nobody gets in from that address."""
_MOST_KEYS = 10_000


@dataclass(slots=True, kw_only=True)
class Session:
    """A browser that logged in. ``csrf`` stands in every form it may send."""

    user: User
    csrf: str
    began: float
    last: float


class Sessions:
    """The sessions of one console. ``now``: a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions: dict[str, Session] = {}

    def begin(self, user: User) -> str:
        """A new session's secret."""
        now = self._now()
        for key in [key for key, session in self._sessions.items() if self._over(session, now)]:
            del self._sessions[key]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        secret = secrets.token_urlsafe(32)
        self._sessions[secret] = Session(user=user, csrf=secrets.token_urlsafe(24), began=now, last=now)
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of a secret, if it is not over."""
        session = self._sessions.get(secret)
        if session is None:
            return None
        now = self._now()
        if self._over(session, now):
            del self._sessions[secret]
            return None
        session.last = now
        return session

    def end(self, secret: str) -> None:
        """Forget a session."""
        self._sessions.pop(secret, None)

    @staticmethod
    def _over(session: Session, now: float) -> bool:
        return now - session.last > IDLE or now - session.began > LONGEST


def same(session: Session, told: str) -> bool:
    """Whether a form or a request bears the session's own token."""
    return hmac.compare_digest(session.csrf.encode(), told.encode("utf-8", "replace"))


class Tries:
    """What may be tried ``most`` times a minute, by what the tries have in common: an address, a name."""

    def __init__(self, now: Callable[[], float], most: int = TRIES) -> None:
        self._now = now
        self._most = most
        self._failures: dict[str, deque[float]] = {}

    def allowed(self, *keys: str) -> bool:
        """Whether another try is let through."""
        return all(len(self._recent(key)) < self._most for key in keys)

    def failed(self, *keys: str) -> None:
        """Remember a failure."""
        for key in keys:
            if len(self._failures) >= _MOST_KEYS and key not in self._failures:
                del self._failures[next(iter(self._failures))]
            self._failures.setdefault(key, deque(maxlen=self._most)).append(self._now())

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of somebody who got in."""
        for key in keys:
            self._failures.pop(key, None)

    def _recent(self, key: str) -> list[float]:
        now = self._now()
        return [at for at in self._failures.get(key, ()) if now - at < TRY_WINDOW]

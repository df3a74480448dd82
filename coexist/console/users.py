"""Who may use the console: names, argon2 hashes, roles and tokens, in a file that only its owner reads."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from enum import IntEnum
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.text.whole_files import write_whole

SHORTEST = 10
"""The least letters of a password."""


class Role(IntEnum):
    """What a user may do; each role may do what those before it may."""

    LOOK = 1
    REGISTER = 2
    ROLL_OUT = 3

    @property
    def word(self) -> str:
        """As it is written: look, register, roll-out."""
        return self.name.lower().replace("_", "-")


ROLES = {role.word: role for role in Role}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user. ``tokens``: SHA-256 of each token of the interface for programs, by its label."""

    name: str
    role: Role
    hash: str = ""
    tokens: tuple[tuple[str, str], ...] = ()


class Users:
    """The users of one file; it is read again whenever it changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hasher = PasswordHasher()
        self._read: tuple[float, dict[str, User]] = (-1.0, {})

    @cached_property
    def _nobody(self) -> str:
        """Checked when nobody has that name, so that a name cannot be told from the time it takes."""
        return self._hasher.hash(secrets.token_hex(16))

    @property
    def all(self) -> dict[str, User]:
        """Everyone by name. Raises `CoexistError` for a file that cannot be read."""
        try:
            changed = self.path.stat().st_mtime
        except FileNotFoundError:
            return {}
        if changed != self._read[0]:
            self._read = changed, self._load()
        return self._read[1]

    def _load(self) -> dict[str, User]:
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return {
                name: User(
                    name=name,
                    role=ROLES[row["role"]],
                    hash=str(row.get("hash", "")),
                    tokens=tuple((str(label), str(token)) for label, token in row.get("tokens", {}).items()),
                )
                for name, row in said["users"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "restore it, or remove it and add users again"
            raise CoexistError(f"{self.path}: this is no file of users ({error}); {remedy}") from None

    def add(self, name: str, password: str, role: Role) -> None:
        """Add a user, or give one a new password and role. Raises `CoexistError` for a weak password."""
        if not name or not name.isprintable() or len(name) > 64:
            raise CoexistError("a user's name has 1 to 64 letters")
        if len(password) < SHORTEST:
            raise CoexistError(f"a password has at least {SHORTEST} letters")
        known = self.all.get(name)
        tokens = known.tokens if known else ()
        user = User(name=name, role=role, hash=self._hasher.hash(password), tokens=tokens)
        self._save({**self.all, name: user})

    def remove(self, name: str) -> None:
        """Remove a user. Raises `CoexistError` if there is none."""
        users = dict(self.all)
        if users.pop(name, None) is None:
            raise CoexistError(f"there is no user {name!r}")
        self._save(users)

    def new_token(self, name: str, label: str) -> str:
        """A token for programs, told this once. Raises `CoexistError` for an unknown user."""
        user = self.all.get(name)
        if user is None:
            raise CoexistError(f"there is no user {name!r}; add it first")
        token = secrets.token_urlsafe(32)
        tokens = (*(pair for pair in user.tokens if pair[0] != label), (label, _digest(token)))
        self._save({**self.all, name: User(name=name, role=user.role, hash=user.hash, tokens=tokens)})
        return token

    def log_in(self, name: str, password: str) -> User | None:
        """The user with this password; as slow for a name that nobody has."""
        user = self.all.get(name)
        try:
            self._hasher.verify(user.hash if user and user.hash else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        return user if user and user.hash else None

    def of_token(self, token: str) -> User | None:
        """The user of a token."""
        digest = _digest(token)
        return next(
            (
                user
                for user in self.all.values()
                for _, known in user.tokens
                if hmac.compare_digest(known, digest)
            ),
            None,
        )

    def _save(self, users: dict[str, User]) -> None:
        said = {
            "users": {
                user.name: {"role": user.role.word, "hash": user.hash, "tokens": dict(user.tokens)}
                for user in users.values()
            }
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, (json.dumps(said, indent=2) + "\n").encode(), 0o600)
        self._read = (-1.0, {})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

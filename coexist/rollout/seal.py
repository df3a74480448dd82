"""Whether a plan is one that was made here: its digest signed with a key that lies beside the history.

A digest says that nothing was lost on the way; anybody can make a new one. The seal (HMAC-SHA-256, RFC 2104)
can be made only by who can read the key, and the key is its owner's alone.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

from coexist.errors import CoexistError
from coexist.rollout.document import Plan

KEY_FILE = "seal.key"
_KEY_OCTETS = 32
_PURPOSE = b"coexist plan 1\0"


def sealed_with(plan: Plan, key: bytes) -> Plan:
    """The plan with its seal."""
    return plan.model_copy(update={"seal": _seal(plan, key)})


def require_seal(plan: Plan, key: Path) -> None:
    """Raise ``CoexistError`` unless the plan was sealed with this key."""
    try:
        octets = read_key(key)
    except FileNotFoundError:
        raise CoexistError(
            f"whether this plan is genuine cannot be told: there is no {key}; make the plan here with"
            " `coexist plan`, or name the key of where it was made (--key FILE)"
        ) from None
    if not hmac.compare_digest(plan.seal, _seal(plan, octets)):
        raise CoexistError(
            f"this plan was changed after it was made, or made elsewhere: its seal is not of {key}; make a"
            " new one with `coexist plan`, or name the key of where it was made (--key FILE)"
        )


def read_key(path: Path) -> bytes:
    """The key in a file that is its owner's alone. Raises ``CoexistError``, or ``OSError`` without one."""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        octets = file.read(4096)
    if state.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(state.st_mode) & 0o077:
        raise CoexistError(f"{path} is not yours alone; make it so: chown to yourself, chmod 600")
    if len(octets) < _KEY_OCTETS:
        raise CoexistError(
            f"{path} is no key: it is too short; remove it, a new one is made with the next plan"
        )
    return octets


def make_key(path: Path) -> bytes:
    """The key in a file, made if there is none. Raises ``OSError`` and ``CoexistError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return read_key(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_OCTETS))
    return read_key(path)


def _seal(plan: Plan, key: bytes) -> str:
    return hmac.new(key, _PURPOSE + plan.digest.encode(), "sha256").hexdigest()

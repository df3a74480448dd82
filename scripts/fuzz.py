"""Fuzz the readers of foreign octets: ``scripts/fuzz.py [TARGET...] --seconds N``.

Each target is fed changed seeds for its time; an input that makes it fail goes to tests/fuzz/crashes, where
the test suite reads it ever after. With ``--atheris`` (``pip install atheris``) one target is steered by
coverage:
``scripts/fuzz.py dhcp --atheris -- -max_total_time=60``.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz.mutate import inputs  # noqa: E402
from tests.fuzz.targets import TARGETS  # noqa: E402

CRASHES = ROOT / "tests" / "fuzz" / "crashes"


def fuzz(name: str, seconds: float) -> int:
    """How many different defects were found."""
    target = TARGETS[name]
    seed = random.randrange(1 << 32)
    end, count, found = time.monotonic() + seconds, 0, {}
    for data in inputs(target.seeds(), random.Random(seed)):
        if time.monotonic() > end:
            break
        count += 1
        try:
            target.read(data)
        except Exception as error:  # noqa: BLE001 whatever it is, it is what we look for
            where = "".join(traceback.format_tb(error.__traceback__)[-1:])
            if where not in found:
                path = CRASHES / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
                path.write_bytes(data)
                found[where] = path
                print(f"{path}: {error!r}\n{where}", file=sys.stderr)
    print(f"{name}: {count} inputs of seed {seed}, {len(found)} defects")
    return len(found)


def steer(name: str, arguments: list[str]) -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name].read)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--atheris", action="store_true")
    own, rest = sys.argv[1:], []
    if "--" in own:
        own, rest = own[: own.index("--")], own[own.index("--") + 1 :]
    arguments = parser.parse_args(own)
    if arguments.atheris:
        steer(arguments.targets[0], rest)
    return min(sum(fuzz(name, arguments.seconds) for name in arguments.targets or TARGETS), 1)


if __name__ == "__main__":
    sys.exit(main())

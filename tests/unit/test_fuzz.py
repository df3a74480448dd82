"""A short run of every fuzz target, always the same one, and every input that once was too much."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS

CRASHES = Path(__file__).parents[1] / "fuzz" / "crashes"


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_what_is_almost_right(name):
    target = TARGETS[name]
    for data in islice(inputs(target.seeds(), random.Random(name)), target.tries):
        try:
            target.read(data)
        except Exception as error:
            error.add_note(f"the input was {data!r}; put it into {CRASHES}/{name}-NAME")
            raise


@pytest.mark.parametrize("path", sorted(CRASHES.glob("*-*")), ids=lambda path: path.name)
def test_what_once_was_too_much(path):
    TARGETS[path.name.partition("-")[0]].read(path.read_bytes())

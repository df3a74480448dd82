from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import InputError
from coexist.inventory import Inventory, inventory_from_tree
from coexist.planning.waves import left_over, migrating, plan_waves, staying
from tests.unit.planning.sites import site, tree

WAVES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "machines": st.lists(st.integers(0, 11).map(lambda n: f"tc{n:02}"), max_size=3),
            "clients": st.just("pilot-machines"),
            "location": st.sampled_from(["room-0", "room-1", "room-2"]),
            "share": st.one_of(st.floats(0.01, 1), st.sampled_from(["5%", "50%", "100%"])),
            "by": st.sampled_from(["hardware", "location", "all"]),
            "size": st.integers(1, 8),
        },
    ),
    min_size=1,
    max_size=5,
)


def names(inventory: Inventory, number: int) -> set[str]:
    waves = plan_waves(inventory, inventory.site.migrations["up"])
    table = inventory.clients
    return {table.record(table.index[mac]).name for mac in waves[number].clients}


@given(WAVES)
def test_waves_are_disjoint_and_bounded(waves: list[dict[str, Any]]) -> None:
    inventory = site(waves=[{"name": f"w{n}", **wave} for n, wave in enumerate(waves)])
    migration = inventory.site.migrations["up"]
    planned = plan_waves(inventory, migration)
    together: set[int] = set()
    for members in planned:
        assert not together & members.clients
        together |= members.clients
        if members.wave.size is not None:
            assert len(members.clients) <= members.wave.size
    assert together | left_over(inventory, migration, planned) == migrating(inventory, migration)


@given(WAVES, st.integers(0, 4))
def test_a_wave_that_moved_stays_as_it_was(waves: list[dict[str, Any]], moved: int) -> None:
    inventory = site(waves=[{"name": f"w{n}", **wave} for n, wave in enumerate(waves)])
    migration = inventory.site.migrations["up"]
    planned = plan_waves(inventory, migration)
    done = {members.wave.name: members.clients for members in planned[:moved]}
    again = plan_waves(inventory, migration, done)
    assert again[: len(planned)] == planned
    # Who is in no wave moves when all others have.
    over = moved and not any(members.clients for members in planned[moved:])
    left = left_over(inventory, migration, planned) if over else frozenset()
    assert [members.clients for members in again[len(planned) :]] == ([left] if left else [])


def test_who_went_back_alone_moves_last() -> None:
    inventory = site(waves=[{"name": "some", "size": 3}, {"name": "rest"}])
    migration = inventory.site.migrations["up"]
    some, rest = (members.clients for members in plan_waves(inventory, migration))
    back = frozenset(sorted(rest)[:2])
    done = {"some": some, "rest": rest - back}
    assert [(m.wave.name, m.clients) for m in plan_waves(inventory, migration, done)[2:]] == [
        ("left-over", back)
    ]
    # One of them moved, and the other is still left; the wave that moved stays what it was.
    first = frozenset(sorted(back)[:1])
    done["left-over"] = first
    again = [(m.wave.name, m.clients) for m in plan_waves(inventory, migration, done)[2:]]
    assert again == [("left-over", first), ("left-over-2", back - first)]
    # Before anybody moved, and while a wave is to come, nobody is left over.
    assert len(plan_waves(inventory, migration)) == len(plan_waves(inventory, migration, {"some": some})) == 2


def test_a_share_is_of_each_hardware_type() -> None:
    inventory = site(
        waves=[{"name": "taste", "share": "25%"}, {"name": "more", "share": 0.5}, {"name": "rest"}]
    )
    assert names(inventory, 0) == {"tc00", "tc01", "tc02"}
    assert names(inventory, 1) == {"tc03", "tc06", "tc04", "tc05", "tc07", "tc08"}
    assert names(inventory, 2) == {"tc09", "tc10", "tc11"}


def test_pilots_are_the_first_wave_and_locations_narrow() -> None:
    inventory = site(
        pilots="pilot-machines",
        waves=[
            {"name": "a-room", "location": "room-1"},
            {"name": "by-name", "machines": ["tc02", "00:15:5d:00:00:05"]},
        ],
    )
    assert names(inventory, 0) == {"tc01", "tc04"}
    assert names(inventory, 1) == {"tc07", "tc10"}
    assert names(inventory, 2) == {"tc02", "tc05"}


def test_a_size_takes_every_kind_in_turn() -> None:
    inventory = site(waves=[{"name": "few", "size": 3, "by": "location"}])
    assert names(inventory, 0) == {"tc00", "tc01", "tc02"}


def test_who_may_stay_moves_in_no_wave() -> None:
    inventory = site(stays="pilot-machines", waves=[{"name": "all"}])
    migration = inventory.site.migrations["up"]
    assert len(staying(inventory, migration)) == 2
    assert names(inventory, 0) == {f"tc{n:02}" for n in range(12)} - {"tc01", "tc04"}
    assert not left_over(inventory, migration, plan_waves(inventory, migration))


def test_a_machine_moves_with_all_its_cards() -> None:
    plain = tree(waves=[{"name": "half", "share": "50%", "by": "all"}])
    plain["clients"] = [
        {"mac": [f"00:15:5d:00:00:{n:02x}", f"00:15:5d:00:01:{n:02x}"], "name": f"tc{n}", "hardware": "ud3"}
        for n in range(4)
    ]
    plain["groups"].pop("pilot-machines")
    inventory = inventory_from_tree(plain)
    (half,) = plan_waves(inventory, inventory.site.migrations["up"])
    assert sorted(f"{mac:012x}" for mac in half.clients) == [
        "00155d000000",
        "00155d000001",
        "00155d000100",
        "00155d000101",
    ]


@pytest.mark.parametrize(
    ("migration", "complaint"),
    [
        ({"to": "old"}, "it goes from old to itself; name the new server in `to`"),
        ({"waves": [{"name": "a"}, {"name": "a"}]}, "two waves are called 'a'; give each a name of its own"),
        ({"waves": [{"name": "a", "machines": "tc99"}]}, "no client has the name or MAC 'tc99'"),
        ({"waves": [{"name": "a", "location": "room-9"}]}, "no client has the location 'room-9'"),
        ({"waves": [{"name": "a", "share": "many%"}]}, "'many%' is not a share; write 10% or 0.1"),
    ],
)
def test_what_is_declared_wrongly_is_told(migration: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as told:
        site(**migration)
    assert str(told.value).partition(": ")[2].startswith(complaint)

"""How the groups that a migration makes are called on a page."""

from __future__ import annotations

from coexist.planning.effective import as_people_say


def test_groups_of_a_migration_are_called_what_they_mean() -> None:
    made = ("staying-0123abcd", "intent-2-otc-0123abcd", "parked-on-otc-0123abcd")
    groups = ("thin", *(f"move.{each}" for each in made), "a.b-1")
    assert as_people_say(groups) == "thin, staying (move), a.b-1"

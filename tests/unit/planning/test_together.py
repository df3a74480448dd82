"""The order of a rollout against a simulation that knows nothing of it but what each server answers."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from coexist.analysis.findings import Witness
from coexist.inventory.macset import NOBODY, MacSet
from coexist.planning.judging import Failure
from coexist.planning.together import GAP, Change, Stage, Verdict, order, proven_order

MACS = range(5)
ARCHITECTURES = ("bios", "uefi-x64")
SETS = st.sets(st.sampled_from(MACS)).map(MacSet.of)
ANSWERING = st.dictionaries(st.sampled_from(ARCHITECTURES), SETS)
SERVERS = ("alpha", "beta", "gamma")


ALWAYS = st.just(True)


@st.composite
def sites(draw, can_delay=ALWAYS):
    """Three servers; every client is booted by one at most, before and after."""
    before, after = (
        {
            architecture: {mac: draw(st.sampled_from((None, *SERVERS))) for mac in MACS}
            for architecture in ARCHITECTURES
        }
        for _ in range(2)
    )

    def of(owners, server):
        return {
            architecture: MacSet.of(mac for mac, owner in by_mac.items() if owner == server)
            for architecture, by_mac in owners.items()
        }

    return [
        Change(
            server=server,
            before=of(before, server),
            after=of(after, server),
            can_delay=draw(can_delay),
            delay_before=draw(st.sampled_from((0.0, 1.2))),
            delay_after=draw(st.sampled_from((0.0, 1.2))),
        )
        for server in SERVERS
    ]


def answer_time(change: Change, stage: Stage | None, architecture: str, mac: int) -> float | None:
    """When a server answers a client in a stage (None: the present one), read off the stage alone."""
    if stage is None:
        return change.delay_before if mac in change.before.get(architecture, NOBODY) else None
    for delayed in (*stage.held, *stage.taken):
        if delayed.architecture == architecture and mac in delayed.macs:
            return delayed.delay
    answering, delay = (
        (change.before, change.delay_before) if stage.base == "before" else (change.after, change.delay_after)
    )
    return delay if mac in answering.get(architecture, NOBODY) else None


def states(changes, ordering):
    """Every state of the site on the way: in each step the stages happen in every order."""
    now: dict[str, Stage | None] = {change.server: None for change in changes}
    yield dict(now)
    for step in ordering.steps:
        for sequence in permutations(step):
            state = dict(now)
            for stage in sequence:
                state[stage.server] = stage
                yield dict(state)
        now.update({stage.server: stage for stage in step})


def answering(changes, state, architecture, mac):
    times = {
        change.server: answer_time(change, state[change.server], architecture, mac) for change in changes
    }
    return {server: time for server, time in times.items() if time is not None}


@given(sites())
def test_no_client_is_ever_left_with_two_equal_servers_or_none(changes):
    ordering = order(changes)
    assert ordering.exposed == ()
    for architecture in ARCHITECTURES:
        for mac in MACS:
            owners = [
                [c.server for c in changes if mac in getattr(c, when).get(architecture, NOBODY)]
                for when in ("before", "after")
            ]
            for state in states(changes, ordering):
                times = answering(changes, state, architecture, mac)
                if owners[0] and owners[1]:
                    assert times, f"{mac} has no server"
                first, *others = sorted(times.values()) or [0.0]
                assert all(other - first >= GAP - 1e-9 for other in others), f"{mac} has two: {times}"
                assert set(times) <= {*owners[0], *owners[1]}


@given(sites(can_delay=st.booleans()))
def test_servers_that_cannot_delay_are_bridged_by_the_other_or_said_to_be_exposed(changes):
    ordering = order(changes)
    exposed = {(move.architecture, mac) for move in ordering.exposed for mac in MACS if mac in move.macs}
    for architecture in ARCHITECTURES:
        for mac in MACS:
            if (architecture, mac) in exposed:
                continue
            both_ends = all(
                any(mac in getattr(c, when).get(architecture, NOBODY) for c in changes)
                for when in ("before", "after")
            )
            for state in states(changes, ordering):
                times = answering(changes, state, architecture, mac)
                if both_ends:
                    assert times
                first, *others = sorted(times.values()) or [0.0]
                assert all(other - first >= GAP - 1e-9 for other in others)


@given(sites(can_delay=st.booleans()))
def test_every_server_ends_with_its_new_configuration(changes):
    last: dict[str, Stage] = {}
    for step in order(changes).steps:
        last |= {stage.server: stage for stage in step}
    for change in changes:
        stage = last[change.server]
        assert (stage.base, stage.taken, stage.held) == ("after", (), ())


def test_two_generations_of_one_product_move_in_three_steps():
    client = MacSet.of([1])
    old = Change(server="old", before={"bios": client}, after={}, can_delay=True)
    new = Change(server="new", before={}, after={"bios": client}, can_delay=True)
    steps = [[(stage.server, stage.version) for stage in step] for step in order([old, new]).steps]
    assert steps == [[("new", "opening")], [("old", "middle")], [("new", "final")]]
    (move,) = order([old, new]).moves
    assert (move.way, move.delay) == ("taker-stands-by", GAP)


def test_only_the_loser_can_delay():
    client = MacSet.of([1])
    old = Change(server="old", before={"bios": client}, after={}, can_delay=True)
    new = Change(server="new", before={}, after={"bios": client})
    steps = [[(stage.server, stage.version) for stage in step] for step in order([old, new]).steps]
    assert steps == [[("old", "opening")], [("new", "final")], [("old", "final")]]


def test_neither_can_delay_and_the_plan_says_so():
    client = MacSet.of([1])
    old = Change(server="old", before={"bios": client}, after={})
    new = Change(server="new", before={}, after={"bios": client})
    ordering = order([old, new])
    assert [[stage.server for stage in step] for step in ordering.steps] == [["new"], ["old"]]
    assert [move.macs for move in ordering.exposed] == [client]


def test_servers_without_moves_change_at_once():
    grown = Change(server="otc", before={}, after={"bios": MacSet.of([1])})
    (step,) = order([grown]).steps
    assert [stage.version for stage in step] == ["final"]


CLIENT = MacSet.of([1])
BOTH_DELAY = [
    Change(server="old", before={"bios": CLIENT}, after={}, can_delay=True),
    Change(server="new", before={}, after={"bios": CLIENT}, can_delay=True),
]
WITNESS = Witness(mac=1, architecture="bios", firmware="pxe21", vlan="hall")


def refusing(*refused):
    """A proof that fails for some of the ways."""
    failure = Failure(message="boots from old or new", witness=WITNESS, clients=1, servers=("new", "old"))
    return lambda _, move: Verdict(judged=1, failure=failure if move.way in refused else None)


def test_the_first_way_that_is_proven_is_taken():
    for refused, taken in (
        ((), "taker-stands-by"),
        (("taker-stands-by",), "giver-stands-by"),
        (("taker-stands-by", "giver-stands-by"), "overlap"),
    ):
        proven = proven_order(BOTH_DELAY, refusing(*refused))
        (move,) = proven.ordering.moves
        assert move.way == taken
        assert proven.exposed == ()


def test_where_no_way_is_proven_the_first_one_is_kept_and_said():
    proven = proven_order(BOTH_DELAY, refusing("taker-stands-by", "giver-stands-by", "overlap"))
    (move,) = proven.exposed
    assert move.way == "taker-stands-by"
    assert proven.verdicts[move.key].failure is not None


def test_an_overlap_that_nothing_could_prove_is_said():
    old = Change(server="old", before={"bios": CLIENT}, after={})
    new = Change(server="new", before={}, after={"bios": CLIENT})
    assert proven_order([old, new], lambda *_: Verdict()).exposed
    assert not proven_order([old, new], lambda *_: Verdict(judged=1)).exposed


@given(sites(can_delay=st.booleans()), st.data())
def test_whatever_way_each_move_takes_every_server_ends_with_its_new_configuration(changes, data):
    chosen = {move.key: data.draw(st.integers(0, move.ways - 1)) for move in order(changes).moves}
    ordering = order(changes, chosen)
    for move in ordering.moves:
        assert move.number == chosen[move.key]
        *_, last = ordering.moments(move)
        assert all(stage is not None and stage.is_last and stage.base == "after" for stage in last.values())

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory.loader import load_inventory
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.rollout.impact import count, impact, manifest_of, read_manifest, union, written_manifest
from tests.conftest import ROOT

KNOWN = MacSet.of(range(0x8064_0000_0001, 0x8064_0000_0065))
OLD = MacSet.of(range(0x8064_0000_0001, 0x8064_0000_0033))


def test_who_gains_whose_clients_in_the_administrators_words():
    moved = MacSet.of(range(0x8064_0000_0001, 0x8064_0000_000B))
    more = moved | MacSet.of(range(0x8064_0000_0060, 0x8064_0000_0065))
    before = {"sccm": {"bios": OLD}, "new": {}}
    after = {"sccm": {"bios": OLD - moved}, "new": {"bios": more}}
    gained = impact("new", before, after, KNOWN)
    (told,) = gained.sentences
    assert re.findall(r"\d[\d:]*", told) == ["15", "10", "80:64:00:00:00:01"]
    assert "sccm" in told
    assert (gained.gained, gained.lost, gained.clients, gained.share) == (15, 0, 0, 0.0)
    lost = impact("sccm", before, after, KNOWN)
    assert lost.sentences == (
        "sccm will no longer answer 10 clients, 10 of them go to new; first: 80:64:00:00:00:01",
    )
    assert lost.share == pytest.approx(10 / 50)


def test_clients_nobody_takes_are_said():
    before = {"old": {"bios": OLD}}
    said = impact("old", before, {"old": {}}, KNOWN)
    (sentence,) = said.sentences
    assert re.search(r"^old .*\b50 clients\b.*\b50 .*\bnobody\b.* 80:64:00:00:00:01$", sentence)
    assert said.share == 1.0


def test_strangers_are_not_counted_by_their_2_48_addresses():
    assert count(EVERYONE, KNOWN, more=True) == "100 more clients and machines that are not registered"
    assert count(EVERYONE - KNOWN, KNOWN) == "machines that are not registered"
    assert count(MacSet.of([1, 2]), KNOWN, noun=True) == "2 unregistered ones"
    assert count(MacSet.of([0x8064_0000_0001]), KNOWN, noun=True) == "1 client"


def test_an_unchanged_and_an_unrecorded_server():
    same = {"otc": {"bios": OLD}}
    assert impact("otc", same, same, KNOWN).sentences == ("otc boots the same clients as before",)
    unknown = impact("otc", {}, same, KNOWN, before_known=False)
    assert len(unknown.sentences) == 1
    assert unknown.share == 0.0


SETS = st.one_of(
    st.sets(st.integers(0, 50)).map(MacSet.of),
    st.tuples(st.integers(0, 99), st.integers(100, 2**47)).map(lambda ends: MacSet.interval(*ends)),
)
ANSWERING = st.dictionaries(st.sampled_from(["bios", "uefi-x64", "http-x64"]), SETS.filter(bool))


@given(st.dictionaries(st.sampled_from(["a", "b"]), ANSWERING))
def test_a_manifest_survives_being_written(manifest):
    assert read_manifest(written_manifest(manifest)) == manifest


@given(ANSWERING, ANSWERING)
def test_the_share_is_a_share(before, after):
    said = impact("a", {"a": before}, {"a": after}, KNOWN | MacSet.of(range(20)))
    assert 0.0 <= said.share <= 1.0
    if not union(before):
        assert said.share == 0.0


def test_the_two_generations_have_no_client_in_common():
    inventory = load_inventory(ROOT / "inventories" / "two-generations")
    manifest = manifest_of(inventory)
    for architecture in ("bios", "uefi-x64"):
        assert manifest["otc"][architecture].isdisjoint(manifest["otc-new"][architecture])
    assert manifest["otc-new"]["bios"] == inventory.group("moved")
    assert manifest["dhcp-core"] == {}

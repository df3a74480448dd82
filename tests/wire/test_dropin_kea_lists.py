"""Our part of a Kea as two files: classes, and machines as global reservations. The real Kea agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coexist.languages.kea.json_nodes import read_json
from coexist.render import render_site
from tests.harness.matrix import place_of
from tests.unit.render.test_dropin_kea_lists import LISTED, LISTS, OTHERS, RULES, site_of
from tests.wire.test_own_files_kea import hold


@pytest.mark.needs("kea-dhcp4")
def test_a_real_kea_answers_as_both_files_say(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    inventory = site_of(folder)
    files = {file.target: file.content.decode() for file in render_site(inventory).files["dhcp"]}
    assert json.loads(f"[{files[LISTS].partition(chr(10))[2].rstrip().rstrip(',')}]")
    main = folder / "servers" / "main.conf"
    tree = read_json(main.read_text(), str(main), {RULES: files[RULES], LISTS: files[LISTS]}.__getitem__)
    place = place_of("// stands on 10.10.0.5/16")
    hold(tree, place, [*LISTED, *OTHERS], tmp_path)

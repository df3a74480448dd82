"""Wrong words in a server's ``settings`` are refused at their place, whoever reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.boot.servers import ServerModel, model_for
from coexist.errors import InputError
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site

SITE = """\
site: small
vlans: {lab: {id: 1, subnet: 10.0.0.0/24, gateway: 10.0.0.1}}
servers:
  boot:
    software: SOFTWARE
    address: 10.0.0.3
    vlan: lab
    programs: {bios: a.0}
    settings: SETTINGS
"""
LINE, AT = 9, 15  # where the value of `settings` begins


def model_of(inventory: Inventory) -> ServerModel:
    return model_for(inventory, "boot")


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ("{log: jsonn}", [6]),
        ("{tftp: {rooot: /srv}}", [8]),
        ("{http: true}", [7]),
        ("{tftp: 3}", [7]),
        ("{metrics_port: x, log: y}", [15, 23]),
        ("{options: 3}", [10]),
        ("{bogus: 1}", [1]),
        ("{rules: []}", [1]),
        ("{known: {files: [x]}}", [1]),
        ("{name: b}", [1]),
    ],
)
def test_a_wrong_word_is_refused_at_its_place(settings: str, columns: list[int], tmp_path: Path) -> None:
    text = SITE.replace("SOFTWARE", "coexist").replace("SETTINGS", settings)
    (tmp_path / "site.yaml").write_text(text)
    inventory = load_inventory(tmp_path)
    for ask in (model_of, render_site):
        with pytest.raises(InputError) as refused:
            ask(inventory)
        places = [problem.position for problem in refused.value.problems]
        assert [(place.line, place.column) for place in places] == [(LINE, AT + column) for column in columns]
        assert all(problem.remedy for problem in refused.value.problems)


def test_a_type_that_openthinclient_does_not_know_is_refused(tmp_path: Path) -> None:
    text = SITE.replace("SOFTWARE", "openthinclient").replace("SETTINGS", "{type: eavesdroping}")
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(InputError, match="eavesdropping") as refused:
        model_of(load_inventory(tmp_path))
    assert refused.value.problems[0].position.line == LINE

"""Tests on options that dnsmasq can make: what a ``dhcp-match`` compares is read by the option's own type."""

from __future__ import annotations

import pytest

from coexist.inventory.models import OptionTest
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.render.targets.dnsmasq_tags import Tags, cannot_test


@pytest.mark.parametrize(
    ("code", "said", "refused"),
    [
        (12, {"equals": "pc-42"}, True),
        (12, {"starts_with": "pc"}, True),
        (12, {"contains": "pc-4"}, False),
        (12, {"contains": "p"}, True),
        (15, {"starts_with": "lab"}, True),
        (50, {"starts_with": "hex:0a:08"}, True),
        (51, {"equals": "hex:00:00:0e:10"}, True),
        (54, {"equals": "hex:0a:00:00:01"}, True),
        (60, {"starts_with": "PXEClient"}, False),
        (60, {"contains": 'a, "b"'}, False),
        (77, {"equals": "iPXE"}, False),
        (93, {"equals": "hex:00:07"}, False),
        (97, {"starts_with": "hex:00:01"}, False),
        (119, {"contains": "lab"}, True),
        (175, {"contains": "hex:27"}, False),
    ],
)
def test_what_would_be_read_as_something_else_cannot_be_tested(
    code: int, said: dict[str, str], refused: bool
) -> None:
    test = OptionTest.model_validate({"option": code, **said})
    assert cannot_test(test) == refused
    if refused or "contains" in said:
        return
    # What is written for a test that can be made is read as its octets.
    tags = Tags()
    tags.begins(code, test.octets)
    (match,) = read_dnsmasq("\n".join(tags.matches)).matches
    assert match.option is not None
    assert match.option.matches(test.octets + b"more")
    assert not match.option.matches(b"?" + test.octets)

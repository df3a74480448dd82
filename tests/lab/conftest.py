"""The lab's common ground: a rendered site, laid out and running, and what was predicted for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coexist.inventory import load_inventory
from tests.conftest import ROOT
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteNetwork]:
    """The campus with every server running from its rendered configuration."""
    out = tmp_path_factory.mktemp("rendered")
    render(ROOT / "inventories" / "campus", out)
    with Network() as network:
        site = SiteNetwork(network, load_inventory(ROOT / "inventories" / "campus"))
        site.start(out)
        yield site

"""A Kea configuration that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet
from coexist.inventory.software import version_numbers
from coexist.languages.kea.json_nodes import read_json


def evaluate(files: Files) -> OwnConfig:
    """What the file and its includes say. Raises InputError for what Kea refuses."""
    tree = read_json(files.text(), files.main, files.include, files.called)
    config = compile_kea(tree, _release(files.version))
    address = None if config.pair is None else config.pair.this.address
    return OwnConfig(
        leases=KeaLeases(config=config, version=config.version),
        subnets=tuple(_subnets(config)),
        address=address,
    )


def _release(text: str) -> tuple[int, int] | None:
    """``3.0.1`` as two numbers; None where none is declared."""
    numbers = version_numbers(text)
    return (numbers[0], numbers[1]) if len(numbers) > 1 else None


def _subnets(config: KeaConfig) -> Iterator[OwnSubnet]:
    partner = None if config.pair is None or config.pair.partner is None else config.pair.partner.address
    for subnet in config.subnets:
        ranges = tuple((pool.first, pool.last, pool.level.at) for pool in subnet.pools)
        yield OwnSubnet(network=subnet.network, at=subnet.level.at, ranges=ranges, partner=partner)

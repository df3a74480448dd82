"""Where the statements of a dhcpd.conf stand in Kea, and which of their values would change sides there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from coexist.app.convert.blocks import FLAGS, LEASE_TIMES, ONE_PLACE, Block, Key, Reader, Value, merged
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline
from coexist.records import dataclass

_FIELDS = frozenset({"next-server", "boot-file-name", "server-hostname", *LEASE_TIMES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The blocks of one level of Kea: the file, a network, a subnet or a pool."""

    blocks: list[Block]

    @property
    def values(self) -> dict[Key, Value]:
        """What always holds here."""
        return merged(self.blocks)

    @property
    def conditional(self) -> list[Block]:
        """What holds for some packets."""
        return [block for block in self.blocks if block.test is not None]

    def keys(self, *, conditional: bool) -> set[Key]:
        """What it sets for some packets, or for all."""
        blocks = self.conditional if conditional else [b for b in self.blocks if b.test is None]
        return {key for block in blocks for key in block.values}


@dataclass(slots=True)
class Places:
    """The places of one file: its root, and those of networks, subnets and pools by the id of their part, of
    classes by name."""

    outline: Outline
    reader: Reader
    root: Place = field(init=False)
    networks: dict[int, Place] = field(default_factory=dict)
    subnets: dict[int, Place] = field(default_factory=dict)
    pools: dict[int, Place] = field(default_factory=dict)
    members: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Place(blocks=self.reader.blocks([self.outline.root]))
        for wire in self.outline.wires:
            alone = not wire.name
            outer = [level for level in reversed(list(wire.level.outwards())) if level.parent is not None]
            self.networks[id(wire)] = Place(blocks=[] if alone else self.reader.blocks(outer))
            for subnet in wire.subnets:
                own = outer if alone else [subnet.level]
                self.subnets[id(subnet)] = Place(blocks=self.reader.blocks(own))
            for pool in wire.pools:
                self.pools[id(pool)] = Place(blocks=self.reader.blocks([pool.level]))
        for part in self.outline.classes.values():
            self.members[part.name] = Place(blocks=self.reader.blocks(own_levels(part.level)))

    @property
    def all(self) -> Iterator[Place]:
        """Every place."""
        yield self.root
        for found in (self.networks, self.subnets, self.pools):
            yield from found.values()
        yield from self.members.values()

    def contested(self) -> frozenset[Key]:
        """The values that would change sides: see the head of `kea_writer`."""
        inner = [*self.networks.values(), *self.subnets.values()]
        root = self.root.keys(conditional=True)
        always = {key for place in inner for key in place.keys(conditional=False)}
        sometimes = {key for place in inner for key in place.keys(conditional=True)}
        pools = {key for place in self.pools.values() for key in place.keys(conditional=False)}
        pools_sometimes = {key for place in self.pools.values() for key in place.keys(conditional=True)}
        of_classes = self._class_keys()
        of_hosts = self._host_keys()
        options = ((root | sometimes | of_classes | pools_sometimes) & (always | pools)) | (
            root & (sometimes | pools_sometimes)
        )
        fields = (root & (always | sometimes)) | ((pools | pools_sometimes) & _FIELDS)
        chosen = {key for key in options if key not in _FIELDS} | {key for key in fields if key in _FIELDS}
        # A host's condition is a class that must come before all others.
        chosen |= of_hosts
        return frozenset(chosen - FLAGS - ONE_PLACE)

    def _host_keys(self) -> set[Key]:
        """What hosts, and groups around them, set under conditions."""
        levels = {
            id(level): level
            for start in (
                *(host.level for host in self.outline.hosts),
                *(level for level, _ in self.outline.plain),
            )
            for level in own_levels(start)
        }
        blocks = (block for level in levels.values() for block in self.reader.blocks([level]))
        return {key for block in blocks if block.test is not None for key in block.values}

    def _subclass_keys(self, part: ClassPart) -> Iterator[Key]:
        for level, _ in part.subclasses.values():
            if level is not None:
                for block in self.reader.blocks([level]):
                    yield from block.values

    def times_meet(self) -> bool:
        """Whether classes and what is around them both say lease times."""
        around = [*self.networks.values(), *self.subnets.values()]
        said = {key for place in around for block in place.blocks for key in block.values}
        said |= {key for place in self.pools.values() for key in place.keys(conditional=False)}
        times = frozenset(LEASE_TIMES)
        return bool(self._class_keys() & times) and bool(said & times)

    def _class_keys(self) -> set[Key]:
        """What classes and their subclasses set."""
        found = {key for place in self.members.values() for block in place.blocks for key in block.values}
        return found | {key for part in self.outline.classes.values() for key in self._subclass_keys(part)}


def own_levels(level: Level) -> list[Level]:
    """A level and the groups around it, the outermost first, without the file itself."""
    return [found for found in reversed(list(level.outwards())) if found.parent is not None]

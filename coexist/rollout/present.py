"""Read what stands on all servers, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

from pydantic import ValidationError

from coexist.boot.configuration import BootServerConfig
from coexist.errors import HostError, Position
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.values import is_plain_path
from coexist.records import dataclass
from coexist.rollout.bridge import list_names
from coexist.rollout.facts import PresentFile, read_digests, read_files
from coexist.rollout.shell import directory_of
from coexist.rollout.transport import Address, Connect

_MOST_CONFIG = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server to be read: how it is reached, and the paths on it.

    ``boot_config``: the path of coexist's own configuration there, whose list files are read too.
    ``boot_files``: where the boot programs lie there, by the names clients are given.
    """

    address: Address
    paths: tuple[str, ...]
    sudo: bool = False
    boot_config: str | None = None
    boot_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What stands on the servers: files by path, digests of boot files by the names clients are given, and
    why a server could not be read."""

    files: Mapping[str, Mapping[str, PresentFile]] = field(default_factory=dict)
    boot_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def read_present(
    targets: Sequence[Target],
    connect: Connect,
    *,
    parallel: int,
    watch: Callable[[str, str], None] = lambda _server, _how: None,
) -> Present:
    """Read the files of every server, ``parallel`` servers at a time; ``watch`` hears of each at its end
    whether it is ``done`` or ``failed``."""
    files: dict[str, Mapping[str, PresentFile]] = {}
    boot_files: dict[str, Mapping[str, str]] = {}
    failed: dict[str, str] = {}

    def read(target: Target) -> _Read | HostError:
        how = "failed"
        try:
            result = _read(target, connect)
            how = "done"
        except HostError as error:
            return error
        finally:
            watch(target.address.name, how)
        return result

    pool = ThreadPoolExecutor(max_workers=max(1, parallel))
    try:
        for target, result in zip(targets, pool.map(read, targets), strict=True):
            if isinstance(result, HostError):
                failed[target.address.name] = str(result)
            else:
                files[target.address.name], boot_files[target.address.name] = result
    finally:
        # All have ended, or this is being interrupted: reading changes nothing and need not be awaited.
        pool.shutdown(wait=False, cancel_futures=True)
    return Present(files=files, boot_files=boot_files, failed=failed)


_Read = tuple[Mapping[str, PresentFile], Mapping[str, str]]


def _read(target: Target, connect: Connect) -> _Read:
    connection = connect(target.address)
    try:
        found = {file.path: file for file in read_files(connection, target.paths, sudo=target.sudo)}
        if target.boot_config is not None:
            more = [path for path in _lists(found[target.boot_config]) if path not in found]
            found |= {file.path: file for file in read_files(connection, more, sudo=target.sudo)}
        digests = read_digests(connection, tuple(target.boot_files.values()), sudo=target.sudo)
        return found, {name: digests[path] for name, path in target.boot_files.items() if path in digests}
    finally:
        connection.close()


def _lists(config: PresentFile) -> list[str]:
    """The paths of the list files a present configuration names beside it; none if it cannot be read."""
    if config.content is None or len(config.content) > _MOST_CONFIG:
        return []
    tree = read_yaml(
        config.content.decode("utf-8", "replace"), config.path, SourceMap(Position(config.path)), []
    )
    try:
        names = list_names(BootServerConfig.model_validate(tree))
    except ValidationError:
        return []
    # The file is the server's, not the inventory's: it may not have us read what lies elsewhere, as root.
    folder = directory_of(config.path)
    return [f"{folder}/{name}" for name in names if is_plain_path(f"{folder}/{name}")]

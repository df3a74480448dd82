"""The settings that a scope, a rule or a server makes: its values, its programs, and options 66 and 67."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.lease import FieldName
from coexist.boot.leases.plan import Condition, Setting
from coexist.inventory.documents import Path
from coexist.inventory.models import Program, Scope, ScopeRule, Site
from coexist.inventory.named_servers import server_address
from coexist.inventory.values import OptionValue, option_bytes
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.option_codes import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Turns what a scope, a rule or a server says into settings, on one VLAN."""

    site: Site
    vlan: str

    def address(self, text: str | None) -> IPv4Address | None:
        """The address a next server means here."""
        return server_address(self.site, text, self.vlan) if text else None

    def settings(
        self,
        holder: Scope | ScopeRule,
        condition: Condition,
        name: str,
        path: Path,
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A program by architecture is a setting of its own, before the rest; ``default`` is the server that
        has the file where the holder names none."""
        next_server = self.address(holder.next_server)
        explicit = frozenset(holder.options)
        yield from self.programs(holder.programs, condition, name, path, explicit, next_server or default)
        origins: dict[int | FieldName, Path] = {code: (*path, "options", str(code)) for code in explicit}
        if next_server is not None:
            origins["siaddr"] = (*path, "next_server")
        if holder.filename is not None:
            origins["file"] = (*path, "filename")
        setting = Setting(
            name=name,
            path=path,
            condition=condition,
            next_server=next_server,
            file=holder.filename,
            options=wire_options(holder.options),
            origins=origins,
        )
        # A phone reads option 66 as its provisioning server: it stands beside a file, or where a rule of its
        # own says next server and nothing else.
        alone = isinstance(holder, ScopeRule) and next_server is not None and not holder.programs
        server = next_server or default if holder.filename or alone else None
        yield with_options(setting, explicit, server)

    def programs(
        self,
        programs: Mapping[str, Program],
        condition: Condition,
        name: str,
        path: Path,
        explicit: frozenset[int],
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A setting for each boot program, iPXE's first: it ends the reload loop. The ones that the
        condition's own architectures exclude are left out."""
        for key in sorted(programs, key=lambda key: (key != "ipxe", key)):
            program = programs[key]
            if key == "ipxe":
                narrowed = replace(condition, ipxe=True)
            else:
                codes = frozenset(ARCHITECTURE_NAMES[key])
                if condition.architectures is not None:
                    codes &= condition.architectures
                if not codes:
                    continue
                narrowed = replace(condition, architectures=codes)
            own = self.address(program.server)
            place: Path = (*path, "programs", key)
            options = _echo(key, explicit)
            origins: dict[int | FieldName, Path] = {"file": place, **dict.fromkeys(options, place)}
            if own is not None:
                origins["siaddr"] = place
            setting = Setting(
                name=f"{name}, {key}",
                path=place,
                condition=narrowed,
                next_server=own,
                file=program.file,
                options=options,
                file_server=own is not None,
                origins=origins,
            )
            yield with_options(setting, explicit, own or default)


def _echo(architecture: str, explicit: frozenset[int]) -> dict[int, bytes]:
    # EDK2's HTTP boot takes offers of HTTPClient only (UEFI 2.10 section 24.7.3).
    code = Option.VENDOR_CLASS_IDENTIFIER
    return {code: b"HTTPClient"} if architecture.startswith("http-") and code not in explicit else {}


def with_options(setting: Setting, explicit: frozenset[int], server: IPv4Address | None) -> Setting:
    """The setting with options 66 (``server``) and 67 beside the header fields, unless they are declared as
    such.

    Firmware reads siaddr and ``file``; EDK2 takes 67 before ``file`` and needs its NUL.
    """
    derived: dict[int, bytes] = {}
    origins = dict(setting.origins)
    if setting.file and Option.BOOTFILE_NAME not in explicit:
        derived[Option.BOOTFILE_NAME] = setting.file.encode() + b"\0"
        origins[Option.BOOTFILE_NAME] = origins["file"]
    if server is not None and Option.TFTP_SERVER_NAME not in explicit:
        derived[Option.TFTP_SERVER_NAME] = str(server).encode()
        origins[Option.TFTP_SERVER_NAME] = origins.get("siaddr", setting.path)
    options = dict(sorted({**setting.options, **derived}.items()))
    return replace(setting, options=options, derived=frozenset(derived), origins=origins)


def wire_options(declared: Mapping[int, OptionValue]) -> dict[int, bytes]:
    """Declared options as octets, ascending."""
    return {code: option_bytes(code, value) for code, value in sorted(declared.items())}

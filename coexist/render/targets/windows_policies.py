"""The rules of a lease plan as policies of a Windows DHCP server, and the definitions that these need.

Several policies may fit a client; the first in processing order that sets an option gives it. Windows tests
classes, MAC addresses (with ``*`` behind a beginning) and relay fields, and no other option, so an
architecture is told by the beginning of option 60.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address

from coexist.boot.leases.plan import Condition, Setting
from coexist.inventory.models import OptionTest
from coexist.languages.windows.commands import OWN
from coexist.render.cells import octet_prefixes, spelled
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.powershell import command, literal
from coexist.wire.architecture import architecture_name, is_http
from coexist.wire.option_codes import Option, OptionKind, option_kind, option_title

OURS = OWN.strip()
"""The description of what is ours and has no name."""
_TYPES = {
    OptionKind.TEXT: "String",
    OptionKind.ADDRESS: "IPv4Address",
    OptionKind.ADDRESSES: "IPv4Address",
}
"""Of an option's definition; of every other kind they are octets."""
_ALL_TESTABLE = frozenset({Option.VENDOR_CLASS_IDENTIFIER, Option.USER_CLASS})


def cannot_test(test: OptionTest) -> bool:
    """Whether no policy can make this test."""
    return (
        test.option not in _ALL_TESTABLE
        or test.negated
        or test.at != 0
        or test.suboption is not None
        or (test.equals is None and test.starts_with is None)
        or not _is_text(test.octets)
    )


class Policies:
    """Commands for the rules of a plan; what has no command is reported.

    ``job`` takes the findings. A class or an option is defined once a command has named it: ask for the
    definitions last.
    """

    def __init__(self, job: Job, plan: SettledPlan) -> None:
        self.job = job
        self.plan = plan
        self.cells = {cell.name: cell for cell in plan.cells.named}
        self._classes: dict[tuple[str, str], str] = {}
        self._codes: set[int] = set()

    # -- policies and what they set ------------------------------------------------------------

    def commands(self, where: str, prefix: str, settings: Iterable[Setting]) -> Iterator[str]:
        """A policy of a scope for each setting that gives something, in their order; ``prefix``: before the
        number in its name."""
        order = 0
        for setting in settings:
            conditions = None if setting.ignore else self._conditions(setting)
            if conditions is None:
                continue
            order += 1
            name = f"{prefix}{order}"
            yield command(
                "Add-DhcpServerv4Policy",
                ScopeId=where,
                Name=name,
                Condition="AND",
                ProcessingOrder=order,
                Description=setting.name,
                **conditions,
            )
            yield from self.options(where, name, setting)

    def options(self, where: str, policy: str | None, setting: Setting) -> Iterator[str]:
        """The commands that set a scope's options, or those of one of its policies."""
        options = dict(setting.options)
        if setting.next_server is not None and Option.TFTP_SERVER_NAME not in options:
            options[Option.TFTP_SERVER_NAME] = str(setting.next_server).encode()
        for code, octets in sorted(options.items()):
            self._codes.add(code)
            value = _value(code, octets)
            if value is None:
                self.job.report(
                    "CX516",
                    setting.path,
                    f"{self.job.server.software} takes text for option {option_title(code)},"
                    f" and {setting.name} has octets",
                    "write the option as text",
                )
                continue
            place = f"-ScopeId {literal(where)}" + (f" -PolicyName {literal(policy)}" if policy else "")
            yield f"Set-DhcpServerv4OptionValue {place} -OptionId {code} -Value {value} -Force"

    # -- what they need ------------------------------------------------------------------------

    def definitions(self, known: Collection[int], before: str = "") -> Iterator[str]:
        """Definitions of the options set so far that are not ``known``; ``before``: what their names begin
        with."""
        for code in sorted(self._codes.difference(known)):
            kind = option_kind(code)
            extra = ["MultiValued"] if kind is OptionKind.ADDRESSES else []
            add = command(
                "Add-DhcpServerv4OptionDefinition",
                *extra,
                OptionId=code,
                Name=f"{before}option {option_title(code)}",
                Type=_TYPES.get(kind, "BinaryData"),
            )
            find = f"Get-DhcpServerv4OptionDefinition -OptionId {code} -ErrorAction SilentlyContinue"
            yield f"if (-not ({find})) {{ {add} }}"

    def class_definitions(self) -> Iterator[str]:
        """The classes that conditions named so far."""
        for (kind, data), name in sorted(self._classes.items(), key=lambda item: item[1]):
            add = command("Add-DhcpServerv4Class", Name=name, Type=kind, Data=data)
            find = f"Get-DhcpServerv4Class -Type {kind} | Where-Object Name -EQ {literal(name)}"
            yield f"if (-not ({find})) {{ {add} }}"

    def _class(self, kind: str, data: str) -> str:
        return self._classes.setdefault((kind, data), f"{OWN}{data}")

    # -- conditions ----------------------------------------------------------------------------

    def _conditions(self, setting: Setting) -> dict[str, list[str]] | None:
        """The policy's conditions; None, and a finding, where Windows has none for it."""
        condition = setting.condition
        result: dict[str, list[str]] = {}
        cells = self.plan.cells_of(condition)
        if cells is not None:
            addresses = self.addresses(cells)
            if addresses is None:
                self.report(setting, "takes some addresses out of a range")
                return None
            if addresses:
                result["MacAddress"] = addresses
        vendor = self._vendor_classes(condition)
        user = self._user_classes(condition)
        if vendor is None or user is None or condition.unless or any(map(cannot_test, condition.tests)):
            self.report(setting, "tests what no policy can test, or the same option twice")
            return None
        if vendor:
            result["VendorClass"] = ["EQ", *vendor]
        if user:
            result["UserClass"] = ["EQ", *user]
        if not result:
            # Everyone but nobody in particular: a beginning every address has.
            result["MacAddress"] = ["EQ", "*"]
        return result

    def addresses(self, cells: frozenset[str]) -> list[str] | None:
        """The clients of some cells as ``-MacAddress`` takes them: an operator, then patterns.

        Empty for everyone; None where some addresses are taken out of a range, which no pattern says.
        """
        positive = self.plan.cells.rest.name not in cells
        named = sorted(name for name in self.cells if (name in cells) == positive)
        if any(self.cells[name].excluded for name in named):
            return None
        patterns = [pattern for name in named for pattern in self._patterns(name, "")]
        return ["EQ" if positive else "NE", *patterns] if patterns else []

    def _vendor_classes(self, condition: Condition) -> list[str] | None:
        ways: list[list[str]] = []
        if condition.architectures is not None:
            codes = sorted(c for c in condition.architectures if not architecture_name(c).startswith("arch-"))
            ways.append(
                [f"{'HTTPClient' if is_http(code) else 'PXEClient'}:Arch:{code:05d}*" for code in codes]
            )
        if condition.vendor_class is not None:
            ways.append([condition.vendor_class.decode(errors="replace") + "*"])
        ways += [[pattern] for pattern in _patterns_of(condition, Option.VENDOR_CLASS_IDENTIFIER)]
        if len(ways) > 1:
            return None
        names = []
        for pattern in ways[0] if ways else []:
            star = "*" if pattern.endswith("*") else ""
            names.append(self._class("Vendor", pattern.removesuffix("*")) + star)
        return names

    def _user_classes(self, condition: Condition) -> list[str] | None:
        ways = ["iPXE"] if condition.ipxe else []
        if condition.user_class is not None:
            ways.append(condition.user_class.decode(errors="replace"))
        ways += _patterns_of(condition, Option.USER_CLASS)
        if len(ways) > 1:
            return None
        return [
            self._class("User", way.removesuffix("*")) + ("*" if way.endswith("*") else "") for way in ways
        ]

    # -- addresses of machines -----------------------------------------------------------------

    def refusable(self, setting: Setting, scope: SettledScope) -> list[str] | None:
        """The addresses that a deny list must have for a refusal, None where no list can say it."""
        condition = setting.condition
        everywhere = all(
            any(other.ignore and other.condition == condition for other in each.special)
            for each in self.plan.scopes
        )
        cells = self.plan.cells_of(condition)
        if not everywhere or condition != Condition(clients=condition.clients) or cells is None:
            return None
        if self.plan.cells.rest.name in cells or any(self.cells[name].excluded for name in cells):
            return None
        return [pattern for name in sorted(cells) for pattern in self._patterns(name, "-")]

    def _patterns(self, cell_name: str, sep: str) -> Iterator[str]:
        """The addresses of a cell as Windows writes them: beginnings with a star."""
        cell = self.cells[cell_name]
        for mac in cell.points:
            yield spelled(mac, sep).upper()
        for first, last in cell.intervals:
            for prefix in octet_prefixes(first, last):
                yield (
                    prefix.hex(sep).upper() + (f"{sep}*" if len(prefix) < 6 else "")
                    if sep
                    else f"{prefix.hex().upper()}*"
                )

    # -- what cannot be said -------------------------------------------------------------------

    def report(self, setting: Setting, why: str) -> None:
        """Report that the product cannot say what a setting says."""
        self.job.report(
            "CX511",
            setting.path,
            f"{self.job.server.software} cannot say what {setting.name} says: it {why}",
            "say it of the whole server (`answers`), by exact addresses, or serve the scope by isc-dhcpd",
        )


def _patterns_of(condition: Condition, code: Option) -> list[str]:
    """What the condition's own tests on an option compare it with; a star where more may follow."""
    return [
        test.octets.decode() + ("" if test.equals is not None else "*")
        for test in condition.tests
        if test.option == code and not cannot_test(test)
    ]


def _is_text(octets: bytes) -> bool:
    try:
        return octets.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _value(code: int, octets: bytes) -> str | None:
    kind = option_kind(code)
    if kind is OptionKind.TEXT:
        # Windows ends its strings with a NUL of its own.
        text = octets.removesuffix(b"\0")
        return literal(text.decode()) if _is_text(text) else None
    if kind in (OptionKind.ADDRESS, OptionKind.ADDRESSES) and octets and len(octets) % 4 == 0:
        return literal([str(IPv4Address(octets[at : at + 4])) for at in range(0, len(octets), 4)])
    if kind in (OptionKind.U8, OptionKind.U16, OptionKind.U32, OptionKind.I32, OptionKind.BOOLEAN):
        return str(int.from_bytes(octets, "big", signed=kind is OptionKind.I32))
    return literal(octets) if octets else None

"""Servers: where they stand, whom they answer, when and with what."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from coexist.inventory.boot_programs import ArchitectureNames, Program, Programs
from coexist.inventory.product import Capabilities, DelayKind, Product, Role
from coexist.inventory.scopes import ScopeRule
from coexist.inventory.software import Software
from coexist.inventory.twins import Twin
from coexist.inventory.values import (
    ONE_OR_MORE,
    WHOLE,
    Address,
    Command,
    Declared,
    Delay,
    Host,
    Name,
    Names,
    Options,
    TargetPath,
    Text,
    in_steps,
    one_or_more,
)
from coexist.text.closest import closest
from coexist.text.secret_references import with_tokens


def _host_name(value: str) -> str:
    """A host name in lower case without the dot of the root (RFC 1123 section 2.1)."""
    text = value.rstrip(".").lower()
    labels = text.split(".")
    if not re.fullmatch(r"[a-z0-9_.-]{1,253}", text) or not all(0 < len(x) <= 63 for x in labels):
        raise ValueError(f"{value!r} is not a host name; write it as in a URL, such as boot.example.org")
    if all(label.isdigit() for label in labels):
        raise ValueError(f"{value!r} is an address; write it as `address:`, and host names in `names:`")
    return text


HostNames = Annotated[
    tuple[Annotated[Text, AfterValidator(_host_name)], ...],
    BeforeValidator(one_or_more),
    WithJsonSchema(ONE_OR_MORE),
]


def _files_by_path(value: Any) -> Any:
    """One file, several, or each by the path it has on the server."""
    names = [value] if isinstance(value, str) else value
    return {str(name): name for name in names} if isinstance(names, list) else names


_OWN_FILES = {
    "anyOf": [ONE_OR_MORE, {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}]
}
OwnFiles = Annotated[dict[Text, Text], BeforeValidator(_files_by_path), WithJsonSchema(_OWN_FILES)]


class Answers(Declared):
    """Whom a server answers, as its product calls it.

    ``everyone``, ``nobody``; ``known``: registered clients of this inventory; ``unknown``: all
    others; ``intended``: exactly the clients the intent gives to it; ``only``: a whitelist of groups;
    ``all_except``: a deny list of groups. ``architectures`` narrows each of them.
    """

    shorthand = {
        "anyOf": [
            {"enum": ["everyone", "nobody", "known", "unknown", "intended"]},
            {
                "type": "object",
                "properties": {"only": ONE_OR_MORE, "except": ONE_OR_MORE, "architectures": ONE_OR_MORE},
                "additionalProperties": False,
            },
        ]
    }

    who: Literal["everyone", "nobody", "known", "unknown", "intended", "only", "all_except"] = "everyone"
    groups: Names = ()
    architectures: ArchitectureNames | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        plain = ("everyone", "nobody", "known", "unknown", "intended")
        if isinstance(value, str):
            if value not in plain:
                raise ValueError(
                    f"{value!r} does not say whom to answer; {closest(value, plain)} or {{only: [group]}}"
                )
            return {"who": value}
        if isinstance(value, dict) and "who" not in value:
            value = dict(value)
            lists = [key for key in ("only", "except") if key in value]
            if len(lists) > 1:
                raise ValueError(
                    "`only` and `except` exclude each other; make the difference a group of its own"
                )
            if lists:
                value["groups"] = value.pop(lists[0])
                value["who"] = "only" if lists == ["only"] else "all_except"
                if value["groups"] in ([], None, ()):
                    raise ValueError(
                        f"the {lists[0]!r} list is empty; name a group, or write `nobody` or `everyone`"
                    )
        return value


class Deployment(Declared):
    """How a server is reached and what a rollout does there. Secrets never stand here.

    ``paths`` maps the name of a rendered file to its path on the target; ``"*"`` is the directory of all
    files that are not named. A name that is never written for the server is refused. coexist's lists of
    machines always lie beside its coexist.yaml. ``status``: a command that succeeds while the service runs.
    ``sudo``: every command is run by ``sudo -n``.
    """

    host: Host
    user: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535), WHOLE] | None = None
    paths: dict[str, TargetPath] = {}
    check: Command | None = None
    reload: Command | None = None
    status: Command | None = None
    sudo: bool = False


class DropIn(Declared):
    """Our part of a server that runs on its own files: one file more, which those include.

    ``path``: where it lies on the server. ``rules``: what it says to some clients, as those of a scope, above
    what the server's own files say. ``reservations`` (Kea): a second file, which the global reservations of
    the server's file include: the machines of groups are listed there, and not tested one by one.
    """

    path: TargetPath
    reservations: TargetPath | None = None
    rules: Annotated[tuple[ScopeRule, ...], Field(min_length=1)]

    @property
    def paths(self) -> tuple[str, ...]:
        """Where its files lie on the server."""
        return (self.path,) if self.reservations is None else (self.path, self.reservations)


class Server(Declared):
    """One server and how it behaves today.

    ``answers``, ``delay`` and ``programs`` describe its boot service. ``fixed``: another team's,
    planned around and never rendered or changed. ``host`` names the machine it shares with other
    servers. What a product decides by itself (dnsmasq's option 43, openthinclient's silence about
    delays) is known to ``boot`` and need not be written; the fields below override it.

    ``discovery_control``: PXE option 43.6 in its offers (8: use the file of this offer), null for
    none. ``offers_file``: whether the offer itself names the file. ``answers_4011``: whether it
    answers the REQUEST on port 4011. ``ping_check``: a DHCP server pings an address before it
    offers it (null: as its product does). ``settings``: further keywords of its product;
    a password or key in them is named by ``{secret: env:NAME}`` or ``{secret: file:/PATH}``, and read when
    its server is spoken to.
    ``relayed``: what becomes of packets that a relay agent brings, where that is not the answer to giaddr
    of RFC 2131 section 4.1: ``broadcast`` (it overlooks giaddr and answers on its own VLAN) or ``silent``.
    ``echoes_option_82``: whether it repeats the relay agent's information (RFC 3046 section 2.2).
    ``discovery_group``: the multicast address at which a boot server of another product listens for clients
    that look for it (43.7).
    ``largest_blksize``: the octets of the largest TFTP block it agrees to, where that is limited.
    ``names``: its host names as DNS has them, by which a URL may mean it.
    ``config``: the files it runs on, which somebody else writes: read as its product reads them, and never
    rendered; subnets, pools, reservations, classes and options stand there and not in scopes. One file, or
    several, the main one first; or each by the path it has on the server, which its includes name.
    ``dropin``: the one file there that is ours, which these include. ``whole``: the copies in the inventory
    are the truth from now on, and are rolled out as they are.
    ``left_out``: statements of the file it was imported from that this inventory does not say, each with its
    place; while one stands here, its file is not written anew.
    ``pair``: another of coexist's boot servers, for the same clients.
    ``delay_for`` and ``programs_for`` replace the delay and the programs for members of some groups
    (``programs_for`` on coexist only); of several groups the one named first counts.
    """

    software: Software
    address: Address | None = None
    vlan: Name | None = None
    addresses: dict[Name, Address] = {}
    roles: Annotated[frozenset[Role], BeforeValidator(one_or_more)] = frozenset()
    answers: Answers = Answers.model_construct()
    delay: Delay = Delay.model_construct()
    delay_for: dict[Name, Delay] = {}
    programs: Programs = {}
    programs_for: dict[Name, Programs] = {}
    boot_server: Text | None = None
    options: Options = {}
    discovery_control: Annotated[int, Field(ge=0, le=255), WHOLE] | None = None
    offers_file: bool | None = None
    answers_4011: bool | None = None
    discovery_group: Address | None = None
    largest_blksize: Annotated[int, Field(ge=8, le=65464), WHOLE] | None = None
    authoritative: bool = True
    ping_check: bool | None = None
    relayed: Literal["broadcast", "silent"] | None = None
    echoes_option_82: bool = True
    fixed: bool = False
    host: Name | None = None
    names: HostNames = ()
    config: OwnFiles = {}
    dropin: DropIn | None = None
    whole: bool = False
    pair: Twin | None = None
    settings: Annotated[dict[str, Any], BeforeValidator(with_tokens)] = {}
    left_out: tuple[Text, ...] = ()
    deploy: Deployment | None = None
    owner: Text | None = None

    @field_validator("discovery_group")
    @classmethod
    def _is_group(cls, value: IPv4Address | None) -> IPv4Address | None:
        if value is not None and not value.is_multicast:
            raise ValueError(f"{value} is no multicast address; write one of 224.0.0.0 to 239.255.255.255")
        return value

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Self:
        if self.addresses and (self.address or self.vlan):
            raise ValueError("`addresses` and `address`/`vlan` say the same thing; keep one of them")
        if not self.addresses and not (self.address and self.vlan):
            raise ValueError(
                "it has no address; write `address: 10.10.0.5` and `vlan: office`, "
                "or `addresses: {office: 10.10.0.5}`"
            )
        if not self.effective_roles:
            raise ValueError(
                f"{self.software.product} can have several roles; "
                "write `roles: [dhcp]` or `roles: [proxydhcp, tftp]`"
            )
        if self.config and not self.product.own_file:
            raise ValueError(
                f"coexist cannot evaluate a configuration file of {self.software.product}; "
                "remove `config:`, and declare scopes"
            )
        self._settings_are_written()
        if self.whole and not all(path.startswith("/") for path in self.config or ("",)):
            raise ValueError(
                "`whole` needs the files of the server by their paths there; write "
                "`config: {/etc/dhcp/dhcpd.conf: servers/dhcp1/dhcpd.conf}`"
            )
        if self.dropin and not self.config:
            raise ValueError(
                "a drop-in goes into a server's own files; name them in `config:`, or write scopes instead"
            )
        if self.dropin and not self.product.dropin:
            raise ValueError(f"coexist writes no drop-in for {self.software.product}; remove `dropin:`")
        if self.dropin and self.dropin.reservations and not self.product.dropin_lists:
            raise ValueError(
                f"{self.software.product} includes no list of reservations; remove `reservations`"
            )
        return self

    def _settings_are_written(self) -> None:
        """Raise ``ValueError`` for a setting that no file would have."""
        for key in ("settings", "left_out"):
            if self.config and getattr(self, key):
                raise ValueError(f"its own files (`config:`) decide this; remove `{key}:`")
        known = self.product.settings
        for key in self.settings if known is not None else ():
            if known is not None and key not in known:
                raise ValueError(
                    f"coexist writes no setting {key!r} for {self.software.product}; "
                    + (closest(key, known) if known else "remove `settings:`")
                )

    @property
    def stands_on(self) -> dict[str, IPv4Address]:
        """Its address on each VLAN it stands on."""
        if self.addresses:
            return dict(self.addresses)
        return {self.vlan: self.address} if self.vlan and self.address else {}

    @property
    def effective_roles(self) -> frozenset[Role]:
        """The declared roles, or those its product usually has."""
        return self.roles or self.product.usual_roles

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else writes its configuration: another team, or who wrote the files it runs on."""
        return self.fixed or bool(self.config)

    @property
    def main_file(self) -> str | None:
        """The path of its main configuration on the server, as far as it is known."""
        declared = next(iter(self.config), "")
        return declared if declared.startswith("/") else self.product.own_main or self.product.target

    @property
    def product(self) -> Product:
        """What its software is and can do."""
        return self.software.record

    @property
    def says_programs_itself(self) -> bool:
        """Whether ``settings`` hold its product's own lines about boot programs, which count then instead of
        what ``programs`` would make of it."""
        return not self.product.program_settings.isdisjoint(self.settings)

    @property
    def named_programs(self) -> Programs:
        """The boot programs it names: those declared, and those its product names by itself.

        A product that cannot be told names its own; of a server that is ``fixed`` somebody says what it does.
        """
        product = self.product
        own = {name: Program(file=file) for name, file in product.default_programs.items()}
        if product.takes_programs or self.fixed:
            return self.programs if self.programs and not product.fills_in else {**own, **self.programs}
        declared = self.programs.items()
        same = {k: p for k, p in declared if k in own and p.file.rpartition("/")[2] == own[k].file}
        return {**own, **same}

    @property
    def can(self) -> Capabilities:
        """What its software can be told, in the roles it has."""
        return self.product.can(self.effective_roles)

    def kept(self, delay: Delay) -> Delay:
        """A delay as its product keeps it: in its own steps, rounded up."""
        if delay.kind != "after":
            return delay
        after = in_steps(delay.after, self.can.delay_step)
        return delay if after == delay.after else Delay(after=after)

    @property
    def possible_delays(self) -> frozenset[DelayKind]:
        """The kinds of delay that its clients can feel."""
        registered_only = self.answers.who in ("only", "known", "intended")
        if registered_only and not self.product.delays_registered:
            return frozenset()
        return self.can.delays

    @property
    def pings(self) -> bool:
        """Whether it pings an address before it offers it."""
        wanted = self.product.pings if self.ping_check is None else self.ping_check
        return wanted and self.can.ping_check

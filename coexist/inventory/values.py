"""The small values of an inventory: names, delays, option values, address ranges.

Each is a pydantic type that accepts what an administrator would naturally write and says
what to write when it cannot be read.
"""

from __future__ import annotations

import math
import re
import shlex
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from coexist.inventory.documents import written
from coexist.text.secret_references import with_tokens
from coexist.wire.bootp import FILE_OCTETS, fits_header_file
from coexist.wire.mac import parse_mac
from coexist.wire.options import Option, encode_option_value, spoken


class Declared(BaseModel):
    """A part of the inventory: no unknown keys, never changed after reading.

    ``shorthand`` is the JSON Schema of the short form a section may also be written in.
    """

    # Only what is read gets a validator, and a part of the site none of its own. So a default is written with
    # `model_construct`: to call the class would make its validator whenever the models are imported.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    shorthand: ClassVar[dict[str, Any] | None] = None

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # A default that holds a mapping would be copied for every declaration that does not write it.
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler(schema)
        return full if cls.shorthand is None else {"anyOf": [cls.shorthand, full]}


ONE_OR_MORE: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def one_or_more(value: Any) -> Any:
    """A single value where a list may stand is a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


def _text(value: Any) -> Any:
    text = written(value)
    return value if text is None else text


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def is_name(text: str) -> bool:
    """Whether a server, a group or a VLAN can be called this."""
    return _NAME.match(text) is not None


def _name(value: Any) -> Any:
    text = written(value)
    if text is None or not is_name(text):
        raise ValueError(
            f"{value!r} is not a name; use letters, digits, '-', '_' and '.', a letter or digit first"
        )
    return text


def is_plain_path(text: str) -> bool:
    """Whether this is the path of a file or folder from the root on, without detours."""
    parts = text.removesuffix("/").split("/")
    return "\0" not in text and len(parts) > 1 and not parts[0] and not {"", ".", ".."} & {*parts[1:]}


_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\[^/\x00-\x1f]*\Z")


def _target_path(value: Any) -> Any:
    text = written(value)
    if (
        text is None
        or not text.isprintable()
        or not (is_plain_path(text) or (_WINDOWS_PATH.match(text) and ".." not in text))
    ):
        raise ValueError(f"{value!r} is not a whole path; write it from the root on, as /etc/dhcp/dhcpd.conf")
    return text


def _command(value: Any) -> Any:
    text = _text(value)
    if isinstance(text, str):
        try:
            shlex.split(text)
        except ValueError as error:
            what = "a quote" if "quotation" in str(error) else "a backslash at its end"
            raise ValueError(f"the command {text!r} has {what} that nothing closes; close it") from None
    return text


def _host(value: Any) -> Any:
    text = _text(value)
    if not isinstance(text, str):
        return text
    _, found, rest = text.rpartition("://")
    user, at, host = rest.rpartition("@")
    name, colon, port = host.partition(":")
    # An IPv6 address has more than one colon.
    apart = bool(colon) and port.isdigit()
    if not (found or at or apart):
        return text
    parts = [f"host: {name if apart else host}"]
    parts += [f"user: {user}"] if at else []
    parts += [f"port: {port}"] if apart else []
    raise ValueError(f"{text!r} is more than the name of a host; write `{', '.join(parts)}`")


def _header_file(value: str) -> str:
    if not fits_header_file(value):
        raise ValueError(
            f"the file name has more than the {FILE_OCTETS - 1} octets of the DHCP header field;"
            " use a shorter path, or write a long URL as option 67"
        )
    return value


Text = Annotated[str, BeforeValidator(_text)]
HeaderFile = Annotated[str, BeforeValidator(_text), AfterValidator(_header_file)]
"""A text for the header field ``file``. With more octets Kea refuses its file, dhcpd and dnsmasq cut it, and
coexist leaves the field empty: no client gets what is written."""
Host = Annotated[str, BeforeValidator(_host)]
Command = Annotated[str, BeforeValidator(_command)]
"""A command as a shell takes it apart; no shell runs it."""
TargetPath = Annotated[str, BeforeValidator(_target_path)]
Name = Annotated[str, BeforeValidator(_name)]
Names = Annotated[tuple[Name, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)]


def _number(kind: Literal["int_type", "float_type"]) -> BeforeValidator:
    """``true`` is no number, whatever Python says."""

    def check(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticCustomError(kind, "true or false where a number stands")
        return value

    return BeforeValidator(check)


WHOLE = _number("int_type")
"""What a whole number is annotated with, behind its limits."""
Seconds = Annotated[float, Field(ge=0, le=86400), _number("float_type")]


_UUID_EXAMPLE = "4c4c4544-0042-3510-8052-b4c04f4e4a32"


def machine_uuid(text: str) -> UUID:
    """A machine's UUID as SMBIOS and inventory lists spell it. Raises ValueError with the remedy."""
    try:
        found = UUID(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is not a UUID; write it as the machine's setup does: {_UUID_EXAMPLE}"
        ) from None
    if found.int in (0, (1 << 128) - 1):
        raise ValueError(f"{text} is what machines without a UUID say; leave it out")
    return found


def _uuid(value: Any) -> Any:
    text = written(value)
    if text is None:
        raise ValueError(f"{value!r} is not a UUID; write {_UUID_EXAMPLE}")
    return str(machine_uuid(text))


MachineUuid = Annotated[str, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
MachineUuids = Annotated[tuple[MachineUuid, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)]


def _mac(value: Any) -> Any:
    text = written(value)
    if text is None:
        raise ValueError(f"{value!r} is not a MAC address; write 52:54:00:12:34:56")
    return parse_mac(text)


MacAddress = Annotated[
    int,
    BeforeValidator(_mac),
    WithJsonSchema({"type": "string", "examples": ["52:54:00:12:34:56", "5254.0012.3456"]}),
]


MacAddresses = Annotated[tuple[MacAddress, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)]


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 address."""
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _address(value: Any) -> Any:
    if isinstance(value, IPv4Address):
        return value
    text = written(value)
    try:
        return IPv4Address(text if text is not None else repr(value))
    except AddressValueError:
        raise ValueError(
            f"{spoken(value)} is not an IPv4 address; write four numbers, for example 10.10.0.5"
        ) from None


Address = Annotated[
    IPv4Address, BeforeValidator(_address), WithJsonSchema({"type": "string", "format": "ipv4"})
]


def in_steps(seconds: float, step: float) -> float:
    """Seconds in whole steps of a product, rounded up: a delay that is too short loses its order. Step 0: as
    they are."""
    # Rounded first: 0.5 / 0.001 is 500 and a little less.
    return math.ceil(round(seconds / step, 6)) * step if step else seconds


class Delay(Declared):
    """When a server answers. At most one kind is set; none of them means at once.

    ``after``: seconds on the server's clock between each packet and its answer.
    ``secs_at_least``: only packets whose ``secs`` field says so many or more are answered.
    ``since_first``: only packets that come so many seconds after the first one of this MAC.
    ``after_offer``: only once another server's address offer was heard.
    """

    shorthand = {"anyOf": [{"type": "number", "minimum": 0}, {"enum": ["none", None]}]}

    after: Seconds = 0.0
    secs_at_least: Annotated[int, Field(ge=0, le=65535), WHOLE] = 0
    since_first: Seconds = 0.0
    after_offer: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"after": float(value)}
        if value is None or value == "none":
            return {}
        if isinstance(value, (str, bool)):
            raise ValueError(
                f"{spoken(value)} is not a delay; write seconds (`2`) or a kind: {{after: 2}}, "
                "{secs_at_least: 8}, {since_first: 4} or {after_offer: true}"
            )
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Delay:
        if sum(map(bool, (self.after, self.secs_at_least, self.since_first, self.after_offer))) > 1:
            raise ValueError(
                "a delay has one kind; keep one of after, secs_at_least, since_first, after_offer"
            )
        return self

    @property
    def kind(self) -> Literal["none", "after", "secs_at_least", "since_first", "after_offer"]:
        """Which of the four means is used, or none."""
        if self.after:
            return "after"
        if self.secs_at_least:
            return "secs_at_least"
        if self.since_first:
            return "since_first"
        return "after_offer" if self.after_offer else "none"

    def __str__(self) -> str:
        return {
            "none": "at once",
            "after": f"{self.after:g} s after each packet",
            "secs_at_least": f"once secs >= {self.secs_at_least}",
            "since_first": f"{self.since_first:g} s after the client's first packet",
            "after_offer": "after another server's offer",
        }[self.kind]


OptionValue = Annotated[str | int | bool | tuple[str | int, ...], Field(union_mode="left_to_right")]


def _options(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("these are no options; write codes with values, as in {66: 10.0.0.5, 67: boot.efi}")
    result: dict[int, Any] = {}
    for key, raw in with_tokens(value).items():
        if not str(key).isdigit() or not 0 < int(key) < 255:
            raise ValueError(
                f"{key!r} is not a DHCP option; write its number from 1 to 254, as in {{66: 10.0.0.5}}"
            )
        items = [written(i) or i for i in raw] if isinstance(raw, (list, tuple)) else raw
        plain = (
            tuple(items) if isinstance(items, list) else raw if isinstance(raw, bool) else written(raw) or raw
        )
        try:
            encode_option_value(int(key), list(plain) if isinstance(plain, tuple) else plain)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(str(error)) from None
        result[int(key)] = plain
    return result


Options = Annotated[
    dict[int, OptionValue],
    BeforeValidator(_options),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {"^[0-9]+$": {"type": ["string", "number", "boolean", "array", "object"]}},
            "additionalProperties": False,
            "description": "DHCP options by number; bytes as hex:06:01:08:ff, a list for several addresses,"
            " a secret text as {secret: env:NAME} or {secret: file:/PATH}",
        }
    ),
]


def option_bytes(code: int, value: OptionValue) -> bytes:
    """The octets of a declared option value (RFC 2132).

    A boot file name written as text ends with the NUL that EDK2 and old ROMs need; ``hex:`` is literal.
    """
    octets = encode_option_value(code, list(value) if isinstance(value, tuple) else value)
    literal = isinstance(value, str) and value.lower().startswith("hex:")
    return octets + b"\0" if code == Option.BOOTFILE_NAME and not literal else octets


class AddressRange(Declared):
    """IPv4 addresses from ``first`` to ``last``, both included, written ``10.1.0.10-10.1.0.99``."""

    shorthand = {"type": "string", "examples": ["10.10.1.10-10.10.1.99"]}

    first: Address
    last: Address

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        text = written(value)
        if text is None:
            return value
        first, dash, last = (part.strip() for part in text.partition("-"))
        return {"first": first, "last": last if dash else first}

    @model_validator(mode="after")
    def _ordered(self) -> AddressRange:
        if self.last < self.first:
            raise ValueError(f"the range ends before it begins; write {self.last}-{self.first}")
        return self

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

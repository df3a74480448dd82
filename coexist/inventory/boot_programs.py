"""Architectures by name, and the boot program each is given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from coexist.inventory.documents import written
from coexist.inventory.values import (
    ONE_OR_MORE,
    Declared,
    HeaderFile,
    Text,
    one_or_more,
)
from coexist.text.closest import closest
from coexist.wire.architecture import ARCHITECTURE_NAMES


def _architecture(value: Any) -> Any:
    text = written(value)
    if text is None or text not in ARCHITECTURE_NAMES:
        raise ValueError(f"{value!r} is not an architecture; {closest(str(text), ARCHITECTURE_NAMES)}")
    return text


ArchitectureName = Annotated[
    str, BeforeValidator(_architecture), WithJsonSchema({"enum": sorted(ARCHITECTURE_NAMES)})
]


ArchitectureNames = Annotated[
    tuple[ArchitectureName, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)
]


LOADERS: tuple[str, ...] = (
    "ipxe", "pxelinux", "lpxelinux", "syslinux-efi", "grub", "grub-core", "grub-redhat", "shim",
    "netboot.xyz", "wdsnbp", "wdsmgfw", "pxeboot", "bootmgr", "bootmgfw",
)  # fmt: skip
"""The boot loaders that are followed, by the names `boot.loaders` has for them."""


Signed = Literal["microsoft", "vendor", "no"]
"""Who vouches for a program: Microsoft, whose keys firmware has from the factory; its vendor; nobody."""


def _loader(value: Any) -> Any:
    text = written(value)
    if text is None or text not in LOADERS:
        raise ValueError(f"{value!r} is not a boot loader; {closest(str(text), LOADERS)}")
    return text


LoaderName = Annotated[str, BeforeValidator(_loader), WithJsonSchema({"enum": sorted(LOADERS)})]


class Program(Declared):
    """A network boot program: what is loaded and from where.

    ``file`` is a TFTP path or an http URL. ``server`` names the server (or its address) that has
    the file, if it is not the one that answers. ``then``: the boot loader that this file is, where its name
    does not tell, or for shim the loader that shim starts. ``embedded``: what a script that is built into
    iPXE reads, as URLs in their order; ``${next-server}`` and iPXE's other settings are filled in.
    ``signed``: by whom, for machines with Secure Boot, where the name does not tell.
    """

    shorthand = {"type": "string"}

    file: HeaderFile
    server: Text | None = None
    then: LoaderName | None = None
    embedded: Annotated[tuple[Text, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)] = ()
    signed: Signed | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("no file is named here; write its path, or remove the key")
        text = written(value)
        return {"file": text} if text is not None else value

    @field_validator("file")
    @classmethod
    def _file(cls, value: str) -> str:
        if not value or any(ord(c) < 32 for c in value):
            raise ValueError(f"{value!r} is no file name; write a path without control characters")
        return value


Stage = Literal["ipxe"]
STAGES: tuple[str, ...] = ("ipxe",)


def _programs(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(
            f"{value!r} names no architecture; write for example {{bios: lpxelinux.0, uefi-x64: ipxe.efi}}"
        )
    for key in value:
        if key not in ARCHITECTURE_NAMES and key not in STAGES:
            raise ValueError(
                f"{key!r} is neither an architecture nor a client stage; "
                f"{closest(str(key), [*ARCHITECTURE_NAMES, *STAGES])}"
            )
    return value


Programs = Annotated[
    dict[str, Program],
    BeforeValidator(_programs),
    Field(
        description="boot program by architecture name; `ipxe` is what a client gets that already runs iPXE",
        json_schema_extra={"propertyNames": {"enum": [*ARCHITECTURE_NAMES, *STAGES]}},
    ),
]

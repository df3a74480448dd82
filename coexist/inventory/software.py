"""Which product a server runs, and in which version."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import model_validator

from coexist.inventory.documents import written
from coexist.inventory.product import Product
from coexist.inventory.products import COEXIST, ISC_DHCPD, products
from coexist.inventory.values import Declared
from coexist.text.closest import closest


def version_numbers(version: str) -> tuple[int, ...]:
    """The numbers of ``2.7.4`` or ``3.0-git``, to be compared; none of an empty text."""
    return tuple(map(int, re.findall(r"\d+", version)))


class Software(Declared):
    """A product and its version, written ``isc-dhcpd 4.4``."""

    shorthand = {"type": "string", "examples": [ISC_DHCPD.software, COEXIST.software]}

    product: str
    version: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        text = written(value)
        if text is None:
            what = "nothing" if value is None else repr(value)
            raise ValueError(f"{what} is no software; write product and version, as in `isc-dhcpd 4.4`")
        product, _, version = text.strip().partition(" ")
        return {"product": product, "version": version.strip()}

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.product not in products():
            raise ValueError(
                f"the software {self.product!r} is not known; {closest(self.product, products())}"
            )
        if self.version and not self.version[0].isdigit():
            raise ValueError(
                f"{self.version!r} is no version; write `{self.product}` alone, or with its number as in"
                " `isc-dhcpd 4.4`"
            )
        return self

    @property
    def record(self) -> Product:
        """What the table says of the product."""
        return products()[self.product]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version's numbers; none where it is not declared."""
        return version_numbers(self.version)

    def __str__(self) -> str:
        return f"{self.product} {self.version}".strip()

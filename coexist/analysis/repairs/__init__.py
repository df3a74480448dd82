"""How a finding is repaired: by its cause, by what the product can do, and by whose server it is.

A repair is a sentence and, where the inventory alone decides, the edits that carry it out: what to write is
printed below the sentence, and a test obeys it. A repair that somebody has to think about (a file's name, a
machine's place) has no edits: the finding's sentence says what is to be done. A server that is ``fixed`` is
never changed.

Each module registers the repairs of its kinds (`registry.repairs`). Of several for one kind, those of the
first module below come first.
"""

from coexist.analysis.repairs import (
    addressing,
    bootpath,
    inventory,
    ordering,
    products,
    programs,
)
from coexist.analysis.repairs.registry import repaired, with_causes

__all__ = [
    "addressing",
    "bootpath",
    "inventory",
    "ordering",
    "products",
    "programs",
    "repaired",
    "with_causes",
]

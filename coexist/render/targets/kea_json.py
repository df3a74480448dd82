"""Kea's JSON: written by a library, with the long lists one item a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(tree: Mapping[str, Any]) -> str:
    r"""JSON with one reservation a line: a hundred thousand indented ones would be slow and hard to read.

    Texts stand in it as they are: Kea's own reader knows no ``\u`` escape above 00ff.
    """
    lists: list[str] = []
    text = json.dumps(_set_apart(tree, lists), indent=2, ensure_ascii=False)
    for number, written in enumerate(lists):
        text = text.replace(json.dumps(_place(number)), written, 1)
    return text + "\n"


def _place(number: int) -> str:
    # No text of an inventory holds a NUL: neither YAML nor the CSV reader lets one in.
    return f"\0{number}"


def _set_apart(value: Any, lists: list[str]) -> Any:
    """The tree with each list of reservations written out to ``lists`` and its place in its stead."""
    if isinstance(value, list):
        return [_set_apart(item, lists) for item in value]
    if not isinstance(value, Mapping):
        return value
    encode = json.JSONEncoder(ensure_ascii=False).encode
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key == "reservations" and item:
            lists.append("[\n" + ",\n".join(map(encode, item)) + "\n]")
            result[key] = _place(len(lists) - 1)
        else:
            result[key] = _set_apart(item, lists)
    return result

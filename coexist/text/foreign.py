"""Text from the network, from files and from remote hosts on its way to a person: what it does on the way.

Control characters, escape sequences and the signs that turn the direction of writing are spelled out, so that
a terminal only shows them; a cell is no formula to a spreadsheet; a name is no markup in Markdown. Pure.
"""

from __future__ import annotations

import json
import re

from coexist.text.patterns import pattern

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes the full-width forms for the same."""
_MARKUP = pattern(r"([\\`*_<\[])")
_NOT_PLAIN = pattern(r"[^\t\n\x20-\x7e]")
_SEPARATED = pattern(r"([;|]\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


def harmless(text: str) -> str:
    """The text with all that is not shown spelled out; ends of lines and tabs stay."""
    if _NOT_PLAIN.search(text) is None:
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _spelled(c) for c in text)


def one_line(text: str) -> str:
    """The text on one line, with blanks for what separates."""
    return harmless(" ".join(text.split()))


def styled(text: str, mark: int) -> str:
    """What goes to a terminal with styles of our own: they stay, everything else is ``harmless``.

    ``mark``: the parameter that our styles begin with, and that nobody else knows.
    """
    if "\x1b" not in text:
        return harmless(text)
    pieces, at = [], 0
    for style in re.finditer(rf"\x1b\[{mark};([0-9;]{{1,12}})m", text):
        pieces += [harmless(text[at : style.start()]), f"\x1b[{style[1]}m"]
        at = style.end()
    return "".join([*pieces, harmless(text[at:])])


def cell(text: str) -> str:
    """A cell of a CSV file: on one line, and no formula (a quote in front makes it text).

    Nor where a spreadsheet separates by semicolons, as it does in many countries, and opens one by commas.
    """
    shown = _SEPARATED.sub(r"\1'", one_line(text))
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def markdown(text: str) -> str:
    """Text in a line or cell of Markdown: no markup and no HTML."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def markdown_code(text: str) -> str:
    """Text between backticks in Markdown, where nothing but a backtick and a table's bar means anything."""
    return one_line(text).replace("`", "'").replace("|", "\u00a6") or " "


def _spelled(character: str) -> str:
    # As JSON spells it: inside of JSON the text stays the same.
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"

"""Bold and coloured text for a terminal.

Foreign text may hold styles too, one that hides what follows among them. So ours have a mark that no foreign
text can know: a number of this run. The way to the terminal (`coexist.cli.streams`) lets those alone pass.
"""

from __future__ import annotations

import os
import re

import click

MARK = int.from_bytes(os.urandom(6), "big")
"""The first parameter of our styles (SGR, ECMA-48 section 8.3.117)."""
_STYLE = re.compile(r"\x1b\[([0-9;]{1,12})m")


def style(text: str, *, colour: str | None = None, bold: bool | None = None) -> str:
    """The text in a colour of click's, or bold. A style in the text itself has no mark."""
    before, after = click.style("\n", fg=colour, bold=bold).split("\n")
    return marked(before) + text + marked(after)


def marked(styles: str) -> str:
    """Styles that are ours, with the mark."""
    return _STYLE.sub(lambda found: f"\x1b[{MARK};{found[1]}m", styles)

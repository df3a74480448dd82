"""The way to the terminal: whatever a command prints of foreign text passes one filter here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from coexist.report.styles import MARK
from coexist.text.foreign import styled


class HarmlessStream:
    """A text stream that writes what ``styled`` leaves of a text; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text with all control characters spelled out, but for our own styles."""
        self._stream.write(styled(text, MARK))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unfiltered(stream: TextIO) -> TextIO:
    """The stream behind the filter, for a bar that moves the cursor and shows an inventory's names."""
    return stream._stream if isinstance(stream, HarmlessStream) else stream


@contextmanager
def harmless_streams() -> Iterator[None]:
    """Have stdout and stderr filtered."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (HarmlessStream(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before

"""A TCP line that becomes slow: usage: slow_line.py ADDRESS PORT TO_ADDRESS TO_PORT.

From SIGUSR1 on each piece waits two seconds on its way, in both directions; from SIGUSR2 on none does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

SECONDS = 2.0


class Line:
    """All connections of one line."""

    def __init__(self) -> None:
        self.delay = 0.0

    def is_slow(self, slow: bool) -> None:
        """Change how slow it is from now on."""
        self.delay = SECONDS if slow else 0.0

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What comes in goes out."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
        writer.close()


async def main() -> None:
    """Serve until the process ends."""
    line = Line()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, line.is_slow, True)
    loop.add_signal_handler(signal.SIGUSR2, line.is_slow, False)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, there = await asyncio.open_connection(sys.argv[3], int(sys.argv[4]))
        except OSError:
            writer.close()
            return
        await asyncio.gather(line.copy(reader, there), line.copy(back, writer))

    server = await asyncio.start_server(connected, sys.argv[1], int(sys.argv[2]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

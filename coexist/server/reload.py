"""New configurations are read by a thread of their own and handed to the loop when they are ready.

SIGHUP, a changed file and a decision in the registry each cause it. A configuration that cannot be used
is refused with its lines, and the old one stays in use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coexist.boot.policy import Registered
from coexist.errors import InputError
from coexist.server.config import Loaded, Stamp, load_config, stamp_of

if TYPE_CHECKING:
    from coexist.server.run import BootServer

POLL_SECONDS = 1.0


class Reloader:
    """Watches the files of the configuration in use."""

    def __init__(self, server: BootServer) -> None:
        self.server = server
        self._loaded = server.loaded
        self._refused: dict[Path, Stamp | None] | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._asked = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._loaded = self.server.loaded
        self._thread.start()

    def request(self) -> None:
        """Reload now, changed or not; from any thread and from a signal handler."""
        self._asked = True
        self._wake.set()

    def registered(self, registered: Registered) -> None:
        """Administrators decided something; called by the registry's thread."""
        if not self._thread.is_alive():
            return
        with self._lock:
            self._loaded = self._loaded.with_registered(registered)
            self._hand_over(self._loaded, self.server.use)

    def close(self) -> None:
        """End the thread."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while True:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            if self._stopping:
                return
            asked, self._asked = self._asked, False
            if not asked and not self._changed():
                continue
            try:
                self._reload()
            except Exception as error:  # noqa: BLE001 the next reload is to be tried all the same
                self.server.counters.reloads["failed"] += 1
                self.server.log.event(
                    "reload failed", why=repr(error), note="the old configuration stays in use"
                )
                self.server.notifier.say("READY=1")

    def _changed(self) -> bool:
        stamps = self._refused if self._refused is not None else self._loaded.stamps
        return any(stamp_of(path) != stamp for path, stamp in stamps.items())

    def _reload(self) -> None:
        server = self.server
        server.notifier.reloading()
        stamps = {path: stamp_of(path) for path in self._loaded.stamps}
        with self._lock:
            try:
                loaded = load_config(server.path, server.registered)
            except InputError as error:
                # Tried again once one of these files changes: the mistake is in one of them.
                named = {Path(problem.position.file) for problem in error.problems}
                self._refused = stamps | {path: stamp_of(path) for path in named}
                server.counters.reloads["refused"] += 1
                for problem in error.problems[:20]:
                    server.log.event(
                        "configuration refused", why=str(problem), note="the old one stays in use"
                    )
                server.notifier.say("READY=1")
                return
            if self._hand_over(loaded, server.apply):
                self._refused, self._loaded = None, loaded
            else:  # a socket could not be had: the old one stays in use, for decisions in the registry too
                self._refused = loaded.stamps

    def _hand_over(self, loaded: Loaded, use: Callable[[Loaded], Any]) -> bool:
        """Have the loop use a configuration; whether it did."""
        old: list[Loaded] = []
        done = threading.Event()

        def change() -> None:
            old.append(self.server.loaded)
            try:
                use(loaded)
            finally:
                self.server.notifier.say("READY=1")
                done.set()

        self.server.loop.post(change)
        # The last reference to the old sets is dropped here: freeing a million entries takes a while.
        while not done.wait(POLL_SECONDS) and not self._stopping:
            pass
        old.clear()
        return self.server.loaded is loaded

"""What the server counts. The hot path only adds to plain numbers; ``metrics`` reads them when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

LATENCY_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
DURATION_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Histogram:
    """Counts of values (seconds) up to each bound, and above the last."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a value, or the same one several times."""
        self.counts[bisect_left(self.bounds, seconds)] += times
        self.total += seconds * times

    def add(self, other: Histogram) -> None:
        """Count what another one counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Counters:
    """All of them. ``decisions`` by (port, decision)."""

    def __init__(self) -> None:
        self.decisions: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.offers = 0
        self.send_errors: defaultdict[str, int] = defaultdict(int)
        self.receive_errors: defaultdict[str, int] = defaultdict(int)
        self.waiting = 0
        self.latency = Histogram()
        self.lateness = Histogram()
        self.transfers: defaultdict[str, int] = defaultdict(int)
        self.transfers_running = 0
        self.tftp_octets = 0
        self.tftp_blocks = 0
        self.tftp_retransmits = 0
        self.tftp_advised = 0
        self.transfer_seconds = Histogram(DURATION_BOUNDS)
        self.http: defaultdict[str, int] = defaultdict(int)
        self.http_connections = 0
        self.reloads: defaultdict[str, int] = defaultdict(int)
        self.defects = 0
        self.registry_rows = 0
        self.registry_errors = 0
        self.registry_dropped = 0
        self.registry_waiting = 0
        self.registry_decisions_waiting = 0
        # Of the clients in memory and of the log, as they are when somebody asks.
        self.clients_seen = 0
        self.clients_forgotten = 0
        self.clients_unkept = 0
        self.log_dropped = 0

    def add(self, other: Counters) -> None:
        """Count what another worker counted."""
        for name, theirs in vars(other).items():
            mine = getattr(self, name)
            if isinstance(theirs, Histogram):
                mine.add(theirs)
            elif isinstance(theirs, dict):
                for key, count in list(theirs.items()):
                    mine[key] += count
            else:
                setattr(self, name, mine + theirs)

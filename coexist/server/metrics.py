"""What Prometheus reads: the counters, in its exposition format, on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from coexist.errors import HostError
from coexist.server.counters import Counters, Histogram
from coexist.server.logs import Log
from coexist.server.seen import ClientsSeen

ADDRESS = "127.0.0.1"


class ServerCollector(Collector):
    """Reads the counters when Prometheus asks; by another thread than the one that counts.

    ``others``: what the other workers of the server counted.
    """

    def __init__(
        self,
        counters: Counters,
        clients: ClientsSeen,
        log: Log,
        others: Callable[[], list[Counters]] = list,
    ) -> None:
        self.counters = counters
        self.clients = clients
        self.log = log
        self.others = others

    def totals(self) -> Counters:
        """What all workers counted together."""
        totals = Counters()
        for counters in (counted(self.counters, self.clients, self.log), *self.others()):
            totals.add(counters)
        return totals

    def describe(self) -> Iterable[Metric]:
        """The metrics without values; kept empty, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        c = self.totals()
        decisions = CounterMetricFamily(
            "coexist_decisions", "Packets by port and decision", labels=("port", "decision")
        )
        for (port, decision), count in list(c.decisions.items()):
            decisions.add_metric((str(port), decision.lower()), count)
        yield decisions
        yield _counter("coexist_answers", "Answers sent on ports 67 and 4011", c.offers)
        yield _counters("coexist_send_errors", "Packets the system would not send", "error", c.send_errors)
        yield _counters("coexist_receive_errors", "Errors on receiving", "error", c.receive_errors)
        yield _gauge("coexist_answers_waiting", "Delayed answers that wait for their time", c.waiting)
        yield _histogram(
            "coexist_answer_seconds", "From reading a batch of packets to having dealt with it", c.latency
        )
        yield _histogram("coexist_answer_lateness_seconds", "How late delayed answers left", c.lateness)
        yield _counters("coexist_tftp_transfers", "TFTP transfers by how they ended", "end", c.transfers)
        yield _gauge("coexist_tftp_transfers_running", "TFTP transfers now", c.transfers_running)
        yield _counter("coexist_tftp_sent_bytes", "File data sent, repeated blocks too", c.tftp_octets)
        yield _counter("coexist_tftp_sent_blocks", "Blocks sent over TFTP", c.tftp_blocks)
        yield _counter("coexist_tftp_retransmits", "Windows sent again after a timeout", c.tftp_retransmits)
        yield _counter(
            "coexist_tftp_advised",
            "Finished transfers that could have taken fewer round trips, with `tftp: {advise: true}`",
            c.tftp_advised,
        )
        yield _histogram(
            "coexist_tftp_transfer_seconds", "Duration of finished transfers", c.transfer_seconds
        )
        yield _counters("coexist_http_requests", "HTTP requests by status", "status", c.http)
        yield _gauge("coexist_http_connections", "HTTP connections now", c.http_connections)
        yield _counters("coexist_reloads", "Reloads by result", "result", c.reloads)
        yield _counter("coexist_defects", "Errors in the server itself that it went on after", c.defects)
        yield _gauge("coexist_clients_seen", "Clients remembered in memory", c.clients_seen)
        yield _counter("coexist_clients_forgotten", "Clients dropped from memory", c.clients_forgotten)
        yield _counter("coexist_registry_rows", "Rows written to the registry", c.registry_rows)
        yield _counter("coexist_registry_errors", "Rounds in which the registry failed", c.registry_errors)
        yield _counter(
            "coexist_registry_dropped",
            "Clients not written to the registry",
            c.registry_dropped + c.clients_unkept,
        )
        yield _gauge(
            "coexist_registry_waiting", "Clients that wait on disk for the database", c.registry_waiting
        )
        yield _gauge(
            "coexist_registry_decisions_waiting",
            "Decisions made on this host that wait for the database",
            c.registry_decisions_waiting,
        )
        yield _counter("coexist_log_dropped", "Log lines lost to a slow or full stream", c.log_dropped)


def counted(counters: Counters, clients: ClientsSeen, log: Log) -> Counters:
    """The counters of one process, with what is counted elsewhere in it."""
    counters.clients_seen = len(clients.clients)
    counters.clients_forgotten = clients.forgotten
    counters.clients_unkept = clients.unkept
    counters.log_dropped = log.dropped
    return counters


def serve_metrics(collector: ServerCollector, port: int) -> Callable[[], None]:
    """Serve the metrics by a thread of their own; returns what ends it. Raises ``HostError``."""
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise HostError(
            f"metrics cannot be served on {ADDRESS} port {port}: {error.strerror};"
            " give metrics_port another number"
        ) from None

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join(2.0)

    return end


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counters(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, count in list(values.items()):
        family.add_metric((key,), count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)

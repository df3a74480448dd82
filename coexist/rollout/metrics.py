"""What a boot server counted: its metrics, which it tells on its own 127.0.0.1 only, or a copy of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from coexist.errors import HostError
from coexist.inventory import Inventory
from coexist.records import dataclass
from coexist.rollout.shell import words
from coexist.rollout.transport import Address, Connect

SECONDS = 10.0

# Whichever of the three the server has; coexist's own servers have Python.
_READ = (
    "import sys, urllib.request as r;"
    "sys.stdout.buffer.write(r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=5).read())"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a boot server counted since it started.

    ``answers`` on ports 67 and 4011; ``transfers``: TFTP transfers by how they ended (``finished``, ...);
    ``http``: HTTP requests by status; ``clients``: machines it remembers.
    """

    server: str
    answers: int
    transfers: Mapping[str, int]
    http: Mapping[str, int]
    clients: int

    @property
    def loaded(self) -> int:
        """Files that were given whole."""
        return self.transfers.get("finished", 0) + self.http.get("200", 0)


def parse_metrics(server: str, text: str) -> Counted:
    """Read the exposition text of ``coexist serve``. Raises ``HostError`` if it is another's, or none."""
    values: dict[str, dict[str, int]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                label = next(iter(sample.labels.values()), "")
                values.setdefault(sample.name, {})[label] = int(sample.value)
    except (ValueError, OverflowError, KeyError, IndexError) as error:
        raise HostError(f"{server}: its metrics cannot be understood: {error}") from None
    if "coexist_answers_total" not in values:
        raise HostError(f"{server}: what answers there has no metrics of coexist's boot server")
    return Counted(
        server=server,
        answers=values["coexist_answers_total"].get("", 0),
        transfers=values.get("coexist_tftp_transfers_total", {}),
        http=values.get("coexist_http_requests_total", {}),
        clients=values.get("coexist_clients_seen", {}).get("", 0),
    )


def copied_metrics(server: str, path: Path) -> Counted:
    """The metrics of a server from a file somebody saved. Raises ``HostError``."""
    try:
        return parse_metrics(server, path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise HostError(f"{server}: {path} cannot be read: {error.strerror}") from None


def read_metrics(inventory: Inventory, server: str, connect: Connect) -> Counted:
    """Ask a server for its metrics, on the machine itself. Raises ``HostError``."""
    declared = inventory.site.servers[server]
    port = declared.settings.get("metrics_port")
    if not declared.product.is_ours:
        raise HostError(
            f"{server}: it is {declared.software}, and only coexist's own server has these metrics"
        )
    if not isinstance(port, int) or not port:
        raise HostError(f"{server}: it has no metrics; declare `settings: {{metrics_port: 9068}}`")
    script = metrics_script(port)
    if declared.deploy is None:
        raise HostError(f"{server}: the inventory does not say how it is reached (deploy: {{host: ...}})")
    deploy = declared.deploy
    connection = connect(Address(name=server, host=deploy.host, user=deploy.user, port=deploy.port))
    try:
        finished = connection.run(script, seconds=3 * SECONDS)
    finally:
        connection.close()
    code, out = finished.code, finished.stdout
    if code != 0:
        raise HostError(f"{server}: nothing answers on port {port} of its 127.0.0.1; does the service run?")
    return parse_metrics(server, out.decode("utf-8", "replace"))


def metrics_script(port: int) -> str:
    """Print the metrics that are served on this machine."""
    url = f"http://127.0.0.1:{port}/metrics"
    ways = (
        words(["python3", "-c", _READ, url], sudo=False),
        words(["curl", "-fsS", "--noproxy", "*", "--max-time", "5", url], sudo=False),
        words(["wget", "-q", "--no-proxy", "-T", "5", "-O", "-", url], sudo=False),
    )
    return " || ".join(f"{way} 2>/dev/null" for way in ways)

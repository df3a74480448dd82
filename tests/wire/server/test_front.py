"""HTTP with nginx in front: it sends the files, and the boot server says who may have them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from coexist.wire.mac import format_mac
from tests.harness.client import hardware_address
from tests.harness.network import Host
from tests.harness.processes import tcp_listeners, wait_until
from tests.wire.server.conftest import OTC

pytestmark = pytest.mark.needs("nginx", "curl")


def get(host: Host, path: str, *more: str) -> tuple[str, bytes]:
    """The status and the octets of an answer."""
    place = host.directory / "got"
    place.unlink(missing_ok=True)
    words = ["curl", "--silent", "--path-as-is", "--max-time", "10", "--write-out", "%{http_code}"]
    status = host.run([*words, "--output", str(place), *more, f"http://{OTC}{path}"]).strip()
    return status, place.read_bytes() if place.exists() else b""


def nginx_of(server: int) -> int:
    """The process of nginx that a boot server started."""
    for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        if "nginx" in Path(f"/proc/{child}/comm").read_text():
            return int(child)
    return 0


def test_nginx_sends_what_the_boot_server_allows(site) -> None:
    root = site.otc.directory / "tftp"
    large = os.urandom(3 << 20)
    (root / "large").write_bytes(large)
    (root / "link").symlink_to("large")
    (root / "out").symlink_to("/etc/passwd")
    site.otc.write("made.j2", "name={{ mac }}")
    desk = format_mac(hardware_address(site.desk))
    stranger = site.network.host("stranger", {"office": "10.10.1.9"})
    server = site.serve(
        rules=[{"name": "thin", "clients": {"macs": [desk]}, "programs": {"bios": "large"}}],
        services=["http"],
        tftp={"root": "tftp", "templates": {"made/{mac}": "made.j2"}},
        http={"port": 80, "front": "nginx"},
    )
    wait_until(lambda: 80 in tcp_listeners(site.otc.namespace), "nginx listens")
    assert get(site.desk, "/large") == ("200", large)
    assert get(site.desk, "/large", "--range", "5-9") == ("206", large[5:10])
    assert get(site.desk, "/link") == ("200", large)
    assert get(site.desk, f"/made/{desk}") == ("200", f"name={desk}".encode())
    for path, status in (("/none", "404"), ("/out", "403"), ("/.coexist/ask", "404")):
        assert get(site.desk, path)[0] == status
    for path in ("/large", "/link", "/none"):
        assert get(stranger, path)[0] == "403"
    # nginx alone cannot be gone round: the port behind it answers nobody else.
    behind = min(tcp_listeners(site.otc.namespace) - {80})
    said = site.otc.run(
        ["curl", "--silent", "--write-out", "%{http_code}", f"http://127.0.0.1:{behind}/large"]
    )
    assert said.endswith("403")
    # It ends with the server, and is started again if it ends alone.
    first = nginx_of(server.pid)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: nginx_of(server.pid) not in (0, first), "nginx is started again")
    wait_until(lambda: 80 in tcp_listeners(site.otc.namespace), "it listens again")
    assert get(site.desk, "/large") == ("200", large)
    last = nginx_of(server.pid)
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not Path(f"/proc/{last}").exists()

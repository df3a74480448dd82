"""nginx in front of the HTTP service: it sends the files, and asks the boot server who may have them.

Its configuration is made here, and it is a child of the boot server: it begins and ends with it. Whom the
rules serve is asked once in some seconds for each client. Whatever nginx does not send itself (a file made
for one client, a link, a refusal) it passes on, and the boot server answers as it does without nginx.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.server.connections import MOST_CONNECTIONS, MOST_PER_ADDRESS
from coexist.server.logs import Log

_ASK_PATH = "/.coexist/ask"
KEY, CLIENT, SERVER, ASKS = "x-coexist-key", "x-coexist-client", "x-coexist-server", "x-coexist-asks"
"""Fields of a request from nginx: that it is nginx, who asked it, at which address, and that it wants to know
only whether the client may have files."""
ASKED_SECONDS = 2
_END_SECONDS = 5.0
_PASSED = f"""\
            proxy_set_header {KEY} {{key}};
            proxy_set_header {CLIENT} $remote_addr;
            proxy_set_header {SERVER} $server_addr;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
"""
_ASKS = """\
        location = {ask} {{
            internal;
            proxy_pass http://coexist;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header {asks} 1;
{passed}\
            proxy_cache asked;
            proxy_cache_key "$remote_addr $server_addr";
            proxy_cache_valid 204 {seconds}s;
        }}
"""
_CONFIGURATION = """\
daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr alert;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    limit_conn_zone $binary_remote_addr zone=each:4m;
    limit_conn each {each};
    proxy_cache_path {folder}/asked keys_zone=asked:4m inactive=1m max_size=16m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream coexist {{ server 127.0.0.1:{behind}; keepalive 16; }}
    server {{
{listens}
        root {root};
        disable_symlinks on from=$document_root;
        error_page 401 403 404 405 500 = @coexist;
{asks}\
        location @coexist {{
            proxy_pass http://coexist;
            proxy_buffering off;
{passed}\
        }}
        location / {{
{asking}\
            limit_except GET HEAD {{ deny all; }}
            try_files $uri @coexist;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fronted:
    """What nginx serves: ``behind`` is the port of the boot server's own HTTP service on 127.0.0.1."""

    addresses: tuple[IPv4Address, ...]
    port: int
    root: str
    whitelist: bool
    behind: int


class Front:
    """A running nginx. ``key`` is what it proves itself by to the boot server."""

    def __init__(self, log: Log) -> None:
        """Raises ``HostError`` where there is no nginx."""
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
        program = shutil.which("nginx", path=path)
        if program is None:
            raise HostError("nginx is not installed, and `http` has `front: nginx`; install nginx-light")
        self.key = secrets.token_hex(16)
        self.log = log
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="coexist-nginx-"))
        self._configuration = ""
        self._process: subprocess.Popen[bytes] | None = None

    def use(self, fronted: Fronted) -> None:
        """Serve by this from now on."""
        configuration = self.configuration(fronted)
        if configuration == self._configuration:
            return
        self._configuration = configuration
        path = self._folder / "nginx.conf"
        path.touch(mode=0o600)
        path.write_text(configuration, encoding="utf-8")
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def configuration(self, fronted: Fronted) -> str:
        """Nginx's configuration. Raises ``HostError`` for a directory whose name nginx cannot be told."""
        if set(fronted.root) & set('"\\$;{}\n\r'):
            raise HostError(f"nginx cannot be told the directory {fronted.root!r}; give it a plainer name")
        passed = _PASSED.format(key=self.key)
        asks = _ASKS.format(ask=_ASK_PATH, asks=ASKS, passed=passed, seconds=ASKED_SECONDS)
        return _CONFIGURATION.format(
            folder=self._folder,
            user="user root;\n" if os.geteuid() == 0 else "",
            connections=2 * MOST_CONNECTIONS,
            each=MOST_PER_ADDRESS,
            behind=fronted.behind,
            listens="\n".join(f"        listen {address}:{fronted.port};" for address in fronted.addresses),
            root=f'"{fronted.root}"',
            asks=asks if fronted.whitelist else "",
            asking=f"            auth_request {_ASK_PATH};\n" if fronted.whitelist else "",
            passed=passed,
        )

    def start(self) -> None:
        """Begin to serve. Raises ``HostError`` with nginx's words."""
        words = [
            self._program,
            "-e",
            "stderr",
            "-p",
            str(self._folder),
            "-c",
            str(self._folder / "nginx.conf"),
        ]
        tested = subprocess.run([*words, "-t"], capture_output=True, check=False)
        if tested.returncode:
            said = tested.stderr.decode("utf-8", "replace").strip().splitlines()
            raise HostError(f"nginx cannot serve: {said[0] if said else 'it gives no reason'}")
        # In a group of its own: where its first process is killed, those that serve live on.
        self._process = subprocess.Popen(
            [*_bound_to_us(), *words], stdin=subprocess.DEVNULL, start_new_session=True
        )

    def look_after(self) -> None:
        """Start it again if it ended; called now and then."""
        process = self._process
        if process is not None and process.poll() is not None:
            self.log.event("nginx ended", code=process.returncode, note="it is started again")
            _end_group(process)
            try:
                self.start()
            except HostError as error:
                self.log.event("nginx does not start", why=str(error))

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _end_group(process)
        shutil.rmtree(self._folder, ignore_errors=True)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _bound_to_us() -> Iterable[str]:
    """Words that have a child end when this process is killed, where util-linux has them."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", "TERM")

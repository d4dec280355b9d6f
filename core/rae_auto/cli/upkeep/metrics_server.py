"""A small server of metrics for Prometheus on an address of this machine alone, in a process of its own.

It asks the daemon for each request, so it holds nothing and may be restarted at will, and the daemon neither opens
a port nor loads a server. The module http.server is enough for one client that comes each 15 seconds.
"""

import ipaddress
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import click

from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.views.monitoring.metrics import CONTENT_TYPE, UNREACHABLE

REQUEST_TIMEOUT_SECONDS = 10.0
"""The time that a client may take for its request."""


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and port of "[HOST:]PORT". Errors: UsageError, also for a host others can reach."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"--serve must be PORT or HOST:PORT, as in 9464, not {quote(text[:60])}")
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        hint = "use 127.0.0.1 or [::1], and a proxy with TLS and a password for others"
        raise click.UsageError(f"--serve: {quote(host[:60])} is not an address of this machine alone; {hint}")
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def serve_metrics(address: str, read: Callable[[], str]) -> None:
    """Serve what `read` returns until Ctrl-C. Errors: UsageError, OSError."""
    host, port = parse_address(address)
    with make_server(host, port, read) as server:
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"metrics at http://{shown}:{server.server_port}/metrics", err=True)
        server.serve_forever()


def make_server(host: str, port: int, read: Callable[[], str]) -> HTTPServer:
    """Return a server that is bound, and that answers once it serves."""
    import socket

    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class Handler(_MetricsHandler):
        read_metrics = staticmethod(read)

    return Server((host, port), Handler)


class _MetricsHandler(BaseHTTPRequestHandler):
    """Answers GET /metrics, for clients that call this machine by a name of its own."""

    timeout = REQUEST_TIMEOUT_SECONDS
    server_version = "rae-auto"
    sys_version = ""
    read_metrics: Callable[[], str]

    def do_GET(self) -> None:
        """Answer a request."""
        if not _is_own_name(self.headers.get("Host", "")):
            # A page in a browser could otherwise read this by a name of its own (DNS rebinding).
            self._answer(421, "this server answers to names of this machine alone\n", "text/plain; charset=utf-8")
        elif self.path.partition("?")[0] != "/metrics":
            self._answer(404, "see /metrics\n", "text/plain; charset=utf-8")
        else:
            try:
                self._answer(200, self.read_metrics(), CONTENT_TYPE)
            except SchedulerError:
                self._answer(200, UNREACHABLE, CONTENT_TYPE)

    def _answer(self, code: int, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: there is a request each few seconds."""


def _is_own_name(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False

"""The server process: it listens on the loopback address, prints the link, and ends with Ctrl-C."""

import asyncio
import socket
import sys
import threading
import webbrowser
from typing import Any

import click
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rae_auto.api import CommandContext
from rae_auto.model.primitives.evolving.class_of_fields import share_class_of_fields
from rae_auto.toolkit.threads.malloc_arenas import return_large_blocks, share_one_arena
from rae_plugins.commands.ui.application import build_application
from rae_plugins.commands.ui.gate import SIGN_IN_PATH, Door
from rae_plugins.commands.ui.pages import import_first_page
from rae_plugins.commands.ui.sessions import LINK_LIFETIME_SECONDS, BrowserSessions

MAX_CONNECTIONS = 96
MAX_HEADER_BYTES = 16 << 10
KEEP_ALIVE_SECONDS = 30

FIRST_REQUEST_SECONDS = 10.0
"""Time that a connection has for the headers of its first request."""


def serve(context: CommandContext, *, host: str, port: int, is_opened: bool, is_read_only: bool) -> int:
    """Serve the pages until a signal ends it, and return the exit code. Raises OSError if the port is taken."""
    share_class_of_fields()
    share_one_arena()
    return_large_blocks()
    listener = bind_listener(host, port)
    door = Door(host, listener.getsockname()[1], is_read_only)
    sessions = BrowserSessions()
    link = f"{door.origin}{SIGN_IN_PATH}?token={sessions.create_link_token()}"
    config = uvicorn.Config(
        build_application(context, door, sessions),
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    asyncio.run(_serve(server, listener, link, is_opened=is_opened))
    return 0


def bind_listener(host: str, port: int) -> socket.socket:
    """Return a socket that has the port. Raises OSError if another has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: only then does asyncio send what is written at once. Otherwise the body of a page waits
    # until the browser has confirmed the headers, which Linux does 40 ms later.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        problem = f"port {port} of {host} can't be used ({error.strerror}); choose another with --port, or --port 0"
        raise OSError(error.errno, problem) from None
    return listener


async def _serve(server: uvicorn.Server, listener: socket.socket, link: str, *, is_opened: bool) -> None:
    # The link works at once, because the socket listens before anything reads from it.
    listener.listen(128)
    click.echo(f"rae-auto ui: {link}")
    if sys.stdout.isatty():
        minutes = int(LINK_LIFETIME_SECONDS // 60)
        click.echo(f"The link signs a browser in once, within {minutes} minutes. Ctrl-C ends the page.", err=True)
    sys.stdout.flush()
    threading.Thread(target=import_first_page, name="first page", daemon=True).start()
    if is_opened:
        # A browser in the terminal is waited for until it ends, and needs answers before.
        threading.Thread(target=webbrowser.open, args=[link], name="browser", daemon=True).start()
    await server.serve(sockets=[listener])


class LimitedProtocol(H11Protocol):
    """HTTP with a limit for the time that a connection may take for its first request."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._first_request = self.loop.call_later(FIRST_REQUEST_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first_request.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

"""The server: on this machine alone, on a free port, behind a token in its address."""

from __future__ import annotations

import errno
import hmac
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.auth_provider import AuthProvider
from bokeh.server.server import Server
from tornado.web import RequestHandler

from stemfast.explore.page import build
from stemfast.explore.tab import Tabs

__all__ = ["HOST", "PORT", "Explorer", "free_port", "open_browser"]

HOST = "127.0.0.1"
PORT = 5006
_TRIES = 50
_MOST_MESSAGE_BYTES = 256 * 2**20  # a file of 150 MB as base64


class Explorer:
    """A server of the explorer that is ready to run.

    Parameters
    ----------
    files : sequence of Path
        Micrographs to open.
    port : int
        Where it listens; the next free one where another program has it.

    Attributes
    ----------
    address : str
        What to open in the browser, with the token.
    port : int
        Where it listens.
    """

    def __init__(self, files: Sequence[Path] = (), port: int = PORT) -> None:
        self.port = free_port(port)
        self.token = secrets.token_urlsafe(16)
        self.address = f"http://{HOST}:{self.port}/?token={self.token}"
        self._tabs = tabs = Tabs()
        application = Application(FunctionHandler(lambda document: build(document, tabs, files)))
        self._server = Server(
            {"/": application},
            address=HOST,
            port=self.port,
            allow_websocket_origin=[f"{HOST}:{self.port}", f"localhost:{self.port}"],
            auth_provider=_Token(self.token, self.port),
            websocket_max_message_size=_MOST_MESSAGE_BYTES,
            unused_session_lifetime=10_000,
            check_unused_sessions=2_000,
        )

    def run(self, started: Callable[[], None] | None = None) -> None:
        """Serve until Ctrl-C; `started` is called once it listens."""
        self._server.start()
        if started is not None:
            self._server.io_loop.add_callback(started)
        try:
            self._server.io_loop.start()
        finally:
            self._server.stop()
            self._tabs.close()

    def end(self) -> None:
        """End `run`; to be called from any thread."""
        self._server.io_loop.add_callback(self._server.io_loop.stop)


def free_port(port: int) -> int:
    """The port, or the next one that is free.

    Raises
    ------
    OSError
        If none of the next fifty is free.
    ValueError
        If it is no port.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"port is {port}, expected 1 to 65535")
    for number in range(port, min(port + _TRIES, 65536)):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, number))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            return number
    raise OSError(f"no port of {port} to {min(port + _TRIES, 65536) - 1} is free")


def open_browser(address: str) -> bool:
    """Open the address in a browser; False where there is none."""
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


class _Token(AuthProvider):  # type: ignore[misc] # untyped for want of better annotations
    """Lets in who has the token in the address, and from then on by a cookie."""

    def __init__(self, token: str, port: int) -> None:
        self._token, self._cookie = token, f"stemfast-{port}"
        super().__init__()

    @property
    def get_user(self) -> Callable[[Any], Any]:
        def user(request: Any) -> str | None:
            if self._right(request.get_argument("token", "")):
                if isinstance(request, RequestHandler) and not hasattr(request, "ws_connection"):
                    request.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict")
                return "user"
            return "user" if self._right(request.get_cookie(self._cookie) or "") else None

        return user

    @property
    def login_url(self) -> str:
        return "/closed"

    @property
    def login_handler(self) -> type[RequestHandler]:
        return _Closed

    def _right(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(), self._token.encode())


class _Closed(RequestHandler):
    """Said to whoever comes without the token."""

    def get(self) -> None:
        """Answer 403, in words."""
        self.set_status(403)
        self.finish(
            "<p>Open the address that <code>stemfast explore</code> printed: it has a token.</p>"
        )

"""A live view in the browser: a page of this machine alone, with the pictures as motion JPEG."""

from __future__ import annotations

import html
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from fxbench.errors import UsageError
from fxbench.live.newest import Newest

if TYPE_CHECKING:
    from fxbench.live.session import Live, Picture

_POLL_S = 0.05
_PATIENCE_S = 10.0
_VIEWERS = 4
_QUALITY = 85
_BOUNDARY = "fxbench-picture"
_PAGE = Path(__file__).with_name("page.html")


class Page:
    """A server on the loopback address whose page shows a view.

    Its address holds a secret, so that nobody else on this machine sees the camera. It answers to
    no other name than its own, so that no web site reaches it by a name that it points here.

    Args:
        name: of what is shown.
        components: the names of those that look.
        port: 0 for any that is free.

    Attributes:
        address: of the page.

    Raises:
        UsageError: the port is taken.
    """

    kind = "browser"

    def __init__(self, name: str, components: tuple[str, ...], port: int = 0) -> None:
        self._texts = {"name": name, "components": ", ".join(components)}
        self._secret = secrets.token_urlsafe(16)
        self._pictures: Newest[tuple[bytes, Picture]] = Newest()
        self._viewers = 0
        self._lock = threading.Lock()
        self._live: Live | None = None
        try:
            self._server = _Server(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise UsageError(
                f"Port {port} of this machine can't be used ({error.strerror or error}): name "
                "another with --port, or leave it out."
            ) from error
        self._port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self._port}/{self._secret}/"

    def run(self, live: Live) -> None:
        """Show a view until it is over, or somebody ends it on the page.

        It begins when the page is opened, or at once if it is recorded.

        Raises:
            StoreError: it can't be recorded.
        """
        self._live = live
        thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)
        thread.start()
        try:
            while not (live.over or live.recording or self._viewers):
                time.sleep(_POLL_S)
            live.start()
            while not live.over:
                picture = live.picture(_POLL_S)
                if picture is not None and self._viewers:
                    self._pictures.put((_jpeg(picture), picture))
                live.tally.spent("display")
        finally:
            live.stop()
            self._pictures.close()
            self._server.shutdown()
            thread.join()
            self.close()

    def close(self) -> None:
        """Let go of the port."""
        self._server.server_close()

    def allowed(self, host: str, origin: str | None, path: str) -> str | None:
        """What is asked for, without the secret; None where the one who asks may not have it.

        Args:
            host: the name that this server was called by.
            origin: the site that the request comes from, where a browser says so.
            path: of the request.
        """
        own = (f"127.0.0.1:{self._port}", f"localhost:{self._port}")
        if host.lower() not in own:
            return None
        if origin is not None and origin.lower() not in {f"http://{name}" for name in own}:
            return None
        first, slash, rest = path.partition("?")[0].removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(first.encode(), self._secret.encode()):
            return None
        return rest

    def page(self, nonce: str) -> bytes:
        """The page."""
        assert self._live is not None
        height, width = self._live.size
        texts = self._texts | {"nonce": nonce, "width": str(width), "height": str(height)}
        text = _PAGE.read_text(encoding="utf-8")
        # In one go: what a file is called is no place for another text.
        pattern = "|".join(f"{{({word})}}" for word in texts)
        return re.sub(pattern, lambda m: html.escape(texts[m[0][1:-1]]), text).encode()

    def figures(self) -> bytes:
        """How it goes, as JSON."""
        assert self._live is not None
        return json.dumps(self._live.tally.current() | {"over": self._live.over}).encode()

    def stop(self) -> None:
        """End the view."""
        assert self._live is not None
        self._live.stop()

    def stream(self, write: Callable[[bytes], object]) -> None:
        """Send pictures, the newest each time, until the view or the connection ends."""
        assert self._live is not None
        with self._lock:
            self._viewers += 1
        try:
            # What is there may be old: pictures are made while somebody looks.
            number = self._pictures.number
            write(f"--{_BOUNDARY}\r\n".encode())
            while not self._pictures.closed:
                got = self._pictures.after(number, 1.0)
                if got is None:
                    continue
                number, (data, picture) = got
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                # Browsers show a part when they see that the next begins.
                write(head.encode() + data + f"\r\n--{_BOUNDARY}\r\n".encode())
                self._live.displayed(picture)
        finally:
            with self._lock:
                self._viewers -= 1

    @property
    def full(self) -> bool:
        """Whether as many look as may."""
        return self._viewers >= _VIEWERS


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows two programs could serve one port then.
    allow_reuse_address = os.name == "posix"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that went away is no error."""


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "fxbench", ""
        timeout = _PATIENCE_S

        def do_GET(self) -> None:
            asked = self._asked()
            if asked == "":
                nonce = secrets.token_urlsafe(16)
                self._send(page.page(nonce), "text/html; charset=utf-8", _policy(nonce))
            elif asked == "figures":
                self._send(page.figures(), "application/json")
            elif asked == "stream" and page.full:
                self._refuse(503, "too many look at this view: close another page")
            elif asked == "stream":
                self.send_response(200)
                self._head(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.end_headers()
                page.stream(self.wfile.write)
            else:
                self._refuse(404, "this address has no page: open the one that fxbench printed")

        def do_POST(self) -> None:
            if self._asked() == "stop":
                # The answer first: nobody waits for it once the view has ended.
                self._send(b"{}", "application/json")
                page.stop()
            else:
                self._refuse(404, "this address has no page: open the one that fxbench printed")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Say nothing: the address in each line holds the secret."""

        def _asked(self) -> str | None:
            return page.allowed(self.headers.get("Host", ""), self.headers.get("Origin"), self.path)

        def _head(self, form: str, policy: str = "default-src 'none'") -> None:
            self.send_header("Content-Type", form)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.close_connection = True
            self.send_header("Connection", "close")

        def _send(self, data: bytes, form: str, policy: str = "default-src 'none'") -> None:
            self.send_response(200)
            self._head(form, policy)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _refuse(self, code: int, why: str) -> None:
            data = f"{code}: {why}.\n".encode()
            self.send_response(code)
            self._head("text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _policy(nonce: str) -> str:
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"img-src 'self' data:; connect-src 'self'; script-src 'nonce-{nonce}'; "
        f"style-src 'nonce-{nonce}'"
    )


def _jpeg(picture: Picture) -> bytes:
    image = cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data)

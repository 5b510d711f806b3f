"""A server of one file on the loopback address, which fails as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = bytes(range(256)) * 400
"""102,400 bytes: several blocks."""

Fault = Callable[["Handler", "FileServer"], None]


class FileServer:
    """What the server has, how it fails, and what it was asked.

    Attributes:
        content: of the file.
        tag: its ETag; none is sent where it is empty.
        ranges: whether parts are served.
        faults: one for each of the next requests, in their order; after them all goes well.
        asked: the headers of each request, with the path as `path`.
        held: the server answers while this is set.
    """

    def __init__(self) -> None:
        self.content = CONTENT
        self.tag = '"one"'
        self.ranges = True
        self.faults: list[Fault] = []
        self.asked: list[dict[str, str]] = []
        self.held = threading.Event()
        self.held.set()
        self.address = ""

    def url(self, path: str = "/weights/net.onnx") -> str:
        return self.address + path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        files: FileServer = self.server.files
        files.asked.append({k.lower(): v for k, v in self.headers.items()} | {"path": self.path})
        assert files.held.wait(20)
        fault = files.faults.pop(0) if files.faults else whole
        fault(self, files)

    def begin(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        # After an answer that is not what it says, a connection is of no more use.
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _tagged(files: FileServer) -> dict[str, object]:
    return {"ETag": files.tag} if files.tag else {}


def _begun(handler: Handler, files: FileServer) -> bytes:
    """Send the headers of a right answer; what is to follow."""
    asked = handler.headers.get("Range")
    condition = handler.headers.get("If-Range")
    if asked and files.ranges and condition in (None, files.tag):
        start, size = int(asked.removeprefix("bytes=").removesuffix("-")), len(files.content)
        if start >= size:
            handler.begin(416, Content_Range=f"bytes */{size}", Content_Length=0)
            return b""
        rest = files.content[start:]
        span = f"bytes {start}-{size - 1}/{size}"
        handler.begin(206, Content_Range=span, Content_Length=len(rest), **_tagged(files))
        return rest
    handler.begin(200, Content_Length=len(files.content), **_tagged(files))
    return files.content


def whole(handler: Handler, files: FileServer) -> None:
    """All as it should be."""
    handler.wfile.write(_begun(handler, files))


def cut(after: int) -> Fault:
    """The connection ends after so many bytes of what was announced."""

    def fault(handler: Handler, files: FileServer) -> None:
        handler.wfile.write(_begun(handler, files)[:after])

    return fault


def answers(status: int, **headers: object) -> Fault:
    """Such a status, with an empty body."""

    def fault(handler: Handler, files: FileServer) -> None:
        handler.begin(status, **({"Content_Length": 0} | headers))

    return fault


def silent(after: int, seconds: float) -> Fault:
    """So many bytes, and then nothing for a while."""

    def fault(handler: Handler, files: FileServer) -> None:
        handler.wfile.write(_begun(handler, files)[:after])
        handler.wfile.flush()
        time.sleep(seconds)

    return fault


def drips(pieces: int, pause: float) -> Fault:
    """The whole file, slowly."""

    def fault(handler: Handler, files: FileServer) -> None:
        body = _begun(handler, files)
        step = -(-len(body) // pieces)
        for start in range(0, len(body), step):
            handler.wfile.write(body[start : start + step])
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def unannounced(body: bytes) -> Fault:
    """A body that ends where the connection does, without a word about its length."""

    def fault(handler: Handler, files: FileServer) -> None:
        handler.begin(200)
        handler.wfile.write(body)

    return fault


def sends(body: bytes, status: int = 200, **headers: object) -> Fault:
    """This body under these headers."""

    def fault(handler: Handler, files: FileServer) -> None:
        handler.begin(status, **({"Content_Length": len(body)} | headers))
        handler.wfile.write(body)

    return fault


@contextmanager
def running() -> Iterator[FileServer]:
    """The server, for as long as this lasts."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # A client that has seen enough, and leaves, is no news.
    server.handle_error = lambda *_: None
    server.files = FileServer()
    server.files.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""What the servers of the tests have in common that stand in for a vendor's: TLS, and faults."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar


@dataclass(frozen=True)
class Cut:
    """The connection breaks: before anything of the answer was sent, or in the middle of it."""

    in_the_middle: bool


@dataclass(frozen=True)
class Slow:
    """The right answer, after some seconds."""

    seconds: float


@dataclass
class Vendor:
    """What a server was told and what it saw.

    Attributes:
        url: of the service.
        faults: what the next requests get; after that, each gets its answer.
        always: what every request gets; None where nothing of the kind.
        asked: the requests.
        complaints: what a request had that the real service takes offence at.
        tokens: how many were given.
    """

    url: str
    faults: list[Any] = field(default_factory=list)
    always: Any = None
    asked: list[Any] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    tokens: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def next_fault(self) -> Any:
        with self.lock:
            return self.faults.pop(0) if self.faults else self.always


State = TypeVar("State", bound=Vendor)


class Handler(BaseHTTPRequestHandler):
    """Answers requests; `content_type` and `named` are the vendor's."""

    protocol_version = "HTTP/1.1"
    content_type = "application/json"
    vendor: Any

    def named(self) -> tuple[str, str]:
        """The header by which the vendor names a request."""
        return "X-Request-Id", "request-of-the-test"

    def send(
        self,
        status: int,
        body: bytes,
        content_type: str | None = None,
        extra: dict[str, str | None] | None = None,
    ) -> None:
        self.head(status, len(body), content_type or self.content_type, extra or {})
        self.wfile.write(body)

    def head(
        self, status: int, length: int, content_type: str, extra: dict[str, str | None]
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.send_header(*self.named())
        for name, value in extra.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def cut(self, fault: Cut, body: bytes) -> None:
        """Break off."""
        if fault.in_the_middle:
            self.head(200, len(body) + 40, self.content_type, {})
            self.wfile.write(body)
        self.close_connection = True
        self.wfile.flush()
        # TLS ends without its farewell, as on a broken line.
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


@contextmanager
def serving_as(
    handler: type[Handler], certificate: Path, made: Callable[[str], State]
) -> Iterator[State]:
    """A server with a certificate that :func:`certify` made.

    Args:
        handler: answers.
        certificate: the file.
        made: what the handler is told and sees, by the server's address.
    """
    server = _Quiet(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    vendor = made(f"https://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (handler,), {"vendor": vendor})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certify(path: Path) -> Path:
    """Write a certificate of 127.0.0.1, signed by itself, and its private key into one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

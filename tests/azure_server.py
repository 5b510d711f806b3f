"""A Face service on the loopback address that speaks Azure's REST interface, faults included.

It looks at each request as strictly as the documentation of the Detect call allows it to, and finds
a face wherever a picture has a bright spot: so that what comes back can be told from the picture.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
from vendor_server import Cut, Handler, Slow, Vendor, serving_as

KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "eyJhbGciOiJub25lIn0.bearer-of-the-test.signature"
IDENTITY_SECRET = "identity-header-of-the-test"

ALLOWED = {
    "detectionModel": {"detection_01", "detection_02", "detection_03"},
    "recognitionModel": {f"recognition_0{number}" for number in range(1, 5)},
    "returnFaceId": {"true", "false"},
    "returnFaceLandmarks": {"true", "false"},
    "returnRecognitionModel": {"true", "false"},
    "returnFaceAttributes": None,
    "faceIdTimeToLive": None,
}

# Where each point lies in a face's rectangle, as fractions of its width and height.
PLACES = {
    "pupilLeft": (0.3, 0.4),
    "pupilRight": (0.7, 0.4),
    "noseTip": (0.5, 0.6),
    "mouthLeft": (0.35, 0.8),
    "mouthRight": (0.65, 0.8),
    "eyebrowLeftOuter": (0.15, 0.3),
    "eyebrowLeftInner": (0.4, 0.3),
    "eyeLeftOuter": (0.2, 0.42),
    "eyeLeftTop": (0.3, 0.38),
    "eyeLeftBottom": (0.3, 0.44),
    "eyeLeftInner": (0.38, 0.42),
    "eyebrowRightInner": (0.6, 0.3),
    "eyebrowRightOuter": (0.85, 0.3),
    "eyeRightInner": (0.62, 0.42),
    "eyeRightTop": (0.7, 0.38),
    "eyeRightBottom": (0.7, 0.44),
    "eyeRightOuter": (0.8, 0.42),
    "noseRootLeft": (0.45, 0.42),
    "noseRootRight": (0.55, 0.42),
    "noseLeftAlarTop": (0.43, 0.55),
    "noseRightAlarTop": (0.57, 0.55),
    "noseLeftAlarOutTip": (0.4, 0.63),
    "noseRightAlarOutTip": (0.6, 0.63),
    "upperLipTop": (0.5, 0.76),
    "upperLipBottom": (0.5, 0.79),
    "underLipTop": (0.5, 0.81),
    "underLipBottom": (0.5, 0.85),
}


@dataclass(frozen=True)
class Answer:
    """An answer of the service other than the faces of the picture."""

    status: int
    code: str = ""
    message: str = ""
    retry_after: str | None = None
    location: str | None = None
    text: str | None = None
    content_type: str = "application/json; charset=utf-8"

    @property
    def body(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        return json.dumps({"error": {"code": self.code, "message": self.message}}).encode()


Fault = Answer | Cut | Slow


@dataclass(frozen=True)
class Asked:
    """One request."""

    at: float
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def image(self) -> np.ndarray:
        return cv2.imdecode(np.frombuffer(self.body, np.uint8), cv2.IMREAD_COLOR_RGB)


@dataclass
class FaceServer(Vendor):
    """What the server was told and what it saw.

    Attributes:
        certificate: the file of its certificate.
        finds: the faces in a picture.
    """

    certificate: Path = Path()
    finds: Callable[[np.ndarray], list[dict[str, Any]]] = field(default=lambda _: [])


def find_bright_spots(image: np.ndarray) -> list[dict[str, Any]]:
    """The bright spots of a picture, the largest first, at most 100 as the real service."""
    bright = (image.min(axis=2) > 200).astype(np.uint8)
    _, _, spots, _ = cv2.connectedComponentsWithStats(bright)
    boxes = [tuple(int(value) for value in spot[:4]) for spot in spots[1:]]
    boxes.sort(key=lambda box: -box[2] * box[3])
    return [_face(*box) for box in boxes[:100]]


def find_one_in_the_middle(image: np.ndarray) -> list[dict[str, Any]]:
    """One face in any picture."""
    height, width = image.shape[:2]
    return [_face(width // 5, height // 5, 3 * width // 5, 3 * height // 5)]


def _face(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {
        "faceRectangle": {"top": y, "left": x, "width": width, "height": height},
        "faceLandmarks": {
            name: {"x": round(x + a * width, 1), "y": round(y + b * height, 1)}
            for name, (a, b) in PLACES.items()
        },
    }


def _offence(asked: Asked, path: str) -> Answer | None:
    """What the real service would refuse a request for."""
    headers, body = asked.headers, asked.body
    if (
        headers.get("ocp-apim-subscription-key") != KEY
        and headers.get("authorization") != f"Bearer {TOKEN}"
    ):
        return Answer(
            401, "401", "Access denied due to invalid subscription key or wrong API endpoint."
        )
    if path not in ("/face/v1.2-preview.1/detect", "/face/v1.2/detect"):
        return Answer(404, "404", "Resource not found")
    if headers.get("content-type") != "application/octet-stream":
        return Answer(415, "BadArgument", "Invalid Media Type.")
    for name, values in asked.query.items():
        if name not in ALLOWED or (ALLOWED[name] is not None and set(values) - ALLOWED[name]):
            return Answer(400, "BadArgument", f"{name} {values} is invalid.")
    if asked.query.get("returnFaceId", ["true"]) != ["false"]:
        return Answer(403, "UnsupportedFeature", "Feature is not supported, missing approval.")
    if not 1024 <= len(body) <= 6 * 1024 * 1024:
        size = "small" if len(body) < 1024 else "big"
        return Answer(400, "InvalidImageSize", f"Image size is too {size}.")
    # 8 bits, red, green and blue: bytes 24 and 25 of a PNG's header.
    if body[:8] != b"\x89PNG\r\n\x1a\n" or body[24:26] != b"\x08\x02" or asked.image is None:
        return Answer(400, "InvalidImage", "Decoding error, image format unsupported.")
    return None


class _Handler(Handler):
    content_type = "application/json; charset=utf-8"
    vendor: FaceServer

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(time.monotonic(), parse_qs(address.query), headers, body)
        with self.vendor.lock:
            self.vendor.asked.append(asked)
        fault = self.vendor.next_fault()
        if isinstance(fault, Answer):
            extra = {"Retry-After": fault.retry_after, "Location": fault.location}
            self.send(fault.status, fault.body, fault.content_type, extra)
            return
        refusal = _offence(asked, address.path)
        if refusal is not None:
            self.vendor.complaints.append(f"{refusal.status} {refusal.code}: {refusal.message}")
            self.send(refusal.status, refusal.body)
            return
        faces = json.dumps(self.vendor.finds(asked.image)).encode()
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        if isinstance(fault, Cut):
            self.cut(fault, faces)
            return
        self.send(200, faces)

    def do_GET(self) -> None:
        """A token for a managed identity, as App Service gives it."""
        query = parse_qs(urlsplit(self.path).query)
        if (
            not self.path.startswith("/msi/token")
            or self.headers.get("X-IDENTITY-HEADER") != IDENTITY_SECRET
            or query.get("resource") != ["https://cognitiveservices.azure.com"]
        ):
            self.vendor.complaints.append(f"GET {self.path}")
            self.send(400, b'{"statusCode": 400, "message": "no identity"}')
            return
        self.vendor.tokens += 1
        token = {
            "access_token": TOKEN,
            "expires_on": str(int(time.time()) + 3600),
            "resource": "https://cognitiveservices.azure.com",
            "token_type": "Bearer",
        }
        self.send(200, json.dumps(token).encode())

    def named(self) -> tuple[str, str]:
        return "apim-request-id", str(uuid.uuid4())


@contextmanager
def serving(certificate: Path) -> Iterator[FaceServer]:
    """A server with a certificate that :func:`certify` made."""

    def made(url: str) -> FaceServer:
        return FaceServer(url, certificate=certificate, finds=find_bright_spots)

    with serving_as(_Handler, certificate, made) as face:
        yield face

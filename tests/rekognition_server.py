"""A server on the loopback address that speaks Rekognition's protocol: AWS JSON 1.1 with SigV4.

Requests are checked against botocore's own service model, signatures are computed anew with its own
signer, and answers pass through its own parser before they are sent. Faces are made up from the
picture: each bright red rectangle is one, so that tests know what must come out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import cv2
import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

ACCESS_KEY = "AKIA" + "TESTTESTTESTTEST"
SECRET_KEY = "made-up/secret+key/for/the/tests/only000"
TOKEN = "made-up-session-token//0123456789abcdef=="
REGION = "eu-west-1"
REQUEST_ID = "0f0f0f0f-1111-2222-3333-444444444444"
SECRETS = (ACCESS_KEY, SECRET_KEY, TOKEN)

MODEL = botocore.session.Session().get_service_model("rekognition")
OPERATION = MODEL.operation_model("DetectFaces")
LANDMARKS = OPERATION.output_shape.members["FaceDetails"].member.members["Landmarks"].member
TYPES = tuple(LANDMARKS.members["Type"].enum)

Fault = Callable[["_Handler", bytes], bool]
"""Does something to a request; True where it was answered, or never will be."""


class Server:
    """What the tests see of it.

    Attributes:
        url: of the endpoint.
        requests: how often each picture was sent, by the sha256 of its pixels.
        served: how often each was answered with its faces.
        faults: what happens to the next requests, one after another.
        always: what happens to every request, before the faults.
        problems: requests that broke the protocol.
        faces: what is answered about a picture.
        most_at_once: how many requests were under way together, at most.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.problems: list[str] = []
        self.faces: Callable[[Any], list[dict[str, Any]]] = faces_in
        self.most_at_once = 0
        self.under_way = 0
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def faces_in(picture: Any) -> list[dict[str, Any]]:
    """A face for each bright red rectangle, its emotion by its blue: 0 HAPPY, 40 SAD and so on."""
    height, width = picture.shape[:2]
    red = ((picture[..., 0] > 200) & (picture[..., 1] < 60)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(red)
    found = []
    for face in range(1, count):
        x, y, w, h = (int(v) for v in stats[face, :4])
        if w * h < 100:
            continue
        blue = float(np.median(picture[..., 2][labels == face]))
        found.append(face_detail((x / width, y / height, w / width, h / height), round(blue / 40)))
    return sorted(found, key=lambda f: -f["BoundingBox"]["Width"] * f["BoundingBox"]["Height"])[
        :100
    ]


def landmark(name: str) -> tuple[float, float]:
    """Where a point is drawn, in fractions of the box: eyes level, the picture's left at x = 0."""
    x = 0.5
    for side, sign in (("left", -1), ("right", 1)):
        if name.startswith(side) or (
            not name.startswith(("left", "right")) and name.lower().endswith(side)
        ):
            x += sign * 0.2
            for end, more in (("Left", -0.06), ("Right", 0.06)):
                x += more if name.startswith(side) and name.endswith(end) else 0
    return x, 0.2 + 0.02 * TYPES.index(name)


def face_detail(box: tuple[float, float, float, float], emotion: int) -> dict[str, Any]:
    left, top, width, height = box
    types = OPERATION.output_shape.members["FaceDetails"].member.members["Emotions"].member
    names = list(types.members["Type"].enum)
    first = names[emotion % len(names)]
    # As AWS does: percent that sum to more than 100, the surest first.
    told = [{"Type": first, "Confidence": 90.0}]
    told += [{"Type": name, "Confidence": 5.0} for name in names if name not in (first, "UNKNOWN")]
    points = [(name, *landmark(name)) for name in TYPES]
    return {
        "BoundingBox": {"Left": left, "Top": top, "Width": width, "Height": height},
        "Landmarks": [
            {"Type": name, "X": left + x * width, "Y": top + y * height} for name, x, y in points
        ],
        "Emotions": told,
        "Pose": {"Roll": 0.5, "Yaw": -1.5, "Pitch": 2.5},
        "Quality": {"Brightness": 80.0, "Sharpness": 90.0},
        "Confidence": 99.5,
    }


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    owner: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        server = self.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.under_way += 1
            server.most_at_once = max(server.most_at_once, server.under_way)
        try:
            problem = self.refuse(body)
            if problem:
                server.problems.append(problem[1])
                self.answer(400, {"__type": problem[0], "message": problem[1]})
                return
            picture = decoded(body)
            name = hashlib.sha256(picture.tobytes()).hexdigest()
            with server.lock:
                server.requests[name] += 1
                fault = server.faults.popleft() if server.faults else None
            if server.always is not None and server.always(self, body):
                return
            if fault is not None and fault(self, body):
                return
            with server.lock:
                server.served[name] += 1
            self.answer(200, checked({"FaceDetails": server.faces(picture)}))
        except OSError:
            pass  # whoever asked has gone
        finally:
            with server.lock:
                server.under_way -= 1

    def refuse(self, body: bytes) -> tuple[str, str] | None:
        """What the real service would not take: a code and a message."""
        if self.headers["X-Amz-Target"] != "RekognitionService.DetectFaces":
            return "UnknownOperationException", f"target {self.headers['X-Amz-Target']}"
        if self.headers["Content-Type"] != "application/x-amz-json-1.1":
            return "SerializationException", f"content type {self.headers['Content-Type']}"
        refused = self.refuse_signature(body)
        if refused:
            return refused
        record = json.loads(body)
        record["Image"]["Bytes"] = base64.b64decode(record["Image"]["Bytes"], validate=True)
        report = ParamValidator().validate(record, OPERATION.input_shape)
        if report.has_errors():
            return "ValidationException", report.generate_report()
        data = record["Image"]["Bytes"]
        if len(data) > 5 * 1024 * 1024:
            return "ImageTooLargeException", f"{len(data)} bytes"
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if picture is None or not data.startswith(b"\x89PNG"):
            return "InvalidImageFormatException", "no PNG"
        if picture.dtype != np.uint8 or picture.ndim != 3 or min(picture.shape[:2]) < 80:
            return "InvalidParameterException", f"{picture.dtype} {picture.shape}"
        return None

    def refuse_signature(self, body: bytes) -> tuple[str, str] | None:
        """Compute the signature anew, with botocore's own signer."""
        given = self.headers["Authorization"] or ""
        shape = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/rekognition/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            given,
        )
        if not shape:
            return "IncompleteSignatureException", "no SigV4 header"
        key, _, region, signed, _ = shape.groups()
        if key != ACCESS_KEY or region != REGION:
            return "UnrecognizedClientException", "The security token included is invalid."
        if self.headers["X-Amz-Security-Token"] != TOKEN:
            return "UnrecognizedClientException", "The security token included is invalid."
        needed = {"host", "x-amz-date", "x-amz-target", "x-amz-security-token"}
        if not needed <= set(signed.split(";")):
            return "InvalidSignatureException", f"signed headers {signed}"
        again = AWSRequest("POST", self.owner.url + self.path, data=body)
        for name in signed.split(";"):
            if name != "host":
                again.headers[name] = self.headers[name]
        again.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, TOKEN), "rekognition", REGION)
        canonical = signer.canonical_request(again)
        expected = signer.signature(signer.string_to_sign(again, canonical), again)
        if expected != shape[5]:
            return "InvalidSignatureException", "The request signature does not match."
        return None

    def answer(self, status: int, record: Any) -> None:
        data = record if isinstance(record, bytes) else json.dumps(record).encode()
        self.head(status, len(data))
        self.wfile.write(data)

    def head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(length))
        self.send_header("x-amzn-RequestId", REQUEST_ID)
        self.end_headers()


def decoded(body: bytes) -> Any:
    data = base64.b64decode(json.loads(body)["Image"]["Bytes"])
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(bgr[..., ::-1])


def checked(record: dict[str, Any]) -> dict[str, Any]:
    """The answer, if botocore's own parser reads the same out of it."""
    response = {"body": json.dumps(record).encode(), "headers": {}, "status_code": 200}
    parsed = create_parser("json").parse(response, OPERATION.output_shape)
    parsed.pop("ResponseMetadata", None)
    assert parsed == record, "the server's answer is not of the service's shape"
    return record


# Faults


def error(status: int, code: str, message: str = "made up") -> Fault:
    def fault(handler: _Handler, body: bytes) -> bool:
        handler.answer(status, {"__type": code, "message": message})
        return True

    return fault


def throttled(handler: _Handler, body: bytes) -> bool:
    return error(400, "ThrottlingException", "Rate exceeded")(handler, body)


def internal(handler: _Handler, body: bytes) -> bool:
    return error(500, "InternalServerError")(handler, body)


def cut_body(handler: _Handler, body: bytes) -> bool:
    """The service worked, and charges; the connection breaks in the middle of its answer."""
    data = json.dumps({"FaceDetails": handler.owner.faces(decoded(body))}).encode()
    handler.head(200, max(len(data), 40))
    handler.wfile.write(data[: len(data) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    return True


def cut_before(handler: _Handler, body: bytes) -> bool:
    """The connection breaks before any of the answer is sent."""
    handler.close_connection = True
    handler.connection.close()
    return True


def slow(seconds: float) -> Fault:
    def fault(handler: _Handler, body: bytes) -> bool:
        time.sleep(seconds)
        return False

    return fault


def says(data: bytes, status: int = 200) -> Fault:
    """A body of any kind."""

    def fault(handler: _Handler, body: bytes) -> bool:
        handler.answer(status, data)
        return True

    return fault


def fine(handler: _Handler, body: bytes) -> bool:
    return False

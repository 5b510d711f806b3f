"""IBM's Speech to Text and its token service on the loopback address, faults included.

It looks at each request as strictly as the documentation of `POST /v1/recognize` allows it to. It
hears a word wherever a sound is loud: so that what comes back can be told from the sound.
"""

from __future__ import annotations

import base64
import io
import json
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from vendor_server import Cut, Handler, Slow, Vendor, serving_as

KEY = "api-key-of-the-test-0123456789"
INSTANCE = "/instances/0a1b2c3d"
ALLOWED = {"model", "timestamps", "word_confidence"}
MODELS = ("en-US_Multimedia", "de-DE", "en-US_BroadbandModel")


@dataclass(frozen=True)
class Answer:
    """An answer of the service other than the words of the sound."""

    status: int
    message: str = ""
    retry_after: str | None = None
    location: str | None = None
    text: str | None = None
    content_type: str = "application/json"

    @property
    def body(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        told = {"error": self.message, "code": self.status, "code_description": "Told by the test"}
        return json.dumps(told).encode()


Fault = Answer | Cut | Slow


@dataclass(frozen=True)
class Asked:
    """One request to recognise a sound."""

    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def samples(self) -> np.ndarray:
        with wave.open(io.BytesIO(self.body)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@dataclass
class SpeechServer(Vendor):
    """What the server was told and what it saw.

    Attributes:
        hears: the results for a sound.
    """

    hears: Callable[[np.ndarray], list[dict[str, Any]]] = field(default=lambda _: [])


def hear_loud_places(samples: np.ndarray) -> list[dict[str, Any]]:
    """A result for each loud place: its word says how many tenths of a second it lasts."""
    tenth = 1600
    count = len(samples) // tenth
    loud = np.abs(samples[: count * tenth].astype(np.int64)).reshape(count, tenth).max(axis=1) > 999
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
    results = []
    for first, last in edges.reshape(-1, 2).tolist():
        word = f"word{last - first}"
        results.append(
            {
                "final": True,
                "alternatives": [
                    {
                        "transcript": f"{word} ",
                        "confidence": 0.9,
                        "timestamps": [[word, first / 10, last / 10]],
                        "word_confidence": [[word, 0.75]],
                    }
                ],
            }
        )
    return results


def token() -> str:
    """A token as IBM Cloud gives it: the SDK reads its claims and checks no signature."""
    now = int(time.time())
    claims = {"iat": now, "exp": now + 3600, "iss": "https://iam.cloud.ibm.com/identity"}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join((*texts, "c2lnbmF0dXJl"))


TOKEN = token()


def _offence(asked: Asked, path: str) -> Answer | None:
    """What the real service would refuse a request for."""
    headers = asked.headers
    if headers.get("authorization") != f"Bearer {TOKEN}":
        return Answer(401, "Unauthorized")
    if path != f"{INSTANCE}/v1/recognize":
        return Answer(404, "Not Found")
    if headers.get("content-type") != "audio/wav":
        return Answer(415, f"unsupported content type {headers.get('content-type')}")
    if headers.get("x-watson-learning-opt-out") != "true":
        return Answer(400, "the test wants the opt-out of learning")
    if set(asked.query) - ALLOWED:
        return Answer(400, f"unknown parameters {sorted(set(asked.query) - ALLOWED)}")
    if asked.query.get("model", [""])[0] not in MODELS:
        return Answer(404, f"Model {asked.query.get('model', [''])[0]} not found")
    if not 100 <= len(asked.body) <= 100_000_000:
        return Answer(413, "the sound is too short or too long")
    return None


class _Handler(Handler):
    content_type = "application/json"
    vendor: SpeechServer

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(int(headers["content-length"]))
        if address.path == "/identity/token":
            self._give_token(parse_qs(body.decode()))
            return
        asked = Asked(parse_qs(address.query), headers, body)
        with self.vendor.lock:
            self.vendor.asked.append(asked)
        fault = self.vendor.next_fault()
        if isinstance(fault, Answer):
            extra = {"Retry-After": fault.retry_after, "Location": fault.location}
            self.send(fault.status, fault.body, fault.content_type, extra)
            return
        refusal = _offence(asked, address.path)
        if refusal is not None:
            self.vendor.complaints.append(f"{refusal.status}: {refusal.message}")
            self.send(refusal.status, refusal.body)
            return
        heard = json.dumps({"result_index": 0, "results": self.vendor.hears(asked.samples)})
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        if isinstance(fault, Cut):
            self.cut(fault, heard.encode())
            return
        self.send(200, heard.encode())

    def _chunks(self) -> bytes:
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _give_token(self, form: dict[str, list[str]]) -> None:
        if form.get("apikey") != [KEY]:
            message = {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key is not found"}
            self.send(400, json.dumps(message).encode())
            return
        with self.vendor.lock:
            self.vendor.tokens += 1
        given = {
            "access_token": TOKEN,
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": 3600,
            "expiration": int(time.time()) + 3600,
        }
        self.send(200, json.dumps(given).encode())

    def named(self) -> tuple[str, str]:
        return "X-Global-Transaction-ID", "transaction-of-the-test"


@contextmanager
def serving(certificate: Path) -> Iterator[SpeechServer]:
    """A server with a certificate that :func:`certify` made."""

    def made(url: str) -> SpeechServer:
        return SpeechServer(f"{url}{INSTANCE}", hears=hear_loud_places)

    with serving_as(_Handler, certificate, made) as speech:
        yield speech

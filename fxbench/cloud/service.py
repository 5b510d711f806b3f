"""What a plugin tells of a cloud service, and what the service tells of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fxbench.errors import PluginError
from fxbench.types import Float64, check_array


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered about one picture.

    Attributes:
        answer: a JSON-like record, of what tells about the picture alone: no identity of the
            request, no header, nothing of the account. It is kept on disk.
        attempts: how many requests were sent for it, at least 1.
        uncertain: how many of these ended so that nobody knows whether the service answered, and
            charged: a connection cut after the request was sent, a timeout while waiting.
        seconds: how long the request took that was answered, without those before it and without
            the pauses between them.
    """

    answer: Any
    attempts: int = 1
    uncertain: int = 0
    seconds: float = 0.0


class ServiceError(Exception):
    """A picture got no answer. The others may.

    Args:
        reason: one line for people, with the vendor's words; no secret, no identity of a request.
        attempts: how many requests were sent; 0 where none was.
        uncertain: see :class:`Reply`.
        answered: how many of the requests the service did answer, and may charge for, though the
            answer can't be used: it is not the JSON that was expected.
    """

    def __init__(
        self, reason: str, attempts: int = 0, uncertain: int = 0, answered: int = 0
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.uncertain = uncertain
        self.answered = answered


class RefusedError(ServiceError):
    """No picture will get an answer: wrong or expired credentials, no right, no such endpoint.

    Nothing more is sent. `reason` is whole sentences: the vendor's words and what to do.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces in one picture, in pixels of the picture that was sent.

    Attributes:
        xyxy: float64 (M, 4), boxes; they may reach beyond the picture.
        score: float64 (M,), higher is surer; 1 where the service gives none.
        points: float64 (M, P, 2), a row of NaN was not located; None where it has no landmarks.
        probabilities: float64 (M, K), rows sum to 1; None where it tells no emotion.
    """

    xyxy: Float64
    score: Float64
    points: Float64 | None = None
    probabilities: Float64 | None = None

    def __post_init__(self) -> None:
        check_array("Faces.xyxy", self.xyxy, np.float64, (None, 4))
        count = len(self.xyxy)
        check_array("Faces.score", self.score, np.float64, (count,))
        if self.points is not None:
            check_array("Faces.points", self.points, np.float64, (count, None, 2))
        if self.probabilities is not None:
            check_array("Faces.probabilities", self.probabilities, np.float64, (count, None))
        if not (np.isfinite(self.xyxy).all() and np.isfinite(self.score).all()):
            raise PluginError("Faces holds a coordinate or a score that is not finite.")


@runtime_checkable
class Service(Protocol):
    """One vendor's protocol. `ask` is called from several threads at once.

    Attributes:
        name: such as `rekognition`; a folder of the kept answers is called so.
        version: of the interface, with the parameters of the request that decide what is answered.
            Answers are kept by it: whoever changes the request changes it.
        where: the host that is asked. Kept answers are told apart by it (models are not rolled out
            everywhere at once), and it is written nowhere in the clear.
        smallest: the least side of a picture, pixels.
        largest: the greatest, pixels.
        most_bytes: of a PNG.
        price: US dollars for one call, None where it isn't known.
        scheme: of the landmarks, None where it has none.
        labels: what the probabilities mean, None where it has none.
        face_size: the side of the square, pixels, at which a single face is best handed to it.
    """

    name: str
    version: str
    where: str
    smallest: int
    largest: int
    most_bytes: int
    price: float | None
    scheme: str | None
    labels: tuple[str | None, ...] | None
    face_size: int

    def ask(self, png: bytes) -> Reply:
        """Send one picture, an 8-bit RGB PNG, and wait; retry as the vendor asks to.

        Raises:
            ServiceError: no usable answer about this picture.
            RefusedError: nor will there be one about any other.
        """
        ...

    def read(self, answer: Any, width: int, height: int) -> Faces:
        """The faces that an answer tells of, in pixels of the picture that was sent.

        Args:
            answer: of a :class:`Reply`, perhaps kept since long ago.
            width: of the picture that was sent.
            height: of the picture that was sent.

        Raises:
            ServiceError: the answer is not of the form that the service documents.
        """
        ...


def number(record: Mapping[str, Any], key: str) -> float:
    """A finite number of an answer.

    Raises:
        ServiceError: it is missing, or no finite number.
    """
    value = record.get(key) if isinstance(record, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ServiceError(f"the answer has no number {key!r}")
    return float(value)

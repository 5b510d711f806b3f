"""An analyzer that asks a cloud service, each picture once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.cloud.fitting import Fitted, fit
from fxbench.cloud.service import Faces, RefusedError, ServiceError
from fxbench.cloud.usage import Usage
from fxbench.errors import FxbenchError, PluginError, UnavailableError, UsageError
from fxbench.types import Analysis, Boxes, Points

if TYPE_CHECKING:
    from fxbench.cloud.answers import AnswerStore, Claim
    from fxbench.cloud.service import Service
    from fxbench.types import Float32, Float64, UInt8

GIVE_UP = 20
"""So many pictures without an answer, one after another: the service or the way to it is down."""

MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The faces of one image, in its own pixels, the surest first."""

    xyxy: Float64
    score: Float64
    points: Float64 | None
    probabilities: Float64 | None


class CloudAnalyzer:
    """Asks a service about images: a :class:`fxbench.protocols.Analyzer`.

    Images are made to fit (:func:`fxbench.cloud.fitting.fit`) and sent as 8-bit PNG, a few at a
    time. What was answered is kept, and never asked again. An image that gets no answer is a
    failure of the analysis.

    Args:
        service: the vendor's protocol.
        store: of the answers.
        concurrency: how many requests are under way at once, 1 to 64.

    Attributes:
        usage: what was asked so far.

    Raises:
        UsageError: `concurrency` is out of its range.
        PluginError: the service's labels don't end with None, for faces that it doesn't find.
    """

    def __init__(self, service: Service, store: AnswerStore, concurrency: int = 4) -> None:
        if not 1 <= concurrency <= MOST_AT_ONCE:
            raise UsageError(
                f"{service.name} got concurrency {concurrency}; expected is the number of requests "
                f"that are under way at once, from 1 to {MOST_AT_ONCE}."
            )
        if service.labels is not None and (not service.labels or service.labels[-1] is not None):
            raise PluginError(
                f"The last label of {service.name} must be None, for a face that it doesn't find."
            )
        self.scheme = service.scheme
        self.labels = service.labels
        self.face_size = service.face_size
        self.usage = Usage(service.price)
        self._service = service
        self._store = store
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._stop: FxbenchError | None = None

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """The faces of RGB uint8 (H, W, 3) images; see :class:`fxbench.protocols.Analyzer`.

        Raises:
            UnavailableError: no image will get an answer: credentials are wrong or lack a right,
                or too many images in a row got none. What was answered before is kept.
            StoreError: answers can't be kept; then nothing is sent.
        """
        self._stop = None
        with ThreadPoolExecutor(min(self._concurrency, max(1, len(images)))) as pool:
            futures = [pool.submit(self._one, image) for image in images]
            try:
                outcomes = [future.result() for future in futures]
            except BaseException:
                # What is under way is waited for: it is paid for, so it is kept.
                for future in futures:
                    future.cancel()
                raise
        return self._analysis(outcomes)

    def _one(self, image: UInt8) -> _Found | str:
        """The faces of an image, or why there is no answer; an error stops all the others."""
        if self._stop is not None:
            raise self._stop
        try:
            return self._look(image)
        except FxbenchError as error:
            self._stop = error
            raise

    def _look(self, image: UInt8) -> _Found | str:
        fitted = fit(image, self._service)
        self.usage.looked_at(resized=fitted.resized, reduced=fitted.reduced)
        key = self._store.key(self._service, fitted.image)
        faces = self._kept(key, fitted)
        if faces is None:
            with self._store.claimed(self._service, key) as claim:
                # Whoever had the claim before may have asked about the same picture.
                faces = self._kept(key, fitted)
                if faces is None:
                    if self._stop is not None:
                        raise self._stop
                    try:
                        faces = self._ask(claim, fitted)
                    except ServiceError as error:
                        return self._failed(claim, error)
        return _restored(faces, fitted)

    def _kept(self, key: str, fitted: Fitted) -> Faces | None:
        kept = self._store.read(self._service, key)
        if kept is None:
            return None
        height, width = fitted.image.shape[:2]
        try:
            faces = self._checked(self._service.read(kept.answer, width, height))
        except ServiceError:
            return None
        self.usage.kept(kept.uncertain)
        with self._lock:
            self._failed_in_a_row = 0
        return faces

    def _ask(self, claim: Claim, fitted: Fitted) -> Faces:
        height, width = fitted.image.shape[:2]
        self.usage.left_over(claim.interrupted, claim.uncertain)
        claim.about_to_send()
        reply = self._service.ask(fitted.png)
        try:
            faces = self._checked(self._service.read(reply.answer, width, height))
        except ServiceError as error:
            raise ServiceError(error.reason, reply.attempts, reply.uncertain, answered=1) from error
        claim.keep(reply, width, height)
        self.usage.got(reply)
        with self._lock:
            self._failed_in_a_row = 0
        return faces

    def _checked(self, faces: Faces) -> Faces:
        """Raise PluginError unless the faces have the points and emotions that were promised."""
        for promise, given, what in (
            (self.scheme, faces.points, "points"),
            (self.labels, faces.probabilities, "probabilities"),
        ):
            if (promise is None) != (given is None):
                raise PluginError(
                    f"{self._service.name} declares {promise!r}, but its faces have "
                    f"{'no' if given is None else 'unexpected'} {what}."
                )
        return faces

    def _failed(self, claim: Claim, error: ServiceError) -> str:
        """Count it.

        Raises:
            UnavailableError: it concerns all the others too.
        """
        claim.give_up(error.uncertain)
        self.usage.lacks(error)
        if isinstance(error, RefusedError):
            raise UnavailableError(error.reason) from None
        with self._lock:
            self._failed_in_a_row += 1
            down = self._failed_in_a_row >= GIVE_UP
        if down:
            raise UnavailableError(
                f"{self._service.name} gave no answer about {GIVE_UP} images in a row, to the last "
                f"because {error.reason}. See that the service can be reached, and give the same "
                "command again: what was answered is kept."
            ) from None
        return " ".join(error.reason.split())

    def _analysis(self, outcomes: list[_Found | str]) -> Analysis:
        found = [(i, faces) for i, faces in enumerate(outcomes) if isinstance(faces, _Found)]
        failures = tuple((i, why) for i, why in enumerate(outcomes) if isinstance(why, str))
        counts = np.array([len(faces.score) for _, faces in found], np.int64)
        frame = np.repeat(np.array([i for i, _ in found], np.int64), counts)
        boxes = Boxes(
            frame,
            _stacked([faces.xyxy for _, faces in found], (4,)),
            _stacked([faces.score for _, faces in found], ()),
            np.full(len(frame), -1, np.int64),
        )
        points = probabilities = None
        if self.scheme is not None:
            from fxbench.schemes import point_count

            shape = (point_count(self.scheme) or 0, 2)
            rows = [f.points for _, f in found if f.points is not None]
            points = Points(_stacked(rows, shape), self.scheme)
        if self.labels is not None:
            rows = [f.probabilities for _, f in found if f.probabilities is not None]
            probabilities = _stacked(rows, (len(self.labels),))
        return Analysis(boxes, points, probabilities, failures)


def _stacked(parts: list[Float64], shape: tuple[int, ...]) -> Float32:
    """One array float32 (M, *shape)."""
    return np.concatenate([np.zeros((0, *shape)), *parts]).astype(np.float32)


def _restored(faces: Faces, fitted: Fitted) -> _Found:
    """Faces in pixels of the original, boxes clipped to it; those that lie outside are left out."""
    corners = fitted.restore(faces.xyxy.reshape(-1, 2, 2)).reshape(-1, 4)
    width, height = fitted.width, fitted.height
    xyxy = np.clip(corners, 0.0, (width, height, width, height))
    inside = (xyxy[:, 2] - xyxy[:, 0] >= 1.0) & (xyxy[:, 3] - xyxy[:, 1] >= 1.0)
    # An order that doesn't depend on the service's own.
    order = np.lexsort((*xyxy.T[::-1], -faces.score))
    order = order[inside[order]]
    return _Found(
        xyxy[order],
        faces.score[order],
        None if faces.points is None else fitted.restore(faces.points)[order],
        None if faces.probabilities is None else faces.probabilities[order],
    )

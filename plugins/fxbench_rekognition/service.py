"""DetectFaces of Amazon Rekognition, asked with boto3."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions as aws
import numpy as np
from botocore.config import Config
from botocore.parsers import ResponseParserError

from fxbench.cloud.service import Faces, RefusedError, Reply, ServiceError, number
from fxbench.errors import UnavailableError, UsageError
from fxbench_rekognition.credentials import what_to_do
from fxbench_rekognition.points import SCHEME, in_order, register_scheme

ATTRIBUTES = ("DEFAULT", "EMOTIONS")
"""The boxes and landmarks are among the defaults."""

EMOTIONS = {
    "HAPPY": "happiness",
    "SAD": "sadness",
    "ANGRY": "anger",
    "CONFUSED": None,
    "DISGUSTED": "disgust",
    "SURPRISED": "surprise",
    "CALM": "neutral",
    "FEAR": "fear",
    "UNKNOWN": None,
}
"""What AWS calls an emotion, and which of ours it is."""

_ATTEMPTS = 5
_CUT_TRIES = 3
_CUT_PAUSE_S = 0.5
_LONGEST_TIMEOUT_S = 600

_NOT_SENT = (
    aws.EndpointConnectionError,
    aws.ConnectTimeoutError,
    aws.ProxyConnectionError,
    aws.SSLError,
)
"""The request did not reach the service, so nothing is charged."""

_GATEWAY = frozenset({502, 504})
"""A machine in between says that it got no answer, not that there was none."""

_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.NoRegionError,
    aws.InvalidRegionError,
    aws.SSOError,
    aws.TokenRetrievalError,
    aws.ConfigParseError,
    aws.ConfigNotFound,
    aws.InvalidConfigError,
    aws.InvalidRetryConfigurationError,
    aws.UnknownCredentialError,
)

_REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "SubscriptionRequiredException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
"""What AWS answers to whoever it doesn't serve, whatever the image."""

_LOUD = ("auth", "awsrequest", "endpoint", "httpsession", "parsers", "retryhandler", "signers")
"""Modules of botocore that write requests, signatures and tokens into their debugging log."""

_KEY_ID = re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{8,}\b")
_ACCOUNT = re.compile(r"\b\d{12}\b")


class Rekognition:
    """See :class:`fxbench.cloud.service.Service`.

    Credentials, region, endpoint and proxies are found by boto3's own chain, of which nothing is
    kept here. Throttled requests and errors of the service are tried again by botocore, in its
    adaptive mode, which also slows down; AWS_MAX_ATTEMPTS says how often. A body that ends too
    early, which botocore takes for an answer without faces, is tried again here.

    Args:
        concurrency: connections that are kept open.
        timeout: seconds to wait for a connection, and for an answer.

    Raises:
        UnavailableError: no credentials or no region.
        UsageError: an option is out of its range.
    """

    name = "rekognition"
    version = f"DetectFaces 2016-06-27 {'+'.join(ATTRIBUTES)}"
    smallest = 80
    largest = 4096
    most_bytes = 5 * 1024 * 1024
    price: float | None = 0.001
    scheme: str | None = SCHEME
    labels: tuple[str | None, ...] | None = tuple(EMOTIONS.values())
    face_size = 192

    def __init__(self, *, concurrency: int, timeout: int) -> None:
        if not 1 <= timeout <= _LONGEST_TIMEOUT_S:
            raise UsageError(
                f"rekognition got timeout {timeout}; expected are seconds from 1 to "
                f"{_LONGEST_TIMEOUT_S}."
            )
        register_scheme()
        for module in _LOUD:
            logging.getLogger(f"botocore.{module}").setLevel(logging.INFO)
        self._watch = _Watch()
        try:
            self._client, self._secrets = _connect(concurrency, timeout)
        except aws.BotoCoreError as error:
            raise UnavailableError(_refused(_words(error, ()))) from None
        events = self._client.meta.events
        # After botocore's own rate limiter, which waits in the same event.
        events.register_last("before-send.rekognition.DetectFaces", self._watch.sends)
        events.register("response-received.rekognition.DetectFaces", self._watch.receives)
        self.where = urlsplit(self._client.meta.endpoint_url).netloc

    def ask(self, png: bytes) -> Reply:
        """DetectFaces; see :class:`fxbench.cloud.service.Service`."""
        watch = self._watch
        watch.begin()
        for attempt in range(1, _CUT_TRIES + 1):
            response = self._request(png)
            details = response.get("FaceDetails")
            if isinstance(details, list):
                return Reply(details, watch.attempts, watch.uncertain, watch.seconds)
            if not watch.cut:
                raise ServiceError(
                    "the answer is not the JSON of DetectFaces",
                    watch.attempts,
                    watch.uncertain,
                    answered=1,
                )
            if attempt < _CUT_TRIES:
                time.sleep(_CUT_PAUSE_S * 2 ** (attempt - 1))
        raise ServiceError(
            "the connection was cut in the middle of the answer", watch.attempts, watch.uncertain
        )

    def _request(self, png: bytes) -> Mapping[str, Any]:
        watch = self._watch
        try:
            response: Mapping[str, Any] = self._client.detect_faces(
                Image={"Bytes": png}, Attributes=list(ATTRIBUTES)
            )
        except aws.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            words = _words(error, self._secrets)
            if watch.cut:
                # The half of an error tells nothing; the caller tries again.
                return {}
            if error.response.get("Error", {}).get("Code") in _REFUSED or status in (401, 403):
                raise RefusedError(_refused(words), watch.attempts, watch.uncertain) from None
            raise ServiceError(words, watch.attempts, watch.uncertain) from None
        except _NO_CREDENTIALS as error:
            words = _refused(_words(error, self._secrets))
            raise RefusedError(words, watch.attempts, watch.uncertain) from None
        except aws.BotoCoreError as error:
            words = _words(error, self._secrets)
            raise ServiceError(words, watch.attempts, watch.uncertain) from None
        except (ResponseParserError, ValueError, TypeError, AttributeError, KeyError) as error:
            # botocore's parser, of an answer whose parts have the wrong types.
            raise ServiceError(
                f"the answer is not the JSON of DetectFaces ({type(error).__name__})",
                watch.attempts,
                watch.uncertain,
                answered=1,
            ) from None
        return response

    def read(self, answer: Any, width: int, height: int) -> Faces:
        """Boxes, points and emotions; see :class:`fxbench.cloud.service.Service`."""
        if not isinstance(answer, list):
            raise ServiceError("the answer is no list of faces")
        xyxy = np.zeros((len(answer), 4))
        score = np.zeros(len(answer))
        points = np.zeros((len(answer), len(in_order({})), 2))
        probabilities = np.zeros((len(answer), len(EMOTIONS)))
        size = np.array([width, height], np.float64)
        for row, face in enumerate(answer):
            if not isinstance(face, Mapping):
                raise ServiceError("the answer tells of a face that is no record")
            box = face.get("BoundingBox")
            if not isinstance(box, Mapping):
                raise ServiceError("the answer tells of a face without a box")
            left, top = number(box, "Left"), number(box, "Top")
            right, bottom = left + number(box, "Width"), top + number(box, "Height")
            xyxy[row] = np.array([left, top, right, bottom]) * np.tile(size, 2)
            score[row] = number(face, "Confidence") / 100
            points[row] = in_order(_landmarks(face)) * size
            probabilities[row] = _emotions(face)
        return Faces(xyxy, score, points, probabilities)


class _Watch(threading.local):
    """Counts what one thread sends for one picture, told by botocore's events."""

    attempts = uncertain = 0
    seconds = 0.0
    cut = False
    _sent = 0.0

    def begin(self) -> None:
        self.attempts = self.uncertain = 0
        self.seconds, self.cut = 0.0, False

    def sends(self, **_: Any) -> None:
        self.attempts += 1
        self.cut = False
        self._sent = time.perf_counter()

    def receives(
        self,
        response_dict: Mapping[str, Any] | None = None,
        exception: Exception | None = None,
        **_: Any,
    ) -> None:
        self.seconds = time.perf_counter() - self._sent
        if exception is not None:
            self.uncertain += not isinstance(exception, _NOT_SENT)
        elif response_dict is not None:
            # urllib3 is told by botocore not to mind a body that is shorter than announced.
            announced = str(response_dict["headers"].get("content-length", ""))
            body = response_dict.get("body") or b""
            self.cut = announced.isdigit() and len(body) < int(announced)
            self.uncertain += self.cut or response_dict["status_code"] in _GATEWAY


def _connect(concurrency: int, timeout: int) -> tuple[Any, tuple[str, ...]]:
    """A client, and what of its credentials must never be shown."""
    session = boto3.Session()
    region = session.region_name or os.environ.get("AWS_REGION")
    credentials = session.get_credentials()
    if credentials is None:
        raise UnavailableError(f"rekognition found no AWS credentials: {what_to_do() or _HINT}.")
    frozen = credentials.get_frozen_credentials()
    retries: dict[str, Any] = {"mode": "adaptive"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _ATTEMPTS
    config = Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        max_pool_connections=concurrency,
        retries=retries,
    )
    client = session.client("rekognition", region_name=region, config=config)
    secrets = tuple(text for text in (frozen.access_key, frozen.secret_key, frozen.token) if text)
    return client, secrets


_HINT = "this machine's role gives none"


def _words(error: Exception, secrets: tuple[str, ...]) -> str:
    """What the vendor says, in one line, without secrets and account numbers."""
    text = str(error)
    if isinstance(error, aws.ClientError):
        told = error.response.get("Error", {})
        text = f"{told.get('Code') or 'an error without a code'}: {told.get('Message', '')}"
    # A refused signature's message goes on with the request itself, token included.
    text = text.strip().split("\n", 1)[0][:300]
    for secret in secrets:
        text = text.replace(secret, "***")
    return _ACCOUNT.sub("***", _KEY_ID.sub("***", text)).rstrip(" .:")


def _refused(words: str) -> str:
    return (
        f"Amazon Rekognition can't be asked: {words}. See that the credentials that boto3 finds "
        "are valid (aws sts get-caller-identity), that their user has the right "
        "rekognition:DetectFaces, and that the region has the service; then give the same command "
        "again: what was answered is kept."
    )


def _landmarks(face: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    listed = face.get("Landmarks")
    if not isinstance(listed, list):
        raise ServiceError("the answer tells of a face without landmarks")
    return {
        str(point.get("Type")): (number(point, "X"), number(point, "Y"))
        for point in listed
        if isinstance(point, Mapping)
    }


def _emotions(face: Mapping[str, Any]) -> list[float]:
    """Confidences as probabilities: AWS's are percent, each by itself, and don't sum to 100."""
    listed = face.get("Emotions")
    if not isinstance(listed, list):
        raise ServiceError("the answer tells of a face without emotions")
    told = dict.fromkeys(EMOTIONS, 0.0)
    for emotion in listed:
        confidence = number(emotion, "Confidence")
        name = emotion.get("Type")
        told[name if name in told else "UNKNOWN"] += max(0.0, confidence)
    total = sum(told.values())
    if total <= 0:
        return [float(name == "UNKNOWN") for name in told]
    return [confidence / total for confidence in told.values()]

"""Azure's Face service: one Detect call tells the faces of a picture and 27 points of each."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from azure.ai.vision.face import FaceClient
from azure.ai.vision.face.models import FaceDetectionModel, FaceRecognitionModel, Versions
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from fxbench.cloud.service import Faces, RefusedError, Reply, ServiceError, number
from fxbench.schemes import register
from fxbench_azure.account import ENDPOINT, KEY, Account
from fxbench_azure.sending import Pace, Patience, Tally, Transport

SCHEME = "azure-27"

POINTS: dict[str, str] = {
    "pupilLeft": "right_eye_centre",
    "pupilRight": "left_eye_centre",
    "noseTip": "nose_tip",
    "mouthLeft": "mouth_right_corner",
    "mouthRight": "mouth_left_corner",
    "eyebrowLeftOuter": "right_brow_outer",
    "eyebrowLeftInner": "right_brow_inner",
    "eyeLeftOuter": "right_eye_outer_corner",
    "eyeLeftTop": "right_eye_top",
    "eyeLeftBottom": "right_eye_bottom",
    "eyeLeftInner": "right_eye_inner_corner",
    "eyebrowRightInner": "left_brow_inner",
    "eyebrowRightOuter": "left_brow_outer",
    "eyeRightInner": "left_eye_inner_corner",
    "eyeRightTop": "left_eye_top",
    "eyeRightBottom": "left_eye_bottom",
    "eyeRightOuter": "left_eye_outer_corner",
    "noseRootLeft": "nose_root_right",
    "noseRootRight": "nose_root_left",
    "noseLeftAlarTop": "right_alar_top",
    "noseRightAlarTop": "left_alar_top",
    "noseLeftAlarOutTip": "right_alar_outer_tip",
    "noseRightAlarOutTip": "left_alar_outer_tip",
    "upperLipTop": "upper_lip_top",
    "upperLipBottom": "upper_lip_inner",
    "underLipTop": "lower_lip_inner",
    "underLipBottom": "lower_lip_bottom",
}
"""Azure's name of each point, in the order of its documentation, and ours.

Azure's left is the picture's, ours is the subject's: in the example answers of its documentation
`pupilLeft` lies left of `pupilRight`. A point has a name of `300w-68` where it is the same point of
the face. Middles of eyelids, sides of the nose's root and wings of the nose have no counterpart
there: 300-W has two points on each lid, its root of the nose is in the middle, and its outer points
of the nostrils lie at the base of the nose.
"""

_MODEL = FaceDetectionModel.DETECTION03
_API_VERSION: str = list(Versions)[-1].value
_LEAST_BYTES = 1024


class FaceService:
    """See :class:`fxbench.cloud.service.Service`.

    Limits are those of Microsoft's documentation of the Detect call: faces from 36 x 36 to
    4096 x 4096 pixels, files from 1 KB to 6 MB, 100 faces.

    Args:
        account: the Face resource.
        timeout: seconds to wait for an answer.
        retries: how often a request is repeated at most.
        per_minute: how many requests may be sent in a minute.
    """

    name = "azure"
    version = f"face {_API_VERSION} {_MODEL.value} landmarks"
    smallest = 36
    largest = 4096
    most_bytes = 6 * 1024 * 1024
    price: float | None = 0.001
    scheme: str | None = SCHEME
    labels: tuple[str | None, ...] | None = None
    face_size = 256

    def __init__(self, account: Account, *, timeout: float, retries: int, per_minute: int) -> None:
        register(SCHEME, tuple(POINTS.values()))
        # Without any handler Python prints warnings of libraries into our own output.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        self.where = account.where
        self._key = account.key
        self._client = FaceClient(
            account.endpoint,
            _credential(account),
            api_version=_API_VERSION,
            retry_policy=Patience(
                retry_total=retries,
                retry_connect=retries,
                retry_read=retries,
                retry_status=retries,
            ),
            transport=Transport(Pace(per_minute), timeout),
            # azure-core would send the key, and the image, wherever an answer points to.
            permit_redirects=False,
        )

    def ask(self, png: bytes) -> Reply:
        """Send one picture; see :class:`fxbench.cloud.service.Service`."""
        tally = Tally()
        try:
            faces: Any = self._client.detect(
                at_least_one_kilobyte(png),
                detection_model=_MODEL,
                # It decides nothing without face ids, which are never asked for; it must be named.
                recognition_model=FaceRecognitionModel.RECOGNITION04,
                return_face_id=False,
                return_face_landmarks=True,
                # Asking twice harms nobody, though it may cost twice: it is counted.
                retry_on_methods=frozenset({"POST"}),
                tally=tally,
            )
            # The SDK hands on some answers that are no list as they are, such as `{}` and `null`.
            answer = [_plain(face.as_dict()) for face in faces] if isinstance(faces, list) else None
        except AzureError as error:
            self._give_up(tally, error)
        except (AttributeError, TypeError, ValueError) as error:
            # azure-core lets through what json and its own models make of a strange answer.
            self._give_up(tally, error)
        return Reply(answer, tally.attempts, tally.uncertain, tally.seconds)

    def read(self, answer: Any, width: int, height: int) -> Faces:  # noqa: ARG002 - the protocol's
        """The faces of an answer; see :class:`fxbench.cloud.service.Service`."""
        if not isinstance(answer, list):
            raise ServiceError("the answer is no list of faces")
        xyxy = np.zeros((len(answer), 4), np.float64)
        points = np.full((len(answer), len(POINTS), 2), np.nan, np.float64)
        for row, face in enumerate(answer):
            box = face.get("faceRectangle") if isinstance(face, Mapping) else None
            if not isinstance(box, Mapping):
                raise ServiceError("the answer has a face without 'faceRectangle'")
            left, top = number(box, "left"), number(box, "top")
            xyxy[row] = left, top, left + number(box, "width"), top + number(box, "height")
            marks = face.get("faceLandmarks")
            if marks is None:
                continue
            for index, name in enumerate(POINTS):
                mark = marks.get(name) if isinstance(marks, Mapping) else None
                if not isinstance(mark, Mapping):
                    raise ServiceError(f"the answer has a face without the landmark {name!r}")
                points[row, index] = number(mark, "x"), number(mark, "y")
        return Faces(xyxy, np.ones(len(answer)), points)

    def _give_up(self, tally: Tally, error: Exception) -> NoReturn:
        """Tell what the SDK's last error means."""
        status, said = tally.status, self._words(tally, error)
        counts = tally.attempts, tally.uncertain
        refusal = None
        if status is None and isinstance(error, ClientAuthenticationError):
            refusal = (
                f"azure-identity can't sign in: {said}. Set {KEY}, or sign in with `az login`."
            )
        elif status is None and isinstance(error, ServiceRequestError):
            refusal = (
                f"{self.where} can't be reached: {said}. Look at {ENDPOINT} and at the network."
            )
        elif status == 401:
            refusal = (
                f"The Face service refused the key or the login: {said}. Compare {KEY} with the "
                f"key, and {ENDPOINT} with the address, that Azure's portal shows."
            )
        elif status == 403:
            refusal = (
                f"The Face service may not be used: {said}. Its quota may be used up, its firewall "
                "closed, or the login may lack the role 'Cognitive Services User'."
            )
        elif status == 404:
            refusal = (
                f"There is no Face service at {self.where}: {said}. Compare {ENDPOINT} with the "
                "address that Azure's portal shows."
            )
        if refusal is not None:
            raise RefusedError(refusal, *counts) from error
        if status == 200:
            raise ServiceError(f"not an answer as documented: {said}", *counts, 1) from error
        if status is None:
            raise ServiceError(f"no answer: {said}", *counts) from error
        raise ServiceError(said, *counts) from error

    def _words(self, tally: Tally, error: Exception) -> str:
        """What the service, or else the SDK, says, in one line that shows no key."""
        told: Any = getattr(error, "error", None)
        if isinstance(error, HttpResponseError) and told is None:
            told = getattr(error.model, "error", None)
        if getattr(told, "message", None):
            code = "" if told.code == str(tally.status) else f"{told.code}: "
            text = f"{code}{told.message}"
        elif tally.status not in (None, 200) and not isinstance(error, AzureError):
            text = "the service gave no reason that can be read"
        else:
            text = getattr(error, "message", None) or str(error) or type(error).__name__
        text = " ".join(str(text).split())
        if self._key:
            text = text.replace(self._key, "(key)")
        text = text if len(text) <= 300 else f"{text[:299]}…"
        text = text.rstrip(".")
        return text if tally.status in (None, 200) else f"{tally.status}, {text}"


def _credential(account: Account) -> Any:
    if account.key is not None:
        return AzureKeyCredential(account.key)
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _plain(face: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer tells about the picture: no identity, whatever else the service sends."""
    return {name: face.get(name) for name in ("faceRectangle", "faceLandmarks")}


def at_least_one_kilobyte(png: bytes) -> bytes:
    """The same picture in a file of at least 1 KB, the least that the service takes.

    A picture of one colour compresses to less. A text chunk before the last one of the file fills
    it up, and changes no pixel (PNG specification, third edition, section 11.3.3).
    """
    lacks = _LEAST_BYTES - len(png)
    if lacks <= 0:
        return png
    chunk = b"tEXt" + b"Comment\0" + b" " * lacks
    length = (len(chunk) - 4).to_bytes(4, "big")
    return png[:-12] + length + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[-12:]

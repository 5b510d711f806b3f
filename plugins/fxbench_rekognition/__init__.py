"""Amazon Rekognition: faces, thirty landmarks and emotions from one call for each image."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option
from fxbench.views import Found, Located, Told, view
from fxbench_rekognition.credentials import what_to_do, where

_SENDS = (
    "Each image as a PNG file, enlarged or padded where it is small, to Amazon Rekognition in the "
    "region of your configuration (DetectFaces; about 0.001 USD an image). AWS may store it, in "
    "another region too, and use it to improve its services, unless your organisation has an AI "
    "services opt-out policy. The answers are kept in the cache on this machine."
)


def _rekognition(*, concurrency: int, timeout: int) -> Any:
    from fxbench.cloud.analyzer import CloudAnalyzer
    from fxbench.cloud.answers import AnswerStore, default_folder
    from fxbench_rekognition.service import Rekognition

    service = Rekognition(concurrency=concurrency, timeout=timeout)
    return CloudAnalyzer(service, AnswerStore(default_folder()), concurrency)


REKOGNITION = Component(
    name="rekognition",
    summary="Amazon Rekognition's DetectFaces: faces, 30 points and emotions in one call.",
    factory=_rekognition,
    extra="aws",
    requires=("boto3",),
    options=(
        Option(
            "concurrency",
            "int",
            4,
            "How many requests are under way at once, 1 to 64; AWS allows an account so many a "
            "second, and what it refuses is asked again more slowly.",
            affects_results=False,
        ),
        Option(
            "timeout",
            "int",
            30,
            "Seconds to wait for a connection, and for an answer, before it is tried again.",
            affects_results=False,
        ),
    ),
    price=0.001,
    sends=True,
    sends_what=_SENDS,
    credentials=what_to_do,
    where=where,
    licence="the AWS Service Terms, on machine learning and AI services",
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `rekognition`."""
    return [
        view(
            "rekognition",
            "Amazon Rekognition's face detector.",
            of=REKOGNITION,
            factory=Found,
        )
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarker `rekognition-30`."""
    return [
        view(
            "rekognition-30",
            "Amazon Rekognition's 30 points.",
            of=REKOGNITION,
            factory=Located,
        )
    ]


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifier `rekognition`."""
    return [
        view(
            "rekognition",
            "Amazon Rekognition's emotions: seven of the eight, no contempt; CALM is neutral.",
            of=REKOGNITION,
            factory=Told,
        )
    ]

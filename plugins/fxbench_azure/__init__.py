"""Azure's Face service: a detector and a landmarker, both views of one call for each image."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option
from fxbench.retired import Retired
from fxbench.views import Found, Located, view
from fxbench_azure.account import lacking, where


def _analyzer(*, timeout: float, retries: int, per_minute: int, concurrency: int) -> Any:
    from fxbench.cloud.analyzer import CloudAnalyzer
    from fxbench.cloud.answers import AnswerStore, default_folder
    from fxbench.errors import UsageError
    from fxbench_azure.account import find
    from fxbench_azure.service import FaceService

    if not (timeout > 0 and retries >= 0 and per_minute > 0):
        raise UsageError(
            "azure.timeout and azure.per_minute must be more than 0, and azure.retries at least 0, "
            f"not {timeout}, {per_minute} and {retries}."
        )
    service = FaceService(find(), timeout=timeout, retries=retries, per_minute=per_minute)
    return CloudAnalyzer(service, AnswerStore(default_folder()), concurrency)


_ANALYZER = Component(
    name="azure",
    summary="Azure's Face service: faces and 27 points in one call.",
    factory=_analyzer,
    extra="azure",
    requires=("azure.ai.vision.face", "azure.identity"),
    options=(
        Option(
            "timeout",
            "float",
            60.0,
            "Seconds to wait for an answer; a request that takes longer may be charged all the "
            "same, and is counted as uncertain.",
            affects_results=False,
        ),
        Option(
            "retries",
            "int",
            6,
            "How often a request is repeated at most: when the service is busy or fails, or when "
            "the connection breaks.",
            affects_results=False,
        ),
        Option(
            "per_minute",
            "int",
            600,
            "How many requests are sent in a minute at most: 600 is the limit of Azure's standard "
            "tier, 20 that of its free one.",
            affects_results=False,
        ),
        Option(
            "concurrency",
            "int",
            4,
            "How many requests wait for their answers at once.",
            affects_results=False,
        ),
    ),
    price=0.001,
    sends=True,
    sends_what=(
        "Every image, whole, as an 8-bit PNG, to your own Azure Face resource. Microsoft documents "
        "that Detect stores no image, and features of a face only where a face id is asked for, "
        "which is never done here."
    ),
    licence="Microsoft's terms for Azure AI Face; its access is limited",
    credentials=lacking,
    where=where,
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `azure`."""
    return [
        view(
            "azure",
            "Azure's Face service, detection_03: boxes without a score.",
            of=_ANALYZER,
            factory=Found,
            traits=frozenset({"unscored"}),
        )
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarker `azure-27`."""
    return [
        view("azure-27", "Azure's Face service: 27 points.", of=_ANALYZER, factory=Located),
    ]


@fxbench.hookimpl
def fxbench_classifiers() -> list[Retired]:
    """No classifier, and why."""
    return [
        Retired(
            "azure",
            "Microsoft retired emotion recognition from its Face service, in June 2022 for new "
            "customers and in June 2023 for all others. What is left are the detector 'azure' and "
            "the landmarker 'azure-27'.",
        )
    ]

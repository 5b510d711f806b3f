"""IBM Watson Speech to Text: a transcriber in the cloud."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option
from fxbench_watson.account import lacking, where


def _watson(*, model: str, timeout: float, retries: int) -> Any:
    from fxbench.cloud.answers import AnswerStore, default_folder
    from fxbench.cloud.transcriber import CloudTranscriber
    from fxbench.errors import UsageError
    from fxbench_watson.service import SpeechToText

    if not (timeout > 0 and retries >= 0 and model.strip()):
        raise UsageError(
            "watson.model must name a model, watson.timeout be more than 0, and watson.retries at "
            f"least 0, but they are {model!r}, {timeout} and {retries}."
        )
    service = SpeechToText(model.strip(), timeout=timeout, retries=retries)
    return CloudTranscriber(service, AnswerStore(default_folder()))


@fxbench.hookimpl
def fxbench_transcribers() -> list[Component]:
    """The transcriber `watson`."""
    return [
        Component(
            name="watson",
            summary="IBM Watson Speech to Text: many languages, by a service.",
            factory=_watson,
            extra="watson",
            requires=("ibm_watson",),
            options=(
                Option(
                    "model",
                    "str",
                    "en-US_Multimedia",
                    "The model, which is of one language: such as en-GB_Multimedia or de-DE.",
                ),
                Option(
                    "timeout",
                    "float",
                    120.0,
                    "Seconds to wait for an answer; a request that takes longer may be charged all "
                    "the same, and is counted as uncertain.",
                    affects_results=False,
                ),
                Option(
                    "retries",
                    "int",
                    4,
                    "How often a request is repeated at most: when the service is busy or fails, "
                    "or when the connection breaks.",
                    affects_results=False,
                ),
            ),
            price=0.02,
            sends=True,
            sends_what=(
                "The sound of the video, in parts of at most a minute, as 16-bit WAV of one "
                "channel, to your own Speech to Text instance; no picture, no name of a file. Each "
                "request asks IBM not to keep it for improving its services "
                "(X-Watson-Learning-Opt-Out). The answers are kept in the cache on this machine."
            ),
            licence="IBM's terms for watsonx and Watson services",
            credentials=lacking,
            where=where,
        )
    ]

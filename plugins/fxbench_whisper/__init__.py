"""OpenAI's Whisper by faster-whisper, where its model is there: nothing is downloaded."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option, Weights
from fxbench_whisper.models import PARTS, locate


def _whisper(*, model: str, language: str, beam: int) -> Any:
    from fxbench_whisper.transcriber import FasterWhisper

    return FasterWhisper(model, language, beam)


_MEND = (
    "download the folder of a model in CTranslate2's format, such as "
    "huggingface.co/Systran/faster-whisper-base.en, and put it into a folder that FXBENCH_WEIGHTS "
    "names"
)


@fxbench.hookimpl
def fxbench_transcribers() -> list[Component]:
    """The transcriber `faster-whisper`."""
    return [
        Component(
            name="faster-whisper",
            summary="OpenAI's Whisper, by faster-whisper: many languages, with punctuation.",
            factory=_whisper,
            extra="whisper",
            requires=("faster_whisper",),
            traits=frozenset({"default"}),
            options=(
                Option(
                    "model",
                    "str",
                    "",
                    "The name of the model's folder, such as faster-whisper-base.en; empty for the "
                    "first that is found.",
                ),
                Option(
                    "language",
                    "str",
                    "en",
                    "The language that is spoken, such as en or de; empty to have it told from the "
                    "beginning of each part.",
                ),
                Option(
                    "beam",
                    "int",
                    5,
                    "How many guesses are followed at once: more is slower, and mostly better.",
                ),
            ),
            weights=tuple(
                Weights(
                    name=name,
                    locate=lambda name=name: locate(name),  # type: ignore[misc]
                    sha256=None,
                    mend=_MEND,
                    source="huggingface.co/Systran, converted from OpenAI's Whisper",
                    licence="MIT",
                )
                for name in PARTS
            ),
            licence="MIT, of faster-whisper and of OpenAI's models",
        )
    ]

"""PocketSphinx: a small transcriber of English whose model comes in its own wheel."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option


def _pocketsphinx(*, vad: int) -> Any:
    from fxbench_pocketsphinx.transcriber import PocketSphinx

    return PocketSphinx(vad)


@fxbench.hookimpl
def fxbench_transcribers() -> list[Component]:
    """The transcriber `pocketsphinx`."""
    return [
        Component(
            name="pocketsphinx",
            summary="CMU PocketSphinx, US English; works without a network, makes many mistakes.",
            factory=_pocketsphinx,
            extra="speech",
            requires=("pocketsphinx",),
            traits=frozenset({"default"}),
            options=(
                Option(
                    "vad",
                    "int",
                    0,
                    "How strictly noise is told from speech, from 0 to 3: what counts as noise is "
                    "not transcribed.",
                ),
            ),
            licence="BSD, of the package and its model",
        )
    ]

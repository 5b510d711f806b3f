"""NRCLex: the NRC word-emotion association lexicon."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component


def _nrclex() -> Any:
    from fxbench_nrclex.lexicon import Lexicon

    return Lexicon()


@fxbench.hookimpl
def fxbench_text_emotions() -> list[Component]:
    """The text emotion `nrclex`."""
    return [
        Component(
            name="nrclex",
            summary="The NRC lexicon of English words: no neutral, no contempt, no grammar.",
            factory=_nrclex,
            extra="speech",
            requires=("nrclex",),
            traits=frozenset({"default"}),
            licence="the package: MIT; the NRC lexicon: free for research, commercial use by a "
            "licence from the National Research Council Canada",
        )
    ]

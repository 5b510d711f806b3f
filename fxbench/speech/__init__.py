"""What is said in a video: its sound to words, words to utterances, utterances to emotions.

A transcriber (hook `fxbench_transcribers`) tells the words and when they are said, a text emotion
(hook `fxbench_text_emotions`) what they express. Importing this package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fxbench.speech.listening import Listener, said
    from fxbench.speech.words import Said, Utterance, Word

__all__ = ["Listener", "Said", "Utterance", "Word", "said"]

_HOMES = {
    "Listener": "listening",
    "Said": "words",
    "Utterance": "words",
    "Word": "words",
    "said": "listening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

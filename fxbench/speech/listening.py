"""From a video to what is said in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxbench.casting import cast, default
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.loader import Loader, one_line
from fxbench.options import Options, resolve
from fxbench.protocols import TextEmotion, Transcriber
from fxbench.registry import Entry, Registry, discover
from fxbench.speech.audio import MOST_S, AudioTrack, Sound
from fxbench.speech.utterances import PAUSE_S, expressed, utterances
from fxbench.speech.words import Said, Word

Progress = Callable[[float, float | None], None]
"""Told how many seconds of a sound are done, and how many there are; None where nobody knows."""

_BEYOND_S = 0.05
"""By how much a word may end after its sound does, seconds."""


def said(
    video: Path,
    transcriber: Transcriber,
    text_emotion: TextEmotion | None = None,
    *,
    names: tuple[str, str] = ("", ""),
    pause_s: float = PAUSE_S,
    most_s: float = MOST_S,
    progress: Progress | None = None,
) -> Said:
    """The words of a video with their times, and what they express.

    The sound is read and transcribed a part at a time: memory grows with the words alone. A video
    without sound has no words, and a fault that says so.

    Args:
        video: a video file, or a sound file.
        transcriber: tells the words.
        text_emotion: tells what they express; None where nobody asks.
        names: of both, for the record and for messages.
        pause_s: how long a pause is that ends an utterance, seconds.
        most_s: how many seconds are listened to at most.
        progress: see :data:`Progress`.

    Raises:
        ImageError: the file is missing, damaged or no video.
        UnavailableError: PyAV is missing, or a service can't be asked.
        PluginError: the transcriber or the text emotion fails.
    """
    track = AudioTrack(video, most_s)
    words: list[Word] = []
    end_s = 0.0
    for sound in track.parts():
        words += _heard(sound, transcriber, names[0] or "The transcriber")
        end_s = sound.end_s
        if progress is not None:
            progress(end_s, track.duration_s)
    words.sort(key=lambda word: (word.begin_s, word.end_s))
    spoken = utterances(words, pause_s)
    if text_emotion is not None:
        spoken = _read(spoken, text_emotion, names[1] or "The text emotion")
    return Said(tuple(words), spoken, end_s, *names, fault=track.fault)


@dataclass(frozen=True, slots=True)
class Listener:
    """A transcriber and a text emotion, loaded.

    Attributes:
        transcriber: the object.
        text_emotion: the object; None where it was not wanted.
        entries: what was chosen, by kind.
    """

    transcriber: Transcriber
    text_emotion: TextEmotion | None
    entries: tuple[Entry, ...]

    @property
    def names(self) -> tuple[str, str]:
        """Of both; empty for a text emotion that was not wanted."""
        found = {entry.kind.name: entry.name for entry in self.entries}
        return found["transcriber"], found.get("text-emotion", "")

    @classmethod
    def load(
        cls,
        transcriber: str | None = None,
        text_emotion: str | None = None,
        *,
        settings: tuple[str, ...] = (),
        folder: Path | None = None,
        allow_sending: bool = False,
        registry: Registry | None = None,
    ) -> Listener:
        """Find and load both.

        Args:
            transcriber: a name; None for the first default one that is ready.
            text_emotion: likewise; `none` for nobody.
            settings: options of components, each `NAME.OPTION=VALUE`.
            folder: where `fxbench.toml` is looked for; the current folder by default.
            allow_sending: whether a service may get the sound.
            registry: what is installed; found out where None.

        Raises:
            UsageError: an unknown name or option, or a service that may not be sent to.
            UnavailableError: one is not ready; the message says what mends that.
            PluginError: one can't be loaded.
        """
        registry = registry or discover()
        options = resolve(
            (entry.component for entry in registry.entries),
            settings,
            os.environ,
            folder or Path(),
        )
        chosen = choose(registry, options, transcriber, text_emotion, allow_sending=allow_sending)
        return cls.of(chosen, options)

    @classmethod
    def of(cls, chosen: tuple[Entry, ...], options: Options) -> Listener:
        """Load what :func:`choose` chose.

        Raises:
            FxbenchError: one can't be loaded.
        """
        loader = Loader(options)
        made: dict[str, Any] = {entry.kind.name: loader.get(entry) for entry in chosen}
        return cls(made["transcriber"], made.get("text-emotion"), chosen)

    def said(
        self,
        video: Path,
        *,
        pause_s: float = PAUSE_S,
        most_s: float = MOST_S,
        progress: Progress | None = None,
    ) -> Said:
        """See :func:`said`."""
        return said(
            video,
            self.transcriber,
            self.text_emotion,
            names=self.names,
            pause_s=pause_s,
            most_s=most_s,
            progress=progress,
        )


def choose(
    registry: Registry,
    options: Options,
    transcriber: str | None,
    text_emotion: str | None,
    *,
    allow_sending: bool,
) -> tuple[Entry, ...]:
    """The transcriber, and the text emotion unless it is `none`.

    A text emotion that nobody named and that isn't there is left out.

    Raises:
        UsageError: an unknown name, or a service that may not be sent to.
        UnavailableError: one is not ready, or there is no default one.
    """
    chosen = [_one(registry, options, "transcriber", transcriber, allow_sending=allow_sending)]
    if text_emotion is None:
        found = default(registry, options, "text-emotion")
        chosen += [] if found is None else [found]
    elif text_emotion != "none":
        chosen.append(
            _one(registry, options, "text-emotion", text_emotion, allow_sending=allow_sending)
        )
    return tuple(chosen)


def _one(
    registry: Registry, options: Options, kind: str, name: str | None, *, allow_sending: bool
) -> Entry:
    if name is not None and not allow_sending:
        component = registry.get(kind, name).component
        if component.sends:
            price = "a price that is not known"
            if component.price is not None:
                price = f"{component.price:g} USD a call"
            what = "the sound of the video" if kind == "transcriber" else "what is said"
            raise UsageError(
                f"The {kind} {name} sends {what} to a service, at {price}, which is not allowed "
                "here: name another."
            )
    return cast(registry, options, kind, name, allow_sending=allow_sending)


def _heard(sound: Sound, transcriber: Transcriber, name: str) -> list[Word]:
    """The words of a part, on the clock of the video."""
    try:
        answer: Any = transcriber.transcribe(sound.samples)
    except FxbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{name} failed at {sound.begin_s:.1f} s: {one_line(error)}") from error
    check_words(name, answer, sound.end_s - sound.begin_s)
    return [word.later(sound.begin_s) for word in answer]


def check_words(name: str, answer: Any, seconds: float) -> None:
    """See to it that an answer of :meth:`fxbench.protocols.Transcriber.transcribe` is one.

    Raises:
        PluginError: it is not.
    """
    if not isinstance(answer, tuple) or not all(isinstance(word, Word) for word in answer):
        raise PluginError(f"{name} must return a tuple of Word, not {type(answer).__name__}.")
    before = 0.0
    for word in answer:
        if word.begin_s < before:
            raise PluginError(
                f"{name} says {word.text!r} at {word.begin_s:.2f} s after a word at {before:.2f} "
                "s: words must be in the order of their beginnings."
            )
        if word.end_s > seconds + _BEYOND_S:
            raise PluginError(
                f"{name} ends {word.text!r} at {word.end_s:.2f} s, in a sound of {seconds:.2f} s."
            )
        before = word.begin_s


def _read(spoken: Any, text_emotion: TextEmotion, name: str) -> Any:
    try:
        return expressed(spoken, text_emotion, name)
    except FxbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{name} failed: {one_line(error)}") from error

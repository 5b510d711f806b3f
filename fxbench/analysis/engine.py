"""Components that look at pictures together, outside of a run: for photos, videos and cameras.

An :class:`Engine` loads detectors, landmarkers and classifiers once. It looks at stills, and makes
a :class:`Watcher` for each video, which follows the people in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fxbench.analysis.answer import Answer, answer_of
from fxbench.casting import cast as cast_one
from fxbench.casting import default
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.faces import crops
from fxbench.loader import Loader, one_line
from fxbench.options import Options, resolve
from fxbench.outputs import checked, located, probabilities
from fxbench.registry import Entry, Registry, discover
from fxbench.types import Bool, Boxes, FaceSpec, Frames, Points, UInt8
from fxbench.views import Told, failures_of
from fxbench.watching import Watch

__all__ = ["Answer", "Cast", "Engine", "Look", "Watcher"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Cast:
    """The names of the components that take part.

    Attributes:
        detectors: each finds faces by itself, and the others look behind each of them.
        classifiers: tell emotions.
        landmarkers: locate landmarks.
        spotters: find expressions in videos; they are loaded, and asked by who has the video.
    """

    detectors: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    landmarkers: tuple[str, ...] = ()
    spotters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one detector, and those behind it, saw in N pictures.

    Attributes:
        detector: its name.
        boxes: the M faces, `frame` an index into the N; the track is -1 in stills.
        detected: bool (M,): whether the detector found it there, and it was not followed there.
        points: by landmarker, a row for each face.
        answers: by classifier, a row for each face.
        silent: why there is no answer, by index of the picture and name of the component. Only
            services have such.
    """

    detector: str
    boxes: Boxes
    detected: Bool
    points: Mapping[str, Points]
    answers: Mapping[str, Answer]
    silent: Mapping[tuple[int, str], str] = field(default_factory=dict)


class Engine:
    """Components, loaded. It may be used from several threads: they take turns.

    Attributes:
        cast: their names.
        entries: the components, by kind.
        options: what is set of them.
    """

    def __init__(
        self, entries: Mapping[str, tuple[Entry, ...]], options: Options, loader: Loader
    ) -> None:
        """Of components that were chosen already; :meth:`load` chooses them.

        Args:
            entries: by kind: `detector`, `classifier`, `landmarker`, `spotter`.
            options: what is set.
            loader: makes them.

        Raises:
            FxbenchError: one can't be loaded.
        """
        self.entries = entries
        self.options = options
        kinds = ("detector", "classifier", "landmarker", "spotter")
        names = {kind: tuple(entry.name for entry in entries.get(kind, ())) for kind in kinds}
        self.cast = Cast(*(names[kind] for kind in kinds))
        self._memory = loader.memory
        self._made: dict[str, dict[str, Any]] = {
            kind: {entry.name: loader.get(entry) for entry in entries.get(kind, ())}
            for kind in kinds
        }
        self._lock = threading.RLock()

    @classmethod
    def load(
        cls,
        cast: Cast | None = None,
        *,
        settings: tuple[str, ...] = (),
        folder: Path | None = None,
        allow_sending: bool = False,
        threads: int | None = None,
        registry: Registry | None = None,
    ) -> Engine:
        """The components of a cast, made.

        Args:
            cast: names. Without a detector or without a classifier it is the first default one that
                is ready; landmarkers and spotters take part only where they are named.
            settings: texts `NAME.OPTION=VALUE`, as of `--set`.
            folder: where `fxbench.toml` may lie; None for the working folder.
            allow_sending: whether pictures may be sent to services.
            threads: of the numerical libraries. It has its full effect only before they are
                imported, see :func:`fxbench.environment.fix_threads`.
            registry: what is installed, where that was found out already.

        Raises:
            UsageError: an unknown name or option, a component that takes no part in such a look, or
                one that sends pictures away and is not allowed to.
            UnavailableError: one is not ready; the message says what mends that.
            FxbenchError: one can't be loaded.
        """
        entries, options = choose(
            cast or Cast(),
            settings=settings,
            folder=folder,
            allow_sending=allow_sending,
            registry=registry,
        )
        if threads is not None:
            from fxbench.environment import fix_threads

            fix_threads(threads)
        return cls(entries, options, Loader(options))

    def labels(self, classifier: str) -> tuple[str | None, ...]:
        """The emotion that each output of a classifier means, None for no counterpart."""
        return tuple(self._made["classifier"][classifier].labels)

    def component(self, kind: str, name: str) -> Any:
        """A component itself."""
        return self._made[kind][name]

    def look(self, images: tuple[UInt8, ...]) -> tuple[Look, ...]:
        """Look at stills.

        Args:
            images: N pictures, RGB uint8 (H, W, 3) of any sizes.

        Returns:
            What each detector, and those behind it, saw.

        Raises:
            PluginError: a picture is none, or a component fails or answers what it must not.
        """
        names = tuple(map(str, range(len(images))))
        frames = Frames.stills(names, images)
        with self._lock, self._memory.sharing():
            return tuple(self._still(name, frames.images) for name in self.cast.detectors)

    def watcher(self, every: int = 1) -> Watcher:
        """What looks at one video. The detectors look at every so many of its frames."""
        return Watcher(self, every)

    def _still(self, detector: str, images: tuple[UInt8, ...]) -> Look:
        boxes, silent = self._found(detector, images)
        return self._behind(detector, images, boxes, np.ones(len(boxes), np.bool_), silent)

    def _found(
        self, name: str, images: tuple[UInt8, ...]
    ) -> tuple[Boxes, dict[tuple[int, str], str]]:
        if not images:
            return Boxes.from_lists([]), {}
        detector = self._made["detector"][name]
        boxes: Any = _asked(name, lambda: detector.detect(images))
        if not isinstance(boxes, Boxes):
            raise PluginError(f"{name} must return Boxes, not {type(boxes).__name__}.")
        if len(boxes) and boxes.frame[-1] >= len(images):
            raise PluginError(f"{name} found a face in picture {boxes.frame[-1]} of {len(images)}.")
        return boxes, {(index, name): why for index, why in failures_of(detector)}

    def _behind(
        self,
        detector: str,
        images: tuple[UInt8, ...],
        boxes: Boxes,
        detected: Bool,
        silent: dict[tuple[int, str], str],
    ) -> Look:
        """What landmarkers and classifiers say of the faces that were found."""
        points = {}
        for name, landmarker in self._made["landmarker"].items():
            points[name] = _asked(name, partial(located, name, landmarker, images, boxes))
            silent |= {(index, name): why for index, why in failures_of(landmarker)}
        faces: dict[FaceSpec, UInt8] = {}
        answers = {}
        for name, classifier in self._made["classifier"].items():
            answers[name], failed = self._answered(name, classifier, images, boxes, faces)
            silent |= failed
        return Look(detector, boxes, detected, points, answers, silent)

    @staticmethod
    def _answered(
        name: str,
        classifier: Any,
        images: tuple[UInt8, ...],
        boxes: Boxes,
        faces: dict[FaceSpec, UInt8],
    ) -> tuple[Answer, dict[tuple[int, str], str]]:
        """What a classifier says, and the pictures that it doesn't answer about."""
        unanswered = np.zeros(len(boxes), np.bool_)
        silent = {}
        if not len(boxes):
            outputs = np.zeros((0, len(classifier.labels)), np.float32)
        elif isinstance(classifier, Told):
            told = _asked(name, lambda: classifier.tell(images, boxes))
            outputs = checked(name, classifier.labels, told, len(boxes))
            silent = {(index, name): why for index, why in classifier.failures}
            unanswered = np.isin(boxes.frame, [index for index, _ in classifier.failures])
        else:
            spec = classifier.face
            if spec not in faces:
                faces[spec] = crops(images, boxes, spec)
                faces[spec].flags.writeable = False
            outputs = _asked(name, lambda: probabilities(name, classifier, faces[spec]))
        return answer_of(outputs, tuple(classifier.labels), unanswered), silent


class Watcher:
    """One video as an engine sees it. It is told of all its frames, in order, batch by batch.

    Track numbers say who is who by position and motion alone, within this video and behind one
    detector: no face is recognised.
    """

    def __init__(self, engine: Engine, every: int = 1) -> None:
        """Before the first frame.

        Args:
            engine: that looks.
            every: the detectors look at every so many frames; faces are followed in between.

        Raises:
            UsageError: `every` is less than 1.
        """
        if every < 1:
            raise UsageError(f"Detectors can look at every 1 or more frames, not {every}.")
        self._engine = engine
        self._watches = {name: Watch(every) for name in engine.cast.detectors}

    def look(self, frames: Frames) -> tuple[Look, ...]:
        """Look at the next frames.

        Args:
            frames: one or more, with their times in seconds.

        Raises:
            PluginError: a component fails or answers what it must not.
        """
        engine = self._engine
        with engine._lock, engine._memory.sharing():  # noqa: SLF001 - both are one
            return tuple(self._look(name, watch, frames) for name, watch in self._watches.items())

    def _look(self, name: str, watch: Watch, frames: Frames) -> Look:
        engine, images = self._engine, frames.images
        due = watch.due(len(images))
        found, silent = engine._found(name, tuple(images[i] for i in due.tolist()))  # noqa: SLF001
        failed = {int(due[index]): why for (index, _), why in silent.items()}
        boxes = watch.complete(frames, due, found)
        unanswered = watch.unanswered(len(images), due, failed)
        return engine._behind(  # noqa: SLF001
            name,
            images,
            boxes,
            np.isin(boxes.frame, due),
            {(index, name): why for index, why in unanswered.items()},
        )


def choose(
    cast: Cast,
    *,
    settings: tuple[str, ...] = (),
    folder: Path | None = None,
    allow_sending: bool = False,
    registry: Registry | None = None,
) -> tuple[dict[str, tuple[Entry, ...]], Options]:
    """The components of a cast by kind, and their options; none is loaded.

    The arguments and what is raised are those of :meth:`Engine.load`.
    """
    registry = registry or discover()
    components = [entry.component for entry in registry.entries]
    options = resolve(components, settings, os.environ, folder or Path())
    entries: dict[str, tuple[Entry, ...]] = {}
    for kind, names in (
        ("detector", cast.detectors or (None,)),
        ("classifier", cast.classifiers or (None,)),
        ("landmarker", cast.landmarkers),
        ("spotter", cast.spotters),
    ):
        chosen = [
            cast_one(registry, options, kind, name, allow_sending=allow_sending)
            for name in dict.fromkeys(names)
        ]
        for entry in chosen:
            if "recorded" in entry.component.traits:
                raise UsageError(
                    f"The answers of {entry.name} come from a file: it can't look at pictures."
                )
        entries[kind] = tuple(chosen)
    return entries, options


def default_names(
    registry: Registry, options: Options, kind: str, *, trait: str | None = None
) -> tuple[str, ...]:
    """The name of the first default component of a kind that is ready; empty where none is."""
    found = default(registry, options, kind, trait=trait)
    return () if found is None else (found.name,)


def _asked(name: str, ask: Callable[[], Result]) -> Result:
    """The answer of a component. Whatever it raises becomes a sentence with its name.

    Raises:
        FxbenchError: it raised that.
        PluginError: it raised anything else.
    """
    try:
        return ask()
    except FxbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{name} failed: {one_line(error)}") from error

"""What faces show beside what is said, and where the two disagree.

Both are put on the eight emotions. Who of the visible people speaks is not known, so everybody who
is seen while something is said is put beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fxbench.errors import DataError, ImageError
from fxbench.labels import EMOTIONS
from fxbench.speech.words import OTHER, Said, Utterance
from fxbench.types import Float32, Float64, check_array

if TYPE_CHECKING:
    import pyarrow as pa

    from fxbench.analysis.engine import Engine

Verdict = Literal["agree", "differ", "words only", "face only", "neither"]

LEAST_FRAMES = 3
"""A person is put beside an utterance who is seen in so many frames of it, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the face of one person shows over a video, by one classifier behind one detector.

    Attributes:
        detector: its name.
        classifier: its name.
        track: the person's number within the video.
        time_s: float64 (N,), ascending, seconds into the video.
        probabilities: float32 (N, 8), in the order of EMOTIONS: NaN where the classifier has no
            such label.
        other: float32 (N,), the probability on outputs without counterpart.
    """

    detector: str
    classifier: str
    track: int
    time_s: Float64
    probabilities: Float32
    other: Float32

    def __post_init__(self) -> None:
        count = len(self.time_s)
        check_array("Shown.time_s", self.time_s, np.float64, (None,))
        check_array("Shown.probabilities", self.probabilities, np.float32, (count, len(EMOTIONS)))
        check_array("Shown.other", self.other, np.float32, (count,))


@dataclass(frozen=True, slots=True)
class Side:
    """One person beside one utterance.

    Attributes:
        utterance: its index.
        detector: that found the person.
        classifier: that told the emotions of the face.
        track: the person's number within the video.
        frames: in how many frames of the utterance the face was answered about.
        shown: the emotion of the highest mean probability over these frames, or `other`.
        probability: that mean.
        said: what the words express; empty where they express nothing.
        verdict: `agree`: the face's emotion is one of the words'. `differ`: both name an emotion,
            another one, and each could have named the other's. `words only`: the words express an
            emotion, and the face's answer is one that words can't express, such as neutral.
            `face only`: the words express nothing, or none of the eight, and the face's answer is
            an emotion other than neutral. `neither`: nothing of both.
    """

    utterance: int
    detector: str
    classifier: str
    track: int
    frames: int
    shown: str
    probability: float
    said: tuple[str, ...]
    verdict: Verdict

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "utterance": self.utterance,
            "detector": self.detector,
            "classifier": self.classifier,
            "track": self.track,
            "frames": self.frames,
            "shown": self.shown,
            "probability": round(self.probability, 4),
            "said": list(self.said),
            "verdict": self.verdict,
        }


def beside(
    said: Said, faces: Sequence[Shown], least_frames: int = LEAST_FRAMES
) -> tuple[Side, ...]:
    """Put each person beside each utterance during which they are seen.

    Args:
        said: what is said.
        faces: what people's faces show, on the same clock.
        least_frames: in how many frames somebody must be seen during an utterance.
    """
    sayable = _sayable(said)
    sides = []
    for index, utterance in enumerate(said.utterances):
        for face in faces:
            first, last = np.searchsorted(
                face.time_s, (utterance.begin_s, utterance.end_s), side="left"
            )
            if last - first < least_frames:
                continue
            shown, probability = _highest(face, int(first), int(last))
            known = np.flatnonzero(np.isfinite(face.probabilities).any(axis=0))
            able = {EMOTIONS[place] for place in known.tolist()}
            sides.append(
                Side(
                    index,
                    face.detector,
                    face.classifier,
                    face.track,
                    int(last - first),
                    shown,
                    probability,
                    utterance.labelled,
                    _verdict(utterance, shown, sayable, able),
                )
            )
    return tuple(sides)


def _sayable(said: Said) -> set[str]:
    """The emotions that the text emotion has a label for."""
    for utterance in said.utterances:
        if utterance.shares is not None:
            pairs = zip(EMOTIONS, utterance.shares, strict=True)
            return {name for name, share in pairs if share is not None}
    return set()


def _highest(face: Shown, first: int, last: int) -> tuple[str, float]:
    means = np.nan_to_num(face.probabilities[first:last].mean(axis=0, dtype=np.float64), nan=-1.0)
    other = float(face.other[first:last].mean(dtype=np.float64))
    best = int(means.argmax())
    if other > means[best]:
        return OTHER, other
    return EMOTIONS[best], float(means[best])


def _verdict(utterance: Utterance, shown: str, sayable: set[str], able: set[str]) -> Verdict:
    said = {name for name in utterance.labelled if name != OTHER}
    if shown in said:
        return "agree"
    if said:
        return "differ" if shown in sayable and said <= able else "words only"
    return "neither" if shown in ("neutral", OTHER) else "face only"


class Gathering:
    """Collects what classifiers say of the faces of a video, frame after frame."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, int], list[tuple[Float64, Float32, Float32]]] = {}

    def add(
        self,
        who: tuple[str, str],
        track: Any,
        time_s: Float64,
        probabilities: Float32,
        other: Float32,
    ) -> None:
        """Some faces, in the order of their times.

        Args:
            who: the detector and the classifier.
            track: int (M,), the number of each person; negative for nobody in particular.
            time_s: float64 (M,).
            probabilities: float32 (M, 8).
            other: float32 (M,); NaN where there is no answer.
        """
        for one in np.unique(track[track >= 0]).tolist():
            mine = np.flatnonzero((track == one) & np.isfinite(other))
            if len(mine):
                part = time_s[mine], probabilities[mine], other[mine]
                self._kept.setdefault((*who, one), []).append(part)

    def people(self) -> tuple[Shown, ...]:
        """All of it, by detector, classifier and person."""
        return tuple(
            Shown(*key, *(np.concatenate(columns) for columns in zip(*parts, strict=True)))
            for key, parts in sorted(self._kept.items())
        )


def faces_of(
    video: Path,
    engine: Engine,
    *,
    every: int = 1,
    progress: Callable[[float], None] | None = None,
    cut_short: Callable[[str], None] | None = None,
) -> tuple[Shown, ...]:
    """What the faces of a video show, frame after frame.

    Args:
        video: the file.
        engine: detectors and classifiers.
        every: the detectors look at every so many frames; faces are followed in between.
        progress: told the share of the frames that is done.
        cut_short: told why the video ended too soon, if it did; what was seen counts all the same.

    Raises:
        ImageError: the file is no video, or has not one frame that can be decoded.
        PluginError: a component fails.
    """
    from fxbench.frame_batches import frame_batches
    from fxbench.prefetch import ahead
    from fxbench.video import VideoReader

    watcher = engine.watcher(every)
    gathering = Gathering()
    done = 0
    with VideoReader(video) as reader:
        total = reader.info.frames
        batches = ahead(frame_batches(reader, np.arange(total, dtype=np.int64)), 2)
        try:
            for numbers, frames in batches:
                for look in watcher.look(frames):
                    for name, answer in look.answers.items():
                        gathering.add(
                            (look.detector, name),
                            look.boxes.track,
                            frames.time_s[look.boxes.frame],
                            answer.probabilities,
                            answer.other,
                        )
                done = int(numbers[-1]) + 1
                if progress is not None:
                    progress(min(1.0, done / total))
        except ImageError as error:
            if not done:
                raise
            if cut_short is not None:
                cut_short(str(error))
        finally:
            batches.close()
    return gathering.people()


def faces_in(table: pa.Table, where: str) -> tuple[Shown, ...]:
    """What the faces of a video show, by a table of `fxbench analyze`.

    Args:
        table: with the columns `detector`, `time_s`, `track`, and for a classifier `NAME.other` and
            `NAME.` with each of the eight emotions.
        where: what was given, for messages.

    Raises:
        DataError: it is no such table.
    """
    suffix = f".{OTHER}"
    names = [name.removesuffix(suffix) for name in table.column_names if name.endswith(suffix)]
    lacks = {"detector", "time_s", "track"} - set(table.column_names)
    lacks |= {
        f"{name}.{emotion}"
        for name in names
        for emotion in EMOTIONS
        if f"{name}.{emotion}" not in table.column_names
    }
    if lacks or not names:
        raise DataError(
            f"{where} is no table of faces that `fxbench analyze` wrote: it has no "
            f"{', '.join(sorted(lacks)) or 'answers of a classifier'}."
        )
    table = table.sort_by([("time_s", "ascending")])
    detectors = np.asarray(table["detector"].to_pylist(), object)
    time_s = _numbers(table, "time_s")
    track = np.nan_to_num(_numbers(table, "track"), nan=-1).astype(np.int64)
    gathering = Gathering()
    for name in names:
        columns = [_numbers(table, f"{name}.{emotion}") for emotion in EMOTIONS]
        probabilities = np.stack(columns, axis=1).astype(np.float32)
        other = _numbers(table, f"{name}.{OTHER}").astype(np.float32)
        for detector in dict.fromkeys(detectors.tolist()):
            mine = (detectors == detector) & np.isfinite(time_s)
            who = str(detector), name
            gathering.add(who, track[mine], time_s[mine], probabilities[mine], other[mine])
    return gathering.people()


def _numbers(table: pa.Table, name: str) -> Float64:
    """A column as float64 (N,), NaN where it has nothing."""
    import pyarrow as pa

    column = table[name].cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def counts(sides: Iterable[Side]) -> Mapping[Verdict, int]:
    """How often each verdict was given."""
    found: dict[Verdict, int] = dict.fromkeys(
        ("agree", "differ", "words only", "face only", "neither"), 0
    )
    for side in sides:
        found[side.verdict] += 1
    return found

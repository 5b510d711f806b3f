"""The sound of a video, as speech recognisers want it: one channel, 16 kHz, a part at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxbench.containers import container, shown
from fxbench.errors import ImageError, UnavailableError
from fxbench.speech.words import LEAST_S, LONGEST_S, RATE
from fxbench.types import Float32

MOST_S = 4 * 3600.0
"""Seconds of sound that are listened to, unless somebody says otherwise."""

_PAUSE = int(0.2 * RATE)
_GAP_S = 0.1
_SHORT_S = 1.0
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A part of the sound.

    Attributes:
        begin_s: when it begins, on the clock of the video's pictures.
        samples: float32 (N,), from -1 to 1, 16,000 a second.
    """

    begin_s: float
    samples: Float32

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.begin_s + len(self.samples) / RATE


class AudioTrack:
    """The first audio track of a file.

    Args:
        path: a video, or a sound file of one of the containers of videos (WAV, M4A, Ogg).
        most_s: seconds that are read at most; what comes after them is a fault.

    Attributes:
        duration_s: what the file says; None where it doesn't. It may be wrong.
        there: whether there is one.
        fault: why it could not be read, or not to its end; empty before and where nothing is wrong.

    Raises:
        ImageError: the file is missing, damaged or no video.
        UnavailableError: PyAV is not installed.
    """

    def __init__(self, path: Path, most_s: float = MOST_S) -> None:
        # Before FFmpeg sees it: a playlist may name files, and hosts, that nobody meant.
        container(path, None)
        try:
            import av  # noqa: F401 - one that is there may be broken
        except ImportError as error:
            raise UnavailableError(
                "The sound of videos is read by PyAV, which is not installed: "
                "pip install 'fxbench[speech]'"
            ) from error
        self._path = path
        self._most_s = most_s
        self.fault = ""
        with _opened(path) as file:
            streams = file.streams.audio
            self.there = bool(streams)
            self.duration_s = _duration(file) if streams else None
            # Only the track itself says when it ends; a file is as long as its pictures.
            told = self.duration_s if streams and streams[0].duration else None
            self._ends_s = min(told or 0.0, most_s)
        if not self.there:
            self.fault = "it has no audio track"

    def parts(self) -> Iterator[Sound]:
        """The sound, from its beginning, in parts of at most a minute that end in pauses.

        One part is in memory at a time. Where the track has no sound for a while, the next part
        begins after that.
        """
        self.fault = "" if self.there else "it has no audio track"
        held = np.zeros(0, np.float32)
        begin_s = 0.0
        longest = int(LONGEST_S * RATE)
        for time_s, piece in self._pieces():
            if time_s > begin_s + len(held) / RATE + _GAP_S:
                if len(held):
                    yield Sound(begin_s, held)
                begin_s, held = time_s, np.zeros(0, np.float32)
            left = round((self._most_s - begin_s) * RATE) - len(held)
            if left < len(piece):
                self.fault = f"only its first {_duration_of(self._most_s)} were listened to"
            held = np.concatenate((held, piece[: max(0, left)]))
            while len(held) > longest:
                cut = _quiet(held[:longest])
                yield Sound(begin_s, held[:cut])
                begin_s, held = begin_s + cut / RATE, held[cut:].copy()
            if self.fault:
                break
        end_s = begin_s + len(held) / RATE
        if not self.fault and end_s < self._ends_s - _SHORT_S:
            self.fault = (
                f"its sound ends after {end_s:.1f} of {self._ends_s:.1f} seconds: it is cut short "
                "or damaged"
            )
        if len(held):
            yield Sound(begin_s, held)

    def _pieces(self) -> Iterator[tuple[float, Float32]]:
        """Some samples, float32 (N,), and when they begin, on the clock of the pictures."""
        import av

        if not self.there:
            return
        with _opened(self._path) as file:
            stream = file.streams.audio[0]
            zero = _zero(file, stream)
            resampler: Any = None
            form: tuple[Any, ...] = ()
            at = bad = 0
            start = None
            for frame in _frames(file, stream, self):
                mine = frame.format.name, frame.layout.name, frame.sample_rate
                if mine != form:
                    # Some broadcasts change theirs in the middle.
                    form = mine
                    # In 16 bits, channels are mixed so that the sum doesn't overflow.
                    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                time_s = None if frame.time is None else frame.time - zero
                if start is None:
                    start = time_s or 0.0
                expected = start + at / RATE
                if time_s is not None and time_s > expected + _GAP_S:
                    start, at, expected = time_s, 0, time_s
                try:
                    found = resampler.resample(frame)
                except av.FFmpegError as error:
                    bad += 1
                    if bad > _ATTEMPTS:
                        self.fault = f"its sound can't be converted ({error.strerror})"
                        return
                    continue
                for piece in found:
                    samples = piece.to_ndarray().reshape(-1).astype(np.float32) / 32768
                    begin, at = start + at / RATE, at + len(samples)
                    early = min(len(samples), max(0, round(-begin * RATE)))
                    yield max(0.0, begin), samples[early:]


def _frames(file: Any, stream: Any, track: AudioTrack) -> Iterator[Any]:
    """The decoded frames; damaged ones are left out, and the end that damage makes is noted."""
    import av

    bad = 0
    packets = file.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            track.fault = f"its sound is cut short or damaged ({error.strerror})"
            return
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            bad += 1
            if bad > _ATTEMPTS:
                track.fault = f"its sound is damaged ({error.strerror})"
                return
            continue
        yield from frames


def _zero(file: Any, stream: Any) -> float:
    """When the pictures begin, on the file's own clock; without any, when the sound does."""
    first = next(iter(file.streams.video), stream)
    if first.start_time is None:
        return 0.0
    return float(first.start_time * first.time_base)


def _duration_of(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds:g} seconds"


def _duration(file: Any) -> float | None:
    stream = file.streams.audio[0]
    if stream.duration:
        offset = max(0.0, float((stream.start_time or 0) * stream.time_base) - _zero(file, stream))
        return offset + float(stream.duration * stream.time_base)
    return None if not file.duration else file.duration / 1e6


def _quiet(samples: Float32) -> int:
    """Where to cut: in the middle of the quietest fifth of a second, near the end."""
    first = int(LEAST_S * RATE)
    energy = np.cumsum(samples[first:].astype(np.float64) ** 2)
    return first + int(np.argmin(energy[_PAUSE:] - energy[:-_PAUSE])) + _PAUSE // 2


def _opened(path: Path) -> Any:
    """The file, open.

    Raises:
        ImageError: it can't be opened.
    """
    import av

    # FFmpeg's complaints are told in one sentence instead.
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    name = str(path.absolute())  # which is never taken for the name of a protocol
    try:
        name.encode("utf-8")
        return av.open(name, options={"protocol_whitelist": "file"})
    except UnicodeEncodeError as error:
        raise ImageError(
            f"{shown(path)} can't be opened: its path is not valid UTF-8. Rename it."
        ) from error
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(
            f"{shown(path)} can't be opened: it is cut short, damaged, or of a kind that PyAV "
            f"doesn't know ({reason})."
        ) from error

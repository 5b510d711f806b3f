"""The sound of one file, taken along into another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from fxbench.errors import ImageError

_HELD = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
"""Codecs that MP4 holds and that players know there: copied as they are."""

_RATES = frozenset(
    {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
)
"""Samples per second that AAC knows."""

_USUAL_RATE = 48_000
_GAP_S = 0.1
"""Times of a file that differ by less from its count of samples are a matter of rounding."""


class Sound:
    """The first audio track of a file, written bit by bit, so that it stands beside the pictures.

    Args:
        path: the file. One without a track of sound gives none.

    Raises:
        ImageError: the file can't be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: Any = av.open(str(path.absolute()))
        except (OSError, av.FFmpegError) as error:
            raise ImageError(f"{path.name} can't be read for its sound: {error}.") from error
        self._target: Any = None
        self._stream: Any = None
        self._waiting: Any = None
        self._zero_s = 0.0
        self._packets: Iterator[Any] = iter(())

    def attach(self, target: Any) -> None:
        """Add the track to a container, before the first packet of any of its tracks."""
        tracks = self._file.streams.audio
        if not tracks:
            return
        track = tracks[0]
        self._target = target
        # Pictures are counted from the first of them, whenever that is on the file's own clock.
        first = next(iter(self._file.streams.video), None)
        if first is not None and first.start_time is not None:
            self._zero_s = float(first.start_time * first.time_base)
        if track.codec_context.name in _HELD:
            self._stream = target.add_stream_from_template(track)
            self._packets = self._copied(track)
        else:
            self._stream = target.add_stream("aac", rate=_rate(track.codec_context.sample_rate))
            self._stream.codec_context.layout = "mono" if track.channels == 1 else "stereo"
            self._packets = self._encoded(track)

    def write_until(self, time_s: float) -> None:
        """Write what begins before that time, in seconds."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None or float((packet.pts or 0) * packet.time_base) > time_s:
                return
            self._waiting = None
            packet.stream = self._stream
            self._target.mux(packet)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(av.FFmpegError):
            self._file.close()

    def _copied(self, track: Any) -> Iterator[Any]:
        zero = round(self._zero_s / track.time_base)
        before = None
        # A file that is damaged somewhere has sound up to there.
        with contextlib.suppress(av.FFmpegError):
            for packet in self._file.demux(track):
                if packet.dts is None or packet.pts is None or not packet.size:
                    continue
                packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
                early = packet.pts + (packet.duration or 0) <= 0 and zero
                # What goes back in time would be refused, and the pictures lost with it.
                if early or (before is not None and packet.dts <= before):
                    continue
                before = packet.dts
                yield packet

    def _encoded(self, track: Any) -> Iterator[Any]:
        context = self._stream.codec_context
        rate = context.sample_rate
        resampler = av.AudioResampler(format="fltp", layout=context.layout, rate=rate)
        at = None
        with contextlib.suppress(av.FFmpegError):
            for frame in self._file.decode(track):
                begin_s = None if frame.time is None else frame.time - self._zero_s
                for some in resampler.resample(frame):
                    # Samples are counted: the times of some files are rounded, or go back.
                    if at is None or (begin_s is not None and begin_s > at / rate + _GAP_S):
                        at = round((begin_s or 0.0) * rate)
                    some.pts, some.time_base = at, Fraction(1, rate)
                    at += some.samples
                    if at > 0:
                        yield from context.encode(some)
        yield from context.encode(None)


def _rate(rate: int) -> int:
    """Samples per second that a track is encoded with."""
    return rate if rate in _RATES else _USUAL_RATE

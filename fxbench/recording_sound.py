"""The sound of one file, taken along into another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from fxbench.errors import ImageError

_HELD = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
"""Codecs that MP4 holds and that players know there: copied as they are."""


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
        self._packets: Iterator[Any] = iter(())

    def attach(self, target: Any) -> None:
        """Add the track to a container, before the first packet of any of its tracks."""
        tracks = self._file.streams.audio
        if not tracks:
            return
        track = tracks[0]
        self._target = target
        if track.codec_context.name in _HELD:
            self._stream = target.add_stream_from_template(track)
            self._packets = self._copied(track)
        else:
            self._stream = target.add_stream("aac", rate=track.codec_context.sample_rate)
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
        # A file that is damaged somewhere has sound up to there.
        with contextlib.suppress(av.FFmpegError):
            for packet in self._file.demux(track):
                if packet.dts is not None and packet.size:
                    yield packet

    def _encoded(self, track: Any) -> Iterator[Any]:
        context = self._stream.codec_context
        resampler = av.AudioResampler(
            format="fltp", layout=context.layout, rate=context.sample_rate
        )
        with contextlib.suppress(av.FFmpegError):
            for frame in self._file.decode(track):
                for some in resampler.resample(frame):
                    yield from context.encode(some)
        yield from context.encode(None)

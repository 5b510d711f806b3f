"""Pictures written as a video while they are made: H.264 in MP4, with the sound of another."""

from __future__ import annotations

import contextlib
import errno
import secrets
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fxbench.errors import ImageError, StoreError, UnavailableError, UsageError
from fxbench.files import TEMPORARY_SUFFIX
from fxbench.recording_plain import PlainRecording, even, fitted
from fxbench.types import UInt8, check_image

_TICKS = 90_000
"""Of a second: MPEG's own clock, which every usual rate divides."""

_SETTINGS = {"preset": "veryfast", "crf": "20"}


class Recording:
    """A video that is written while its pictures are made. Use it in a `with` statement.

    It appears under its name when it is whole: after an exception nothing is left. Where its index
    stands first it can be played while it is loaded.

    Args:
        path: the file, `.mp4`. One that is there is replaced.
        fps: frames per second, about: the times given with the pictures are what counts.
        sound: a file whose first audio track is taken along, as far as the pictures go. What MP4
            doesn't hold is encoded as AAC. A file without sound adds none.
        threads: of the encoder.

    Raises:
        UnavailableError: PyAV is not installed, or can't encode H.264.
        ImageError: the file with the sound can't be read.
        StoreError: the video can't be written, for example as the disk is full.
    """

    def __init__(
        self, path: Path, fps: float, *, sound: Path | None = None, threads: int = 1
    ) -> None:
        if not fps > 0:
            raise UsageError(f"A video has more than 0 frames per second, not {fps:g}.")
        require()
        import av

        self._path = Path(path)
        self._part = self._path.with_name(
            f".{self._path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        )
        self._fps, self._threads = fps, threads
        self._stream: Any = None
        self._size = (0, 0)
        self._last = -1
        self.frames = 0
        self._sound: Any = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = av.open(
                str(self._part.absolute()), "w", format="mp4", options={"movflags": "+faststart"}
            )
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error
        if sound is not None:
            from fxbench.recording_sound import Sound

            try:
                self._sound = Sound(sound)
            except ImageError:
                self._abandon()
                raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or not self.frames:
            self._abandon()
        else:
            self._finish()

    def add(self, image: UInt8, time_s: float) -> None:
        """Write the next picture.

        Args:
            image: RGB uint8 (H, W, 3). One of another size than the first is cut off or continued
                at its right and lower edges.
            time_s: when it is shown, seconds from the beginning, later than the one before.

        Raises:
            StoreError: it can't be written.
        """
        check_image("A picture of a recording", image)
        import av

        try:
            if self._stream is None:
                self._begin(image)
            frame = av.VideoFrame.from_ndarray(fitted(image, self._size), format="rgb24")
            ticks = round(max(time_s, 0.0) * _TICKS) if np.isfinite(time_s) else 0
            # Two pictures can't have one time: a clock that stands still goes on by a tick.
            self._last = max(ticks, self._last + 1)
            frame.pts = self._last
            frame.time_base = Fraction(1, _TICKS)
            if self._sound is not None:
                self._sound.write_until(self._last / _TICKS)
            self._file.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error
        self.frames += 1

    def _begin(self, image: UInt8) -> None:
        self._size = even(image)
        rate = Fraction(self._fps).limit_denominator(1001)
        stream = self._file.add_stream("libx264", rate=rate, options=dict(_SETTINGS))
        stream.height, stream.width = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, _TICKS)
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.thread_count = self._threads
        self._stream = stream
        if self._sound is not None:
            self._sound.attach(self._file)

    def _finish(self) -> None:
        import av

        try:
            self._file.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.write_until(self._last / _TICKS + 1 / self._fps)
                self._sound.close()
            self._file.close()
            self._part.replace(self._path)
        except (OSError, av.FFmpegError) as error:
            self._abandon()
            raise self._failed(error) from error

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):
            if self._sound is not None:
                self._sound.close()
        with contextlib.suppress(Exception):
            self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _failed(self, error: Exception) -> StoreError:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT):
            return StoreError(
                f"The disk is full: the video {self._path} could not be written. Free some space "
                "and give the same command again."
            )
        why = getattr(error, "strerror", None) or str(error)
        return StoreError(
            f"The video {self._path} could not be written: {why}. Make its folder writable, or "
            "name another."
        )


def recording(path: Path, fps: float) -> Recording | PlainRecording:
    """The best recording that there is here: without PyAV it is MPEG-4 Part 2.

    Raises:
        StoreError: the video can't be written.
    """
    return Recording(path, fps) if available() else PlainRecording(path, fps)


def available() -> bool:
    """Whether videos can be recorded here."""
    try:
        require()
    except UnavailableError:
        return False
    return True


def require() -> None:
    """Say what is lacking where videos can't be recorded.

    Raises:
        UnavailableError: PyAV is not installed, or can't encode H.264.
    """
    try:
        import av
    except ImportError as error:
        raise UnavailableError("Writing videos needs PyAV: pip install 'fxbench[video]'") from error
    if "libx264" not in av.codecs_available:
        raise UnavailableError(
            "The PyAV that is installed encodes no H.264: pip install --force-reinstall "
            "'fxbench[video]' takes the one that does."
        )

"""Videos in which Debian's espeak-ng speaks."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

RATE = 22050


def speak(text: str, *, speed: int = 120, voice: str = "en-us") -> np.ndarray:
    """What espeak-ng says, int16 (N,), 22,050 samples a second; the test skips without it."""
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        pytest.skip("needs espeak-ng: apt-get install espeak-ng")
    command = [espeak, "-v", voice, "-s", str(speed), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    # The header of what it writes to a pipe doesn't know the length.
    return np.frombuffer(spoken[44:], "<i2")


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.int16)


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_film(
    path: Path,
    samples: np.ndarray | None,
    frames: Sequence[np.ndarray],
    fps: int = 25,
    *,
    sound_from_s: float = 0.0,
    rate: int = RATE,
) -> Path:
    """A video of RGB frames and a sound that begins at a time, in H.264 and AAC."""
    import av

    # The index first, so that a file that is cut can be opened.
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as file:
        video = file.add_stream("libx264", rate=fps)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        sound = None
        if samples is not None:
            sound = file.add_stream("aac", rate=rate)
            sound.layout = "mono"
        for number, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
        if sound is not None and samples is not None:
            first = round(sound_from_s * rate)
            for start in range(0, len(samples), 1024):
                part = np.ascontiguousarray(samples[None, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate, frame.pts = rate, first + start
                frame.time_base = Fraction(1, rate)
                file.mux(sound.encode(frame))
            file.mux(sound.encode(None))
    return path


def grey(count: int, side: int = 64) -> list[np.ndarray]:
    """Frames that show nobody."""
    return [np.full((side, side, 3), 90, np.uint8)] * count

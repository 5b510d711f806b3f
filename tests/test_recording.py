"""Videos that are written: their times, their sound, and what is left when they can't be."""

from __future__ import annotations

import errno
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fxbench.errors import ImageError, StoreError, UnavailableError, UsageError
from fxbench.recording import Recording, available, recording
from fxbench.recording_plain import PlainRecording
from fxbench.video import VideoReader

av = pytest.importorskip("av", reason="needs PyAV (extra video)")


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    image = np.full((height, width, 3), 30, np.uint8)
    image[:, : 2 + number * 4] = (200, 40, 120)
    return image


def write(path: Path, times: list[float], fps: float = 25.0, **others) -> Path:
    with Recording(path, fps, **others) as made:
        for number, time_s in enumerate(times):
            made.add(picture(number), time_s)
    return path


def read(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with VideoReader(path) as reader:
        found = [reader.frame(number) for number in range(reader.info.frames)]
    return [time_s for time_s, _ in found], [image for _, image in found]


def noisy(path: Path, codec: str, seconds: float = 2.0, form: str | None = None) -> Path:
    """A video with a tone."""
    rate = 16000
    samples = (np.sin(np.arange(int(rate * seconds)) * 0.2) * 9000).astype(np.int16)
    with av.open(str(path), "w", format=form) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.codec_context.layout = "mono"
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(
                samples[None, start : start + 1024], format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            for part in av.AudioResampler(format=stream.codec_context.format).resample(frame):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


def test_the_times_of_a_video_whose_rate_varies_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.3, 0.9, 0.94, 2.0]
    got, images = read(write(tmp_path / "a.mp4", times))
    np.testing.assert_allclose(got, times, atol=1e-4)
    for number, image in enumerate(images):
        assert np.abs(image.astype(int) - picture(number)).mean() < 8


def test_times_that_do_not_begin_at_nought_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [0.5, 0.6])
    with av.open(str(tmp_path / "a.mp4")) as file:
        times = [frame.time for frame in file.decode(video=0)]
    np.testing.assert_allclose(times, [0.5, 0.6], atol=1e-4)


def test_it_is_h264_that_browsers_play_while_it_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [n / 25 for n in range(10)])
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [Recording, PlainRecording])
def test_odd_sides_become_even_and_other_sizes_are_fitted(tmp_path: Path, kind) -> None:
    with kind(tmp_path / "a.mp4", 10) as made:
        for number, size in enumerate(((33, 51), (20, 80), (60, 30))):
            made.add(picture(number, *size), number / 10)
    assert made.frames == 3
    times, images = read(tmp_path / "a.mp4")
    assert [image.shape for image in images] == [(34, 52, 3)] * 3
    np.testing.assert_allclose(times, [0, 0.1, 0.2], atol=1e-3)


def test_pictures_of_one_time_follow_one_another(tmp_path: Path) -> None:
    times, _ = read(write(tmp_path / "a.mp4", [0.0, 0.0, float("nan"), -1.0, 0.5]))
    assert len(times) == 5
    assert times[-1] == pytest.approx(0.5, abs=1e-3)


def test_after_an_exception_nothing_is_left_and_what_was_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"kept")

    def fails() -> None:
        with Recording(path, 25) as made:
            made.add(picture(0), 0.0)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert path.read_bytes() == b"kept"
    with Recording(tmp_path / "empty.mp4", 25):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "codec", "kept"), [("a.mp4", "aac", "aac"), ("a.avi", "pcm_s16le", "aac")]
)
def test_sound_goes_along_as_far_as_the_pictures(
    tmp_path: Path, name: str, codec: str, kept: str
) -> None:
    sound = noisy(tmp_path / name, codec)
    path = write(tmp_path / "made.mp4", [n / 25 for n in range(26)], sound=sound)
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        track = file.streams.audio[0]
        assert track.codec_context.name == kept
        seconds = [frame.time + frame.samples / frame.sample_rate for frame in file.decode(track)]
        assert seconds[-1] == pytest.approx(1.04, abs=0.15)
    with av.open(str(path)) as file:
        loud = np.concatenate([frame.to_ndarray().ravel() for frame in file.decode(audio=0)])
        assert np.abs(loud.astype(float)).max() > 0.1


@pytest.mark.parametrize(
    ("name", "codec", "rate", "late_s"),
    [
        ("a.mov", "pcm_s16le", 192_000, 0.0),
        ("a.mkv", "pcm_s16le", 37_800, 0.0),
        ("a.avi", "libmp3lame", 44_100, 0.0),
        ("a.mkv", "aac", 16_000, 5.0),
        ("a.mkv", "pcm_s16le", 16_000, 5.0),
    ],
)
def test_sound_of_odd_rates_and_clocks_stands_beside_the_pictures(
    tmp_path: Path, name: str, codec: str, rate: int, late_s: float
) -> None:
    source = tmp_path / name
    with av.open(str(source), "w") as file:
        film = file.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        tone = file.add_stream(codec, rate=rate, layout="mono")
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(picture(0), format="rgb24")
            frame.pts, frame.time_base = number + round(late_s * 25), Fraction(1, 25)
            file.mux(film.encode(frame))
            samples = (np.sin(np.arange(rate // 25) * 0.1) * 9000).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            sound.sample_rate, sound.time_base = rate, Fraction(1, rate)
            sound.pts = number * (rate // 25) + round(late_s * rate)
            file.mux(tone.encode(sound))
        file.mux(film.encode(None))
        file.mux(tone.encode(None))
    path = write(tmp_path / "made.mp4", [n / 25 for n in range(50)], sound=source)
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    assert frames[0].time == pytest.approx(0, abs=0.1)
    assert frames[-1].time + frames[-1].samples / frames[-1].sample_rate == pytest.approx(
        2, abs=0.1
    )


def test_a_source_without_sound_adds_none(tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.mp4", [0.0, 0.1])
    path = write(tmp_path / "made.mp4", [0.0, 0.1], sound=silent)
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video"]


def test_a_source_of_sound_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ImageError, match=r"text\.mp4 can't be read for its sound"):
        Recording(tmp_path / "a.mp4", 25, sound=tmp_path / "text.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


def test_a_file_that_may_not_grow_is_an_error(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs limits of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    rng = np.random.default_rng(0)

    def much() -> None:
        with Recording(tmp_path / "a.mp4", 25) as made:
            for number in range(60):
                made.add(rng.integers(0, 255, (240, 320, 3), np.uint8), number / 25)

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(StoreError, match=r"a\.mp4 could not be written"):
            much()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    made = Recording(tmp_path / "a.mp4", 25)
    made._file.close()

    class Full:
        def __getattr__(self, name: str):
            raise OSError(errno.ENOSPC, "No space left on device")

    made._file = Full()
    with pytest.raises(StoreError, match=r"The disk is full: the video .*a\.mp4"), made:
        made.add(picture(0), 0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be written"):
        Recording(tmp_path / "file" / "a.mp4", 25)
    with pytest.raises(UsageError, match="more than 0 frames per second, not 0"):
        Recording(tmp_path / "a.mp4", 0)


def test_without_pyav_it_is_said_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(recording(tmp_path / "a.mp4", 25), Recording)
    monkeypatch.setitem(sys.modules, "av", None)
    assert not available()
    with pytest.raises(UnavailableError, match=r"pip install 'fxbench\[video\]'"):
        Recording(tmp_path / "b.mp4", 25)
    with recording(tmp_path / "c.mp4", 25) as made:
        assert isinstance(made, PlainRecording)
        for number in range(5):
            made.add(picture(number), number / 25)
    assert len(read(tmp_path / "c.mp4")[0]) == 5


def test_what_opencv_did_not_write_is_noticed(tmp_path: Path) -> None:
    made = PlainRecording(tmp_path / "a.mp4", 25)
    for number in range(2):
        made.add(picture(number), number / 25)
    made.frames += 1
    with pytest.raises(StoreError, match="OpenCV wrote 2 of 3 frames"):
        made.__exit__(None)

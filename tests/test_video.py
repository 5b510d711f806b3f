"""Reading videos: files and folders of images."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from made_up_videos import HEIGHT, WIDTH, film, number_of, plain, stills, turn

from fxbench import images
from fxbench.errors import ImageError
from fxbench.video import (
    ImageFolder,
    VideoInfo,
    VideoReader,
    frame_number,
    image_files,
    natural,
    probe,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mp4v"),
        ("a.mov", "mp4v"),
        ("a.avi", "MJPG"),
        ("a.avi", "FFV1"),
        ("a.mkv", "mp4v"),
        ("a.webm", "VP80"),
        ("a.flv", "FLV1"),
        ("a.mpg", "mpg1"),
        ("a.ts", "mpg2"),
        ("a.wmv", "WMV2"),
    ],
)
def test_every_frame_of_a_container_is_read_in_order(tmp_path: Path, name: str, codec: str) -> None:
    path = film(tmp_path / name, codec=codec)
    assert probe(path) == VideoInfo(30, 25.0, WIDTH, HEIGHT)
    with VideoReader(path) as reader:
        shown = list(reader.read(range(30)))
    assert [number for number, _, _ in shown] == list(range(30))
    assert [number_of(picture) for _, _, picture in shown] == [*range(29), 0]
    times = np.array([time for _, time, _ in shown])
    # MPEG streams begin when they like, and count in ticks of their own.
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=0.041 if "mpg" in codec else 1e-3)
    assert (np.diff(times) > 0).all()
    assert all(p.dtype == np.uint8 and p.shape == (HEIGHT, WIDTH, 3) for _, _, p in shown)


def test_colours_are_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 25, (WIDTH, HEIGHT))
    writer.write(np.full((HEIGHT, WIDTH, 3), (10, 20, 200), np.uint8))
    writer.release()
    with VideoReader(path) as reader:
        _, picture = reader.frame(0)
    np.testing.assert_allclose(picture[5, 5].astype(int), [200, 20, 10], atol=4)


def test_a_frame_is_the_same_however_it_is_reached(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    with VideoReader(path) as reader:
        whole = [picture for _, _, picture in reader.read(range(30))]
        alone = [reader.frame(number) for number in (7, 7, 29, 3)]
    for number, (time_s, picture) in zip((7, 7, 29, 3), alone, strict=True):
        np.testing.assert_array_equal(picture, whole[number])
        assert time_s == pytest.approx(number / 25)


def test_what_was_read_does_not_change_when_more_is(tmp_path: Path) -> None:
    with VideoReader(film(tmp_path / "a.mp4")) as reader:
        shown = [picture for _, _, picture in reader.read(range(30))]
    assert [number_of(picture) for picture in shown] == [*range(29), 0]


def test_reading_on_decodes_each_frame_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mp4")
    grabs = []
    original = VideoReader._grab
    monkeypatch.setattr(VideoReader, "_grab", lambda self: grabs.append(1) or original(self))
    with VideoReader(path) as reader:
        for start in range(0, 30, 7):
            list(reader.read(np.arange(start, min(start + 7, 30), dtype=np.int64)))
    assert len(grabs) == 30


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        path = film(tmp_path / f"{frames}.mp4", frames)
        tracemalloc.start()
        with VideoReader(path) as reader:
            for _ in reader.read(range(frames)):
                pass
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    peak(5)
    assert peak(600) < 1.05 * peak(60) + 2000


def test_rotation_is_done(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    with VideoReader(path) as reader:
        _, upright = reader.frame(20)
    turn(path)
    assert probe(path) == VideoInfo(30, 25.0, HEIGHT, WIDTH)
    with VideoReader(path) as reader:
        _, turned = reader.frame(20)
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize("codec", ["FFV1", "MJPG"])
def test_a_file_that_is_cut_short_says_where(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path / "a.avi", 100, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    shown = []
    with VideoReader(path) as reader:
        assert reader.info.frames == 100
        with pytest.raises(ImageError, match=r"a\.avi ends after frame (\d+) of 100") as error:
            shown.extend(number for number, _, _ in reader.read(range(100)))
        ended = int(str(error.value).split("frame ")[1].split()[0])
        assert shown == list(range(ended))
        assert 3 < ended < 97
        with pytest.raises(ImageError, match="ends after frame"):
            reader.frame(99)
        assert number_of(reader.frame(2)[1]) == 2


def test_a_file_without_its_end_cannot_be_opened(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ImageError, match=r"a\.mp4 can't be opened as a video: it is cut short"):
        probe(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is an empty file"),
        (b"#EXTM3U\n#EXTINF:10,\nother.mp4\n", "is no video"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "is no video"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "is no video"),
        (b"\0\0\0\x20ftypisom" + bytes(300), "can't be opened as a video"),
        (b"RIFF\0\0\0\0AVI " + bytes(300), "can't be opened as a video"),
        (b"FLV\x01\x05\0\0\0\x09" + bytes(300), "a.mp4"),
        (b"\0\0\x01\xba" + bytes(300), "a.mp4"),
    ],
)
def test_what_is_no_video_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message):
        probe(path)


def test_what_is_no_plain_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^none\.mp4 is missing: there is no .*none\.mp4\.$"):
        probe(tmp_path / "none.mp4")
    with pytest.raises(ImageError, match=r"^none\.mp4 is missing\.$"):
        probe("none.mp4")
    with pytest.raises(ImageError, match="not a plain file"):
        probe(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(ImageError, match="not a plain file"):
            probe(tmp_path / "pipe.mp4")


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    outside = film(tmp_path / "outside" / "a.mp4", 2)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.mp4").symlink_to(outside)
    with pytest.raises(ImageError, match="leads out of"):
        probe(tmp_path / "root" / "a.mp4", root=tmp_path / "root")
    assert probe(outside, root=tmp_path).frames == 2


def test_odd_names_are_read(tmp_path: Path) -> None:
    for name in ("50 % off %02d.mp4", "a:b.mp4", "gräßlich 表情.mp4", "-.mp4"):
        assert probe(film(tmp_path / "a.mp4", 2).rename(tmp_path / name)).frames == 2
    (tmp_path / os.fsdecode(b"bad\xff.mp4")).write_bytes(film(tmp_path / "a.mp4").read_bytes())
    path = next(path for path in tmp_path.iterdir() if path.name.startswith("bad"))
    with pytest.raises(ImageError, match=r"bad\\xff\.mp4|bad\\udcff\.mp4"):
        probe(path)


def test_large_pictures_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mp4", 2)
    monkeypatch.setattr(images, "MAX_PIXELS", WIDTH * HEIGHT - 1)
    monkeypatch.setattr(VideoReader, "_grab", None)
    with pytest.raises(ImageError, match="64 x 48 pixels, more than the"):
        probe(path)


def test_a_rate_that_is_told_gives_the_times(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    with VideoReader(path, fps=200) as reader:
        assert reader.info.fps == 200
        assert reader.frame(10)[0] == pytest.approx(10 / 200)
    with VideoReader(path, fps=25.01) as reader:  # what the file says itself, rounded
        assert reader.frame(10)[0] == pytest.approx(10 / 25)


def test_what_is_known_need_not_be_found_out_again(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv")
    info = VideoInfo(30, 25.0, WIDTH, HEIGHT)
    with VideoReader(path, info=info) as reader:
        assert reader.info is info
        assert number_of(reader.frame(4)[1]) == 4


def test_fragments_are_counted(tmp_path: Path) -> None:
    # The header of an MP4 file in fragments doesn't count its frames; this one is another's.
    path = film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 8, b"moof"))
    assert probe(path).frames == 30


def test_a_header_that_promises_more_frames_than_bytes_is_not_believed(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    count = data.index(b"stts") + 4 + 8
    data[count : count + 4] = struct.pack(">I", 50_000_000)
    path.write_bytes(data)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 50_000_000
    capture.release()
    assert probe(path).frames == 30


def test_complaints_of_the_decoder_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    data[60:200] = bytes(range(140))
    path.write_bytes(data)
    (tmp_path / "b.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(300))
    code = (
        "import sys\nfrom pathlib import Path\nfrom fxbench.errors import ImageError\n"
        "from fxbench.video import VideoReader\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        for _ in (r := VideoReader(Path(name))).read(range(r.info.frames)): pass\n"
        "    except ImageError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "b.mp4"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == done.stdout == ""


def test_damage_in_the_middle_costs_the_frames_that_it_hits(shared: Path, tmp_path: Path) -> None:
    whole = shared / "data" / "video" / "WolfgangLanger_Pexels.mp4"
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with VideoReader(path) as reader, VideoReader(whole) as intact:
        shown = {number: (time, picture) for number, time, picture in reader.read(range(471))}
        lost = sorted(set(range(471)) - set(shown))
        assert 1 <= len(lost) <= 5
        with pytest.raises(ImageError, match=rf"Frame {lost[0]} of a\.mp4 is damaged"):
            reader.frame(lost[0])
        # Frames after it have their own numbers and times.
        for number in (lost[0] - 1, 440, 470):
            time_s, picture = intact.frame(number)
            assert shown[number][0] == pytest.approx(time_s)
            assert abs(shown[number][1].astype(int) - picture).mean() < 4


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_damage_where_frames_are_counted_does_not_end_the_video(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, 200, codec="MJPG" if "mkv" in name else "mpg2")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert 150 < reader.info.frames <= 200
        # The container hides what it lacks; the times don't.
        time_s, picture = reader.frame(150)
        assert number_of(picture) == round(time_s * 25) % 29


# Folders of images


def test_a_folder_of_images_is_a_video(tmp_path: Path) -> None:
    folder = stills(tmp_path / "a", range(9, 13))
    files = image_files(folder)
    assert [path.name for path in files] == ["img9.png", "img10.png", "img11.png", "img12.png"]
    reader = ImageFolder(files, 200, root=tmp_path)
    assert reader.info == VideoInfo(4, 200, WIDTH, HEIGHT)
    shown = list(reader.read(range(4)))
    assert [(n, t) for n, t, _ in shown] == [(0, 0), (1, 0.005), (2, 0.01), (3, 0.015)]
    np.testing.assert_array_equal(shown[2][2], plain(2))
    reader.close()


def test_an_image_that_cannot_be_read_is_its_frame_alone(tmp_path: Path) -> None:
    folder = stills(tmp_path / "a", range(3))
    (folder / "img1.png").write_bytes(b"no image")
    reader = ImageFolder(image_files(folder), 25, root=tmp_path)
    with pytest.raises(ImageError, match=r"img1\.png"):
        reader.frame(1)
    assert number_of(reader.frame(2)[1]) == 2


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    assert image_files(tmp_path) == ()
    with pytest.raises(ImageError, match="holds no images"):
        ImageFolder((), 25, root=tmp_path)
    with pytest.raises(ImageError, match="can't be read"):
        image_files(tmp_path / "none")


def test_names_are_sorted_by_their_numbers() -> None:
    names = ["b2", "a10", "a2", "A1", "a02", "a", "10", "9"]
    assert sorted(names, key=natural) == ["9", "10", "a", "A1", "a02", "a2", "a10", "b2"]


def test_the_number_of_an_image(tmp_path: Path) -> None:
    names = ["reg_img46.jpg", "006_1_0001.jpg", "img.jpg"]
    assert [frame_number(tmp_path / name) for name in names] == [46, 1, None]


# Real videos


def test_a_variable_rate_has_the_times_of_its_file(shared: Path) -> None:
    with VideoReader(shared / "data" / "video" / "face_noface.mov") as reader:
        assert (reader.info.frames, reader.info.width, reader.info.height) == (169, 960, 540)
        assert reader.info.fps == pytest.approx(26.4, abs=0.01)
        times = np.array([reader.frame(number)[0] for number in range(169)])
    steps = np.diff(times)
    assert steps[:71] == pytest.approx(1 / 30, abs=1e-4)
    assert steps[80:] == pytest.approx(1 / 24, abs=1e-4)


def test_real_videos_are_read_whole(shared: Path) -> None:
    for name, frames in (("single_face.mp4", 72), ("WolfgangLanger_Pexels.mp4", 472)):
        with VideoReader(shared / "data" / "video" / name) as reader:
            count = sum(1 for _ in reader.read(range(reader.info.frames)))
        assert count == reader.info.frames == frames


def test_a_real_video_that_is_cut_short(shared: Path, tmp_path: Path) -> None:
    data = (shared / "data" / "video" / "WolfgangLanger_Pexels.mp4").read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(data[: len(data) // 2])
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader.read(range(228))) == 228
        with pytest.raises(ImageError, match="ends after frame 228 of 472"):
            reader.frame(228)

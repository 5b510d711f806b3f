"""Datasets of videos: what they have in common, `clips` and `mini-clips`."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fxbench_mini import clip_files
from fxbench_mini import fxbench_datasets as mini_datasets
from fxbench_mini.dataset import FOLDER
from made_up_videos import (
    ANGRY,
    HAPPY,
    SAD,
    SURPRISE,
    everything,
    film,
    labels,
    load,
    number_of,
    stills,
)

from fxbench.clips import Clip, Interval
from fxbench.component import Terms
from fxbench.errors import DataError, UsageError
from fxbench.protocols import Dataset, Videos
from fxbench.registry import discover
from fxbench.testing import check
from fxbench.types import Int64
from fxbench.video_dataset import Video, VideoDataset

if TYPE_CHECKING:
    from pathlib import Path

TERMS = Terms("none", False, False, False)


def manifest(root: Path, *lines: str) -> Path:
    (root / "clips.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return root


# What they have in common


def made(root: Path, *videos: Video, **options: object) -> VideoDataset:
    return VideoDataset("made", root, {"all": lambda: videos}, TERMS, **options)  # type: ignore[arg-type]


def test_frames_are_rows_of_one_clip_after_another(tmp_path: Path) -> None:
    first = Video("a.mp4", film(tmp_path / "a.mp4", 10), HAPPY, "anna")
    second = Video(
        "b",
        tmp_path / "b",
        SAD,
        fps=200,
        files=tuple(sorted(stills(tmp_path / "b", range(5)).iterdir())),
    )
    dataset = made(tmp_path, first, second)
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset, Videos)
    assert dataset.clips("all") == (
        Clip("a.mp4", 0, 10, 25.0, HAPPY, "anna"),
        Clip("b", 10, 5, 200, SAD),
    )
    assert dataset.ids("all")[:2] == ("a.mp4#00000", "a.mp4#00001")
    assert dataset.ids("all")[10:12] == ("b#00000", "b#00001")
    batches = everything(dataset)
    assert [batch.rows.tolist() for batch in batches] == [list(range(10)), list(range(10, 15))]
    for batch in batches:
        assert batch.frames.ids == tuple(dataset.ids("all")[row] for row in batch.rows)
        assert not batch.failures
    assert [number_of(image) for image in batches[0].frames.images] == list(range(10))
    np.testing.assert_allclose(batches[0].frames.time_s, np.arange(10) / 25)
    np.testing.assert_allclose(batches[1].frames.time_s, np.arange(5) / 200)


@pytest.mark.parametrize(
    ("emotion", "intervals", "emotions", "frames", "shown"),
    [
        (HAPPY, None, (), [HAPPY] * 6, [0, 1, 2, 3, 4, 5]),
        (-1, None, (), [-1] * 6, [0, 1, 2, 3, 4, 5]),
        (0, (), (), [0] * 6, []),
        (-1, (), (), [0] * 6, []),
        (HAPPY, (), (), [HAPPY] * 6, []),
        (HAPPY, [(1, 2)], (), [0, HAPPY, HAPPY, 0, 0, 0], [1, 2]),
        (-1, [(1, 2)], (), [0, -1, -1, 0, 0, 0], [1, 2]),
        (-1, [(0, 0), (4, 5)], (SAD, HAPPY), [SAD, 0, 0, 0, HAPPY, HAPPY], [0, 4, 5]),
        (-1, [(0, 0), (4, 5)], (SAD, -1), [SAD, 0, 0, 0, -1, -1], [0, 4, 5]),
    ],
)
def test_which_frames_show_what(
    tmp_path: Path,
    emotion: int,
    intervals: list[tuple[int, int]] | tuple[()] | None,
    emotions: tuple[int, ...],
    frames: list[int],
    shown: list[int],
) -> None:
    given = None
    if intervals is not None:
        given = tuple(Interval(onset, None, offset, "micro") for onset, offset in intervals)
    video = Video("a", film(tmp_path / "a.mp4", 6), emotion, "", given, emotions)
    other = Video("b", film(tmp_path / "b.mp4", 2), HAPPY)
    dataset = made(tmp_path, video, other)
    assert labels(dataset, "a") == frames
    answers = dataset.answers("all", "expression")
    assert answers.rows.tolist() == [*shown, 6, 7]
    assert answers.labels.tolist() == [*(frames[index] for index in shown), HAPPY, HAPPY]
    truth = [
        np.argmax(votes) if votes.any() else -1
        for b in everything(dataset)
        for votes in b.truth.votes
    ]
    assert truth == [*frames, HAPPY, HAPPY]


def test_a_clip_shows_what_all_its_expressions_show(tmp_path: Path) -> None:
    two = tuple(Interval(onset, None, onset + 1, "micro") for onset in (0, 3))
    path = film(tmp_path / "a.mp4", 6)
    alike = Video("a", path, intervals=two, emotions=(SAD, SAD))
    other = Video("b", path, intervals=two, emotions=(SAD, HAPPY))
    assert [clip.emotion for clip in made(tmp_path, alike, other).clips("all")] == [SAD, -1]


def test_points_and_boxes_are_those_of_the_frames(tmp_path: Path) -> None:
    points = np.arange(10 * 68 * 2, dtype=np.float32).reshape(10, 68, 2)
    xyxy = np.tile(np.float32([1, 2, 30, 40]), (10, 1)) + np.arange(10, dtype=np.float32)[:, None]
    video = Video("a", film(tmp_path / "a.mp4", 10), HAPPY, points=points, xyxy=xyxy)
    dataset = made(tmp_path, video, scheme="300w-68", has_boxes=True)
    (batch,) = dataset.batches("all", np.array([2, 7], np.int64))
    assert batch.truth is not None
    assert batch.truth.points is not None
    np.testing.assert_array_equal(batch.truth.points.xy, points[[2, 7]])
    np.testing.assert_array_equal(batch.truth.xyxy, xyxy[[2, 7]])
    assert batch.truth.points.scheme == dataset.scheme == "300w-68"
    short = Video("a", video.path, HAPPY, points=points[:9])
    with pytest.raises(DataError, match="10 frames, and points of 9"):
        made(tmp_path, short, scheme="300w-68").clips("all")


def test_batches_are_small_and_those_of_large_pictures_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made(tmp_path, Video("a", film(tmp_path / "a.mp4", 100), HAPPY))
    assert [len(batch.rows) for batch in everything(dataset)] == [64, 36]
    monkeypatch.setattr("fxbench.video_dataset._BATCH_BYTES", 10 * 64 * 48 * 3)
    assert [len(batch.rows) for batch in everything(dataset)] == [10] * 10


def test_a_clip_is_decoded_once_when_it_is_asked_for_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fxbench import video

    opened = []
    original = video._open
    monkeypatch.setattr(video, "_open", lambda path: opened.append(path) or original(path))
    paths = [film(tmp_path / name, 30) for name in ("a.mp4", "b.mp4")]
    dataset = made(tmp_path, *(Video(path.name, path, HAPPY) for path in paths))
    dataset.clips("all")
    opened.clear()
    for start in range(0, 60, 5):
        (batch,) = dataset.batches("all", np.arange(start, start + 5, dtype=np.int64))
        assert [number_of(image) % 29 for image in batch.frames.images] == [
            (row % 30) % 29 for row in range(start, start + 5)
        ]
    assert opened == paths


def test_threads_do_not_disturb_one_another(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 29)
    dataset = made(tmp_path, Video("a", path, HAPPY), Video("b", path, HAPPY))
    wrong: list[object] = []

    def work(first: int) -> None:
        for row in range(first, first + 29):
            (batch,) = dataset.batches("all", np.array([row], np.int64))
            if number_of(batch.frames.images[0]) != row % 29:
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 29, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_video_that_is_cut_short_lists_the_frames_it_lacks(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 60, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    dataset = made(tmp_path, Video("a.avi", path, HAPPY), Video("b", film(tmp_path / "b.mp4", 3)))
    batches = everything(dataset)
    failures = [failure for batch in batches for failure in batch.failures]
    read_rows = [row for batch in batches for row in batch.rows.tolist()]
    first = failures[0].row
    assert [failure.row for failure in failures] == list(range(first, 60))
    assert read_rows == [*range(first), 60, 61, 62]
    assert failures[0].id == f"a.avi#{first:05}"
    assert f"a.avi ends after frame {first} of 60" in failures[0].reason


def test_a_video_that_cannot_be_opened_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    intervals = (Interval(3, 4, 5, "micro"),)
    dataset = made(
        tmp_path,
        Video("a.mp4", tmp_path / "a.mp4", HAPPY, "anna", intervals),
        Video("none.mp4", tmp_path / "none.mp4", SAD),
        Video("c", tmp_path / "c", SAD, fps=25, files=()),
        Video("b.mp4", film(tmp_path / "b.mp4", 2), SAD),
    )
    assert [(clip.frames, clip.intervals) for clip in dataset.clips("all")] == [
        (1, None),
        (1, None),
        (1, None),
        (2, None),
    ]
    reasons = [f.reason for batch in everything(dataset) for f in batch.failures]
    assert ["no video" in reasons[0], "is missing" in reasons[1], "no images" in reasons[2]] == [
        True
    ] * 3
    assert len(reasons) == 3


def test_the_fingerprint_is_of_contents_and_labels(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 10)
    one = Video("a", path, HAPPY)
    prints = {made(tmp_path, one).fingerprint("all")}
    assert made(tmp_path, one).fingerprint("all") in prints
    moved = shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert made(moved, Video("a", moved / "a.mp4", HAPPY)).fingerprint("all") in prints
    others = [
        Video("a", path, SAD),
        Video("b", path, HAPPY),
        Video("a", path, HAPPY, "anna"),
        Video("a", path, HAPPY, intervals=()),
        Video("a", path, HAPPY, intervals=(Interval(1, 2, 3, "micro"),)),
        Video("a", path, HAPPY, intervals=(Interval(1, 2, 3, "macro"),)),
        Video("a", path, HAPPY, fps=50),
        Video("a", path, HAPPY, xyxy=np.zeros((10, 4), np.float32)),
        Video("a", film(tmp_path / "b.mp4", 11), HAPPY),
    ]
    prints |= {made(tmp_path, video).fingerprint("all") for video in others}
    assert len(prints) == 1 + len(others)


def test_wrong_questions_are_told(tmp_path: Path) -> None:
    dataset = made(tmp_path, Video("a", film(tmp_path / "a.mp4", 3), HAPPY))
    with pytest.raises(UsageError, match="no split 'test': there is all"):
        dataset.clips("test")
    with pytest.raises(UsageError, match="no protocol 'single': it has frames, expression"):
        dataset.answers("all", "single")
    with pytest.raises(DataError, match="Rows 0 to 3"):
        list(dataset.batches("all", np.arange(4, dtype=np.int64)))
    with pytest.raises(DataError, match="holds no video"):
        made(tmp_path).ids("all")
    late = Video("a", tmp_path / "a.mp4", HAPPY, intervals=(Interval(1, 2, 3, "micro"),))
    with pytest.raises(DataError, match="to frame 3, but its last frame is 2"):
        made(tmp_path, late).clips("all")


# `mini-clips`


@pytest.fixture(scope="module")
def mini_clips() -> Videos:
    component = next(one for one in mini_datasets() if one.name == "mini-clips")
    made = component.factory()
    assert isinstance(made, Videos)
    return made


def test_mini_clips_holds_half_of_the_persons_back(mini_clips: Videos) -> None:
    assert mini_clips.splits == ("test", "tuning", "all")
    subjects = {
        split: {clip.subject for clip in mini_clips.clips(split)} for split in mini_clips.splits
    }
    assert subjects["test"] == {"s04", "s05", "s06"}
    assert subjects["tuning"] == {"s01", "s02", "s03"}
    assert len(mini_clips.clips("all")) == 30 == 2 * len(mini_clips.clips("test"))
    assert len({mini_clips.fingerprint(split) for split in mini_clips.splits}) == 3


def test_mini_clips_are_as_their_truth_says(mini_clips: Videos) -> None:
    truth = {own.file: own for own in clip_files.read(FOLDER / "clips")}
    for clip in mini_clips.clips("all"):
        own = truth[clip.name]
        assert (clip.emotion, clip.subject, clip.fps) == (own.emotion, own.subject, own.fps)
        assert clip.frames == len(own.points)
        assert clip.intervals is not None
        assert bool(clip.intervals) == (own.interval is not None)
        shown = np.array(labels(mini_clips, clip.name)) != 0
        np.testing.assert_array_equal(shown, own.intensity > 0)


def test_mini_clips_have_boxes_and_points(mini_clips: Videos) -> None:
    clip = mini_clips.clips("test")[3]
    own = next(o for o in clip_files.read(FOLDER / "clips") if o.file == clip.name)
    rows: Int64 = clip.first + np.arange(5, dtype=np.int64)
    (batch,) = mini_clips.batches("test", rows)
    assert batch.truth is not None
    assert batch.truth.points is not None
    assert batch.truth.xyxy is not None
    np.testing.assert_array_equal(batch.truth.points.xy, own.points[:5])
    # A box counts from the pixels' edges, a point from their centres.
    edges = batch.truth.points.xy + 0.5
    inside = (edges >= batch.truth.xyxy[:, None, :2]) & (edges <= batch.truth.xyxy[:, None, 2:])
    assert inside.all()
    expected = clip_files.read_frames(FOLDER / "clips" / clip.name)[:5]
    for image, grey in zip(batch.frames.images, expected, strict=True):
        assert abs(image.mean(-1) - grey).max() <= 1


# `clips`


def test_clips_are_what_the_table_says(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "sub/c.mp4", "d.mp4", "e.mp4"):
        film(tmp_path / name, 100)
    manifest(
        tmp_path,
        "file,emotion,onset,apex,offset,kind,subject,fps,split,remark",
        "a.mp4,happy,10,14,20,,anna,,test,",
        "a.mp4,sadness,50,70,90,,anna,,test,",
        "b.mp4,surprise,3,,5,macro,ben,,train,x",
        "sub/c.mp4,neutral,,,,none,ben,,train,",
        "d.mp4,none,,,,,,50,train,",
        "e.mp4,,5.0,,99,,,,test,",
    )
    dataset = load("clips", tmp_path)
    assert dataset.splits == ("test", "train")
    assert dataset.clips("test") == (
        Clip(
            "a.mp4",
            0,
            100,
            25.0,
            -1,
            "anna",
            (Interval(10, 14, 20, "micro"), Interval(50, 70, 90, "macro")),
        ),
        Clip("e.mp4", 100, 100, 25.0, -1, "", (Interval(5, None, 99, "macro"),)),
    )
    assert [(c.name, c.emotion, c.fps, c.intervals) for c in dataset.clips("train")] == [
        ("b.mp4", SURPRISE, 25.0, (Interval(3, None, 5, "macro"),)),
        ("sub/c.mp4", 0, 25.0, ()),
        ("d.mp4", -1, 50.0, ()),
    ]
    shown = labels(dataset, "a.mp4", "test")
    assert shown[9:22] == [0, *[HAPPY] * 11, 0]
    assert set(shown[50:91]) == {SAD}
    assert set(labels(dataset, "d.mp4", "train")) == {0}


def test_clips_without_the_column_onset_show_their_emotion_all_along(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 10)
    manifest(tmp_path, "file;emotion", "a.mp4;anger")
    dataset = load("clips", tmp_path)
    assert dataset.splits == ("all",)
    assert dataset.clips("all")[0].intervals is None
    assert labels(dataset, "a.mp4") == [ANGRY] * 10
    assert dataset.protocols == ("frames", "expression")


def test_clips_may_be_folders_of_images(tmp_path: Path) -> None:
    stills(tmp_path / "a", range(1, 13))
    manifest(tmp_path, "file,emotion,onset,offset,fps", "a,fear,2,11,100")
    (clip,) = load("clips", tmp_path).clips("all")
    assert (clip.frames, clip.fps) == (12, 100)
    assert clip.intervals == (Interval(2, None, 11, "micro"),)
    manifest(tmp_path, "file,emotion", "a,fear")
    with pytest.raises(DataError, match="say its frames per second"):
        load("clips", tmp_path).clips("all")


def test_the_shipped_clips_can_be_read_as_clips(mini_clips: Videos) -> None:
    dataset = load("clips", FOLDER / "clips")
    assert dataset.clips("all") == mini_clips.clips("all")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,feeling", "a.mp4,happy"], "no line with the columns file, emotion"),
        (["file,emotion"], "names no video"),
        (["file,emotion", "a.mp4,glee"], r"line 2 has the emotion 'glee'"),
        (["file,emotion", ",happy"], "line 2 names no file"),
        (["file,emotion", "../a.mp4,happy"], "which is not in"),
        (["file,emotion", "/etc/passwd,happy"], "which is not in"),
        (["file,emotion,fps", "a.mp4,happy,fast"], "fps 'fast'"),
        (["file,emotion,fps", "a.mp4,happy,0"], "frames per second"),
        (["file,emotion,onset,apex,offset", "a.mp4,happy,,,7"], "has an offset and no onset"),
        (["file,emotion,onset,offset", "a.mp4,happy,x,9"], "onset 'x'"),
        (["file,emotion,onset,offset", "a.mp4,happy,3,"], "offset ''"),
        (["file,emotion,onset,offset", "a.mp4,happy,-1,4"], "from frame -1 to 4"),
        (["file,emotion,onset,offset", "a.mp4,happy,9,4"], "from frame 9 to 4"),
        (["file,emotion,onset,apex,offset", "a.mp4,happy,1,9,4"], "the apex 9 outside"),
        (["file,emotion,onset,apex,offset", "a.mp4,happy,1,?,4"], "apex '?'"),
        (["file,emotion,onset,offset,kind", "a.mp4,happy,1,2,tiny"], "kind 'tiny'"),
        (["file,emotion,onset,offset", "a.mp4,happy,1,200"], "its last frame is 9"),
        (["file,emotion,onset,offset", "a.mp4,happy,1,2", "a.mp4,happy,,"], "has no onset"),
        (["file,emotion,subject", "a.mp4,happy,x", "a.mp4,happy,y"], "subject 'y' of a.mp4"),
        (["file,emotion,split", "a.mp4,happy,x", "a.mp4,happy,y"], "split 'y' of a.mp4"),
        (["file,emotion,subject", "a.mp4,happy"], "line 2 has 2 cells, and the header has 3"),
        (["file,emotion", "", "a.mp4,happy,x"], "line 3 has 3 cells, and the header has 2"),
        (["file,emotion", "a.mp4,happy,"], "line 2 has 3 cells"),
        (["file,emotion,Emotion", "a.mp4,happy,sad"], "line 1 has the column emotion more than"),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, lines: list[str], message: str) -> None:
    film(tmp_path / "a.mp4", 10)
    manifest(tmp_path, *lines)
    with pytest.raises(DataError, match=message):
        load("clips", tmp_path).clips("all")


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips\.csv is missing\.$"):
        load("clips", tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load("clips", tmp_path / "none")
    (tmp_path / "clips.csv").write_bytes(b"file,emotion\na.mp4,fr\xf6hlich\n")
    with pytest.raises(DataError, match="UTF-8"):
        load("clips", tmp_path)


# Conformance


def conforms(name: str, **options: object) -> None:
    report = check(discover().get("dataset", name), options=options)
    assert report.ok, report.text()


def test_mini_clips_conform() -> None:
    conforms("mini-clips")


def test_clips_conform(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 40)
    film(tmp_path / "b.mkv", 40)
    manifest(tmp_path, "file,emotion,onset,offset", "a.mp4,happy,3,9", "b.mkv,neutral,,")
    conforms("clips", path=str(tmp_path))

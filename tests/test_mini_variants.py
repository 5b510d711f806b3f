"""Clips like those of `mini` with other settings, and how spotting falls off on them."""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import mini_made_up
import numpy as np
import pytest
from fxbench_clips.manifest import load as load_clips
from fxbench_mini import TERMS, build, clip_files, degrading, falloff, variant_plans, variants
from fxbench_mini.clip_plan import Interval, plans
from fxbench_mini.dataset import FOLDER
from fxbench_mini.degrading import Degradation, Footage
from fxbench_mini.falloff import Chain, Condition
from fxbench_mini.fitting import fit
from fxbench_mini.variant_plans import Script, at_rate
from hypothesis import given
from hypothesis import strategies as st

from fxbench import tabular
from fxbench.errors import FxbenchError, UsageError
from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fxbench_mini.aam import AppearanceModel

SHIPPED = FOLDER / "clips"
HAPPY = EMOTIONS.index("happiness")


@pytest.fixture(scope="module")
def model() -> AppearanceModel:
    return fit(mini_made_up.faces(), seed=0, shape_modes=8, texture_modes=8)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return clip_files.read_frames(SHIPPED / "s04-1.mp4")[:24]


def footage(name: str, frames: np.ndarray, interval: Interval | None) -> Footage:
    return Footage(name, "p01", HAPPY if interval else 0, 30, interval, frames)


def silent(step: str, done: float) -> None:
    assert step
    assert 0 <= done <= 1


# Degradations.


def test_no_degradation_leaves_the_frames_as_they_are(frames: np.ndarray) -> None:
    found = Degradation().of_frames(frames, np.random.default_rng(0))
    np.testing.assert_array_equal(found, frames)


def test_noise_has_the_deviation_that_is_asked_for_and_one_pattern() -> None:
    grey = np.full((3, 64, 64), 120, np.uint8)
    found = {
        sd: Degradation(noise=sd).of_frames(grey, np.random.default_rng(7)).astype(float) - 120
        for sd in (5.0, 10.0)
    }
    assert found[5.0].std() == pytest.approx(5, rel=0.03)
    assert found[10.0].std() == pytest.approx(10, rel=0.03)
    np.testing.assert_allclose(found[10.0], 2 * found[5.0], atol=1.5)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a.astype(float) - b) ** 2).mean() ** 0.5)


@pytest.mark.parametrize(
    "ways",
    [
        [Degradation(jpeg=quality) for quality in (90, 30, 5)],
        [Degradation(coarser=times) for times in (2.0, 8.0, 16.0)],
    ],
    ids=["jpeg", "coarser"],
)
def test_more_compression_costs_more(frames: np.ndarray, ways: list[Degradation]) -> None:
    errors = [error(frames, how.of_frames(frames, np.random.default_rng(0))) for how in ways]
    assert errors == sorted(errors)
    assert errors[0] < 3
    assert 6 < errors[-1] < 25


def test_a_coarser_quantiser_takes_fewer_bits(
    frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    encode = clip_files.encode

    def counted(*given: Any) -> bytes:
        data = encode(*given)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(clip_files, "encode", counted)
    for times in (1.0, 4.0, 16.0):
        degrading.coarse(frames, times)
    assert sizes[0] > 1.5 * sizes[1] > 1.5 * sizes[2]


@given(st.data())
def test_an_interval_has_the_kept_frames_that_were_in_it(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 80))
    onset = data.draw(st.integers(0, count - 1))
    offset = data.draw(st.integers(onset, count - 1))
    apex = data.draw(st.integers(onset, offset))
    every = data.draw(st.integers(1, 9))
    found = Degradation(every=every).of_interval(Interval(onset, apex, offset, "micro"), count)
    kept = [i for i, frame in enumerate(range(0, count, every)) if onset <= frame <= offset]
    if kept:
        assert (found.onset, found.offset) == (kept[0], kept[-1])
        assert found.apex in kept
        assert abs(found.apex * every - apex) < every
    else:
        assert found.onset == found.offset == found.apex
        assert abs(found.onset * every - onset) <= every
    assert found.offset <= (count - 1) // every


@pytest.mark.parametrize(
    "given_",
    [{"every": 0}, {"noise": -1}, {"noise": float("nan")}, {"jpeg": 0}, {"coarser": 0.5}],
)
def test_a_degradation_that_makes_no_sense_is_told(given_: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Degradation(**given_)


# What is written.


def test_a_folder_has_videos_and_a_table_that_fits_them(tmp_path: Path, frames: np.ndarray) -> None:
    clips = [
        footage("a.mp4", frames, Interval(4, 9, 15, "micro")),
        footage("b.mp4", frames[:10], None),
    ]
    how = {
        tmp_path / "plain": (Degradation(), {"clips": "drawn"}),
        tmp_path / "half": (Degradation(every=2, noise=4.0), {"clips": "drawn"}),
    }
    degrading.write(clips, how, seed=0, count=2, report=silent)
    with (tmp_path / "half" / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "file": "a.mp4",
            "emotion": "happiness",
            "onset": "2",
            "apex": "4",
            "offset": "7",
            "kind": "micro",
            "subject": "p01",
        },
        {
            "file": "b.mp4",
            "emotion": "neutral",
            "onset": "",
            "apex": "",
            "offset": "",
            "kind": "",
            "subject": "p01",
        },
    ]
    assert len(clip_files.read_frames(tmp_path / "half" / "a.mp4")) == 12
    plain = clip_files.read_frames(tmp_path / "plain" / "a.mp4")
    assert error(plain, frames) < 2
    assert error(clip_files.read_frames(tmp_path / "half" / "a.mp4"), frames[::2]) > 3


def test_the_dataset_clips_reads_what_is_written(tmp_path: Path, frames: np.ndarray) -> None:
    clips = [
        footage("a.mp4", frames, Interval(4, 9, 15, "macro")),
        footage("b.mp4", frames[:10], None),
    ]
    folder = tmp_path / "made"
    how = {folder: (Degradation(every=4), {"clips": "drawn"})}
    degrading.write(clips, how, seed=0, count=2, report=silent)
    dataset = load_clips(folder, TERMS)
    first, second = dataset.clips(dataset.splits[0])
    assert [(i.onset, i.apex, i.offset, i.kind) for i in first.intervals or ()] == [
        (1, 2, 3, "macro")
    ]
    assert (first.frames, first.fps, first.subject, first.emotion) == (6, 7.5, "p01", HAPPY)
    # Somebody has looked: it is known to have none.
    assert second.intervals == ()
    assert second.frames == 3


def test_a_folder_that_is_there_is_not_made_again_nor_overwritten(
    tmp_path: Path, frames: np.ndarray
) -> None:
    asked = []

    def clips() -> Iterator[Footage]:
        asked.append(True)
        yield footage("a.mp4", frames[:4], None)

    folder = tmp_path / "made"

    def write(noise: float) -> None:
        made = {folder: (Degradation(noise=noise), {"clips": "drawn"})}
        degrading.write(clips(), made, seed=0, count=1, report=silent)

    write(0.0)
    write(0.0)
    assert len(asked) == 1
    with pytest.raises(UsageError, match="holds other clips"):
        write(3.0)
    # One that was interrupted goes on.
    (folder / "made.json").unlink()
    write(3.0)
    assert json.loads((folder / "made.json").read_text())["degradation"]["noise"] == 3
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.docx").write_text("")
    with pytest.raises(UsageError, match=r"thesis\.docx"):
        degrading.write(clips(), {other: (Degradation(), {})}, seed=0, count=1, report=silent)


def test_the_shipped_clips_are_split_by_person() -> None:
    names = {split: [own.name for own in degrading.shipped(SHIPPED, split)] for split in ("test",)}
    assert len(names["test"]) == 15
    assert {name[:3] for name in names["test"]} == {"s04", "s05", "s06"}
    assert set(degrading.SPLITS["test"]).isdisjoint(degrading.SPLITS["tuning"])
    assert {*degrading.SPLITS["test"], *degrading.SPLITS["tuning"]} == set(degrading.SPLITS["all"])
    assert {own.subject for own in clip_files.read(SHIPPED)} == set(degrading.SPLITS["all"])


# What is drawn.


def test_the_planning_of_the_shipped_clips_has_not_changed() -> None:
    for own, true in zip(plans(1), clip_files.read(SHIPPED), strict=True):
        assert (own.name, own.emotion, own.fps) == (true.file, true.emotion, true.fps)
        assert own.interval == true.interval
        np.testing.assert_allclose(own.closure(), true.blink, atol=1e-6)


@pytest.mark.parametrize("fps", variant_plans.FRAME_RATES)
def test_micro_and_macro_are_what_their_definitions_say_at_every_rate(fps: int) -> None:
    found = Script(events=28, quiet=3, fps=fps).plans()
    assert Counter(own.kind for own in found) == {"micro": 14, "macro": 14, "none": 3}
    assert {own.emotion for own in found if own.kind == "micro"} == set(range(1, 8))
    for kind in ("micro", "macro"):
        assert len({own.subject for own in found if own.kind == kind}) == variant_plans.PEOPLE
    for own in found:
        interval = own.interval
        if interval is None:
            continue
        assert 0 < interval.onset <= interval.apex <= interval.offset < own.frames - 1
        slack = 2 / fps
        seconds = interval.frames / fps
        assert (seconds <= 0.5 + slack) if own.kind == "micro" else (seconds >= 0.5)
        assert own.intensity().max() == pytest.approx(own.amplitude)
        assert own.intensity().argmax() == interval.apex


def test_the_same_happens_at_the_same_time_at_every_rate() -> None:
    slow, fast = (Script(fps=fps).plans() for fps in (15, 200))
    for a, b in zip(slow, fast, strict=True):
        assert a.frames / 15 == b.frames / 200
        assert (a.name, a.subject, a.emotion, a.motion) == (b.name, b.subject, b.emotion, b.motion)
        for name in ("onset", "apex", "offset") if a.interval else ():
            assert abs(getattr(a.interval, name) / 15 - getattr(b.interval, name) / 200) < 1.1 / 15
        np.testing.assert_allclose(np.array(a.blinks) / 15, np.array(b.blinks) / 200, atol=0.6 / 15)


def test_motion_moves_heads_and_nothing_else() -> None:
    for a, b in zip(Script().plans(), Script(motion=3.0).plans(), strict=True):
        assert b.motion == 3 * a.motion > 0
        assert replace(b, motion=a.motion) == a


def test_fewer_clips_are_the_first_of_more_and_another_seed_gives_others() -> None:
    many, few = Script(24, 12).plans(), Script(12, 4).plans()
    assert few[:12] == many[:12]
    assert few[12:] == many[24:28]
    assert Script(12, 4, seed=3).plans()[0].interval != few[0].interval


def test_quiet_clips_have_blinks_and_motion_and_talk_where_that_is_asked_for() -> None:
    quiet = Script(0, 6).plans()
    assert [bool(own.blinks) for own in quiet] == [False, True, True] * 2
    assert [own.motion for own in quiet] == [2.2, 0.6, 2.2] * 2
    assert all(own.kind == "none" and own.talk == 0 for own in quiet)
    assert all(own.talk > 1 for own in Script(0, 6, talk=True).plans())
    assert sum(own.frames for own in quiet) / 30 >= 60


def test_people_move_alike_at_every_rate_and_without_noise(
    model: AppearanceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant_plans, "_QUIET_SECONDS", 0.8)
    slow, fast = (next(Script(0, 1, fps=fps).footage(model)).frames for fps in (15, 30))
    assert slow.shape == (12, 128, 128)
    assert abs(slow.astype(int) - fast[::2]).max() <= 1
    assert (slow[0] != slow[-1]).any()


def test_the_clips_of_a_script_are_those_of_its_plans(
    model: AppearanceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant_plans, "_SECONDS", (1.6, 1.6))
    monkeypatch.setattr(variant_plans, "_MACRO_SECONDS", (0.6, 0.7))
    script = Script(2, 0, fps=15)
    drawn = list(script.footage(model))
    for plan, own in zip(script.plans(), drawn, strict=True):
        assert own.frames.shape[0] == plan.frames == 24
        assert (own.name, own.interval, own.emotion) == (plan.name, plan.interval, plan.emotion)
    assert [own.subject for own in drawn] == ["p01", "p02"]
    again = next(itertools.islice(Script(2, 0, fps=15).footage(model), 1, None))
    np.testing.assert_array_equal(again.frames, drawn[1].frames)


def test_a_plan_at_its_own_rate_is_itself() -> None:
    own = Script().plans()[0]
    assert at_rate(own, own.fps) == own


@pytest.mark.parametrize("wrong", [{"fps": 24}, {"events": -1}, {"events": 0, "quiet": 0}])
def test_a_script_that_makes_no_sense_is_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Script(**wrong)


# The study.


def test_each_condition_is_one_change_and_equal_ones_share_a_folder() -> None:
    every = falloff.of_shipped() + falloff.of_drawn()
    assert len({(one.clips, one.factor, one.value) for one in every}) == len(every)
    assert {one.factor for one in every} == set(falloff.FACTORS)
    folders: dict[str, set[Any]] = {}
    for one in every:
        folders.setdefault(one.folder, set()).add((one.degradation, one.script))
    assert all(len(same) == 1 for same in folders.values())
    base = [one.folder for one in every if one.clips == "drawn" and one.folder == "drawn-noise2"]
    assert len(base) == 3
    for one in falloff.of_drawn():
        if one.factor == "fps":
            assert one.script is not None
            assert one.script.fps == one.value
            assert (one.script.events, one.script.quiet) == (12, 4)


def test_the_clips_of_a_study_are_made_once(tmp_path: Path, model: AppearanceModel) -> None:
    conditions = [
        Condition("drawn", "noise", sd, Degradation(noise=sd), Script(1, 0, fps=15))
        for sd in (0.0, 8.0)
    ]
    conditions.append(Condition("drawn", "fps", 20, Degradation(), Script(1, 0, fps=20)))
    conditions.append(Condition("shipped", "every", 4, Degradation(every=4)))

    def write(drawing: AppearanceModel | None) -> None:
        falloff.write(
            conditions,
            tmp_path,
            shipped=SHIPPED,
            split="test",
            model=drawing,
            seed=0,
            report=silent,
        )

    write(None)
    assert {path.name for path in tmp_path.iterdir()} == {"shipped-every4"}
    write(model)
    assert {path.name for path in tmp_path.iterdir()} == {one.folder for one in conditions}
    plain, noisy = (
        clip_files.read_frames(tmp_path / one.folder / "e000.mp4") for one in conditions[:2]
    )
    assert plain.shape == noisy.shape
    assert 4 < error(plain, noisy) < 12


class Stored:
    """What a run leaves, made up."""

    def __init__(self, status: str = "ok") -> None:
        estimate = {"value": 0.75, "low": 0.5, "high": 0.9, "n": 8}
        cell = {
            "axes": {"spotter": "landmark-motion"},
            "status": status,
            "reason": None if status == "ok" else {"message": "It broke."},
            "images": {"n": 900, "clips": 15, "events": 8},
            "metrics": {"spot_f1": estimate, "false_alarms_per_minute_quiet": {"value": 0.0}},
        }
        self.cells = [{"axes": {"detector": "opencv-yunet"}}, cell]


def test_a_study_runs_the_clips_of_each_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def prepare(selection: Any, settings: tuple[str, ...]) -> Any:
        asked.append((selection.spotters, settings))
        return SimpleNamespace()

    monkeypatch.setattr(falloff.runner, "prepare", prepare)
    monkeypatch.setattr(falloff.runner, "run", lambda prepared, how: Stored())
    conditions = falloff.of_shipped()[:2]
    chain = Chain(spotters=("landmark-motion",))
    rows = list(falloff.measure(conditions, tmp_path, chain, settings=("a.b=1",), report=silent))
    assert asked[1] == (
        ("landmark-motion",),
        (f"clips.path={tmp_path / conditions[1].folder}", "a.b=1"),
    )
    assert [(row["factor"], row["value"]) for row in rows] == [("noise", 0), ("noise", 2)]
    assert rows[0]["f1_high"] == 0.9
    assert rows[0]["micro"] is None
    monkeypatch.setattr(falloff.runner, "run", lambda prepared, how: Stored("failed"))
    with pytest.raises(FxbenchError, match=r"landmark-motion has no result: It broke\."):
        list(falloff.measure(conditions, tmp_path, chain, report=silent))


def rows() -> list[dict[str, Any]]:
    cell = Stored().cells[1]
    return [falloff._row(one, cell) for one in falloff.of_shipped() + falloff.of_drawn()]


def test_the_table_tells_the_numbers_and_what_they_are_not() -> None:
    text = tabular.to_markdown(falloff.table(rows()))
    assert "75.0 [50.0, 90.0]" in text
    assert "one frame kept of" in text
    assert "proves little about real ones" in text


def test_the_diagram_is_drawn(tmp_path: Path) -> None:
    path = falloff.draw(rows(), tmp_path / "falloff.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.stat().st_size > 20_000
    falloff.draw([], tmp_path / "empty.png")


# The command.


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(degrading.SPLITS, "test", ("s04",))


@pytest.mark.usefixtures("few")
def test_degrade_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variants.main(["degrade", "--every", "4", "--noise", "3", "-o", str(tmp_path / "made")])
    said = capsys.readouterr().out
    assert said.startswith("5 clips and clips.csv are in ")
    assert len(clip_files.read_frames(tmp_path / "made" / "s04-5.mp4")) == 27


def test_fit_and_draw(
    tmp_path: Path,
    model: AppearanceModel,
    ferplus: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build, "fitted", lambda source, seed, report: (model, None, None))
    path = str(tmp_path / "model.npz")
    variants.main(["fit", "--set", f"ferplus.path={ferplus}", "-o", path])
    folder = str(tmp_path / "drawn")
    given_ = ["draw", "--model", path, "--events", "1", "--quiet", "0", "--fps", "15"]
    variants.main([*given_, "-o", folder])
    assert "1 clips and clips.csv are in" in capsys.readouterr().out
    assert json.loads((tmp_path / "drawn" / "made.json").read_text())["script"]["fps"] == 15


@pytest.mark.usefixtures("few")
def test_study_makes_a_table_and_a_diagram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(falloff.runner, "prepare", lambda *given: None)
    monkeypatch.setattr(falloff.runner, "run", lambda prepared, how: Stored())
    folder = tmp_path / "study"
    variants.main(["study", "--only", "every", "--clips-only", "-o", str(folder)])
    assert not (folder / "falloff.csv").exists()
    variants.main(["study", "--only", "every", "-o", str(folder)])
    assert "one frame kept of" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {
        "falloff.csv",
        "falloff.md",
        "falloff.png",
        "shipped",
        "shipped-every2",
        "shipped-every4",
    }


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (["degrade", "--jpeg", "0"], "quality must be from 1 to 100"),
        (["study", "--only", "light"], "--only knows noise"),
        (["draw", "--model", "nothing.npz"], "holds no appearance model"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    tmp_path: Path, given_: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        variants.main([*given_, "-o", str(tmp_path / "made")])
    assert ended.value.code == 2
    captured = capsys.readouterr().err
    assert said in captured
    assert "Traceback" not in captured

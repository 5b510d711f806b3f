"""Runs on videos: who is given which frames, what is kept, and what an error costs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import Squares, Whole, entry, reason, run
from made_up_films import FPS, LENGTHS, Bright, Films, Middle, Watcher

from fxbench import sources
from fxbench.chunks import Chunks
from fxbench.clips import Clip, Interval
from fxbench.errors import PluginError, UsageError
from fxbench.interval_table import interval_table
from fxbench.labels import EMOTIONS
from fxbench.types import Boxes

DEFAULT = frozenset({"default"})
TOTAL = sum(LENGTHS)


def watched(
    tmp_path: Path, *entries: Any, films: Films | None = None, bright: Any = None, **selection: Any
) -> Any:
    """A run on the made-up videos."""
    films, bright = films or Films(), bright or Bright()
    return run(
        tmp_path,
        entry("dataset", "films", lambda: films),
        entry("classifier", "bright", lambda: bright, traits=DEFAULT),
        *entries,
        **({"attacks": None, "landmarkers": None, "spotters": ("all",)} | selection),
    )


def spotter(name: str, made: Any, **more: Any) -> Any:
    return entry("spotter", name, lambda: made, **more)


def cells(stored: Any, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in stored.cells if kind in cell["axes"]]


def cell(stored: Any, **axes: Any) -> dict[str, Any]:
    (found,) = [c for c in stored.cells if all(c["axes"].get(k) == v for k, v in axes.items())]
    return found


def test_a_spotter_is_given_every_frame_of_each_clip_once_and_in_order(tmp_path: Path) -> None:
    films, watcher = Films(), Watcher()
    watched(tmp_path, spotter("watcher", watcher), films=films)
    assert [fps for fps, _ in watcher.tracks] == [FPS] * 3
    frames = [np.concatenate([p.frame for p in parts]).tolist() for _, parts in watcher.tracks]
    assert frames == [list(range(count)) for count in LENGTHS]
    part = watcher.tracks[0][1][0]
    assert part.time_s.tolist() == [frame / FPS for frame in part.frame]
    assert (part.xyxy == [0, 0, 16, 16]).all()
    assert part.points is None
    assert part.probabilities is None
    assert films.asked == list(range(TOTAL))


def test_what_is_found_is_scored(tmp_path: Path) -> None:
    floor = frozenset({"floor"})

    class Blind:
        def spot(self, track: Any) -> tuple[Interval, ...]:
            return ()

    full = entry("detector", "whole", Whole, traits=floor | DEFAULT)
    stored = watched(
        tmp_path, spotter("watcher", Watcher()), spotter("blind", Blind(), traits=floor), full
    )
    right = cell(stored, spotter="watcher")
    assert right["metrics"]["spot_f1"]["value"] == 1
    assert right["images"] | {"n": TOTAL, "clips": 3, "events": 2} == right["images"]
    assert right["recognition"]["bright"]["fxbench"]["n"] == 2
    assert cell(stored, spotter="blind")["metrics"]["spot_f1"]["value"] == 0


def test_a_spotter_gets_what_its_traits_ask_for(tmp_path: Path) -> None:
    by_points, by_answers = Watcher(), Watcher()
    contours = frozenset({"contours", "default"})
    stored = watched(
        tmp_path,
        spotter("points", by_points, traits=frozenset({"points"})),
        spotter("answers", by_answers, traits=frozenset({"probabilities"})),
        entry("landmarker", "middle", Middle, traits=contours),
        entry("landmarker", "coarse", Middle, traits=DEFAULT),
    )
    assert cell(stored, spotter="points")["axes"]["landmarker"] == "middle"
    assert cell(stored, spotter="answers")["axes"]["classifier"] == "bright"
    part = by_points.tracks[0][1][0]
    assert part.points.scheme == "middle"
    assert (part.points.xy == 8).all()
    part = by_answers.tracks[0][1][0]
    assert part.points is None
    assert EMOTIONS[int(part.probabilities[5].argmax())] == "happiness"


def test_frames_without_a_face_have_rows_of_nan(tmp_path: Path) -> None:
    class Afraid(Whole):
        """Finds no dark faces."""

        def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
            return Boxes.from_lists([[(2, 2, 14, 14, 1)] if i.mean() > 100 else [] for i in images])

    watcher = Watcher()
    watched(
        tmp_path,
        spotter("watcher", watcher, traits=frozenset({"points", "probabilities"})),
        entry("landmarker", "middle", Middle, traits=frozenset({"contours", "default"})),
        entry("detector", "afraid", Afraid, traits=DEFAULT),
    )
    parts = watcher.tracks[0][1]
    there = np.isin(np.concatenate([p.frame for p in parts]), range(4, 9))
    for column in (
        np.concatenate([p.xyxy for p in parts]),
        np.concatenate([p.points.xy[:, 0] for p in parts]),
        np.concatenate([p.probabilities for p in parts]),
    ):
        assert (np.isfinite(column).all(axis=1) == there).all()


def test_a_second_run_asks_nobody(tmp_path: Path) -> None:
    first = watched(tmp_path, spotter("watcher", Watcher()))
    films, watcher, bright = Films(), Watcher(), Bright()
    again = watched(
        tmp_path, spotter("watcher", watcher), films=films, bright=bright, results="again"
    )
    assert (films.asked, watcher.tracks, bright.faces) == ([], [], 0)
    assert again.cells == first.cells


class Falls:
    """Breaks, early or late."""

    def __init__(self, *, late: bool) -> None:
        self._late = late

    def spot(self, track: Any) -> tuple[Interval, ...]:
        for _ in track:
            if not self._late:
                break
        raise RuntimeError("it fell")


@pytest.mark.parametrize("late", [False, True])
def test_a_spotter_that_breaks_costs_its_own_cell_alone(tmp_path: Path, late: bool) -> None:
    stored = watched(tmp_path, spotter("falls", Falls(late=late)), spotter("watcher", Watcher()))
    failed = cell(stored, spotter="falls")
    assert failed["status"] == "failed"
    assert "it fell" in failed["reason"]["message"]
    assert cell(stored, spotter="watcher")["metrics"]["spot_f1"]["value"] == 1
    assert {c["status"] for c in cells(stored, "classifier")} == {"ok"}
    assert not [t for t in threading.enumerate() if t.name.startswith("fxbench-")]


def test_a_spotter_may_be_done_before_it_has_seen_all(tmp_path: Path) -> None:
    class Hasty:
        def spot(self, track: Any) -> tuple[Interval, ...]:
            next(iter(track))
            return (Interval(4, None, 8, "micro"),)

    stored = watched(tmp_path, spotter("hasty", Hasty()))
    counts = cell(stored, spotter="hasty")["spotting"]["fxbench"]["both"]
    assert (counts["tp"], counts["fp"], counts["fn"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "a tuple of Interval"),
        ((3,), "a tuple of Interval"),
        ((Interval(5, None, 6, "micro"), Interval(1, None, 2, "micro")), "out of order"),
        ((Interval(5, None, LENGTHS[0], "macro"),), "ends with frame 11"),
    ],
)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, answer: Any, words: str) -> None:
    class Wrong:
        def spot(self, track: Any) -> Any:
            return answer

    stored = watched(tmp_path, spotter("wrong", Wrong()))
    assert cell(stored, spotter="wrong")["status"] == "failed"
    assert words in reason(stored)


class Looking(Whole):
    """Notes how many pictures it was shown."""

    def __init__(self) -> None:
        self.images = 0

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        self.images += len(images)
        return super().detect(images)


def test_faces_are_looked_for_in_every_third_frame_and_followed_in_between(tmp_path: Path) -> None:
    looking, watcher = Looking(), Watcher()
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 90, (64, 64, 1), np.uint8)

    class Textured(Films):
        """There is something to be followed."""

        def batches(self, split: str, rows: np.ndarray) -> Any:
            for batch in super().batches(split, rows):
                images = tuple(np.tile(texture, (1, 1, 3)) for _ in batch.frames.images)
                frames = type(batch.frames)(batch.frames.ids, images, batch.frames.time_s)
                yield type(batch)(batch.rows, frames)

    stored = watched(
        tmp_path,
        entry("detector", "looking", lambda: looking, traits=DEFAULT),
        spotter("watcher", watcher),
        films=Textured(),
        every=(3,),
    )
    assert looking.images == sum(-(-count // 3) for count in LENGTHS)
    assert {c["axes"].get("every") for c in stored.cells} == {3}
    found = np.concatenate([part.xyxy for _, parts in watcher.tracks for part in parts])
    assert np.abs(found - [0, 0, 64, 64]).max() < 4
    assert cell(stored, classifier="bright")["images"]["found"] == TOTAL


def test_smoothing_is_made_of_answers_that_are_there(tmp_path: Path) -> None:
    class Restless(Bright):
        """Every other answer is wrong."""

        def predict(self, faces: np.ndarray) -> np.ndarray:
            answers = super().predict(faces)
            answers[1::2] = answers[1::2, [1, 0, *range(2, 8)]] * 0.6 + answers[1::2] * 0.4
            return answers

    restless = Restless()
    stored = watched(tmp_path, bright=restless, smoothing=(0.5,))
    assert restless.faces == TOTAL
    plain, smooth = (
        cell(stored, classifier="bright", smoothing=seconds)["metrics"] for seconds in (None, 0.5)
    )
    assert smooth["flips_per_s"]["value"] < plain["flips_per_s"]["value"] / 2
    assert smooth["accuracy"]["value"] != plain["accuracy"]["value"]


def test_fewer_frames_per_second_are_asked_for_and_said_to_be(tmp_path: Path) -> None:
    films, watcher = Films(), Watcher()
    stored = watched(tmp_path, spotter("watcher", watcher), films=films, fps=5.0)
    assert films.asked == [*range(0, 12, 2), *range(12, 32, 2), *range(32, 41, 2)]
    assert [fps for fps, _ in watcher.tracks] == [5.0] * 3
    assert watcher.tracks[2][1][0].frame.tolist() == [0, 2, 4, 6, 8]
    assert cell(stored, classifier="bright")["images"]["n"] == len(films.asked)


def test_a_limit_takes_whole_clips(tmp_path: Path) -> None:
    films = Films()
    watched(tmp_path, films=films, limit=2)
    assert films.asked == list(range(12 + 20))


def test_videos_are_attacked_only_on_request(tmp_path: Path) -> None:
    from made_up import Sign

    attack = entry("attack", "sign", Sign, traits=frozenset({"fixed", "default"}))
    stored = watched(tmp_path / "a", attack)
    assert not cells(stored, "attack")
    asked = watched(
        tmp_path / "b",
        attack,
        entry("classifier", "open", Bright, traits=frozenset({"gradient", "default"})),
        attacks=("sign",),
        epsilons=(0.1,),
    )
    assert {c["axes"]["epsilon"] for c in cells(asked, "attack")} == {0, 0.1}


def test_chunks_are_whole_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 30)
    films = Films()
    answers = films.answers("test", "single")
    source = sources.Source(
        entry("dataset", "films", Films), films, "test", "single", answers, "", "", films.clips("")
    )
    assert [part.rows.tolist() for part in source.chunks()] == [
        list(range(12)),
        list(range(12, 41)),
    ]


def test_an_interrupted_run_goes_on_with_the_next_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 10)

    class Cut(Films):
        def batches(self, split: str, rows: np.ndarray) -> Any:
            if rows[0] >= 20:
                raise KeyboardInterrupt
            yield from super().batches(split, rows)

    whole = watched(tmp_path / "whole", spotter("watcher", Watcher()))
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path, spotter("watcher", Watcher()), films=Cut())
    assert not [t for t in threading.enumerate() if t.name.startswith("fxbench-")]
    films = Films()
    stored = watched(tmp_path, spotter("watcher", Watcher()), films=films)
    assert films.asked == list(range(12, 41))
    assert [c["metrics"] for c in stored.cells] == [c["metrics"] for c in whole.cells]


def test_a_frame_that_cannot_be_read_is_listed_and_left_out(tmp_path: Path) -> None:
    films, watcher = Films(), Watcher()
    films.broken = {5, 33}
    films.fingerprint = lambda split: "torn"  # type: ignore[method-assign]
    stored = watched(tmp_path, spotter("watcher", watcher), films=films)
    (images,) = stored.run["images"].values()
    assert [one["row"] for one in images["unreadable"]] == [5, 33]
    assert watcher.tracks[0][1][0].frame.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert cell(stored, spotter="watcher")["metrics"]["spot_f1"]["value"] == 1


def test_the_person_who_is_followed_is_scored(tmp_path: Path) -> None:
    class Two(Whole):
        """Two people side by side; the right one is nearer from the fifth frame on."""

        def __init__(self) -> None:
            self.frame = 0

        def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
            found = []
            for _ in images:
                right = 3.0 if self.frame < 5 else 7.0
                found.append([(9.0, 2.0, 9.0 + right, 2.0 + right, 1.0), (1.0, 2.0, 6.0, 7.0, 1.0)])
                self.frame += 1
            return Boxes.from_lists(found)

    watcher = Watcher()
    watched(
        tmp_path,
        spotter("watcher", watcher),
        entry("detector", "two", Two, traits=DEFAULT),
        limit=1,
    )
    left = np.concatenate([part.xyxy for part in watcher.tracks[0][1]])[:, 0]
    assert (left == 1).all()


def test_without_all_frames_there_is_nothing_to_be_spotted(tmp_path: Path) -> None:
    class Few(Films):
        def answers(self, split: str, protocol: str) -> Any:
            whole = super().answers(split, protocol)
            return whole.take(np.flatnonzero(self.labels == 1))

    stored = watched(tmp_path, spotter("watcher", Watcher()), films=Few())
    skipped = cell(stored, spotter="watcher")
    assert (skipped["status"], skipped["reason"]["kind"]) == ("skipped", "no intervals")
    assert "takes parts of its videos only" in skipped["reason"]["message"]


def test_in_clips_that_nobody_has_annotated_expressions_are_found_on_request(
    tmp_path: Path,
) -> None:
    class Bare(Films):
        def clips(self, split: str) -> Any:
            return tuple(replace(clip, intervals=None) for clip in super().clips(split))

    skipped = cell(
        watched(tmp_path, spotter("watcher", Watcher()), films=Bare()), spotter="watcher"
    )
    assert (skipped["status"], skipped["asked"]) == ("skipped", False)
    assert "Nobody has annotated expressions" in skipped["reason"]["message"]
    stored = watched(tmp_path, spotter("watcher", Watcher()), films=Bare(), spotters=("watcher",))
    found = cell(stored, spotter="watcher")
    assert found["metrics"]["spot_f1"]["value"] is None
    listed = [row for row in interval_table(stored.cells).rows if row["whose"] == "spotted"]
    assert [(row["clip"], row["onset"], row["offset"]) for row in listed] == [
        ("0.mp4", 4, 8),
        ("2.mp4", 2, 7),
    ]
    assert listed[0]["offset_s"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    "asked", [{"spotters": ("all",)}, {"every": (2,)}, {"smoothing": (0.1,)}, {"fps": 5.0}]
)
def test_without_videos_nobody_can_say_how_to_watch_them(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="squares has none"):
        run(tmp_path, spotter("watcher", Watcher()), **asked)


@pytest.mark.parametrize(
    ("bend", "words"),
    [
        (lambda clips: clips[1:], "without gaps"),
        (lambda clips: clips[:2], "after its last video"),
    ],
)
def test_clips_that_do_not_cover_the_rows_are_refused(
    tmp_path: Path, bend: Callable[[Any], Any], words: str
) -> None:
    class Odd(Films):
        def clips(self, split: str) -> Any:
            return bend(super().clips(split))

    with pytest.raises(PluginError, match=words):
        watched(tmp_path, films=Odd(), datasets=("films",))


class Placed:
    """Something that is put onto the points; it notes where."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    def corrupt(self, image: Any, severity: int, *, random: Any, side: float, points: Any) -> Any:
        self.calls.append(float(random.random()))
        return image // 2


def test_a_video_is_corrupted_alike_from_begin_to_end_and_for_each_way_to_watch_it(
    tmp_path: Path,
) -> None:
    placed = Placed()
    watched(
        tmp_path,
        entry("corruption", "hat", lambda: placed, traits=frozenset({"placed"})),
        entry("landmarker", "middle", Middle, traits=DEFAULT),
        corruptions=("hat",),
        severities=(1,),
        every=(1, 3),
        spotters=None,
    )
    # Where it is placed depends on the frames in which faces are looked for: twice as many.
    assert len(placed.calls) == 2 * TOTAL
    assert len(set(placed.calls)) == len(LENGTHS)


def test_a_service_that_is_silent_costs_no_spotter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxbench.facework.failures_of", lambda one: getattr(one, "failures", ()))

    class Silent(Bright):
        """No answer about the sixth face that it is asked about."""

        failures: tuple[tuple[int, str], ...] = ()

        def predict(self, faces: np.ndarray) -> np.ndarray:
            self.failures = ((5, "timeout"),) if len(faces) > 5 else ()
            return super().predict(faces)

    stored = watched(tmp_path, spotter("watcher", Watcher()), bright=Silent())
    assert len(cell(stored, classifier="bright")["unanswered"]) > 0
    assert cell(stored, spotter="watcher")["metrics"]["spot_f1"]["value"] == 1


def test_a_spotter_that_fails_in_one_way_to_watch_does_not_fail_in_the_other(
    tmp_path: Path,
) -> None:
    class Picky:
        """Falls where a frame has no face."""

        def spot(self, track: Any) -> tuple[Interval, ...]:
            for part in track:
                if np.isnan(part.xyxy).any():
                    raise RuntimeError("no face")
            return ()

    stored = watched(
        tmp_path,
        spotter("picky", Picky()),
        # Plain pictures have nothing that could be followed.
        entry("detector", "inside", Inside, traits=DEFAULT),
        every=(1, 3),
    )
    assert cell(stored, spotter="picky", every=None)["status"] == "ok"
    assert cell(stored, spotter="picky", every=3)["status"] == "failed"


class Inside(Whole):
    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[(2, 2, 14, 14, 1)] for _ in images])


@pytest.mark.parametrize("wrong", [{"onset": 1.5}, {"score": 1e300}, {"score": 1j}, {"apex": "2"}])
def test_an_interval_of_odd_numbers_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError):
        Interval(**({"onset": 1, "apex": 2, "offset": 3, "kind": "micro"} | wrong))


def test_numbers_of_numpy_become_ordinary_ones() -> None:
    interval = Interval(np.int64(1), None, np.int32(3), "micro", np.float32(0.5))
    assert [type(n) for n in (interval.onset, interval.offset, interval.score)] == [int, int, float]
    clip = Clip("a", np.int64(0), np.int64(3), np.float32(25))
    assert (type(clip.frames), type(clip.fps)) == (int, float)
    with pytest.raises(PluginError, match="frames per second"):
        Clip("a", 0, 3, 1e308)


def test_images_and_videos_may_be_in_one_run(tmp_path: Path) -> None:
    stored = watched(tmp_path, spotter("watcher", Watcher()), entry("dataset", "squares", Squares))
    assert {c["axes"]["dataset"] for c in cells(stored, "classifier")} == {"films", "squares"}
    assert {c["axes"]["dataset"] for c in cells(stored, "spotter")} == {"films"}


class Counting(Middle):
    """Notes how many faces it was asked about."""

    asked = 0

    def locate(self, images: Any, boxes: Any) -> Any:
        self.asked += len(boxes)
        return super().locate(images, boxes)


def test_another_spotter_is_given_the_points_of_an_earlier_run(tmp_path: Path) -> None:
    traits = frozenset({"contours", "default"})

    def go(name: str) -> tuple[Counting, Watcher, Any]:
        middle, watcher = Counting(), Watcher()
        stored = watched(
            tmp_path,
            entry("landmarker", "middle", lambda: middle, traits=traits),
            spotter(name, watcher, traits=frozenset({"points"})),
            results=name,
        )
        return middle, watcher, cell(stored, spotter=name)

    def points(watcher: Watcher) -> Any:
        return np.concatenate([part.points.xy for _, parts in watcher.tracks for part in parts])

    first, one, _ = go("first")
    assert first.asked == len(points(one)) > 0
    second, another, record = go("second")
    assert second.asked == 0
    np.testing.assert_array_equal(points(another), points(one))
    assert record["metrics"]["spot_f1"]["value"] == 1
    # What is kept belongs to the cell, so that nobody cleans it up.
    kept = Chunks(tmp_path / "cache")
    mine = [key for key in record["chunks"] if "scheme" in kept.get(key).meta]
    assert sum(len(kept.get(key).columns["row"]) for key in mine) == first.asked
    # A spotter's time is with that of the landmarks, whoever located them.
    metas = [kept.get(key).meta for key in record["chunks"]]
    took = sum(meta["seconds"] for meta in metas if "scheme" in meta)
    assert sum(meta["seconds"] for meta in metas if "followed" in meta) >= took > 0
    # What is damaged is located again, and only that.
    kept.path(mine[0]).write_bytes(b"torn")
    third, _, _ = go("third")
    assert 0 < third.asked < first.asked

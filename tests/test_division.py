"""Shares of the work: together they give what one process gives, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import PLUGIN, Whole, entry
from made_up_attacks import FIXED, GRADIENT, Step
from made_up_faces import Patterns, Reads

from fxbench import batching, division, runner
from fxbench.batching import Stretch, UnevenError, batches, cuts
from fxbench.chunks import Chunk, Chunks
from fxbench.chunkwork import Work
from fxbench.errors import DataError, FxbenchError, PluginError
from fxbench.pipeline import Pipeline
from fxbench.progress import Silent
from fxbench.registry import Registry
from fxbench.selection import Selection
from fxbench.types import FaceSpec

IMAGES = 300


class Told(Reads):
    """Answers depend on how many faces it is shown at once, as rounding may."""

    face = FaceSpec(8)

    def predict(self, faces: Any) -> Any:
        outputs = super().predict(faces)
        outputs[:, 0] += len(faces) / 100
        return (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32)

    def gradient(self, faces: Any, targets: Any) -> Any:
        return np.ones_like(faces)


class Half(Whole):
    """The middle of every other image."""

    def detect(self, images: Any) -> Any:
        found = super().detect(images)
        return type(found)(*(getattr(found, n)[::2] for n in type(found).__dataclass_fields__))


def prepared(tmp_path: Path, *, dataset: Any = None, **selection: Any) -> runner.Prepared:
    given = dataset or Patterns({"valid": IMAGES})
    entries = [
        entry("dataset", "patterns", lambda: given),
        entry("detector", "whole", Whole),
        entry("detector", "half", Half),
        entry("classifier", "told", Told, traits=GRADIENT),
        entry("attack", "step", Step, traits=FIXED),
    ]
    chosen = {
        "detectors": ("whole", "half"),
        "classifiers": ("told",),
        "attacks": ("step",),
        "epsilons": (4 / 255,),
    } | selection
    registry = Registry((PLUGIN,), tuple(entries))
    return runner.prepare(Selection(**chosen), (), registry, tmp_path)


def pipeline_of(made: runner.Prepared, folder: Path) -> tuple[Pipeline, Chunks]:
    chunks = Chunks(folder)
    return Pipeline(made.plan, chunks, made.loader, Silent()), chunks


def whole(made: runner.Prepared, folder: Path) -> Chunks:
    """The chunks as one process computes them."""
    pipeline, chunks = pipeline_of(made, folder)
    for source in made.plan.sources:
        pipeline.run(source, pipeline.pending(source))
    return chunks


def in_shares(
    made: runner.Prepared, folder: Path, workers: int, even: bool = True
) -> tuple[Chunks, list[division.Share]]:
    """The chunks as shares give them, each computed by a process that knows of no other."""
    (source,) = made.plan.sources
    pipeline, chunks = pipeline_of(made, folder)
    works = {int(work.answers.rows[0]): work for work in pipeline.pending(source)}
    shares = division.divided(0, source, list(works.values()), workers)
    if not even:
        shares = [
            division.replace(s, stretch=s.stretch and division.replace(s.stretch, even=False))
            for s in shares
        ]
    for share in reversed(shares):
        alone, _ = pipeline_of(made, folder)
        work = division.share_of(works[share.first], share, chunks)
        assert division.units(works[share.first], share) == Pipeline.units([work])
        alone.run(source, [work])
        assert not alone.errors
        again = division.share_of(works[share.first], share, chunks)
        assert share.stretch is None or not again.stages, "what is there is not computed again"
    for first, work in works.items():
        stretches = dict.fromkeys(s.stretch for s in shares if s.first == first)
        division.join(chunks, source, work, [s for s in stretches if s is not None], ())
    return chunks, shares


def content(chunks: Chunks) -> dict[str, Any]:
    found = {}
    for key, _ in chunks.sizes():
        chunk = chunks.read(key)
        assert chunk is not None
        columns = {n: (c.dtype.str, c.tolist()) for n, c in chunk.columns.items()}
        found[key] = columns, {k: v for k, v in chunk.meta.items() if k != "seconds"}
    return found


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("even", [True, False])
def test_shares_give_what_one_process_gives(tmp_path: Path, workers: int, even: bool) -> None:
    made = prepared(tmp_path)
    chunks, shares = in_shares(made, tmp_path / "shares", workers, even)
    assert content(chunks) == content(whole(made, tmp_path / "whole"))
    assert len(shares) > workers


def test_large_images_make_small_batches_and_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_BYTES", 20 * 8 * 8 * 3)
    made = prepared(tmp_path)
    with pytest.raises(UnevenError):
        in_shares(made, tmp_path / "even", 2)
    chunks, _ = in_shares(made, tmp_path / "shares", 2, even=False)
    assert content(chunks) == content(whole(made, tmp_path / "whole"))


def test_of_few_images_detectors_are_divided_as_well(tmp_path: Path) -> None:
    made = prepared(tmp_path, dataset=Patterns({"valid": 100}))
    chunks, shares = in_shares(made, tmp_path / "shares", 4)
    assert {share.detector for share in shares} == {"whole", "half"}
    assert content(chunks) == content(whole(made, tmp_path / "whole"))


def test_of_many_chunks_none_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxbench.sources.CHUNK_ROWS", 10)
    made = prepared(tmp_path)
    _, shares = in_shares(made, tmp_path / "shares", 2)
    assert len(shares) == 30
    assert all(share.stretch is None and share.detector is None for share in shares)


def test_the_last_shares_are_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxbench.sources.CHUNK_ROWS", 400)
    made = prepared(tmp_path, dataset=Patterns({"valid": 1600}))
    (source,) = made.plan.sources
    works = pipeline_of(made, tmp_path)[0].pending(source)
    shares = division.divided(0, source, works, 1)
    assert [sum(s.first == first for s in shares) for first in (0, 400, 800, 1200)] == [2, 2, 2, 6]


@pytest.mark.parametrize("parts", [1, 2, 3, 16, 1000])
def test_stretches_cover_a_chunk_without_gaps(tmp_path: Path, parts: int) -> None:
    (source,) = prepared(tmp_path).plan.sources
    rows = source.answers.rows
    found = cuts(source, rows, parts)
    assert [s.begin for s in found] == [0, *(s.end for s in found[:-1])]
    assert found[-1].end == len(rows)
    assert 1 <= len(found) <= min(parts, 6)
    together = [b.rows.tolist() for s in found for b in batches(source, rows, s)]
    assert together == [b.rows.tolist() for b in batches(source, rows)]


def test_a_chunk_smaller_than_a_batch_is_one_stretch(tmp_path: Path) -> None:
    (source,) = prepared(tmp_path, dataset=Patterns({"valid": 5})).plan.sources
    assert cuts(source, source.answers.rows, 8) == [Stretch(0, 5)]


def test_a_stage_that_failed_in_one_stretch_leaves_nothing(tmp_path: Path) -> None:
    made = prepared(tmp_path, detectors=("whole",), attacks=("none",))
    (source,) = made.plan.sources
    pipeline, chunks = pipeline_of(made, tmp_path / "cache")
    (work,) = pipeline.pending(source)
    stretches = cuts(source, work.answers.rows, 3)
    for stretch in stretches:
        share = division.Share(0, 0, stretch)
        pipeline_of(made, tmp_path / "cache")[0].run(
            source, [division.share_of(work, share, chunks)]
        )
    cell = next(c for c in work.results.values() if c.classifier == "told")
    division.join(chunks, source, work, stretches, {cell})
    kept = {key for key, _ in chunks.sizes()}
    lost = {key for key, c in work.results.items() if c == cell}
    assert kept == (set(work.boxes.values()) | set(work.results)) - lost


def test_an_image_that_is_unreadable_in_some_stretches_of_one_stage_alone_is_noticed(
    tmp_path: Path,
) -> None:
    made = prepared(tmp_path, detectors=("whole",), attacks=("none",))
    (source,) = made.plan.sources
    pipeline, chunks = pipeline_of(made, tmp_path / "cache")
    (work,) = pipeline.pending(source)
    stretches = cuts(source, work.answers.rows, 2)
    for stretch in stretches:
        pipeline.run(source, [division.share_of(work, division.Share(0, 0, stretch), chunks)])
    key = division.part_key(next(iter(work.results)), stretches[0])
    chunk = chunks.read(key)
    assert chunk is not None
    chunks.write(key, type(chunk)(chunk.columns, {**chunk.meta, "unreadable": [[3, "3", "gone"]]}))
    with pytest.raises(DataError, match="have changed"):
        division.join(chunks, source, work, stretches, ())
    assert not list(chunks.sizes()) or {k for k, _ in chunks.sizes()} <= set(work.boxes.values())


def parts_of(tmp_path: Path, *metas: dict[str, Any]) -> tuple[Chunks, str, Any]:
    """A stage's parts of a chunk that say this of themselves, and how they are joined."""
    made = prepared(tmp_path, detectors=("whole",), attacks=("none",))
    (source,) = made.plan.sources
    pipeline, chunks = pipeline_of(made, tmp_path / "cache")
    (work,) = pipeline.pending(source)
    stretches = cuts(source, work.answers.rows, len(metas))
    key = next(iter(work.results))
    for stretch, meta in zip(stretches, metas, strict=True):
        about = {"images": 1, "unreadable": [], "seconds": 0.5} | meta
        part = Chunk({"row": np.arange(stretch.begin, stretch.end, dtype=np.int32)}, about)
        chunks.write(division.part_key(key, stretch), part)
    return chunks, key, lambda: division.join(chunks, source, work, stretches, ())


def test_every_list_about_a_chunk_is_joined(tmp_path: Path) -> None:
    chunks, key, join = parts_of(
        tmp_path,
        {"followed": ["a"], "odd": [[1]], "labels": [], "scheme": "ibug-68", "shared": [[1, 2]]},
        {"labels": ["joy", "fear"], "scheme": "ibug-68", "shared": [[1, 2]]},
        {"followed": ["b", "c"], "odd": [[2]], "labels": ["joy", "fear"], "scheme": "ibug-68"},
    )
    join()
    chunk = chunks.read(key)
    assert chunk is not None
    assert chunk.meta == {
        "images": 3,
        "seconds": 1.5,
        "unreadable": [],
        "followed": ["a", "b", "c"],
        "odd": [[1], [2]],
        "labels": ["joy", "fear"],
        "scheme": "ibug-68",
        "shared": [[1, 2]],
    }


@pytest.mark.parametrize(
    ("name", "one", "other"), [("labels", ["joy"], ["fear"]), ("scheme", "ibug-68", "other")]
)
def test_parts_that_mean_something_else_are_no_chunk(
    tmp_path: Path, name: str, one: Any, other: Any
) -> None:
    _, _, join = parts_of(tmp_path, {name: one}, {name: other})
    with pytest.raises(PluginError, match=f"another '{name}'"):
        join()


def test_parts_that_were_read_in_another_way_are_removed_as_well(tmp_path: Path) -> None:
    made = prepared(tmp_path, detectors=("whole",), attacks=("none",))
    (source,) = made.plan.sources
    pipeline, chunks = pipeline_of(made, tmp_path / "cache")
    (work,) = pipeline.pending(source)
    stretches = cuts(source, work.answers.rows, 2)
    uneven = [division.replace(stretch, even=False) for stretch in stretches]
    for stretch in (stretches[0], *uneven):
        pipeline.run(source, [division.share_of(work, division.Share(0, 0, stretch), chunks)])
    division.join(chunks, source, work, uneven, ())
    assert {key for key, _ in chunks.sizes()} == set(work.boxes.values()) | set(work.results)


class Sends(Whole):
    """A detector that asks a service."""


def test_what_sends_images_away_stays_in_one_process(tmp_path: Path) -> None:
    entries = (
        entry("dataset", "patterns", lambda: Patterns({"valid": 20})),
        entry("detector", "whole", Whole),
        entry("detector", "asks", Sends, sends=True),
        entry("classifier", "told", Told),
    )
    selection = Selection(detectors=("whole", "asks"), classifiers=("told",), attacks=("none",))
    made = runner.prepare(selection, (), Registry((PLUGIN,), entries), tmp_path)
    (source,) = made.plan.sources
    (work,) = pipeline_of(made, tmp_path / "cache")[0].pending(source)
    home, away = division.at_home(made.plan, work), division.afield(made.plan, work)
    assert {scene.detector for scene in home.boxes} == {"asks"}
    assert {cell.detector for cell in home.results.values()} == {"asks"}
    assert {scene.detector for scene in away.boxes} == {"whole"}
    assert home.stages + away.stages == work.stages


def test_workers_refuse_components_that_are_made_by_hand(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    settings = runner.Settings(tmp_path / "r", tmp_path / "c", 1, measure_latency=False, workers=2)
    with pytest.raises(FxbenchError, match="not installed"):
        runner.run(made, settings)


def test_a_work_says_how_many_images_it_has(tmp_path: Path) -> None:
    (source,) = prepared(tmp_path).plan.sources
    assert Work(source.answers, {}, {}).images == IMAGES
    assert Work(source.answers, {}, {}, Stretch(8, 72)).images == 64

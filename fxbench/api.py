"""fxbench from Python: the functions of :mod:`fxbench` itself, by the code that the commands use.

docs/python.md shows them. Nothing here prints; an :class:`fxbench.progress.Observer` is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench import exports, inventory, places, prediction_csv, recorded, runner, store, suites
from fxbench.chunks import Chunks, default_folder
from fxbench.costs import checked_limit, costs
from fxbench.errors import UsageError
from fxbench.leaderboard import leaderboard_rows
from fxbench.options import plain
from fxbench.progress import Observer, Silent
from fxbench.registry import Registry, discover
from fxbench.selection import Selection
from fxbench.tables import flat, kind_of
from fxbench.tables_faces import detection_table, landmark_table

if TYPE_CHECKING:
    import pandas as pd

Names = str | Iterable[str] | None
"""One name or several (in a text separated by commas, as on the command line), `"all"` for all that
are ready, or None for the default."""

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Run:
    """A run as it lies on disk.

    Attributes:
        folder: where it lies.
        record: the content of `run.json`; docs/results.md describes it.
    """

    folder: Path
    record: dict[str, Any] = field(repr=False)
    _stored: store.StoredRun = field(repr=False)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The cells, one flat row each: axes, metrics, rank, latency, status.

        The rows and names of `fxbench leaderboard --format csv`, and below them the cells of
        landmarkers and of detectors with their errors. Fractions from 0 to 1; NaN or None where
        there is no value.
        """
        import pandas as pd

        cells = self._stored.cells
        tables = (landmark_table(cells), detection_table(cells))
        scored = {row["id"]: row for table in tables for row in table.rows}
        others = [cell for cell in cells if kind_of(cell) != "classifier"]
        located = [scored.get(cell["id"], flat(cell)) for cell in others]
        return pd.DataFrame([*leaderboard_rows(cells), *located])

    @property
    def finished(self) -> bool:
        """Whether the run came to its end, failed cells or not."""
        return self._stored.finished

    def predictions(
        self,
        classifier: str,
        *,
        detector: str | None = None,
        dataset: str | None = None,
        attack: str | None = None,
        epsilon: float | None = None,
        surrogate: str | None = None,
        target_label: str | None = None,
        corruption: str | None = None,
        severity: int | None = None,
        align: str | None = None,
        landmarker: str | None = None,
        every: int | None = None,
    ) -> pd.DataFrame:
        """What a classifier answered, by image; the axes say in which cell where there are several.

        Returns:
            A row for each image in which a face was found: `image`, and a float16 column for each
            output by its emotion, `none` where it has no counterpart.

        Raises:
            UsageError: there is no such cell, there are several, or the cache was cleaned.
        """
        import pandas as pd

        cell = exports.find_cell(
            self._stored.cells,
            classifier=classifier,
            detector=detector,
            dataset=dataset,
            attack=attack,
            epsilon=epsilon,
            surrogate=surrogate,
            target_label=target_label,
            corruption=corruption,
            severity=severity,
            align=align,
            landmarker=landmarker,
            every=every,
        )
        table = exports.predictions(self._stored, cell, Chunks(default_folder()))
        frame = pd.DataFrame(table.outputs, columns=pd.Index(prediction_csv.header(table)[1:]))
        frame.insert(0, prediction_csv.IMAGE, pd.Series(table.images))
        return frame


def run(
    *,
    datasets: Names = None,
    split: str | None = None,
    protocol: str | None = None,
    detectors: Names = None,
    classifiers: Names = None,
    landmarkers: Names = None,
    attacks: Names = None,
    epsilons: Iterable[float] = (0.0, 2 / 255, 8 / 255),
    surrogates: Names = None,
    targets: Names = None,
    target_labels: Names = "none",
    corruptions: Names = None,
    severities: Iterable[int] = (1, 2, 3, 4, 5),
    align: Names = "none",
    spotters: Names = None,
    every: Iterable[int] = (1,),
    smoothing: Iterable[float] = (0.0,),
    fps: float | None = None,
    limit: int | None = None,
    options: Mapping[str, Any] | None = None,
    results: StrPath = "results",
    threads: int | None = None,
    latency: bool = True,
    workers: int | None = None,
    scheduler: str | None = None,
    max_cost: float | None = None,
    suite: str | None = None,
    registry: Registry | None = None,
    observer: Observer | None = None,
) -> Run:
    """Evaluate every combination, as `fxbench run` does. A finished run is read, not made again.

    Args:
        datasets: None for all that are ready.
        split: of each dataset; None for its first.
        protocol: which images count and what is right; None for the dataset's first.
        detectors: None for the default ones, as with the next two.
        classifiers: see `detectors`.
        landmarkers: see `detectors`; they run where a dataset has true landmarks.
        attacks: None for `none` and the default ones.
        epsilons: the attacks' budgets, of the pixels' range [0, 1].
        surrogates: the classifiers whose adversarial faces are tried on the targets.
        targets: those; None for the classifiers.
        target_labels: emotions that attacks are to reach; `none` is any but the right one.
        corruptions: of the pictures; None for none.
        severities: of the corruptions, from 1 to 5.
        align: how faces are aligned before they are classified: some of `none`, `eyes` and
            `similarity`.
        spotters: None for the default ones; they run on videos.
        every: in videos, faces are looked for in every so many frames, and followed in between.
        smoothing: in videos, over how many seconds classifiers' answers are smoothed as well.
        fps: how many frames of a video are taken per second at most; None for all.
        limit: at most so many images of each dataset, evenly spaced; of videos whole ones.
        options: of components, such as `{"ferplus.path": "~/data/ferplus"}`.
        results: the folder that run folders are made in, or an address such as `s3://bucket/runs`.
        threads: of the numerical libraries, None for what OMP_NUM_THREADS says, else all
            cores; it stays set in this process.
        latency: whether to measure it.
        workers: how many processes on this machine compute; None for this one alone. A program that
            uses them does so below `if __name__ == "__main__":`, since they import it.
        scheduler: the address of a Dask scheduler whose workers compute in its place.
        max_cost: what sending images to cloud services may cost in US dollars; None: none is sent.
        suite: a frozen plan such as `mini-1`; nothing that changes the plan goes beside it.
        registry: the components to choose from; None for those that are installed.
        observer: is told about progress.

    Returns:
        The run. A cell that fails raises nothing: its row has the status `failed` and a reason.

    Raises:
        FxbenchError: the subclass says which sort: an unknown name, a dataset that can't be read.
        StoreError: results can't be written; the same call goes on where it stopped.
    """
    selection = Selection(
        datasets=_names(datasets),
        split=split,
        protocol=protocol,
        detectors=_names(detectors),
        landmarkers=_names(landmarkers),
        classifiers=_names(classifiers),
        attacks=_names(attacks),
        epsilons=tuple(epsilons),
        surrogates=_names(surrogates),
        targets=_names(targets),
        target_labels=_names(target_labels) or ("none",),
        corruptions=_names(corruptions),
        severities=tuple(severities),
        aligns=_names(align) or ("none",),
        spotters=_names(spotters),
        every=tuple(every),
        smoothing=tuple(smoothing),
        fps=fps,
        limit=limit,
    )
    if suite is None:
        prepared = runner.prepare(selection, _settings(options), registry)
    elif selection != Selection() or registry is not None:
        raise UsageError(f"The suite {suite} is frozen: nothing else can say what is run.")
    else:
        prepared = suites.read(suite).prepare(_settings(options))
    with places.opened(os.fspath(results)) as folder:
        how = runner.Settings(
            folder,
            threads=threads,
            measure_latency=latency,
            workers=workers,
            scheduler=scheduler,
        )
        return _execute(prepared, how, max_cost, observer or Silent())


def score(
    predictions: StrPath,
    *,
    dataset: str,
    split: str | None = None,
    protocol: str | None = None,
    detector: str = "full-frame",
    name: str | None = None,
    classifiers: Names = (),
    limit: int | None = None,
    fps: float | None = None,
    options: Mapping[str, Any] | None = None,
    results: StrPath = "results",
    threads: int | None = None,
    latency: bool = True,
    max_cost: float | None = None,
    registry: Registry | None = None,
    observer: Observer | None = None,
) -> Run:
    """Score a csv of predictions as if a classifier had made them, as `fxbench score` does.

    Args:
        predictions: the csv; docs/without-a-plugin.md describes it.
        dataset: whose images they are of.
        split: of the dataset; None for its first.
        protocol: which images count and what is right; None for the dataset's first.
        detector: where the faces came from.
        name: what tables call the predictions; the file's name where None.
        classifiers: to compare with.
        limit: as for :func:`run`, like the rest.
        fps: of the frames that the predictions are of.
        options: of components.
        results: the folder that run folders are made in, or an address such as `s3://bucket/runs`.
        threads: of the numerical libraries.
        latency: whether to measure that of the other classifiers.
        max_cost: what sending images to cloud services may cost in US dollars.
        registry: the components to choose from.
        observer: is told about progress, and which images have no row.

    Raises:
        DataError: the csv can't be used; the message names the line.
        FxbenchError: as for :func:`run`.
    """
    given = recorded.load(Path(predictions), name)
    selection = Selection(
        datasets=(dataset,),
        split=split,
        protocol=protocol,
        detectors=(detector,),
        landmarkers=(),
        classifiers=(given.name, *(_names(classifiers) or ())),
        attacks=("none",),
        spotters=(),
        limit=limit,
        fps=fps,
    )
    known = (registry or discover()).with_entry(given.entry())
    prepared = runner.prepare(selection, _settings(options), known)
    observer = observer or Silent()
    for coverage in recorded.fill(prepared.plan, given, Chunks(default_folder())).values():
        for note in coverage.notes():
            observer.note(note)
    with places.opened(os.fspath(results)) as folder:
        how = runner.Settings(folder, threads=threads, measure_latency=latency)
        return _execute(prepared, how, max_cost, observer)


def load(run: StrPath | None = None, results: StrPath = "results") -> Run:
    """Read a run; no component is needed for that.

    Args:
        run: the name of a run's folder or a path to one; None for the latest.
        results: the folder that run folders are in.

    Raises:
        UsageError: there is none.
        SchemaError: a newer version wrote it, or it is damaged.
    """
    with places.opened(os.fspath(results)) as folder:
        return _opened(store.load(store.find(folder, None if run is None else os.fspath(run))))


def components(kind: str | None = None) -> pd.DataFrame:
    """What is installed: the rows of `fxbench list --json`.

    Args:
        kind: only components of this kind, such as `classifier`.

    Returns:
        A row for each component; one of the kind `plugin` for each plugin that has a problem.

    Raises:
        UsageError: an unknown kind.
    """
    import pandas as pd

    return pd.DataFrame(inventory.inventory(kind))


def _execute(
    prepared: runner.Prepared, how: runner.Settings, max_cost: float | None, observer: Observer
) -> Run:
    checked_limit(max_cost)
    sent = costs(prepared.plan)
    if sent.calls and sent.unpriced:
        raise UsageError(
            f"{sent.sentence}: no max_cost can allow that; `fxbench run` in a terminal asks."
        )
    if sent.calls and (max_cost is None or sent.price > max_cost):
        raise UsageError(f"{sent.sentence}: allow it with max_cost, now {max_cost}.")
    for entry, reason in prepared.plan.left_out:
        observer.note(f"Left out: {entry.kind.name} {entry.name} ({reason.kind}): {reason.mend}")
    return _opened(runner.run(prepared, how, observer))


def _opened(stored: store.StoredRun) -> Run:
    return Run(stored.folder, stored.run, stored)


def _names(names: Names) -> tuple[str, ...] | None:
    if names is None:
        return None
    listed = names.split(",") if isinstance(names, str) else names
    return tuple(dict.fromkeys(name.strip() for name in listed))


def _settings(options: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(f"{name}={plain(value)}" for name, value in (options or {}).items())

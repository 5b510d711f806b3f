"""How spotting falls off: F1 and false alarms as noise, compression, motion and frame rate change.

The clips are made, spotters run on them as `fxbench run` runs them, and what comes out is a table
and a diagram. One thing is changed at a time, on the same people, expressions and movements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench import runner
from fxbench.errors import FxbenchError
from fxbench.plots import figure, save
from fxbench.selection import Selection
from fxbench.tabular import Column, Table
from fxbench_mini import degrading
from fxbench_mini.degrading import Degradation
from fxbench_mini.variant_plans import Script

if TYPE_CHECKING:
    from fxbench_mini.aam import AppearanceModel

    Report = Callable[[str, float], None]

SHIPPED, DRAWN = "shipped", "drawn"
"""Which clips: those of `mini` that nothing was tuned on, or others that the model draws."""

FACTORS = {
    "noise": "noise, grey levels",
    "quantiser": "MPEG-4, times the finest quantiser",
    "jpeg": "JPEG, quality",
    "every": "one frame kept of",
    "motion": "head motion, times the shipped clips'",
    "fps": "frames per second",
    "quiet": "no expressions, blinks and motion",
    "talk": "no expressions, talk besides",
}
"""What is changed, and how a table names it."""

_NOISE = 2.0
"""Of drawn clips where it is not what is changed: the middle of the shipped clips' range."""

_FEWER = 12, 4
"""Clips with an expression, and without, for each frame rate: those at 200 frames a second take as
long as all others together."""

_METRICS = {
    "f1": "spot_f1",
    "micro": "spot_f1_micro",
    "macro": "spot_f1_macro",
    "precision": "spot_precision",
    "recall": "spot_recall",
    "alarms": "false_alarms_per_minute",
    "quiet_alarms": "false_alarms_per_minute_quiet",
}

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP"


@dataclass(frozen=True, slots=True)
class Condition:
    """One setting.

    Attributes:
        clips: SHIPPED or DRAWN.
        factor: what is changed, of :data:`FACTORS`.
        value: to what.
        degradation: what is done to the clips.
        script: what is drawn; None for the shipped clips.
    """

    clips: str
    factor: str
    value: float
    degradation: Degradation
    script: Script | None = None

    @property
    def folder(self) -> str:
        """Named by what is in it, so that what two conditions share is made once."""
        parts = [self.clips]
        if self.script is not None:
            base = asdict(Script())
            parts += _changes(asdict(self.script), base)
        return "-".join([*parts, *_changes(asdict(self.degradation), asdict(Degradation()))])


def _changes(values: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}{value if isinstance(value, bool) else format(value, 'g')}"
        for name, value in values.items()
        if value != base[name]
    ]


def of_shipped() -> tuple[Condition, ...]:
    """What is done to the shipped clips: this needs no model."""
    ways = {
        "noise": [Degradation(noise=sd) for sd in (0.0, 2.0, 5.0, 10.0, 20.0)],
        "quantiser": [Degradation(coarser=times) for times in (1.0, 2.0, 4.0, 8.0)],
        "jpeg": [Degradation(jpeg=quality) for quality in (50, 25, 10, 5)],
        "every": [Degradation(every=count) for count in (1, 2, 4)],
    }
    return tuple(
        Condition(SHIPPED, factor, _value(factor, how), how)
        for factor, every in ways.items()
        for how in every
    )


def of_drawn(seed: int = 2) -> tuple[Condition, ...]:
    """What is drawn by the model: other people, and head motion and frame rates as well.

    Args:
        seed: see :class:`fxbench_mini.variant_plans.Script`.
    """
    plain = Script(seed=seed)
    found = [
        Condition(DRAWN, "quiet", 0, _noisy(), Script(events=0, quiet=30, seed=seed)),
        Condition(DRAWN, "talk", 0, _noisy(), Script(events=0, talk=True, seed=seed)),
    ]
    ways = {
        "noise": [_noisy(noise=sd) for sd in (0.0, 2.0, 5.0, 10.0, 20.0)],
        "quantiser": [_noisy(coarser=times) for times in (1.0, 2.0, 4.0, 8.0)],
        "jpeg": [_noisy(jpeg=quality) for quality in (50, 25, 10, 5)],
    }
    for factor, every in ways.items():
        found += [Condition(DRAWN, factor, _value(factor, how), how, plain) for how in every]
    for motion in (0.5, 1.0, 2.0, 3.0):
        script = Script(motion=motion, seed=seed)
        found.append(Condition(DRAWN, "motion", motion, _noisy(), script))
    for fps in (15, 30, 50, 200):
        script = Script(*_FEWER, fps=fps, seed=seed)
        found.append(Condition(DRAWN, "fps", fps, _noisy(), script))
    return tuple(found)


def _noisy(**other: Any) -> Degradation:
    return Degradation(**({"noise": _NOISE} | other))


def _value(factor: str, how: Degradation) -> float:
    return float(getattr(how, {"quantiser": "coarser"}.get(factor, factor)))


def write(
    conditions: Sequence[Condition],
    folder: Path,
    *,
    shipped: Path,
    split: str,
    model: AppearanceModel | None,
    seed: int,
    report: Report,
) -> None:
    """Make the clips of all conditions that are not there yet.

    Args:
        conditions: of :func:`of_shipped` and :func:`of_drawn`.
        folder: gets a folder for each.
        shipped: the folder of the shipped clips.
        split: of them, of :data:`fxbench_mini.degrading.SPLITS`.
        model: what draws the others; None where nothing is to be drawn.
        seed: of the noise.
        report: called with a step in words and the share of the work that is done.

    Raises:
        FxbenchError: see :func:`fxbench_mini.degrading.write`.
    """
    groups: dict[Script | None, dict[Path, tuple[Degradation, dict[str, Any]]]] = {}
    for one in conditions:
        what = ("split", split) if one.script is None else ("script", asdict(one.script))
        settings = {"clips": one.clips, what[0]: what[1]}
        group = groups.setdefault(one.script, {})
        group[folder / one.folder] = (one.degradation, settings)
    for done, (script, folders) in enumerate(groups.items()):
        if script is None:
            clips, count = degrading.shipped(shipped, split), len(degrading.SPLITS[split]) * 5
        elif model is not None:
            clips, count = script.footage(model), script.events + script.quiet
        else:
            continue

        def within(step: str, part: float, done: int = done) -> None:
            report(step, (done + part) / len(groups))

        degrading.write(clips, folders, seed=seed, count=count, report=within)


@dataclass(frozen=True, slots=True)
class Chain:
    """What spots: names of components."""

    detector: str = "dlib-hog"
    landmarker: str = "dlib-68"
    spotters: tuple[str, ...] = ("landmark-motion", "optical-flow")


def measure(
    conditions: Sequence[Condition],
    folder: Path,
    chain: Chain,
    *,
    settings: Sequence[str] = (),
    threads: int | None = None,
    report: Report,
) -> Iterator[dict[str, Any]]:
    """Run spotters on the clips of all conditions.

    Args:
        conditions: that :func:`write` has made.
        folder: where their folders are; the runs are kept in it too, so that what was interrupted
            goes on.
        chain: what runs.
        settings: options of components, as texts `NAME.OPTION=VALUE`.
        threads: see :class:`fxbench.runner.Settings`.
        report: called with a step in words and the share of the work that is done.

    Yields:
        A flat row for each condition and spotter.

    Raises:
        FxbenchError: a component is missing, or its cell failed.
    """
    how = runner.Settings(folder / "results", folder / "cache", threads, measure_latency=False)
    for done, one in enumerate(conditions):
        report(f"spotting in {one.folder}", done / len(conditions))
        selection = Selection(
            datasets=("clips",),
            detectors=(chain.detector,),
            landmarkers=(chain.landmarker,),
            classifiers=(),
            spotters=chain.spotters,
        )
        path = f"clips.path={folder / one.folder}"
        stored = runner.run(runner.prepare(selection, (path, *settings)), how)
        # The floors stand beside them in every run.
        cells = [cell for cell in stored.cells if cell["axes"].get("spotter") in chain.spotters]
        for cell in cells:
            if cell["status"] != "ok":
                said = (cell.get("reason") or {}).get("message", cell["status"])
                raise FxbenchError(f"{cell['axes']['spotter']} has no result: {said}")
            yield _row(one, cell)


def _row(one: Condition, cell: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "clips": one.clips,
        "factor": one.factor,
        "what": FACTORS[one.factor],
        "value": one.value,
        "spotter": cell["axes"]["spotter"],
        "n": cell["images"]["clips"],
        "events": cell["images"]["events"],
        "frames": cell["images"]["n"],
    }
    for key, name in _METRICS.items():
        found = cell["metrics"].get(name) or {}
        row |= {key: found.get("value"), f"{key}_low": found.get("low")}
        row[f"{key}_high"] = found.get("high")
    return row


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of :func:`measure` for people."""
    return Table(
        "How spotting falls off",
        (
            Column("clips", "clips"),
            Column("what", "changed"),
            Column("value", "to", "relative"),
            Column("spotter", "spotter"),
            Column("events", "expressions", "count"),
            Column("f1", "F1, %", "interval"),
            Column("micro", "micro, %", "percent"),
            Column("macro", "macro, %", "percent"),
            Column("recall", "recall, %", "percent"),
            Column("quiet_alarms", "false alarms a minute, without expressions", "number-interval"),
        ),
        tuple(dict(row) for row in rows),
        (
            "F1: IoU of at least 0.5, micro and macro together, all clips counted; 95 % intervals "
            "over people. False alarms: in clips without an expression.",
            "Synthetic clips: near-perfect here proves little about real ones.",
        ),
    )


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw F1 and false alarms against what is changed, a column for each.

    Args:
        rows: of :func:`measure`.
        path: the PNG file to write.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    pairs = dict.fromkeys((row["clips"], row["factor"]) for row in rows)
    wanted = [pair for pair in pairs if len({r["value"] for r in rows if _is(r, pair)}) > 1]
    spotters = list(dict.fromkeys(row["spotter"] for row in rows))
    made = figure(2.9 * max(len(wanted), 1), 5.4)
    axes = made.subplots(2, max(len(wanted), 1), sharex="col", squeeze=False)
    highest = max((row["quiet_alarms"] or 0 for row in rows), default=0)
    for column, pair in enumerate(wanted):
        above, below = axes[:, column]
        for number, spotter in enumerate(spotters):
            own = [r for r in rows if _is(r, pair) and r["spotter"] == spotter]
            own.sort(key=lambda row: row["value"])
            style = {
                "color": _COLOURS[number % len(_COLOURS)],
                "marker": _MARKERS[number % len(_MARKERS)],
                "label": spotter,
            }
            _line(above, own, "f1", 100, style)
            _line(below, own, "quiet_alarms", 1, style)
        values = sorted({row["value"] for row in rows if _is(row, pair)})
        above.set_xscale("symlog" if 0 in values else "log", base=2)
        above.set_xticks(values, [f"{value:g}" for value in values])
        above.minorticks_off()
        above.set(title=f"{pair[0]} clips", ylim=(0, 102))
        below.axhline(1, color="#8a8a8a", linewidth=1, linestyle=":")
        below.set(ylim=(0, max(2.0, 1.1 * highest)), xlabel=FACTORS[pair[1]])
        below.xaxis.label.set_fontsize(8)
    axes[0, 0].set_ylabel("F1, %")
    axes[1, 0].set_ylabel("false alarms a minute,\nwithout expressions")
    if wanted:
        axes[0, 0].legend(loc="lower left", fontsize=8)
    return save(made, path)


def _is(row: Mapping[str, Any], pair: tuple[str, str]) -> bool:
    return (row["clips"], row["factor"]) == pair


def _line(
    axes: Any, rows: Sequence[Mapping[str, Any]], key: str, times: float, style: dict[str, Any]
) -> None:
    known = [row for row in rows if row[key] is not None]
    axes.plot([r["value"] for r in known], [times * r[key] for r in known], **style)
    sure = [row for row in known if row[f"{key}_low"] is not None]
    axes.fill_between(
        [row["value"] for row in sure],
        [times * row[f"{key}_low"] for row in sure],
        [times * row[f"{key}_high"] for row in sure],
        color=style["color"],
        alpha=0.12,
        linewidth=0,
    )

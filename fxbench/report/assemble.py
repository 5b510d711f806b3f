"""The whole report of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fxbench.pages.page import render
from fxbench.report import attacks, emotions, faces, record, samples, scores, videos
from fxbench.tables import kind_of

if TYPE_CHECKING:
    from fxbench.answers import Answered
    from fxbench.report.samples import Thumbnails
    from fxbench.store import StoredRun

_AXES = ("detector", "classifier", "landmarker", "attack", "corruption", "spotter")


def report(
    stored: StoredRun,
    answered: Iterable[Answered] = (),
    *,
    suite: str | None = None,
    thumbnails: Thumbnails | None = None,
) -> str:
    """A page of HTML that needs no other file and no network.

    Args:
        stored: the run; of one that is not finished what there is, and the page says so.
        answered: what its cells answered, see :func:`fxbench.answers.read`.
        suite: the suite that it is a run of.
        thumbnails: gives pictures of the dataset; without it the page has none of faces.

    Raises:
        UnavailableError: Jinja2 or Plotly is not installed.
    """
    cells, run = stored.cells, stored.run
    sections = [
        *scores.sections(cells, run),
        *emotions.sections(cells, run),
        *attacks.sections(cells, run),
        *faces.sections(cells, run),
        *videos.sections(cells, run),
        *samples.sections(cells, answered, thumbnails),
        *record.sections(cells, run, suite),
    ]
    return render(
        "report.html",
        name=str(run["id"]),
        suite=suite,
        sections=sections,
        tiles=_tiles(cells, run),
        warnings=_warnings(stored),
    )


def _tiles(cells: list[dict[str, Any]], run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run is, in a few numbers."""
    images = run.get("images") or {}
    selected = [place["selected"] for place in images.values() if place.get("selected")]
    done = sum(cell["status"] == "ok" for cell in cells)
    made = str(run.get("finished") or run.get("created") or "").partition("T")[0]
    tiles = [
        ("data", ", ".join(images) or ", ".join(run.get("datasets") or ())),
        ("images", f"{sum(selected):,}" if selected else ""),
        ("cells with a result", f"{done:,} of {len(cells):,}"),
    ]
    for axis in _AXES:
        names = {cell["axes"][axis] for cell in cells if cell["axes"].get(axis)} - {"none"}
        if names:
            tiles.append((f"{axis}s", f"{len(names):,}"))
    tiles += [
        ("finished", made),
        ("fxbench", str((run.get("environment") or {}).get("fxbench") or "")),
    ]
    return [(name, value) for name, value in tiles if value]


def _warnings(stored: StoredRun) -> list[str]:
    """What a reader must know before any number."""
    told = []
    if not stored.finished:
        told.append(
            "This run is not finished: these are its cells so far. The command that made it goes "
            "on with it."
        )
    failed = [cell for cell in stored.cells if cell["status"] == "failed"]
    if failed:
        first = (failed[0].get("reason") or {}).get("message") or "no reason is kept"
        kinds = ", ".join(dict.fromkeys(kind_of(cell) for cell in failed))
        told.append(
            f"{len(failed):,} of {len(stored.cells):,} cells failed ({kinds}), such as: {first} "
            "The notes of the tables have each reason."
        )
    return told

"""Two cells side by side on the page Compare: what differs, and on which images."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from fxbench import stored_images
from fxbench.changes import Flip, Tested, count_flips, flips, tested
from fxbench.dashboard import charts, reading
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import plain
from fxbench.keys import digest
from fxbench.labels import EMOTIONS
from fxbench.metrics.paired import ALPHA
from fxbench.sides import Matcher, Pair, Record, Side, called, has_answers, place
from fxbench.store import StoredRun
from fxbench.tabular import format_p

_A_PAGE = 12
_METRIC = "accuracy_end_to_end"
_KINDS = {
    "right in A, wrong in B": "lost",
    "wrong in A, right in B": "won",
    "wrong in both, or without a label": "other",
}


def show(setup: Setup, first: StoredRun, names: list[str]) -> None:
    """Show two cells, the second of the same or of another run.

    Args:
        setup: how the dashboard was started.
        first: the run of the first cell.
        names: of the runs to choose the second from.
    """
    left, right = st.columns(2)
    with left:
        own = first.folder.name
        st.selectbox("**A**, of the run", [own], disabled=True, key=f"a-run {own}")
        one = _cell(first, "a", None)
    with right:
        other = st.selectbox("**B**, of the run", names, names.index(own), key="b-run")
        second = first if other == first.folder.name else reading.loaded(setup.results / other)
        two = None if one is None else _cell(second, "b", one)
    if one is None or two is None:
        st.info(
            "No two cells can be set side by side: both must have a classifier and a result, on "
            "the same dataset, split and protocol."
        )
        return
    sides = reading.side(first), reading.side(second)
    pair = Matcher(*sides).pair(one, two)
    if isinstance(pair, str):
        st.warning(f"They can't be compared: {plain(pair.rstrip('.'))}.")
        return
    _numbers(pair, tested(_METRIC, pair), same=one is two)
    _recalls(pair)
    _images(setup, sides[1], first, two, pair)


def _cell(stored: StoredRun, key: str, other: Record | None) -> Record | None:
    """A cell that was chosen; by default the first, and for B the second."""
    fitting = [
        cell
        for cell in _ordered(stored.cells)
        if cell["status"] == "ok"
        and has_answers(cell)
        and (other is None or place(cell) == place(other))
    ]
    if not fitting:
        return None
    whole = len({place(cell) for cell in stored.cells}) > 1
    names = {cell["id"]: called(cell["axes"], whole=whole) for cell in fitting}
    default = 0 if other is None else _differing(fitting, other)
    id_ = st.selectbox(
        "Cell", list(names), default, format_func=lambda one: names[one], key=f"cell-{key}"
    )
    return next((cell for cell in fitting if cell["id"] == id_), None)


def _ordered(cells: list[dict[str, Any]]) -> list[Record]:
    """Clean ones first, the best of them first."""

    def key(cell: Record) -> tuple[bool, bool, float]:
        done_to = bool(cell["axes"].get("attack") or cell["axes"].get("corruption"))
        accuracy = ((cell.get("metrics") or {}).get(_METRIC) or {}).get("value")
        return done_to, bool(cell.get("floor")), -(accuracy or 0.0)

    return sorted(cells, key=key)


def _differing(cells: list[Record], other: Record) -> int:
    """The place of the first cell with another classifier, else of the first other one."""
    axes = other["axes"]
    for own in ("classifier", "id"):
        for number, cell in enumerate(cells):
            mine, theirs = (cell["axes"], axes) if own == "classifier" else (cell, other)
            if mine.get(own) != theirs.get(own):
                return number
    return 0


def _numbers(pair: Pair, result: Tested, *, same: bool) -> None:
    if result.change is None or result.before is None or result.after is None:
        st.info("None of the images that both have counts: they have no label.")
        return
    differ = count_flips(pair)
    boxes = st.columns(4)
    boxes[0].metric("A, end-to-end accuracy", f"{100 * result.before:.1f} %")
    boxes[1].metric("B, end-to-end accuracy", f"{100 * result.after:.1f} %")
    change = result.change
    boxes[2].metric("B less A", f"{100 * change.value:+.1f} points")
    boxes[3].metric("Answered differently", f"{differ.total:,} of {len(pair.ids):,}")
    p = "no test" if result.p is None else f"p {format_p(result.p)}"
    sentence = (
        f"On {result.images:,} images B alone is right on {differ.won:,}, A alone on "
        f"{differ.lost:,}. The difference is {100 * change.value:+.1f} percentage points, 95 % CI "
        f"{100 * change.low:+.1f} to {100 * change.high:+.1f} ({result.test}, {p})."
    )
    if same:
        st.info("A and B are the same cell.")
    elif result.p is None or result.p > ALPHA:
        st.info(f"No difference is shown. {plain(sentence)}")
    else:
        better = "B" if change.value > 0 else "A"
        st.success(f"{better} is better. {plain(sentence)}")
    st.caption(
        "One test by itself: who looks at many pairs finds differences by chance. The ranks of "
        "the leaderboard are corrected for that."
    )


def _recalls(pair: Pair) -> None:
    recalled: dict[str, list[float | None]] = {}
    for code, emotion in enumerate(EMOTIONS):
        of = pair.labels == code
        if of.any():
            recalled[emotion] = [
                float((top[of] == code).mean()) for top in (pair.before, pair.after)
            ]
    if recalled:
        st.subheader("Of the images labelled so, how many are answered so")
        alt = "Recall of each emotion in both cells, as bars"
        st.plotly_chart(charts.recalls(("A", "B"), recalled), key="recalls", alt=alt)


def _images(setup: Setup, side: Side, first: StoredRun, cell: Record, pair: Pair) -> None:
    st.subheader("Images they disagree on")
    found = flips(pair)
    if not found:
        st.caption("There is none: both give the same answer to every image.")
        return
    by_kind = {name: [flip for flip in found if flip.kind == kind] for name, kind in _KINDS.items()}
    words = {f"{name} ({len(some):,})": some for name, some in by_kind.items() if some}
    choice = st.segmented_control(
        "Which", list(words), default=next(iter(words)), required=True, key="kind"
    )
    some = words.get(str(choice)) or next(iter(words.values()))
    pages = -(-len(some) // _A_PAGE)
    number = 1
    if pages > 1:
        number = int(st.number_input(f"Page, of {pages:,}", 1, pages, 1, key="images-page"))
    shown = some[(number - 1) * _A_PAGE : number * _A_PAGE]
    where = place(cell)
    rows = _rows(side, where)
    stored = _stored(setup, first.run, where)
    pictures = stored.thumbnails([rows[flip.id] for flip in shown])
    if stored.why:
        st.info(plain(stored.why), icon=":material/hide_image:")
    if cell["axes"].get("attack") or cell["axes"].get("corruption"):
        st.caption("Shown is the picture as it is, before it was attacked or corrupted.")
    columns = st.columns(4 if pictures else 3)
    for index, flip in enumerate(shown):
        with columns[index % len(columns)].container(border=True):
            _card(flip, pictures.get(rows[flip.id]))


def _card(flip: Flip, picture: Any) -> None:
    if picture is not None:
        st.image(picture, width="stretch", alt=f"Image labelled as {flip.label}")
    st.markdown(
        f"labelled as **{plain(flip.label or 'nothing')}**  \nA: {plain(flip.before)}  \n"
        f"B: {plain(flip.after)}"
    )
    st.caption(plain(flip.id))


def _rows(side: Side, where: tuple[str, str, str]) -> dict[str, int]:
    answered = side.answered[where]
    return dict(zip(answered.ids, np.asarray(answered.rows).tolist(), strict=True))


def _stored(setup: Setup, run: Record, where: tuple[str, str, str]) -> stored_images.StoredImages:
    # A run that was made again under its name may no longer be shown, or be of other images.
    return _opened(digest(run), where[0], where[1], setup.settings, run)


@st.cache_resource(max_entries=4, show_spinner="Looking for the images")
def _opened(
    key: str,  # noqa: ARG001 - tells the run from every other
    dataset: str,
    split: str,
    settings: tuple[str, ...],
    _run: Record,
) -> stored_images.StoredImages:
    return stored_images.opened(_run, dataset, split, settings)

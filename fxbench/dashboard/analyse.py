"""The page Analyse: a photo or a video, and what detectors and classifiers make of it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st

from fxbench.analysis.columns import OTHER_NAME
from fxbench.analysis.engine import Cast
from fxbench.dashboard import charts, choosing, uploads
from fxbench.dashboard.choosing import Given
from fxbench.dashboard.filming import Filmed, Photographed, filmed, photographed
from fxbench.dashboard.kept import known, once
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import not_feelings, plain
from fxbench.dashboard.workshop import Workshop, workshop
from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

_SLOT = "analysed"
_SPOKEN_EVERY_S = 0.25
_FEW_FRAMES = 5
"""A person who is seen in fewer frames of a video is not shown by themselves."""
_MOST_PEOPLE = 20


def page(setup: Setup) -> None:
    """Show the page."""
    st.title("Analyse")
    shop = workshop(setup.settings)
    left, right = st.columns([2, 5], gap="medium")
    with left:
        chosen = choosing.given(setup, shop, videos=True, key="analyse")
        cast, every = _cast(shop, chosen)
    with right:
        if cast is None:
            st.info("Choose a detector and at least one classifier on the left.")
        elif chosen is None:
            _welcome(setup)
        elif chosen.is_video:
            _video(setup, shop, chosen, cast, every)
        else:
            _photo(shop, chosen, cast)
    not_feelings()


def _welcome(setup: Setup) -> None:
    st.info(
        "Upload a photo or a video on the left, or take a drawn face. Each face gets a box, the "
        "emotion that each classifier labels it as, and how probable that is to the classifier. "
        f"Of a video the first {setup.max_seconds:g} seconds are looked at.",
        icon=":material/upload:",
    )


def _cast(shop: Workshop, chosen: Given | None) -> tuple[Cast | None, int]:
    detector = choosing.one(shop, "detector", "Finds faces", "analyse-detector")
    classifiers = choosing.several(
        shop,
        "classifier",
        "Tell emotions, side by side",
        "analyse-classifiers",
        most=choosing.MOST_CLASSIFIERS,
    )
    every = 1
    with st.expander("More", icon=":material/tune:"):
        landmarker = choosing.one(
            shop, "landmarker", "Locates landmarks", "analyse-landmarker", none=True
        )
        if chosen is not None and chosen.is_video:
            every = st.slider(
                "Look for faces in every … frame",
                1,
                10,
                2,
                key="analyse-every",
                help="In between they are followed. More is faster, and may lose who moves fast.",
            )
    if detector is None or not classifiers:
        return None, every
    return Cast((detector,), classifiers, (landmarker,) if landmarker else ()), every


def _photo(shop: Workshop, chosen: Given, cast: Cast) -> None:
    picture = choosing.picture(chosen)
    found: Photographed = once(
        _SLOT,
        f"{chosen.key} {cast}",
        "Looking at the photo",
        lambda: photographed(shop, shop.engine(cast), picture, chosen.name),
    )
    (detector,) = cast.detectors
    drawn = found.annotated[detector]
    st.image(drawn, width="stretch", alt="The photo with what was answered drawn into it")
    if found.rows.empty:
        st.warning(
            f"{detector} finds no face in this photo. Try another detector, or `full-frame`, which "
            "takes the whole picture for a face."
        )
        return
    people = "face" if len(found.rows) == 1 else "faces"
    st.caption(
        f"{len(found.rows)} {people} found by {detector}. "
        f"The picture is {picture.shape[1]} x {picture.shape[0]} pixels."
    )
    with st.container(horizontal=True):
        _download("Annotated photo", _png(drawn), "annotated.png", "image/png")
        _download("Answers as csv", _csv(found.rows), "answers.csv", "text/csv")
    _faces(found.rows, cast.classifiers)


def _faces(rows: pd.DataFrame, classifiers: tuple[str, ...]) -> None:
    records = rows.to_dict("records")
    if len(records) > 1:
        table = {"face": range(1, len(records) + 1)} | {
            f"{name}: labelled as": [" ".join(_answer(row, name)) for row in records]
            for name in classifiers
        }
        st.dataframe(table, hide_index=True, alt="What each classifier answers of each face")
        number = st.selectbox(
            "All probabilities of",
            range(len(records)),
            format_func=lambda one: f"face {one + 1}",
            key="analyse-face",
        )
    else:
        number = 0
        for name in classifiers:
            label, share = _answer(records[0], name)
            st.markdown(f"{plain(name)}: labelled as **{label}** {share}")
    row = records[number]
    answers = {
        name: np.array([row[f"{name}.{emotion}"] for emotion in EMOTIONS], np.float32)
        for name in classifiers
    }
    alt = f"Probability of each emotion for face {number + 1}, by classifier"
    st.plotly_chart(charts.bars(answers), key="bars", alt=alt)


def _answer(row: dict[Any, Any], classifier: str) -> tuple[str, str]:
    """The label, and its probability."""
    label = row[f"{classifier}.label"]
    if label is None:
        return "no answer", ""
    share = f"{row[f'{classifier}.{label}']:.2f}"
    return ("none of the eight emotions" if label == OTHER_NAME else label), share


def _video(setup: Setup, shop: Workshop, chosen: Given, cast: Cast, every: int) -> None:
    key = f"{chosen.key} {cast} {every}"
    if not known(_SLOT, key):
        asking = st.empty()
        if not _begun(setup, chosen, asking):
            return
        asking.empty()
    found: Filmed = once(_SLOT, key, "At work", lambda: _watched(setup, shop, chosen, cast, every))
    if found.cut:
        st.info(
            f"Only the first {setup.max_seconds:g} seconds were looked at: `fxbench dashboard "
            "--max-seconds` sets how many, and `fxbench analyze` has no limit."
        )
    if found.fault:
        st.warning(f"The video ended early: {plain(found.fault)}")
    st.video(found.film, alt="The video with what was answered drawn into it")
    with st.container(horizontal=True):
        _download("Annotated video", found.film, "annotated.mp4", "video/mp4")
        _download("Answers as csv", _csv(found.rows), "answers.csv", "text/csv")
    if found.rows.empty:
        st.warning(f"{cast.detectors[0]} finds no face in this video. Try another detector.")
        return
    _people(found, cast)


def _begun(setup: Setup, chosen: Given, where: DeltaGenerator) -> bool:
    """Whether a person wants to spend the time."""
    with where.container():
        size = len(chosen.data) / 1e6
        st.markdown(f"**{plain(uploads.named(chosen.name))}**, {size:.1f} MB")
        st.caption(
            f"Its first {setup.max_seconds:g} seconds are looked at. That takes about as long as "
            "they last, more on a slow machine or with several classifiers."
        )
        return st.button("Analyse this video", type="primary", icon=":material/play_arrow:")


def _watched(setup: Setup, shop: Workshop, chosen: Given, cast: Cast, every: int) -> Filmed:
    bar = st.progress(0.0, "Loading components")
    begin = time.monotonic()
    spoke = 0.0

    def at(share: float, frames: int) -> None:
        nonlocal spoke
        now = time.monotonic()
        if now - spoke < _SPOKEN_EVERY_S:
            return
        spoke = now
        left = (now - begin) * (1 - share) / max(share, 1e-6)
        bar.progress(share, f"{frames} frames, about {left:.0f} s left")

    try:
        engine = shop.engine(cast)
        begin = time.monotonic()
        with uploads.film(chosen.data, chosen.name) as (reader, folder):
            return filmed(
                shop,
                engine,
                reader,
                folder,
                uploads.named(chosen.name),
                every=every,
                seconds=setup.max_seconds,
                progress=at,
            )
    finally:
        bar.empty()


def _people(found: Filmed, cast: Cast) -> None:
    rows = found.rows
    counts = Counter(rows["track"].dropna().astype(int).tolist())
    tracks = [track for track, count in counts.most_common() if count >= _FEW_FRAMES]
    tracks = tracks[:_MOST_PEOPLE] or [track for track, _ in counts.most_common(1)]
    if not tracks:
        return
    st.subheader("Timeline")
    boxes = st.columns(2)
    track = boxes[0].selectbox(
        "Person, by number within this video",
        tracks,
        format_func=lambda number: f"{number}, in {counts[number]} of {found.frames} frames",
        help="Who is who is told by position and motion alone. No face is recognised.",
        key="person",
    )
    classifier = boxes[1].selectbox("Classifier", cast.classifiers, key="timeline-of")
    own = rows[rows["track"] == track]
    columns = [f"{classifier}.{emotion}" for emotion in EMOTIONS]
    time_s, shares = own["time_s"].to_numpy(), own[columns].to_numpy(np.float32)
    # No line leads over the time when nobody was seen.
    gaps = np.flatnonzero(np.diff(own["frame"].to_numpy()) > 1) + 1
    shares = np.insert(shares, gaps, np.nan, axis=0)
    figure = charts.timeline(np.insert(time_s, gaps, time_s[gaps]), shares, found.seconds)
    alt = f"The probability of each emotion over time, person {track}, by {classifier}"
    st.plotly_chart(figure, key="timeline", alt=alt)
    st.subheader("Share of each answer")
    tops = {name: _codes(own, name) for name in cast.classifiers}
    alt = f"In what share of the frames person {track} is labelled as each emotion"
    st.plotly_chart(charts.shares(tops), key="shares", alt=alt)


def _codes(rows: pd.DataFrame, classifier: str) -> Any:
    order = {emotion: code for code, emotion in enumerate(EMOTIONS)}
    labels = rows[f"{classifier}.label"].dropna()
    return np.array([order.get(label, -1) for label in labels], np.int64)


def _download(label: str, data: bytes, name: str, mime: str) -> None:
    st.download_button(
        label, data, name, mime, icon=":material/download:", on_click="ignore", key=name
    )


def _png(image: Any) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def _csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode("utf-8", "backslashreplace")

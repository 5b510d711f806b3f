"""The page Live: the browser's camera, and what is answered of its pictures."""

from __future__ import annotations

import base64
import binascii
import time
from pathlib import Path
from typing import Any

import streamlit as st

from fxbench import images
from fxbench.analysis.engine import Cast, Engine
from fxbench.dashboard import choosing, uploads
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import not_feelings
from fxbench.dashboard.workshop import Workshop, workshop
from fxbench.errors import FxbenchError, ImageError
from fxbench.labels import EMOTIONS
from fxbench.overlay import Shown, shown
from fxbench.types import UInt8

_KEY = "live-camera"
_SENT = "data:image/jpeg;base64,"
_MOST_BYTES = 4_000_000
"""Of a picture as text. The page sends some 50 kB."""
_SIDE = 1280

_STYLE = """<style>
[data-testid=stStatusWidget] { display: none; }
[data-stale=true] { opacity: 1 !important; transition: none !important; }
</style>"""
"""Streamlit would tell of every picture that something is at work, and fade the one before."""

_HERE = Path(__file__).parent
_camera = st.components.v2.component(
    "fxbench_camera",
    html=(_HERE / "live.html").read_text(encoding="utf-8"),
    css=(_HERE / "live.css").read_text(encoding="utf-8"),
    js=(_HERE / "live.js").read_text(encoding="utf-8"),
)


def page(setup: Setup) -> None:
    """Show the page."""
    st.title("Live")
    st.html(_STYLE)
    shop = workshop(setup.settings)
    left, right = st.columns([2, 5], gap="medium")
    with left:
        detector = choosing.one(shop, "detector", "Finds faces", "live-detector")
        classifiers = choosing.several(
            shop,
            "classifier",
            "Tell emotions, side by side",
            "live-classifiers",
            most=choosing.MOST_CLASSIFIERS,
        )
        if setup.network:
            st.caption(
                "Browsers give a camera to pages of this machine and to encrypted ones alone: "
                "opened from another machine, this page gets none."
            )
    with right:
        if detector is None or not classifiers:
            st.info("Choose a detector and at least one classifier on the left.")
        else:
            with st.spinner("Loading components, once for all pages"):
                shop.engine(Cast((detector,), classifiers))
            _view(setup, Cast((detector,), classifiers))
    st.caption(
        "Pictures go from the browser to fxbench on this machine, a few per second, and are "
        "forgotten once they are answered. Nothing is recorded; `fxbench live --record` does that."
    )
    not_feelings()


@st.fragment
def _view(setup: Setup, cast: Cast) -> None:
    """The camera with what was answered of its last picture; it alone is run for each."""
    _camera(
        key=_KEY,
        data=st.session_state.get("live-answer"),
        on_frame_change=lambda: _answer(setup, cast),
    )


def _answer(setup: Setup, cast: Cast) -> None:
    """Look at the picture that the browser sent; its answer is what the next rendering shows."""
    sent = st.session_state[_KEY].frame
    if not isinstance(sent, dict):
        return
    number = sent.get("number")
    answer: dict[str, Any] = {"number": number if isinstance(number, int) else -1}
    try:
        picture = decoded(sent.get("picture"))
        shop = workshop(setup.settings)
        answer |= looked(shop, shop.engine(cast), picture)
    except FxbenchError as error:
        answer["error"] = str(error)
    st.session_state["live-answer"] = answer


def decoded(sent: object) -> UInt8:
    """The picture in what a browser sent.

    Args:
        sent: a JPEG as a data URL.

    Raises:
        ImageError: it is none, or too large.
    """
    if not isinstance(sent, str) or not sent.startswith(_SENT) or len(sent) > _MOST_BYTES:
        raise ImageError(
            f"The camera's picture must be a JPEG as a data URL of at most {_MOST_BYTES:,} "
            "characters: reload the page."
        )
    try:
        data = base64.b64decode(sent.removeprefix(_SENT), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("The camera's picture is no base64: reload the page.") from error
    return uploads.smaller(images.decode(data, "The camera's picture"), _SIDE)


def looked(shop: Workshop, engine: Engine, picture: UInt8) -> dict[str, Any]:
    """What is answered of a picture, as JSON can hold it.

    Args:
        shop: whose turns are taken.
        engine: that looks.
        picture: RGB uint8 (H, W, 3).

    Returns:
        `ms`: how long it took; `faces`: for each its `box` as fractions of the picture's sides, and
        for each classifier its `name`, the `label`, its `share` and the `shares` of all emotions.
    """
    begin = time.perf_counter()
    with shop.turn():
        waited = time.perf_counter()
        (look, *_) = engine.look((picture,))
    height, width = picture.shape[:2]
    faces = [_face(face, width, height) for face in shown(look, 0)]
    return {
        "ms": round(1000 * (time.perf_counter() - waited), 1),
        "waited_ms": round(1000 * (waited - begin), 1),
        "emotions": list(EMOTIONS),
        "faces": faces,
    }


def _face(face: Shown, width: int, height: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in face.xyxy)
    bars = [] if face.bars is None else face.bars.tolist()
    return {
        "box": [round(v, 4) for v in (x1 / width, y1 / height, x2 / width, y2 / height)],
        "answers": [
            {
                "name": name,
                "label": label,
                "share": _number(share),
                "shares": [_number(value) for value in row],
            }
            for (name, label, share), row in zip(face.labels, bars, strict=True)
        ],
    }


def _number(value: float) -> float | None:
    """What is no number is null."""
    return round(value, 3) if value == value else None  # noqa: PLR0124 - NaN alone differs

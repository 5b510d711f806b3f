"""The page Attack: a face, a budget, the perturbation, and what classifiers answer then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from fxbench.cloak_effect import ROLES, SURROGATE
from fxbench.component import Component
from fxbench.dashboard import charts, choosing
from fxbench.dashboard.kept import once
from fxbench.dashboard.perturbing import Asked, Attacked, attacked
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import not_feelings, plain
from fxbench.dashboard.workshop import Workshop, workshop
from fxbench.errors import FxbenchError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.registry import Entry
from fxbench.stored_images import thumbnail
from fxbench.tabular import format_epsilon
from fxbench.types import Float32, UInt8

_LEVELS = (0, 1, 2, 4, 8, 12, 16, 24, 32)
_USUAL = 8
_ANY = "any other"
_WIDTHS = {"classifier": 166, "role": 100, "labelled as": 115, "then as": 115, "changed": 68}
"""Of the columns of answers, pixels."""
_SIDE = 420
"""Of a face on the page, pixels."""


def page(setup: Setup) -> None:
    """Show the page."""
    st.title("Attack")
    shop = workshop(setup.settings)
    left, right = st.columns([2, 5], gap="medium")
    with left:
        chosen = choosing.given(setup, shop, videos=False, key="attack")
        detector = choosing.one(shop, "detector", "Finds the face", "attack-detector")
        wanted = _wanted(shop)
    with right:
        if chosen is None:
            st.info(
                "Upload a photo on the left, or take a drawn face. Its pixels are changed a "
                "little so that a classifier errs; then every classifier is asked again.",
                icon=":material/upload:",
            )
        elif detector is not None and wanted is not None:
            picture = choosing.picture(chosen)
            box = _face(shop, picture, detector, f"{chosen.key} {detector}")
            if box is not None:
                _show(*wanted, shop, picture, box, chosen.key)
    not_feelings()
    st.caption(
        "That an attack fails here doesn't mean that a classifier is robust: it is one face and "
        "one attack. `fxbench run --attacks` measures it on a dataset."
    )


def _wanted(shop: Workshop) -> tuple[Entry, Entry, tuple[str, ...], float, str | None] | None:
    """The attack, the surrogate, who is asked, the budget, and the emotion to be reached."""
    attacks = {
        entry.name: entry
        for entry in shop.ready("attack")
        # The smallest change that fools has no budget to be chosen.
        if "minimum" not in entry.component.traits
    }
    if not attacks:
        st.warning("No attack is ready: `fxbench list --kind attack` says what each lacks.")
        return None
    first = shop.default("attack")
    name = st.selectbox(
        "Attack",
        list(attacks),
        list(attacks).index(first) if first in attacks else 0,
        help="\n".join(
            f"- **{one.name}**: {plain(one.component.summary)}" for one in attacks.values()
        ),
        key="attack-name",
    )
    attack = attacks[name]
    surrogates = _surrogates(shop, attack.component)
    if not surrogates:
        st.warning(
            f"{name} takes gradients, and no classifier that gives any is ready: `fxbench list "
            "--kind classifier` says what each lacks. An attack that only asks needs none."
        )
        return None
    surrogate = surrogates[
        st.selectbox(
            "Through the classifier",
            list(surrogates),
            help="Its gradients are taken, or it is asked. The change is then put onto what the "
            "others see.",
            key="attack-surrogate",
        )
    ]
    level = st.select_slider(
        "Epsilon, the largest change of a pixel",
        _LEVELS,
        _USUAL,
        format_func=lambda one: format_epsilon(one / 255),
        help="Of the pixels' range. An L2 attack's is the root mean square of all changes.",
        key="attack-epsilon",
    )
    towards = st.selectbox("To be answered", (_ANY, *EMOTIONS), key="attack-towards")
    everyone = [
        entry.name
        for entry in shop.ready("classifier")
        if not {"floor", "recorded"} & entry.component.traits
    ]
    asked = choosing.several(
        shop, "classifier", "Asked before and after", "attack-asked", default=everyone
    )
    return attack, surrogate, asked, level / 255, None if towards == _ANY else towards


def _surrogates(shop: Workshop, attack: Component) -> dict[str, Entry]:
    free = attack.traits & {"black-box", "control"} and "iterative" not in attack.traits
    return {
        entry.name: entry
        for entry in shop.ready("classifier")
        if "floor" not in entry.component.traits and (free or "gradient" in entry.component.traits)
    }


def _face(shop: Workshop, picture: UInt8, detector: str, key: str) -> Float32 | None:
    def found() -> Float32:
        finder = shop.component("detector", detector)
        with shop.turn():
            boxes: Float32 = finder.detect((picture,)).xyxy
        return boxes

    boxes = once("attack-boxes", key, "Looking for faces", found)
    if not len(boxes):
        st.warning(
            f"{detector} finds no face in this photo. Try another detector, or `full-frame`, which "
            "takes the whole picture for a face."
        )
        return None
    order = np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1), kind="stable")
    number = 0
    if len(boxes) > 1:
        number = st.selectbox(
            "Face, the largest first",
            range(len(boxes)),
            format_func=lambda one: f"face {one + 1}",
            key="attack-face",
        )
    box: Float32 = boxes[order[number]]
    return box


def _loaded(shop: Workshop, names: tuple[str, ...]) -> list[Asked]:
    """The classifiers, loaded one by one; one that fails is said and left out."""
    made = []
    bar = st.progress(0.0)
    try:
        for place, name in enumerate(names):
            text = f"Loading {plain(name)} ({place + 1} of {len(names)}), once for all pages"
            bar.progress(place / len(names), text)
            try:
                classifier = shop.component("classifier", name)
            except FxbenchError as error:
                st.warning(f"Left out: {plain(str(error))}")
            else:
                made.append(Asked(shop.registry.get("classifier", name).component, classifier))
    finally:
        bar.empty()
    return made


def _show(
    attack: Entry,
    surrogate: Entry,
    asked: tuple[str, ...],
    epsilon: float,
    towards: str | None,
    shop: Workshop,
    picture: UInt8,
    box: Float32,
    key: str,
) -> None:
    def at_work() -> Attacked:
        return _attacked(attack, surrogate, asked, epsilon, towards, shop, picture, box)

    choice = (attack.name, surrogate.name, asked, epsilon, towards, box.tolist())
    result = once("attacked", f"{key} {choice}", f"{attack.name} is at work", at_work)
    _pictures(result)
    _answers(result)


def _attacked(
    attack: Entry,
    surrogate: Entry,
    asked: tuple[str, ...],
    epsilon: float,
    towards: str | None,
    shop: Workshop,
    picture: UInt8,
    box: Float32,
) -> Attacked:
    # The surrogate comes first, and is asked whether it was chosen or not.
    names = tuple(dict.fromkeys((surrogate.name, *asked)))
    everyone = _loaded(shop, names)
    means = next((one for one in everyone if one.component.name == surrogate.name), None)
    if means is None:
        raise UsageError(f"{surrogate.name} can't be loaded: choose another classifier.")
    made = shop.component("attack", attack.name)
    with shop.turn():
        return attacked(
            picture,
            box,
            made,
            means,
            everyone,
            epsilon=epsilon,
            towards=towards,
            black_box="black-box" in attack.component.traits,
        )


def _pictures(result: Attacked) -> None:
    shown = (
        ("As it is", result.clean),
        (f"The change, {127 / max(1.0, result.largest):.0f} times enlarged", result.enlarged),
        ("Adversarial", result.adversarial),
    )
    for box, (title, image) in zip(st.columns(3), shown, strict=True):
        with box:
            st.image(thumbnail(image, _SIDE), title, width="stretch", alt=title)
    size = result.clean.shape[0]
    queries = "" if result.queries is None else f" {result.queries:,} answers were asked for."
    st.caption(
        f"The face as the surrogate takes it, {size} x {size} pixels. The largest change of a "
        f"pixel is {result.largest:.0f} of 255, the root mean square {result.spread:.1f}.{queries}"
    )
    if result.flat:
        st.warning(
            "The classifier's gradient is 0 everywhere on this face, so the attack had nowhere to "
            "go. That is no robustness: another attack may well succeed."
        )


def _answers(result: Attacked) -> None:
    others = [one for one in result.said if one.role != SURROGATE]
    own = next(one for one in result.said if one.role == SURROGATE)
    boxes = st.columns(2)
    boxes[0].metric(
        f"The surrogate, {own.classifier}",
        own.after[0],
        "changed" if own.changed else "not changed",
        delta_color="inverse" if own.changed else "off",
        delta_arrow="off",
        help=f"Before: {own.before[0]}, with probability {own.before[1]:.2f}",
    )
    changed = sum(one.changed for one in others)
    boxes[1].metric(
        "Others that answer otherwise now",
        f"{changed} of {len(others)}",
        help="The same network in another runtime counts among them: see the column role.",
    )
    ordered = sorted(result.said, key=lambda one: ROLES[::-1].index(one.role))
    st.dataframe(
        _table(ordered),
        hide_index=True,
        height="content",
        column_config={name: st.column_config.Column(width=w) for name, w in _WIDTHS.items()},
        alt="What each classifier answers",
    )
    name = st.selectbox(
        "All probabilities of", [one.classifier for one in ordered], key="attack-shown"
    )
    one = next(one for one in ordered if one.classifier == name)
    alt = f"The probability of each emotion before and after, by {name}"
    figure = charts.bars({"as it is": one.clean, "adversarial": one.adversarial})
    st.plotly_chart(figure, key="attack-bars", alt=alt)


def _table(said: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "classifier": [one.classifier for one in said],
            "role": [one.role for one in said],
            "labelled as": [f"{one.before[0]} {one.before[1]:.2f}" for one in said],
            "then as": [f"{one.after[0]} {one.after[1]:.2f}" for one in said],
            "changed": ["yes" if one.changed else "" for one in said],
        }
    )

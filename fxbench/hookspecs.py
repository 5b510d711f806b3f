"""The hooks of fxbench. A plugin implements any of them with :data:`fxbench.hookimpl`.

No hook takes an argument. Each returns light records (:class:`fxbench.component.Component`): a
plugin's module must import no heavy library, the factory of a component imports in its body.
Hooks are called one by one, so a plugin whose hook raises is reported and stops nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from fxbench.component import Component

hookspec = pluggy.HookspecMarker("fxbench")


@hookspec
def fxbench_detectors() -> Iterable[Component]:  # type: ignore[empty-body]
    """Face detectors. Each factory returns a :class:`fxbench.protocols.Detector`.

    Since 0.1.
    """


@hookspec
def fxbench_landmarkers() -> Iterable[Component]:  # type: ignore[empty-body]
    """Landmark extractors. Each factory returns a :class:`fxbench.protocols.Landmarker`.

    Since 0.1.
    """


@hookspec
def fxbench_classifiers() -> Iterable[Component]:  # type: ignore[empty-body]
    """Emotion classifiers. Each factory returns a :class:`fxbench.protocols.Classifier`.

    A classifier with the trait `gradient` is a :class:`fxbench.protocols.Differentiable` too.

    Since 0.1.
    """


@hookspec
def fxbench_attacks() -> Iterable[Component]:  # type: ignore[empty-body]
    """Adversarial attacks. Each factory returns a :class:`fxbench.protocols.Attack`.

    Since 0.1.
    """


@hookspec
def fxbench_corruptions() -> Iterable[Component]:  # type: ignore[empty-body]
    """What happens to pictures. Each factory returns a :class:`fxbench.protocols.Corruption`.

    Since 0.2.
    """


@hookspec
def fxbench_spotters() -> Iterable[Component]:  # type: ignore[empty-body]
    """What finds expressions in videos. Each factory returns a :class:`fxbench.protocols.Spotter`.

    Since 0.3.
    """


@hookspec
def fxbench_datasets() -> Iterable[Component]:  # type: ignore[empty-body]
    """Labelled images. Each factory returns a :class:`fxbench.protocols.Dataset`.

    Since 0.1.
    """


@hookspec
def fxbench_trainers() -> Iterable[Component]:  # type: ignore[empty-body]
    """What trains a network. Each factory returns a :class:`fxbench.protocols.Trainer`.

    A trainer has the name of the classifier that loads its weights.

    Since 0.1.
    """


@hookspec
def fxbench_builders() -> Iterable[Component]:  # type: ignore[empty-body]
    """What makes a dataset from another. Each factory returns a :class:`fxbench.protocols.Builder`.

    A builder has the name of the dataset that it makes.

    Since 0.1.
    """


@hookspec
def fxbench_transcribers() -> Iterable[Component]:  # type: ignore[empty-body]
    """What writes down speech. Each factory returns a :class:`fxbench.protocols.Transcriber`.

    Since 0.4.
    """


@hookspec
def fxbench_text_emotions() -> Iterable[Component]:  # type: ignore[empty-body]
    """What words express. Each factory returns a :class:`fxbench.protocols.TextEmotion`.

    Since 0.4.
    """

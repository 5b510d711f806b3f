"""The light records that hooks return. This module imports nothing outside the standard library."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fxbench.errors import PluginError

OptionType = Literal["int", "float", "str", "bool", "path"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]*")

TRAITS = frozenset(
    {
        "baseline",
        "black-box",
        "common",
        "contours",
        "control",
        "default",
        "fixed",
        "floor",
        "gradient",
        "iterative",
        "minimum",
        "placed",
        "points",
        "probabilities",
        "recorded",
        "unscored",
    }
)
"""`default`: taken where a person names none of its kind; `floor`: the least that a component of
this kind can do, it stands in every table.

Of classifiers: `gradient`: answers gradients; `recorded`: its answers come from a file, so that
there is nothing to time; `baseline`: what others' errors on corrupted images are divided by.
Of attacks: `fixed`: takes an epsilon; `minimum`: finds the smallest perturbation; `black-box`: asks
for answers only; `iterative`: a larger epsilon must make it stronger; `control`: no attack to be
afraid of, but one that others are compared with, it stands in every run with attacks.
Of corruptions: `common`: one of the 15 that count in the mean corruption error; `placed`: it is
put onto the landmarks of a face.
Of landmarkers: `contours`: its points draw brows, eyes, nose and lips.
Of spotters: `points`: it wants the landmarks of such a landmarker; `probabilities`: it wants a
classifier's.
Of detectors: `unscored`: its boxes carry no score, so that they have no order."""


@dataclass(frozen=True, slots=True)
class Option:
    """A typed option of a component, set by `--set NAME.OPTION=VALUE`, the environment or a file.

    Attributes:
        name: a Python identifier in lower case: the keyword argument that the factory gets.
        type: what its text is parsed to. A `path` may begin with `~`.
        default: its value where nobody sets it. None with `required` means that it must be set.
        help: one sentence.
        affects_results: False for what only says where things are: such an option doesn't
            separate cached results.
        required: the component can't be made without it.
        choices: the values allowed, all of them where empty.
    """

    name: str
    type: OptionType
    default: int | float | str | bool | None
    help: str
    affects_results: bool = True
    required: bool = False
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _OPTION_NAME.fullmatch(self.name):
            raise PluginError(
                f"The option name {self.name!r} is not a lower-case identifier such as 'min_size'."
            )


@dataclass(frozen=True, slots=True)
class Weights:
    """A file that a component loads.

    Attributes:
        name: the file's name.
        locate: finds the file without importing anything heavy; None where it is not there.
        sha256: of the right file in hexadecimal; None where it is not known, and then every result
            made with the file is marked `weights: unverified`.
        mend: a command, or what to do, for a person who lacks the file.
        source: where the file comes from.
        licence: of the weights.
        url: where `fxbench weights fetch` downloads the file; None where it can't be.
        bytes: its size; None where it is not known.
    """

    name: str
    locate: Callable[[], Path | None]
    sha256: str | None
    mend: str
    source: str = ""
    licence: str = ""
    url: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dataset's licence allows. Whatever shows, sends or copies images obeys it."""

    licence: str
    may_redistribute: bool
    may_show: bool
    may_send_to_cloud: bool


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that can be compared or plugged in.

    Attributes:
        name: lower case with hyphens, unique within its kind.
        summary: one sentence.
        factory: called with the component's options as keyword arguments; imports in its body;
            returns an object of its kind's protocol.
        extra: the extra of the plugin's own distribution that installs what it `requires`.
        requires: top-level modules that must be importable, such as `tensorflow`.
        traits: some of :data:`TRAITS`.
        options: what can be set.
        weights: the files that it loads.
        terms: for a dataset: what its licence allows.
        price: US dollars for one call of a cloud service.
        sends: True when it sends images, or sound, to another machine.
        mend: the command that installs what it `requires`, where that is not an extra.
        licence: of the component's code or model, where it restricts use.
        variant_of: for a classifier without gradients: the one that is the same network in another
            runtime and gives them. It takes the same faces and has the same labels.
        source: of a view of an analyzer's answers (see :func:`fxbench.views.view`): the analyzer,
            whose name its options are set under.
        credentials: finds out, without importing anything heavy, whether a service's credentials
            are there; returns None where they are, else what to do.
        where: for a service: which of its places is asked, such as a region; found without
            importing anything heavy. Its answers may differ from another's.
        sends_what: for one that sends something away: what leaves the machine, where it goes and
            whether it is kept there.
        no_weaker_than: for an attack: those that it must not be weaker than, with the same norm and
            budget. Where it is, gradients are masked or it has not converged.
    """

    name: str
    summary: str
    factory: Callable[..., Any]
    extra: str | None = None
    requires: tuple[str, ...] = ()
    traits: frozenset[str] = frozenset()
    options: tuple[Option, ...] = ()
    weights: tuple[Weights, ...] = ()
    terms: Terms | None = None
    price: float | None = None
    sends: bool = False
    mend: str | None = None
    licence: str = ""
    variant_of: str | None = None
    source: Component | None = None
    credentials: Callable[[], str | None] | None = None
    where: Callable[[], str] | None = None
    sends_what: str = ""
    no_weaker_than: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The name that its options are set under: its own, or that of the analyzer it shows."""
        return self.name if self.source is None else self.source.name

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PluginError(
                f"The component name {self.name!r} is not lower case words joined by hyphens, "
                "such as 'dlib-hog'."
            )
        if self.name in ("all", "none"):
            raise PluginError(f"The component name {self.name!r} is reserved for selections.")
        unknown = set(self.traits) - TRAITS
        if unknown:
            raise PluginError(
                f"{self.name} has the unknown traits {sorted(unknown)}; known are {sorted(TRAITS)}."
            )
        if not callable(self.factory):
            raise PluginError(f"The factory of {self.name} is not callable.")

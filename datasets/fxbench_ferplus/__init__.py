"""FER+: the faces of FER2013 with ten votes each (Barsoum et al., ICMI 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Option, Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench_ferplus.dataset import FerPlus

TERMS = Terms(
    licence="FER+ labels: MIT; FER2013 images: no open licence, for research and testing only",
    may_redistribute=False,
    may_show=False,
    may_send_to_cloud=False,
)


def _ferplus(path: str, labels: str = "label.csv") -> FerPlus:
    from fxbench_ferplus.dataset import FerPlus

    return FerPlus(path, labels, TERMS)


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The dataset `ferplus`."""
    return [
        Component(
            name="ferplus",
            summary="FER+: FER2013's 48x48 grey faces, ten votes each over eight emotions.",
            factory=_ferplus,
            options=(
                Option(
                    "path",
                    "path",
                    None,
                    "The folder that holds FER2013Train, FER2013Valid and FER2013Test (as folders "
                    "or zip files), or Kaggle's fer2013.csv beside fer2013new.csv.",
                    affects_results=False,
                    required=True,
                ),
                Option(
                    "labels",
                    "str",
                    "label.csv",
                    "Which of the two official label files counts; they disagree on a few hundred "
                    "images.",
                    choices=("label.csv", "fer2013new.csv"),
                ),
            ),
            terms=TERMS,
            licence=TERMS.licence,
        )
    ]

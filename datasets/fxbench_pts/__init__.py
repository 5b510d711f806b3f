"""Photos with `.pts` files beside them: 300-W, Helen, LFPW, AFW, or a person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Option, Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench.annotated import AnnotatedPhotos

_UNKNOWN = "not stated"


def _pts(
    path: str,
    scheme: str = "300w-68",
    origin: int = 1,
    may_show: bool = False,
    may_send_to_cloud: bool = False,
    licence: str = _UNKNOWN,
) -> AnnotatedPhotos:
    from fxbench_pts.dataset import load

    return load(path, scheme, origin, Terms(licence, False, may_show, may_send_to_cloud))


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The dataset `pts`."""
    return [
        Component(
            name="pts",
            summary="Photos of one face each with 300-W style .pts files of landmarks beside them.",
            factory=_pts,
            options=(
                Option(
                    "path",
                    "path",
                    None,
                    "The folder that holds the photos and .pts files, in folders of any depth; "
                    "test (or testset), valid and train (or trainset) directly in it are splits.",
                    affects_results=False,
                    required=True,
                ),
                Option(
                    "scheme",
                    "str",
                    "300w-68",
                    "The landmark scheme of the files: which points, in which order.",
                ),
                Option(
                    "origin",
                    "int",
                    1,
                    "What the files call the first pixel: 1, as 300-W does, or 0.",
                ),
                Option(
                    "may_show",
                    "bool",
                    False,
                    "Whether the licence lets reports and the dashboard show the images.",
                    affects_results=False,
                ),
                Option(
                    "may_send_to_cloud",
                    "bool",
                    False,
                    "Whether the licence lets the images be sent to a cloud service.",
                    affects_results=False,
                ),
                Option(
                    "licence",
                    "str",
                    _UNKNOWN,
                    "The images' licence, for the tables.",
                    affects_results=False,
                ),
            ),
            terms=Terms(_UNKNOWN, False, False, False),
        )
    ]

"""Photos with the annotation files of dlib's tool imglab, as in dlib's `examples/faces`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Option, Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench.annotated import AnnotatedPhotos

TERMS = Terms(
    licence="annotations: public domain; photos: their own terms (PASCAL VOC: flickr's)",
    may_redistribute=False,
    may_show=False,
    may_send_to_cloud=False,
)


def _dlib_faces(path: str) -> AnnotatedPhotos:
    from fxbench_dlibfaces.dataset import load

    return load(path, TERMS)


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The dataset `dlib-faces`."""
    return [
        Component(
            name="dlib-faces",
            summary="dlib's example photos: 43 faces whose 68 points dlib's own model made.",
            factory=_dlib_faces,
            options=(
                Option(
                    "path",
                    "path",
                    None,
                    "The folder that holds testing_with_face_landmarks.xml or "
                    "training_with_face_landmarks.xml and the photos that they name.",
                    affects_results=False,
                    required=True,
                ),
            ),
            terms=TERMS,
            licence=TERMS.licence,
        )
    ]

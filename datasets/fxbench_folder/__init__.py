"""Labelled photos in a folder for each emotion: RAF-DB, AffectNet, or a person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Option, Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench_folder.dataset import Folder

_UNKNOWN = "not stated"


def _folder(
    path: str,
    labels: str = "",
    may_show: bool = False,
    may_send_to_cloud: bool = False,
    licence: str = _UNKNOWN,
    metadata: str | None = None,
) -> Folder:
    from fxbench_folder.dataset import Folder

    terms = Terms(licence, False, may_show, may_send_to_cloud)
    return Folder(path, labels, terms, metadata or "")


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The dataset `folder`."""
    return [
        Component(
            name="folder",
            summary="Images in one folder for each emotion, such as RAF-DB or your own photos.",
            factory=_folder,
            options=(
                Option(
                    "path",
                    "path",
                    None,
                    "The folder that holds one folder of images for each emotion, or train, valid "
                    "and test with those in each.",
                    affects_results=False,
                    required=True,
                ),
                Option(
                    "labels",
                    "str",
                    "",
                    "Which emotion each folder means where its name doesn't say it, or skip: "
                    "'1=surprise,2=fear,8=skip'.",
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
                Option(
                    "metadata",
                    "path",
                    None,
                    "A csv with a row for each image and columns such as subject, to divide scores "
                    "by.",
                    affects_results=False,
                ),
            ),
            terms=Terms(_UNKNOWN, False, False, False),
        )
    ]

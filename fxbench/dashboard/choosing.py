"""What a person chooses on a page: a picture, and who looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fxbench.dashboard import uploads
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import plain
from fxbench.dashboard.workshop import Workshop
from fxbench.registry import Entry
from fxbench.types import UInt8

MOST_CLASSIFIERS = 4
"""So many stand side by side on a picture."""

_UPLOAD, _SAMPLE = "Upload", "Drawn face"


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A file or a sample that was chosen.

    Attributes:
        name: of the file, for people.
        data: of the file; empty for a sample.
        image: of a sample; None for a file, which is not decoded yet.
        key: tells it from every other.
    """

    name: str
    data: bytes
    image: UInt8 | None
    key: str

    @property
    def is_video(self) -> bool:
        """Whether it is called as videos are."""
        return self.image is None and uploads.is_video(self.name)


def given(setup: Setup, shop: Workshop, *, videos: bool, key: str) -> Given | None:
    """A picture, or a video, that a person uploads, or one that comes along; None before.

    Args:
        setup: with the limits.
        shop: with the samples.
        videos: whether videos are taken too.
        key: of the page.
    """
    what = "photo or video" if videos else "photo"
    samples = shop.samples
    place = _UPLOAD
    if samples:
        place = str(
            st.segmented_control(
                "Picture", (_UPLOAD, _SAMPLE), default=_UPLOAD, required=True, key=f"{key}-place"
            )
        )
    if place == _SAMPLE and samples:
        names = [sample.name for sample in samples]
        name = st.selectbox("Face of no existing person", names, key=f"{key}-sample")
        sample = samples[names.index(name)]
        return Given(sample.name, b"", sample.image, f"sample {name}")
    kinds = [*uploads.PHOTOS, *(uploads.VIDEOS if videos else ())]
    file = st.file_uploader(
        f"A {what}, up to {setup.max_upload} MB",
        kinds,
        max_upload_size=setup.max_upload,
        key=f"{key}-file",
        help="It stays on this machine, in memory or in a temporary file, until you take it away "
        "or close the page.",
    )
    if file is None:
        return None
    return Given(file.name, file.getvalue(), None, str(file.file_id))


def picture(chosen: Given) -> UInt8:
    """The picture of what was chosen, RGB uint8 (H, W, 3).

    Raises:
        ImageError: it is none, damaged, or too large.
    """
    return chosen.image if chosen.image is not None else uploads.photo(chosen.data, chosen.name)


def one(shop: Workshop, kind: str, label: str, key: str, *, none: bool = False) -> str | None:
    """The name of a component of a kind; None where none is wanted, or none is ready."""
    entries = shop.ready(kind)
    if not entries and not none:
        st.warning(
            f"No {kind} is ready: `fxbench list --kind {kind}` says what each lacks, and what "
            "mends it."
        )
        return None
    names: list[str | None] = [entry.name for entry in entries]
    names = [None, *names] if none else names
    default = None if none else shop.default(kind)
    return st.selectbox(
        label,
        names,
        names.index(default) if default in names else 0,
        format_func=lambda name: name or "none",
        help=_help(shop, kind, entries),
        key=key,
    )


def several(
    shop: Workshop,
    kind: str,
    label: str,
    key: str,
    *,
    default: list[str] | None = None,
    most: int | None = None,
) -> tuple[str, ...]:
    """The names of components of a kind.

    Args:
        shop: that has them.
        kind: of them.
        label: of the field.
        key: of the field.
        default: what is chosen at first; None for the default component.
        most: how many may be.
    """
    entries = shop.ready(kind)
    first = shop.default(kind)
    if default is None:
        default = [] if first is None else [first]
    chosen = st.multiselect(
        label,
        [entry.name for entry in entries],
        default,
        max_selections=most,
        help=_help(shop, kind, entries),
        key=key,
    )
    return tuple(chosen)


def _help(shop: Workshop, kind: str, entries: list[Entry]) -> str:
    lines = [f"- **{entry.name}**: {plain(entry.component.summary)}" for entry in entries]
    left_out = shop.left_out(kind)
    if left_out:
        lines.append(
            f"\n{left_out} more are installed and not offered: they lack something, send pictures "
            f"to a service, or answer from a file. `fxbench list --kind {kind}` says which."
        )
    return "\n".join(lines)

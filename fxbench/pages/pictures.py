"""Pictures in a page, as part of it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from fxbench.errors import UsageError

if TYPE_CHECKING:
    from typing import Literal

    from markupsafe import Markup

    from fxbench.types import UInt8

    Kind = Literal["jpeg", "png", "webp"]


def picture(
    image: UInt8, *, alt: str, width: int | None = None, kind: Kind = "webp", quality: int = 80
) -> Markup:
    """An `img` with its pixels in it.

    Args:
        image: uint8 (H, W, 3), RGB.
        alt: what it shows, in words.
        width: how wide it is shown, in CSS pixels; by default as many as it has.
        kind: how it is coded.
        quality: of `jpeg` and `webp`, from 1 to 100.

    Raises:
        UsageError: it can't be coded, such as one that is too large for WebP.
    """
    from markupsafe import Markup

    height = None if width is None else max(1, round(image.shape[0] * width / image.shape[1]))
    return Markup('<img src="{}" alt="{}" width="{}" height="{}" decoding="async">').format(
        data_uri(image, kind, quality), alt, width or image.shape[1], height or image.shape[0]
    )


def data_uri(image: UInt8, kind: Kind = "webp", quality: int = 80) -> str:
    """A picture as an address that holds it; see :func:`picture`."""
    import cv2

    codes = {"jpeg": cv2.IMWRITE_JPEG_QUALITY, "webp": cv2.IMWRITE_WEBP_QUALITY}
    options = [codes[kind], quality] if kind in codes else []
    try:
        done, coded = cv2.imencode(f".{kind}", image[..., ::-1], options)
    except cv2.error:
        done = False
    if not done:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise UsageError(
            f"A picture of {size} pixels can't be written as {kind}: expected is at most 16,383 "
            "pixels a side. Make it smaller."
        )
    return f"data:image/{kind};base64,{base64.b64encode(coded.tobytes()).decode()}"

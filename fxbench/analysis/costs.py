"""What an analysis sends to services elsewhere, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fxbench.analysis.media import PHOTO, Media
from fxbench.clips import taken
from fxbench.costs import Costs
from fxbench.errors import ImageError
from fxbench.registry import Entry
from fxbench.video import probe


def costs(
    entries: Mapping[str, tuple[Entry, ...]],
    media: Sequence[Media],
    fps: float | None,
    every: int,
) -> Costs:
    """What all files send away at most, where none is done yet.

    Args:
        entries: the components, by kind.
        media: the files.
        fps: frames per second that are taken at most; None for all.
        every: detectors look at every so many of those.
    """
    # A service that is seen as a detector and a classifier is asked once for each picture.
    asked: dict[tuple[str, str], tuple[Entry, bool]] = {}
    for kind, some in entries.items():
        for entry in some:
            if entry.component.sends:
                key = (entry.plugin.module, entry.component.owner)
                always = kind != "detector" or asked.get(key, (entry, False))[1]
                asked[key] = (entry, always)
    if not asked:
        return Costs()
    photos = sum(one.kind == PHOTO for one in media)
    frames = [_frames(one, fps) for one in media if one.kind != PHOTO]
    calls, price, unpriced = 0, 0.0, []
    for entry, always in asked.values():
        own = photos + sum(count if always else math.ceil(count / every) for count in frames)
        calls += own
        price += own * (entry.component.price or 0.0)
        if entry.component.price is None:
            unpriced.append(entry.name)
    return Costs(calls, round(price, 9), tuple(unpriced))


def _frames(media: Media, fps: float | None) -> int:
    try:
        info = probe(media.path.resolve())
    except ImageError:
        return 0  # which is told when it is to be analysed
    return len(taken(info.frames, info.fps, fps))

"""What listening to a video sends to services elsewhere, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fxbench.costs import Costs
from fxbench.registry import Entry
from fxbench.speech.audio import AudioTrack


@dataclass(frozen=True, slots=True)
class Sent(Costs):
    """What is sent away of a video.

    Attributes:
        names: of the services.
        seconds: how long the sound is.
    """

    names: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """The beginning of one, for whoever has to agree."""
        minutes = f"{self.seconds / 60:.1f} minutes of sound"
        parts = "1 part" if self.calls == 1 else f"{self.calls} parts"
        what = f"This sends {minutes} to {' and '.join(self.names)}, in {parts} at most"
        return f"{what}, at {self}" if self.unpriced else f"{what}, and costs {self}"


def costs(entries: Sequence[Entry], track: AudioTrack) -> Sent:
    """What is sent away at most, where nothing was asked before.

    The sound is read for it: how long a file says that it is may be wrong, and each gap in a track
    makes another part.

    Args:
        entries: the transcriber, and the text emotion if there is one.
        track: the sound.
    """
    sending = [entry for entry in entries if entry.component.sends]
    if not sending:
        return Sent()
    parts, seconds = 0, 0.0
    for part in track.parts():
        parts, seconds = parts + 1, seconds + part.end_s - part.begin_s
    if not parts:
        return Sent()
    calls, price = 0, 0.0
    for entry in sending:
        # What is said is read at once.
        own = parts if entry.kind.name == "transcriber" else 1
        calls += own
        price += own * (entry.component.price or 0.0)
    unpriced = tuple(entry.name for entry in sending if entry.component.price is None)
    names = tuple(entry.name for entry in sending)
    return Sent(calls, round(price, 9), unpriced, names, seconds)

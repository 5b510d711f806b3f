"""WebVTT: texts that a player shows while a video plays.

The format is that of the W3C, WebVTT: The Web Video Text Tracks Format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """A text that is shown for a while.

    Attributes:
        begin_s: seconds into the video.
        end_s: seconds, later than that.
        text: what is shown; each line of it is one.
        voice: whose it is, such as `person 0`; empty for nobody's.
    """

    begin_s: float
    end_s: float
    text: str
    voice: str = ""


def document(cues: Iterable[Cue], *, note: str = "") -> str:
    """A file.

    Args:
        cues: in any order; those of no millisecond are left out.
        note: what a reader of the file should know.
    """
    blocks = ["WEBVTT"]
    if note:
        blocks.append(f"NOTE\n{_lines(note).replace('-->', '->')}")
    for cue in sorted(cues, key=lambda cue: (cue.begin_s, cue.end_s)):
        begin, end = round(max(cue.begin_s, 0.0) * 1000), round(cue.end_s * 1000)
        if end <= begin:
            continue
        voice = f"<v {_escaped(' '.join(cue.voice.split()))}>" if cue.voice else ""
        text = _escaped(_lines(cue.text))
        blocks.append(f"{_time(begin)} --> {_time(end)}\n{voice}{text}")
    return "\n\n".join(blocks) + "\n"


def _time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}"


def _lines(text: str) -> str:
    """Without empty lines, which end a cue, and without what is no text."""
    cleaned = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r", "\n"))
    return "\n".join(line for line in (part.strip() for part in cleaned.split("\n")) if line)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

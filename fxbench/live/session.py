"""One live view: pictures come, are answered about, and are drawn for a display."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.errors import ImageError
from fxbench.live.newest import Newest
from fxbench.live.recorder import Recorder
from fxbench.live.tally import Tally
from fxbench.overlay import Shown, annotate, shown
from fxbench.types import Frames, UInt8

if TYPE_CHECKING:
    from fxbench.analysis.engine import Engine, Look
    from fxbench.live.sources import Source

_HEAD_EVERY_S = 0.5
"""Figures that change with every picture can't be read."""


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    image: UInt8
    taken_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Answered:
    looks: tuple[Look, ...]
    taken_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What is displayed.

    Attributes:
        image: RGB uint8 (H, W, 3), with everything drawn in.
        taken_s: when it was taken, on the clock of `time.monotonic`.
        answered_s: when the picture was taken that the answers are about; None before the first.
    """

    image: UInt8
    taken_s: float
    answered_s: float | None


class Live:
    """A live view. Use it in a `with` statement; a display asks it for pictures.

    Args:
        engine: that answers.
        source: where the pictures come from.
        every: the detector looks at every so many of the pictures that are answered about.
        record: a file for what is displayed, or None.
        seconds: after how long it ends by itself, seen or not; None for never.
        bars: whether all probabilities are drawn, where there is room.

    Attributes:
        tally: how it goes.
        size: height and width of the pictures that are displayed.
        fault: why the source ended too soon, in one sentence; empty where it did not.
        ending: set by whoever wants it to end and can't wait for a lock, as a signal's handler.
        saved: whether what was recorded is written, or there was nothing to record.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        *,
        every: int = 1,
        record: Path | None = None,
        seconds: float | None = None,
        bars: bool = True,
    ) -> None:
        self.tally = Tally()
        self.fault = ""
        self.ending = False
        self.saved = record is None
        self._engine, self._source, self._bars = engine, source, bars
        self._watcher = engine.watcher(every)
        self._seconds = seconds
        self._frames: Newest[_Taken] = Newest()
        self._answers: Newest[_Answered] = Newest()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._number = 0
        self._opened = self._began = self._ended = self._head_at = self._cpu_s = 0.0
        self._head: tuple[str, ...] = ()
        first = source.first()
        self.size = annotate(first, ()).shape[:2]
        # What is made at the first call is made now, and counts as no lag.
        twice = Frames(("0", "1"), (first, first), np.array([0.0, 1 / source.fps]))
        warm = engine.watcher(every).look(twice)
        annotate(first, [face for look in warm for face in shown(look, 1, bars=bars)])
        self._recorder = None if record is None else Recorder(record, source.fps)
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for name, work in (("fxbench-camera", self._film), ("fxbench-answer", self._answer))
        ]

    def __enter__(self) -> Live:
        self._opened = self._began = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        failed: BaseException | None = None
        # First: a component or a camera that hangs must not cost what was recorded.
        if self._recorder is not None:
            try:
                self._recorder.close()
            except Exception as error:  # noqa: BLE001 - raised again below
                failed = error
            self.saved = True
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._ended, self._cpu_s = time.monotonic(), time.process_time() - self._cpu_s
        self._source.close()
        failed = self._error or failed
        # Ctrl-C is one of the ways to end a view, and hides no error.
        if failed is not None and (kind is None or issubclass(kind, KeyboardInterrupt)):
            raise failed

    @property
    def over(self) -> bool:
        """Whether the view has ended: by itself, by :meth:`stop`, or by an error."""
        ended = self._frames.closed and self._frames.after(self._number, 0.0) is None
        late = self._seconds is not None and time.monotonic() - self._opened >= self._seconds
        return ended or late or self.ending or self._stop.is_set()

    @property
    def recording(self) -> bool:
        """Whether what is displayed is recorded."""
        return self._recorder is not None

    @property
    def recorded(self) -> tuple[int, int]:
        """How many pictures were recorded, and how many left out."""
        if self._recorder is None:
            return 0, 0
        return self._recorder.frames, self._recorder.lost

    def record(self) -> dict[str, Any]:
        """How the view went, once it is over, ready for JSON. `cpu_s` are processor seconds."""
        spent = {what: round(seconds, 3) for what, seconds in sorted(self.tally.cpu.items())}
        if self._recorder is not None:
            spent["recording"] = round(self._recorder.cpu_s, 3)
        return {
            "seconds": round(max(0.0, self._ended - self._began), 3),
            **self.tally.record(),
            "cpu_s": spent | {"process": round(self._cpu_s, 3)},
        }

    def start(self) -> None:
        """Let the pictures come: a display calls this once somebody looks."""
        self._began, self._cpu_s = time.monotonic(), time.process_time()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the view."""
        self._stop.set()
        self._frames.close()

    def picture(self, timeout_s: float) -> Picture | None:
        """The newest picture, drawn; None where none has come since the last one.

        Args:
            timeout_s: how long to wait for it.

        Raises:
            StoreError: it can't be recorded.
        """
        got = self._frames.after(self._number, timeout_s)
        if got is None:
            return None
        self._number, taken = got
        answered = self._answers.peek()
        faces: tuple[Shown, ...] = ()
        if answered is not None:
            faces = tuple(
                face for look in answered.looks for face in shown(look, 0, bars=self._bars)
            )
        image = annotate(taken.image, faces, head=self._lines())
        if self._recorder is not None:
            self._recorder.add(image, taken.taken_s - self._began)
        return Picture(image, taken.taken_s, None if answered is None else answered.taken_s)

    def displayed(self, picture: Picture) -> None:
        """Count a picture: a display calls this once it can be seen."""
        now = time.monotonic()
        self.tally.shown(None if picture.answered_s is None else now - picture.answered_s)

    def _lines(self) -> tuple[str, ...]:
        now = time.monotonic()
        if now - self._head_at >= _HEAD_EVERY_S:
            self._head_at = now
            current = self.tally.current()
            lag = "-" if current["lag_s"] is None else f"{current['lag_s']:.2f} s"
            self._head = (
                f"{current['shown_per_s']:.0f} pictures/s shown",
                f"{current['answers_per_s']:.0f} answers/s, lag {lag}",
            )
            if self._recorder is not None:
                seconds = int(now - self._began)
                self._head += (f"recording {seconds // 60}:{seconds % 60:02d}",)
        return self._head

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ImageError as error:
            self.fault = str(error)
        except BaseException as error:  # noqa: BLE001 - raised again where the view ends
            self._error = error
            self.stop()

    def _film(self) -> None:
        def put(image: UInt8, taken_s: float) -> None:
            self.tally.read += 1
            self.tally.spent("camera")
            self._frames.put(_Taken(image, taken_s))

        try:
            self._source.run(put, self._stop)
        finally:
            self._frames.close()

    def _answer(self) -> None:
        number = 0
        while not self._stop.is_set():
            got = self._frames.after(number, 0.2)
            if got is None:
                if self._frames.closed:
                    return
                continue
            number, taken = got
            times = np.array([taken.taken_s - self._began])
            looks = self._watcher.look(Frames((str(number),), (taken.image,), times))
            self._answers.put(_Answered(looks, taken.taken_s))
            self.tally.answered()
            self.tally.spent("answers")

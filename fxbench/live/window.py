"""A live view in a window: tkinter, since the OpenCV that is installed has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.errors import UnavailableError
from fxbench.types import UInt8

if TYPE_CHECKING:
    from fxbench.live.session import Live

_POLL_S = 0.02
_FREE = 0.9
"""How much of the screen a window takes at most, without being asked."""


class Window:
    """A window, empty so far.

    Args:
        title: of the window.
        size: height and width of the pictures.

    Raises:
        UnavailableError: there is no display, or Python has no tkinter.
    """

    kind = "window"

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        try:
            import tkinter as tk
        except ImportError as error:
            raise UnavailableError(
                "This Python has no tkinter (on Debian: apt install python3-tk): --no-window shows "
                "the view in the browser."
            ) from error
        try:
            self._root: Any = tk.Tk(className="fxbench")
        except tk.TclError as error:
            raise UnavailableError(
                f"There is no display ({error}): --no-window shows the view in the browser."
            ) from error
        self._broken = tk.TclError
        root = self._root
        root.title(title)
        root.configure(background="black")
        height, width = size
        share = min(
            1.0,
            _FREE * root.winfo_screenwidth() / width,
            _FREE * root.winfo_screenheight() / height,
        )
        self._place = (round(height * share), round(width * share))
        root.geometry(f"{self._place[1]}x{self._place[0]}")
        root.minsize(160, 120)
        self._photo: Any = tk.PhotoImage(master=root)
        self._label = tk.Label(root, image=self._photo, borderwidth=0, background="black")
        self._label.pack(expand=True, fill="both")
        self.closed = False
        root.bind("<Configure>", self._resized)
        for key in ("<Escape>", "q", "Q"):
            root.bind(key, self._close)
        root.protocol("WM_DELETE_WINDOW", self._close)

    def run(self, live: Live) -> None:
        """Show a view until it is over or the window is closed.

        Raises:
            StoreError: it can't be recorded.
        """
        live.start()
        try:
            while not self.closed and not live.over:
                picture = live.picture(_POLL_S)
                if picture is not None:
                    self.show(picture.image)
                self._root.update()
                if picture is not None:
                    live.displayed(picture)
                live.tally.spent("display")
        except self._broken:
            if not self.closed:  # the display went away
                live.fault = live.fault or "The display was closed."
        finally:
            live.stop()
            self.destroy()

    def show(self, image: UInt8) -> None:
        """Show a picture, as large as the window allows."""
        height, width = image.shape[:2]
        share = min(self._place[0] / height, self._place[1] / width)
        if abs(share * max(height, width) - max(height, width)) > 2:
            size = (max(1, round(width * share)), max(1, round(height * share)))
            way = cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
        # A portable pixmap: the one form that Tk takes without decompressing or another library.
        head = f"P6 {image.shape[1]} {image.shape[0]} 255 ".encode()
        self._photo.configure(data=head + image.tobytes(), format="PPM")

    def destroy(self) -> None:
        """Take the window away."""
        self.closed = True
        try:
            self._root.destroy()
        except self._broken:
            return  # it is gone already

    def _resized(self, event: Any) -> None:
        if event.widget is self._root:
            self._place = (max(1, event.height), max(1, event.width))

    def _close(self, *_: object) -> None:
        self.closed = True

"""Making DeepFace load a certain weight file, and never download one."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE = "DEEPFACE_HOME"


@contextmanager
def deepface_home(weights: Path) -> Iterator[None]:
    """A temporary DEEPFACE_HOME that holds `weights` alone.

    DeepFace has no other way to say which file to load, and downloads one that it doesn't find.
    The variable is as it was afterwards.
    """
    before = os.environ.get(_VARIABLE)
    with TemporaryDirectory(prefix="fxbench-deepface-") as home:
        folder = Path(home) / ".deepface" / "weights"
        folder.mkdir(parents=True)
        try:
            (folder / weights.name).symlink_to(weights.resolve())
        except OSError:
            # Windows lets only some users make links.
            shutil.copyfile(weights, folder / weights.name)
        os.environ[_VARIABLE] = home
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before

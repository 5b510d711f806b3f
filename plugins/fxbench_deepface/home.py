"""Making DeepFace load certain weight files, and never download one."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOWHERE = "http://127.0.0.1:9"
"""The port `discard`: connections are refused at once."""

_OFFLINE = {
    name: value
    for variable, value in {
        "http_proxy": _NOWHERE,
        "https_proxy": _NOWHERE,
        "all_proxy": _NOWHERE,
        "no_proxy": "",
    }.items()
    for name in (variable, variable.upper())
}
"""What requests, urllib and curl obey alike."""

_LEGACY = {"TF_USE_LEGACY_KERAS": "1"}
"""DeepFace sets it too: its networks are made for Keras 2; RetinaFace can't be built in Keras 3.
What `tf.keras` means is settled in a process by the first who asks for it."""


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The environment with other values. Whatever is done to it within is undone afterwards."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextmanager
def deepface_home(*weights: Path) -> Iterator[None]:
    """A temporary DEEPFACE_HOME that holds `weights` alone, and no way to download others.

    DeepFace has no other way to say which file to load, and downloads one that it doesn't find.
    The environment is as it was afterwards.
    """
    with TemporaryDirectory(prefix="fxbench-deepface-") as home:
        folder = Path(home) / ".deepface" / "weights"
        folder.mkdir(parents=True)
        for path in weights:
            try:
                (folder / path.name).symlink_to(path.resolve())
            except OSError:
                # Windows lets only some users make links.
                shutil.copyfile(path, folder / path.name)
        with environment({**_OFFLINE, **_LEGACY, "DEEPFACE_HOME": home}):
            yield

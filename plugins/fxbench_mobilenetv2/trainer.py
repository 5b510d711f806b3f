"""How `mobilenetv2` is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fxbench.errors import UsageError
from fxbench.training.recipe import Recipe
from fxbench_mobilenetv2.network import HEAD, SIZE, build, recentre

RECIPE = Recipe(
    epochs=18,
    head_epochs=1,
    peak=1e-3,
    weight_decay=0.02,
    average=0.998,
    balance=0.25,
    rotation=15.0,
    scale=0.1,
    erase=0.25,
)


class MobileNetV2:
    """The network as the engine wants it; see :class:`fxbench.training.fit.Network`.

    Args:
        imagenet: see :func:`fxbench_mobilenetv2.network.build`.
    """

    name = "mobilenetv2"
    size = SIZE
    head: tuple[str, ...] = HEAD

    def __init__(self, imagenet: str) -> None:
        path = Path(imagenet).expanduser()
        if imagenet != "imagenet" and not (path.is_file() and path.suffix == ".h5"):
            raise UsageError(
                f"mobilenetv2.imagenet is {imagenet!r}: expected is `imagenet` or an existing .h5 "
                "file of MobileNetV2's weights without the top."
            )
        self._imagenet = imagenet if imagenet == "imagenet" else str(path)

    def build(self, precision: str) -> Any:
        """A network that begins with ImageNet's weights."""
        return build(precision=precision, imagenet=self._imagenet)

    def prepare(self, model: Any, faces: Any) -> None:
        """See :func:`fxbench_mobilenetv2.network.recentre`."""
        recentre(model, faces)

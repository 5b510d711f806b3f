"""What happens to pictures of faces: noise, blur, weather, compression, and things before the face.

The trait `common` marks the 15 corruptions of Hendrycks & Dietterich (2019), Benchmarking neural
network robustness to common corruptions and perturbations, ICLR, arXiv:1903.12261. The others are
what faces meet besides. docs/robustness.md tells how each was made.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component

if TYPE_CHECKING:
    from fxbench_corruptions.everyday import Everyday

_COMMON = (
    ("noise", "gaussian-noise", "Normal noise on every pixel, as of a sensor in low light."),
    ("noise", "shot-noise", "Poisson noise on every pixel: light comes in single quanta."),
    ("noise", "impulse-noise", "Single pixels turn black or white, as by bit errors."),
    ("blur", "defocus-blur", "Every point becomes a disc, as out of focus."),
    ("blur", "glass-blur", "Points stand where their neighbours were, as behind frosted glass."),
    ("blur", "motion-blur", "Every point leaves a trail, as when the camera is turned quickly."),
    ("blur", "zoom-blur", "The picture moves towards the viewer while it is taken."),
    ("weather", "snow", "Falling snow in front of a whitened picture."),
    ("weather", "frost", "Crystals of ice on the pane in front of the camera."),
    ("weather", "fog", "Fog of uneven density that takes away contrast."),
    ("exposure", "brightness", "The picture becomes brighter and its lights burn out."),
    ("exposure", "contrast", "The picture becomes flat: everything moves towards its mean."),
    ("shape", "elastic-transform", "Small regions of the picture are stretched and pushed about."),
    ("shape", "pixelate", "The picture has fewer and larger pixels."),
    ("shape", "jpeg-compression", "The picture is stored as a JPEG file of low quality."),
)
_FACES = (
    ("exposure", "low-light", "The picture is dark, and the sensor's noise is seen."),
    ("shape", "low-resolution", "The face was a few pixels wide and has been enlarged smoothly."),
    ("shape", "rotation", "The picture is turned about the face's middle."),
)
_PLACED = (
    ("worn", "sunglasses", "Sunglasses on the eyes, from small and clear to large and opaque."),
    ("worn", "face-mask", "A medical mask, from below the lips up to the root of the nose."),
    ("hand", "hand-over-mouth", "A hand before the mouth, from one finger to the whole hand."),
)


def _made(module: str, name: str) -> Everyday:
    from fxbench_corruptions.everyday import Everyday

    change = getattr(import_module(f"{__name__}.{module}"), name.replace("-", "_"))
    return Everyday(change)


@fxbench.hookimpl
def fxbench_corruptions() -> list[Component]:
    """The 15 common corruptions, and six that faces meet."""
    with_traits = ((_COMMON, {"common"}), (_FACES, set[str]()), (_PLACED, {"placed"}))
    return [
        Component(
            name=name,
            summary=summary,
            factory=partial(_made, module, name),
            traits=frozenset(traits),
        )
        for table, traits in with_traits
        for module, name, summary in table
    ]

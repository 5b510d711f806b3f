"""How a network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fxbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        head_epochs: how many of them, the first, train only what is new on top of pretrained
            layers, at the learning rate `peak`.
        batch: images in a step.
        peak: the highest learning rate, reached after the warm-up; it then falls to 0 as a cosine.
        warm_up: the fraction of the steps after `head_epochs` that the learning rate rises in.
        weight_decay: AdamW's (Loshchilov and Hutter, ICLR 2019), on the kernels alone.
        average: the decay, per step, of the exponential moving average of the weights, whose value
            is kept.
        balance: how much rare classes weigh: an image counts by the power `balance` of the inverse
            frequency of its classes. 0: all images count alike.
        teacher_weight: where a teacher is given, the share of its answers in the targets (Hinton
            et al., arXiv 1503.02531).
        rotation: largest turn of a face, degrees.
        scale: largest change of its size, as a fraction.
        shift: farthest move, as a fraction of the side.
        contrast: largest change of its contrast, as a fraction.
        brightness: largest change of its brightness, as a fraction of the range.
        erase: how often a random rectangle is greyed out (Zhong et al., AAAI 2020).
        adversarial_epsilon: how far, at most, a pixel of a training face is changed to mislead the
            network, in units of [0, 1] (L-infinity). 0: no adversarial training.
        adversarial_steps: of the search for that change, each a gradient of the batch.
        adversarial_share: the share of each batch's faces that is changed so.
        seed: of the initial weights, the order, the dropout and the augmentation.
        precision: a Keras precision policy.
        deterministic: whether a repetition, and a training that was resumed, must end with the
            same weights to the last bit. Without it MobileNetV2 trains 1.4 times as fast on a CPU,
            and a repetition differs by rounding.
        keep_epochs: whether the weights of every epoch are kept, as `epoch-NN.weights.h5`.
    """

    epochs: int = 40
    head_epochs: int = 0
    batch: int = 64
    peak: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    balance: float = 0.0
    teacher_weight: float = 0.5
    rotation: float = 12.0
    scale: float = 0.08
    shift: float = 1 / 16
    contrast: float = 0.25
    brightness: float = 0.12
    erase: float = 0.0
    adversarial_epsilon: float = 0.0
    adversarial_steps: int = 2
    adversarial_share: float = 1.0
    seed: int = 1
    precision: str = "float32"
    deterministic: bool = True
    keep_epochs: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 <= self.head_epochs < self.epochs:
            raise UsageError(
                f"A recipe of {self.epochs} epochs, {self.head_epochs} of them for the head, can't "
                "be followed: at least one epoch must train the whole network."
            )
        if not 0 <= self.teacher_weight <= 1:
            raise UsageError(f"teacher_weight must be from 0 to 1, not {self.teacher_weight}.")
        if self.batch < 1:
            raise UsageError(f"A batch must hold at least one image, not {self.batch}.")
        if not 0 <= self.adversarial_epsilon <= 1:
            raise UsageError(
                "adversarial_epsilon must be from 0 (no adversarial training) to 1 (the whole "
                f"range of a pixel), such as 0.0157 for 4/255, not {self.adversarial_epsilon}."
            )
        if self.adversarial_steps < 1:
            raise UsageError(f"adversarial_steps must be at least 1, not {self.adversarial_steps}.")
        if not 0 < self.adversarial_share <= 1:
            raise UsageError(
                f"adversarial_share must be above 0 and at most 1, not {self.adversarial_share}."
            )

    def record(self) -> dict[str, Any]:
        """For a checkpoint and a card: of adversarial training only where it is done."""
        every = asdict(self)
        if self.adversarial_epsilon:
            return every
        return {name: value for name, value in every.items() if not name.startswith("adversarial")}

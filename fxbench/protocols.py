"""What an object of each kind must do. Nothing needs to inherit from these classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fxbench.component import Terms
from fxbench.types import (
    Analysis,
    Answers,
    Batch,
    Boxes,
    FaceSpec,
    Float32,
    Int64,
    Points,
    UInt8,
)

if TYPE_CHECKING:
    import numpy as np

    from fxbench.attacked import QueryModel, WhiteBox
    from fxbench.clips import Clip, Interval, Track
    from fxbench.speech.words import Word
    from fxbench.training.contract import Trained, TrainingData, Watcher


@runtime_checkable
class Detector(Protocol):
    """Finds faces."""

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces in RGB uint8 (H, W, 3) images of any sizes, `frame` their index.

        The images are read-only. No image: no boxes.
        """
        ...


@runtime_checkable
class Landmarker(Protocol):
    """Locates landmarks in faces that a detector found."""

    scheme: str

    def locate(self, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
        """Points in pixels, row-aligned with `boxes`; a row of NaN was not located."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """Tells the emotion of a face.

    Attributes:
        labels: the emotion that each output means, None where it has no counterpart in EMOTIONS.
        face: how faces are to be rendered.
    """

    labels: tuple[str | None, ...]
    face: FaceSpec

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, K) for RGB faces uint8 (M, size, size, 3); rows sum to 1.

        A pure function of each face alone: grey, scaling and mean are the classifier's own.
        """
        ...


@runtime_checkable
class Differentiable(Classifier, Protocol):
    """A classifier with the trait `gradient`."""

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of each face's cross-entropy with respect to its pixels.

        Args:
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K), a distribution over the outputs for each face.

        Returns:
            float32 (M, size, size, 3): d cross_entropy(targets, predict(faces)) / d faces.
        """
        ...


@runtime_checkable
class Analyzer(Protocol):
    """Gives several answers about an image in one call: boxes, and points or emotions with them.

    Attributes:
        scheme: of its points; None where it gives none.
        labels: the emotion that each of its probabilities means, None where it has no counterpart;
            None where it tells no emotions. Where it does, the last label is None: it is what a
            face gets that the analyzer doesn't find.
        face_size: the side of the square, pixels, in which a single face is handed to it.
    """

    scheme: str | None
    labels: tuple[str | None, ...] | None
    face_size: int

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """The faces of RGB uint8 (H, W, 3) images of any sizes, and what it says of each.

        The images are read-only. One that gets no answer is a failure of the Analysis.
        """
        ...


@runtime_checkable
class Attack(Protocol):
    """Perturbs faces so that a classifier errs.

    Attributes:
        norm: `linf` (largest change of a pixel) or `l2` (root mean square per pixel).

    It may have further ones:

    - `gradients`: how many gradients it takes for each face, so that progress and plan can say so;
    - `faces`: on how many faces it is run at most, evenly spaced, where all would take too long;
    - `queries`: for one with the trait `black-box`: how often it may ask for each face.
    """

    norm: str

    def perturb(
        self,
        model: WhiteBox | QueryModel,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        """Adversarial faces float32 (M, size, size, 3), within `epsilon` of `faces`.

        The core clips them to the epsilon-ball and to [0, 1], rounds them to 8 bits and predicts
        again itself, so nothing that an attack claims is believed.

        Args:
            model: the surrogate. One with the trait `black-box` gets a
                :class:`fxbench.attacked.QueryModel`, and one face at a time; every other a
                :class:`fxbench.attacked.WhiteBox`.
            faces: float32 (M, size, size, 3) in [0, 1], as the surrogate wants them.
            targets: float32 (M, K), one-hot: the right label of each face, to be moved away from;
                where `model.targeted`, the label that is to be reached.
            epsilon: the budget in units of [0, 1] pixels; 1 for one with the trait `minimum`, which
                looks for the smallest change.
            seeds: int64 (M,), one for each face: the result for a face depends on no other face.
        """
        ...


@runtime_checkable
class Corruption(Protocol):
    """Does to a picture what happens to pictures: noise, blur, weather, something before the face.

    A component with the trait `placed` gets pictures whose face has landmarks, and no others.
    """

    def corrupt(
        self,
        image: UInt8,
        severity: int,
        *,
        random: np.random.Generator,
        side: float,
        points: Points | None,
    ) -> UInt8:
        """The picture, corrupted.

        Args:
            image: RGB uint8 (H, W, 3), read-only.
            severity: from 1, hardly to be seen, to 5.
            random: what is random comes from here. The same picture gets the same numbers at each
                severity.
            side: of the face in pixels, the square root of its box's area: how large blurs,
                grains and shifts are to be depends on it. Without a known box, the picture's
                shorter side.
            points: of the face, one row, in pixels of the picture; None where they are not known.

        Returns:
            RGB uint8 (H, W, 3) of the same size.
        """
        ...


@runtime_checkable
class Dataset(Protocol):
    """Labelled images in splits.

    Attributes:
        splits: what is there, the one to evaluate by default first.
        protocols: the names of the rules for what counts and what is right, the default first.
        terms: what the licence allows.
        scheme: the landmark scheme of its true points, such as `300w-68` (see
            :mod:`fxbench.schemes`); None where it has none.

    A dataset whose true points were made with a landmarker may name it in another attribute,
    `home_advantage: frozenset[str]`: tables mark it, and show it below the others.

    One whose annotators can be compared with each other may have another method,
    `references(split, protocol) -> Mapping[str, Estimate]` (see :mod:`fxbench.metrics.intervals`):
    what people agree on, by a name such as `one_annotator`. Tables and diagrams show it as lines.
    """

    splits: tuple[str, ...]
    protocols: tuple[str, ...]
    terms: Terms
    scheme: str | None

    def fingerprint(self, split: str) -> str:
        """A hash of the contents, the same on every machine.

        It differs when an image, a label or an option that affects results does.
        """
        ...

    def ids(self, split: str) -> tuple[str, ...]:
        """The name of every row of the split, in order: those that `batches` gives its frames.

        No image is read.
        """
        ...

    def answers(self, split: str, protocol: str) -> Answers:
        """The images that count under `protocol`, and what is right."""
        ...

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The images of `rows` (ascending), in order, in one or more batches.

        An image that can't be read is a :class:`fxbench.types.Failure` of its batch.
        """
        ...


@runtime_checkable
class Videos(Dataset, Protocol):
    """A dataset whose rows are the frames of videos, clip after clip.

    `batches` gives the frames their `time_s`. It is asked for frames of one clip at a time, clip
    after clip, each in order.
    """

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The videos of a split, in the order of their rows, which they cover without a gap."""
        ...


@runtime_checkable
class Spotter(Protocol):
    """Finds when a person in a video shows an expression.

    The component says by its traits what it wants of each frame beside the picture and the face's
    box: `points`, `probabilities`.
    """

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """The expressions, in the order of their onsets, in frames of the clip.

        It may be called for several clips at once, each in a thread of its own.

        Args:
            track: the person, part by part. Its pictures can be seen once, and should not be kept:
                a video may be long.
        """
        ...


@runtime_checkable
class Trainer(Protocol):
    """Trains the network of the classifier that has its name.

    Attributes:
        face: how that classifier has its faces rendered.
        recipe: how the network is trained unless somebody says otherwise: a frozen dataclass of
            numbers and texts, `epochs` and `seed` among them.
    """

    face: FaceSpec
    recipe: Any

    def train(
        self, data: TrainingData, recipe: Any, folder: Path, *, resume: bool, watcher: Watcher
    ) -> Trained:
        """Train a network and write the weights that are best on the validation images.

        After each epoch the best weights so far and a checkpoint are in `folder`, both whole, so
        that an interruption (`KeyboardInterrupt` comes through) loses one epoch at most.

        Args:
            data: what to train on and to judge by.
            recipe: like the attribute, with other values perhaps.
            folder: where to write; it exists.
            resume: go on from the checkpoint in `folder`.
            watcher: told of each step and epoch.
        """
        ...


@runtime_checkable
class Builder(Protocol):
    """Makes the files of a dataset from another dataset."""

    def build(
        self, source: Dataset, folder: Path, *, seed: int, report: Callable[[str, float], None]
    ) -> None:
        """Write them.

        Args:
            source: what they are made from.
            folder: where to write; it exists and is empty.
            seed: what is drawn at random depends on it alone.
            report: told of each step in a few words, and how much of all is done, from 0 to 1.
        """
        ...


@runtime_checkable
class Transcriber(Protocol):
    """Tells what is said, and when."""

    def transcribe(self, samples: Float32) -> tuple[Word, ...]:
        """The words, in the order of their beginnings.

        Args:
            samples: float32 (N,), from -1 to 1, one channel, 16,000 a second; read-only use. At
                most a minute: a longer sound comes in parts that end in pauses, one after the
                other, and what is said in one must not depend on those before it.

        Returns:
            Words with their times in seconds from the first sample. Without speech: none.
        """
        ...


@runtime_checkable
class TextEmotion(Protocol):
    """Tells what words express.

    Attributes:
        labels: the emotion that each output means, None where it has no counterpart in EMOTIONS.
    """

    labels: tuple[str | None, ...]

    def read(self, texts: tuple[tuple[str, ...], ...]) -> Float32:
        """How much of what each text expresses falls to each output.

        Args:
            texts: T texts, each the words of an utterance in lower case, without punctuation.

        Returns:
            float32 (T, K): rows sum to 1; a whole row of NaN where no word expresses anything that
            it knows, which is not the same as neutral.
        """
        ...

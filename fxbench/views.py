"""Detectors, landmarkers and classifiers that are views of one analyzer's answers.

An analyzer has no hook of its own: the components that show its answers carry its record.
A service that finds faces, points and emotions in one call is asked once for each image: while
:meth:`Shared.sharing` is in force, whoever asks about images that were asked about before gets the
answer that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fxbench.component import Component

if TYPE_CHECKING:
    from fxbench.protocols import Analyzer
    from fxbench.types import Analysis, Boxes, FaceSpec, Float32, Int64, Points, UInt8

LEAST_OVERLAP = 0.5
"""The least intersection over union at which a box and an analyzer's own are the same face."""


def view(
    name: str,
    summary: str,
    *,
    of: Component,
    factory: Callable[[Any], Any],
    traits: frozenset[str] = frozenset(),
) -> Component:
    """A component that shows one part of an analyzer's answers.

    What the analyzer needs, costs and sends is taken over, and its options, which are set under its
    own name.

    Args:
        name: of the component.
        summary: one sentence.
        of: the analyzer: a record whose factory returns a :class:`fxbench.protocols.Analyzer`. No
            hook returns it.
        factory: :class:`Found`, :class:`Located` or :class:`Told`.
        traits: of the component.
    """
    shown = Showing(of.factory, factory)
    return replace(of, name=name, summary=summary, factory=shown, traits=traits, source=of)


@dataclass(frozen=True, slots=True)
class Showing:
    """The factory of a view.

    Attributes:
        analyzer: makes the analyzer; called with its options as keyword arguments.
        shows: makes a view of an analyzer.
    """

    analyzer: Callable[..., Any]
    shows: Callable[[Any], Any]

    def __call__(self, **options: Any) -> Any:
        """A view of an analyzer of its own."""
        return self.shows(self.analyzer(**options))


class Memory:
    """What analyzers have answered about the images that are in work."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[tuple[UInt8, ...], Analysis]] | None = None

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Within this, an analyzer is asked once about the same images."""
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def ask(self, analyzer: Analyzer, images: tuple[UInt8, ...]) -> Analysis:
        """The answer of an analyzer."""
        if self._known is None:
            return _asked(analyzer, images)
        # The images are kept too, so that no others can have their identities meanwhile.
        key = (id(analyzer), *(id(image) for image in images))
        if key not in self._known:
            self._known[key] = images, _asked(analyzer, images)
        return self._known[key][1]


def _asked(analyzer: Analyzer, images: tuple[UInt8, ...]) -> Analysis:
    from fxbench.errors import PluginError
    from fxbench.types import Analysis

    analysis: object = analyzer.analyze(images)
    if not isinstance(analysis, Analysis):
        raise PluginError(f"An analyzer must return an Analysis, not {type(analysis).__name__}.")
    last = max([*analysis.boxes.frame.tolist(), *(i for i, _ in analysis.failures)], default=0)
    if last >= max(1, len(images)):
        raise PluginError(f"An analyzer answered about image {last} of {len(images)}.")
    return analysis


class Shared:
    """An analyzer whose answers several views share.

    Attributes:
        analyzer: the analyzer itself.
    """

    def __init__(self, analyzer: Analyzer, memory: Memory) -> None:
        self.analyzer = analyzer
        self.scheme = analyzer.scheme
        self.labels = analyzer.labels
        self.face_size = analyzer.face_size
        self._memory = memory

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """See :class:`fxbench.protocols.Analyzer`."""
        return self._memory.ask(self.analyzer, images)

    def apart(self, images: tuple[UInt8, ...]) -> Analysis:
        """The same of pictures that nobody else asks about; they are not kept."""
        return _asked(self.analyzer, images)


Failures = tuple[tuple[int, str], ...]
"""The index of each image that got no answer, and why."""


def failures_of(component: object) -> Failures:
    """The images (or faces) of a component's last call that got no answer. Only views have any."""
    return component.failures if isinstance(component, (Found, Located, Told)) else ()


class Found:
    """The faces that an analyzer finds: a :class:`fxbench.protocols.Detector`.

    Attributes:
        failures: of the last call.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        self.failures: Failures = ()

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        analysis = self.analyzer.analyze(images)
        self.failures = analysis.failures
        return analysis.boxes


class Located:
    """The points that an analyzer locates: a :class:`fxbench.protocols.Landmarker`.

    A box gets the points of the analyzer's own box that overlaps it most, if that is by at least
    half (intersection over union).

    Attributes:
        failures: of the last call.

    Raises:
        PluginError: the analyzer gives no points.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        from fxbench.errors import PluginError

        if analyzer.scheme is None:
            raise PluginError("This analyzer locates no points: its scheme is None.")
        self.analyzer = analyzer
        self.scheme = analyzer.scheme
        self.failures: Failures = ()

    def locate(self, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
        """Points of each box; see :class:`fxbench.protocols.Landmarker`."""
        import numpy as np

        from fxbench.errors import PluginError
        from fxbench.types import Points

        analysis = self.analyzer.analyze(images)
        self.failures = analysis.failures
        if analysis.points is None:
            raise PluginError(f"This analyzer gave no points, but {self.scheme} was expected.")
        own = _same_face(analysis.boxes, boxes, images)
        xy = np.full((len(boxes), *analysis.points.xy.shape[1:]), np.nan, np.float32)
        xy[own >= 0] = analysis.points.xy[own[own >= 0]]
        return Points(xy, self.scheme)


class Told:
    """The emotions that an analyzer tells: a :class:`fxbench.protocols.Classifier`.

    Of an image, a box gets the answer about the analyzer's own box that overlaps it most, if that
    is by at least half, and a box of the whole image that about the largest face. A face that is
    handed over by itself is analysed by itself, and its largest face counts. What the analyzer
    doesn't find gets its last label, which has no counterpart and is wrong.

    Attributes:
        failures: of the last call.

    Raises:
        PluginError: the analyzer tells no emotions.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        from fxbench.errors import PluginError
        from fxbench.types import FaceSpec

        if not analyzer.labels or analyzer.labels[-1] is not None:
            raise PluginError(
                "This analyzer tells no emotions: its labels must be emotions or None, the last "
                f"one None, for faces that it doesn't find, but are {analyzer.labels!r}."
            )
        self.analyzer = analyzer
        self.labels = analyzer.labels
        self.failures: Failures = ()
        self.face: FaceSpec = FaceSpec(analyzer.face_size, fit="pad", margin=0.25)

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of faces by themselves; see :class:`fxbench.protocols.Classifier`."""
        import numpy as np

        from fxbench.types import Boxes

        side = float(self.face.size)
        whole = Boxes.from_lists([[(0.0, 0.0, side, side, 1.0)] for _ in faces])
        images = tuple(np.ascontiguousarray(face) for face in faces)
        # Nobody else asks about these, and an attack asks about thousands.
        ask = self.analyzer.apart if isinstance(self.analyzer, Shared) else self.analyzer.analyze
        return self._of(ask(images), images, whole)

    def tell(self, images: tuple[UInt8, ...], boxes: Boxes) -> Float32:
        """Probabilities float32 (M, K) of the faces in `boxes` of these images."""
        return self._of(self.analyzer.analyze(images), images, boxes)

    def _of(self, analysis: Analysis, images: tuple[UInt8, ...], boxes: Boxes) -> Float32:
        import numpy as np

        from fxbench.errors import PluginError

        self.failures = analysis.failures
        if analysis.probabilities is None:
            raise PluginError("This analyzer gave no probabilities, but has labels.")
        own = _same_face(analysis.boxes, boxes, images)
        told = np.zeros((len(boxes), len(self.labels)), np.float32)
        told[:, -1] = 1.0
        told[own >= 0] = analysis.probabilities[own[own >= 0]]
        return told


def _same_face(own: Boxes, boxes: Boxes, images: tuple[UInt8, ...]) -> Int64:
    """The analyzer's box that is the face of each of `boxes`, int64 (M,); -1 for none."""
    import numpy as np

    from fxbench.faces import choose, match

    same = match(own, boxes.frame, boxes.xyxy, LEAST_OVERLAP)
    sizes = np.array([image.shape[1::-1] for image in images], np.float32).reshape(-1, 2)
    whole = (boxes.xyxy[:, :2] <= 0).all(axis=1)
    whole &= (boxes.xyxy[:, 2:] >= sizes[boxes.frame]).all(axis=1)
    largest = choose(own, len(images), None)
    return np.where(whole, largest[boxes.frame], same)

"""Attacks on what an analyzer tells, such as a service: silence, costs, and crops by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, KIND, PLUGIN, Whole, entry, run
from made_up_attacks import EPSILON, FIXED, GRADIENT, Bright, Halves, Step, cell

from fxbench import runner
from fxbench.attackwork import _stored
from fxbench.chunks import Chunk
from fxbench.component import Component, Terms
from fxbench.costs import costs
from fxbench.errors import UsageError
from fxbench.registry import Entry, Registry
from fxbench.selection import Selection
from fxbench.types import Analysis, Boxes, Points
from fxbench.views import Told, view

BLACK_BOX = FIXED | {"black-box"}


class Service:
    """Sees a face in each picture; bright ones are happy. Crops alone look darker to it."""

    scheme = None
    labels = ("neutral", "happiness", None)
    face_size = 8

    def __init__(self, darker: int = 0, silent: Any = lambda number: False) -> None:
        self.darker, self.silent = darker, silent
        self.asked = 0

    def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
        failures = []
        told = []
        for index, image in enumerate(images):
            self.asked += 1
            if self.silent(self.asked):
                failures.append((index, "busy"))
                continue
            level = image.mean() - (self.darker if len(image) == self.face_size else 0)
            told.append([0.1, 0.9, 0.0] if level > 100 else [0.9, 0.1, 0.0])
        lost = {index for index, _ in failures}
        lists: list[list[Any]] = [
            [] if index in lost else [(0, 0, image.shape[1], image.shape[0], 1.0)]
            for index, image in enumerate(images)
        ]
        answers = np.array(told, np.float32).reshape(-1, 3)
        return Analysis(Boxes.from_lists(lists), None, answers, tuple(failures))


class Ask:
    """Asks about the face as it is, then about brighter and darker ones."""

    norm = "linf"
    queries = 3

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        pixels = (faces * 255).round().astype(int)
        for change in (0, 40, -40):
            tried = np.clip(pixels + change, 0, 255).astype(np.uint8)
            if model.predict(tried).argmax() != targets.argmax():
                return tried.astype(np.float32) / np.float32(255)
        return faces


def told(service: Service, **more: Any) -> Entry:
    record = Component("service", "Odd.", lambda: service, **more)
    return Entry(KIND["classifier"], view("service", "Odd.", of=record, factory=Told), PLUGIN)


def attacked(tmp_path: Path, service: Service, attack: Any = Ask, **more: Any) -> Any:
    return run(
        tmp_path,
        entry("dataset", "halves", Halves),
        told(service),
        entry("attack", "ask", attack, traits=BLACK_BOX),
        attacks=("ask",),
        epsilons=(EPSILON,),
        **more,
    )


def test_success_is_measured_by_the_same_crops_unchanged(tmp_path: Path) -> None:
    class Nothing(Ask):
        def perturb(self, model: Any, faces: Any, *_: Any, **__: Any) -> Any:
            return faces

    stored = attacked(tmp_path, Service(darker=60), Nothing)
    clean, none, one = (cell(stored, epsilon=e) for e in (None, 0.0, EPSILON))
    assert clean["metrics"]["accuracy"]["value"] == 0.95
    assert none["metrics"]["accuracy"]["value"] < 0.8, "crops by themselves look darker to it"
    assert one["metrics"]["attack_success_rate"]["value"] == 0, "nothing was done to them"
    assert "robust" not in clean


def test_silence_amid_an_attack_is_no_success_and_is_not_kept(tmp_path: Path) -> None:
    truth = cell(attacked(tmp_path / "truth", Service()), epsilon=EPSILON)["metrics"]
    service = Service(silent=lambda number: number == 20)
    first = attacked(tmp_path, service)
    failed = cell(first, epsilon=EPSILON)
    assert failed["status"] == "failed"
    assert "gave no answer (busy)" in failed["reason"]["message"]
    assert runner.exit_code(first) == 3
    service.silent = lambda number: False
    again = cell(attacked(tmp_path, service), epsilon=EPSILON)["metrics"]
    assert again["attack_success_rate"] == truth["attack_success_rate"]


def test_what_is_asked_is_counted_before(tmp_path: Path) -> None:
    service = Service()
    registry = Registry(
        (PLUGIN,),
        (
            entry("dataset", "halves", Halves),
            entry("detector", "whole", Whole, traits=frozenset({"default"})),
            told(service, sends=True, price=0.5),
            entry("attack", "ask", Ask, traits=BLACK_BOX),
        ),
    )
    selection = Selection(classifiers=("service",), attacks=("ask",), epsilons=(EPSILON,))
    prepared = runner.prepare(selection, (), registry, tmp_path)
    sent = costs(prepared.plan)
    # Whole pictures; crops unchanged and changed; three queries about each.
    assert sent.calls == IMAGES * (1 + 2 + 3)
    assert sent.price == 0.5 * sent.calls
    how = runner.Settings(tmp_path / "r", tmp_path / "c", threads=1, measure_latency=False)
    runner.run(prepared, how)
    assert IMAGES * 3 < service.asked <= sent.calls, "no sheet was drawn at the service's expense"


class Private(Halves):
    terms = Terms("private", may_redistribute=False, may_show=False, may_send_to_cloud=False)


class Away:
    """Locates points elsewhere."""

    scheme = "corners"

    def locate(self, images: Any, boxes: Boxes) -> Points:
        raise AssertionError("the pictures may not be sent away")


class Dot:
    def corrupt(self, image: Any, severity: int, **_: Any) -> Any:
        return image


def test_nothing_is_sent_away_to_place_a_corruption(tmp_path: Path) -> None:
    stored = run(
        tmp_path,
        entry("dataset", "private", Private),
        entry("classifier", "near", Bright),
        entry("landmarker", "away", Away, sends=True, price=0.1),
        entry("corruption", "dot", Dot, traits=frozenset({"placed"})),
        landmarkers=("away",),
        corruptions=("dot",),
        severities=(1,),
    )
    assert cell(stored, corruption="dot")["reason"]["kind"] == "no landmarks"


def test_a_change_is_never_added_to_other_faces_than_it_was_made_of() -> None:
    import hashlib

    clean = np.full((2, 2, 2, 3), 100, np.uint8)
    columns = {
        "change": np.full((2, 12), 5, np.int8),
        "attacked": np.ones(2, np.bool_),
        "flat": np.zeros(2, np.int8),
    }
    known = Chunk(columns, {"clean": hashlib.sha256(clean.tobytes()).hexdigest()})
    found = _stored(known, clean)
    assert found is not None
    assert (found.adversarial.faces == 105).all()
    assert _stored(known, clean + 1) is None


def planned(tmp_path: Path, *entries: Entry, **selection: Any) -> set[tuple[Any, ...]]:
    given = (
        entry("dataset", "halves", Halves),
        entry("detector", "whole", Whole, traits=frozenset({"default"})),
        *entries,
    )
    prepared = runner.prepare(Selection(**selection), (), Registry((PLUGIN,), given), tmp_path)
    return {
        (p.cell.attack, p.cell.classifier, p.cell.surrogate)
        for p in prepared.plan.cells
        if p.cell.attack and p.cell.epsilon
    }


def test_who_is_attacked_by_whom(tmp_path: Path) -> None:
    models = [entry("classifier", name, Bright, traits=GRADIENT) for name in "abc"]
    attacks = [
        entry("attack", "step", Step, traits=FIXED),
        entry("attack", "ask", Ask, traits=BLACK_BOX),
    ]
    given = {"attacks": ("step", "ask"), "epsilons": (EPSILON,), "surrogates": ("b",)}
    assert planned(tmp_path, *models, *attacks, targets=("c",), **given) == {
        ("step", "c", "b"),
        ("ask", "c", "c"),
    }
    assert planned(tmp_path, *models, *attacks, classifiers=("a",), targets=("c",), **given) == {
        ("step", "a", "a"),
        ("ask", "a", "a"),
        ("step", "c", "b"),
    }


def test_a_baseline_that_nobody_named_is_not_attacked(tmp_path: Path) -> None:
    assert planned(
        tmp_path,
        entry("classifier", "near", Bright, traits=GRADIENT),
        entry("classifier", "base", Bright, traits=GRADIENT | {"baseline"}),
        entry("corruption", "dot", Dot),
        entry("attack", "step", Step, traits=FIXED),
        classifiers=("near",),
        attacks=("step",),
        corruptions=("dot",),
    ) == {("step", "near", "near")}


@pytest.mark.parametrize("names", [{"attacks": ("odd",)}, {"corruptions": ("odd",)}])
def test_names_are_looked_up_also_where_they_are_of_no_use(
    tmp_path: Path, names: dict[str, Any]
) -> None:
    class Unlabelled(Halves):
        has_boxes = True

        def __init__(self) -> None:
            super().__init__()
            self.labels = np.full(IMAGES, -1)

    given = (
        entry("dataset", "unlabelled", Unlabelled),
        entry("detector", "whole", Whole, traits=frozenset({"default"})),
    )
    with pytest.raises(UsageError, match="odd"):
        runner.prepare(Selection(**names), (), Registry((PLUGIN,), given), tmp_path)


def test_a_wrong_option_of_an_attack_ends_before_anything_is_computed(tmp_path: Path) -> None:
    def wrong() -> Any:
        raise UsageError("step got steps=0; expected is at least one.")

    with pytest.raises(UsageError, match="steps=0"):
        planned(
            tmp_path,
            entry("classifier", "near", Bright, traits=GRADIENT),
            entry("attack", "step", wrong, traits=FIXED),
            classifiers=("near",),
            attacks=("step",),
        )

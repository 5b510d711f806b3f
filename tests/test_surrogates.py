"""Whose gradients an attack takes: a network's own, or those of the same one in another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from made_up import IMAGES, Sign, Uniform, entry, run, statuses

from fxbench import runner
from fxbench.cli.tables import print_tables
from fxbench.leaderboard import leaderboard_table
from fxbench.store import StoredRun
from fxbench.types import FaceSpec

if TYPE_CHECKING:
    import pytest

GRADIENT = frozenset({"gradient", "default"})
DEFAULT = frozenset({"default"})
ATTACK = {"attacks": ("none", "sign"), "epsilons": (0.0, 0.1)}


class Bright(Uniform):
    """Bright faces are happy. It counts what it is asked."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def predict(self, faces: np.ndarray) -> np.ndarray:
        happy = faces.mean(axis=(1, 2, 3)) / 255
        rest = np.tile((1 - happy[:, None]) / 7, (1, 8))
        rest[:, 1] = happy
        return rest.astype(np.float32)

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self.calls.append("gradient")
        return np.ones_like(faces)


class Runtime(Bright):
    """The same without gradients."""

    gradient = None  # type: ignore[assignment]


class Pushed(Sign):
    """Asks for a gradient, as attacks do."""

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        slope = model.gradient(faces, targets)
        return (faces + epsilon * np.sign(slope)).astype(np.float32)


def attacked(tmp_path: Path, calls: list[str], **more: Any) -> StoredRun:
    twin = {"variant_of": "bright", "traits": DEFAULT} | more
    return run(
        tmp_path,
        entry("classifier", "bright", lambda: Bright(calls), traits=GRADIENT),
        entry("classifier", "bright-fast", lambda: Runtime(calls), **twin),
        entry("attack", "sign", Pushed, traits=frozenset({"default", "fixed"})),
        **ATTACK,
    )


def cells_of(stored: StoredRun, classifier: str) -> list[dict[str, Any]]:
    return [c for c in stored.cells if c["axes"]["classifier"] == classifier]


def test_a_variant_is_attacked_with_the_gradients_of_its_network(tmp_path: Path) -> None:
    calls: list[str] = []
    stored = attacked(tmp_path, calls)
    assert set(statuses(stored).values()) == {"ok"}
    for one in cells_of(stored, "bright-fast"):
        surrogate = "bright" if "attack" in one["axes"] else None
        assert one["axes"].get("surrogate") == surrogate
        (twin,) = [
            c
            for c in cells_of(stored, "bright")
            if c["axes"].get("epsilon") == one["axes"].get("epsilon")
        ]
        assert one["confusion"] == twin["confusion"]
        assert one["metrics"]["accuracy"] == twin["metrics"]["accuracy"]
    assert len(calls) % 2 == 0
    assert len(calls) == len({"0.0", "0.1"}) * batches(stored), "once for both targets"


def batches(stored: StoredRun) -> int:
    """How often a run of these images asks a classifier: a first batch of 8, then the rest."""
    assert stored.run["images"]["squares test (single)"]["selected"] == IMAGES
    return 2


def test_a_variant_ranks_and_stands_beside_its_network(tmp_path: Path) -> None:
    stored = attacked(tmp_path, [])
    pushed = [c for c in stored.cells if c["axes"].get("epsilon") == 0.1]
    assert {c["rank"]["of"] for c in pushed} == {2}, "under their own network's attack both"
    table = leaderboard_table(stored.cells, stored.run)
    (key,) = [c.key for c in table.columns if c.key.startswith("robust")]
    assert all(row.get(key) is not None for row in table.rows)


def test_without_its_network_it_is_skipped_and_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = run(
        tmp_path,
        entry(
            "classifier",
            "bright",
            lambda: Bright([]),
            traits=GRADIENT,
            requires=("no_such_library",),
            extra="tensorflow",
        ),
        entry("classifier", "bright-fast", lambda: Runtime([]), variant_of="bright"),
        entry("attack", "sign", Pushed, traits=frozenset({"default", "fixed"})),
        classifiers=("bright-fast",),
        **ATTACK,
    )
    skipped = [c for c in stored.cells if c["status"] == "skipped"]
    assert len(skipped) == 2
    for one in skipped:
        assert one["reason"]["kind"] == "no gradient"
        assert "bright, the same network, can't run" in one["reason"]["message"]
        assert "no_such_library" in one["reason"]["message"]
        assert one["reason"]["mend"] == "pip install 'odd[tensorflow]'"
    assert runner.exit_code(stored) == 0
    print_tables(stored, "table")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Robustness" in shown
    assert "pip install 'odd[tensorflow]'" in shown


def test_a_variant_of_what_is_not_there_or_gives_none_is_skipped(tmp_path: Path) -> None:
    for number, (network, what) in enumerate(
        (("absent", "is not installed"), ("plain", "gives none either"))
    ):
        stored = run(
            tmp_path / str(number),
            entry("classifier", "plain", lambda: Runtime([]), traits=DEFAULT),
            entry("classifier", "twin", lambda: Runtime([]), variant_of=network),
            entry("attack", "sign", Pushed, traits=frozenset({"default", "fixed"})),
            classifiers=("twin",),
            **ATTACK,
        )
        (message,) = {c["reason"]["message"] for c in stored.cells if c["status"] == "skipped"}
        assert what in message


def test_a_variant_that_takes_other_faces_fails(tmp_path: Path) -> None:
    class Larger(Runtime):
        face = FaceSpec(7)

    stored = run(
        tmp_path,
        entry("classifier", "bright", lambda: Bright([]), traits=GRADIENT),
        entry("classifier", "twin", lambda: Larger([]), variant_of="bright", traits=DEFAULT),
        entry("attack", "sign", Pushed, traits=frozenset({"default", "fixed"})),
        **ATTACK,
    )
    wrong = [c for c in cells_of(stored, "twin") if "attack" in c["axes"]]
    assert {c["status"] for c in wrong} == {"failed"}
    assert all("declared a variant" in c["reason"]["message"] for c in wrong)
    assert {c["status"] for c in cells_of(stored, "bright")} == {"ok"}

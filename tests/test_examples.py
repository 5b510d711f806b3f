"""Sheets of adversarial examples: of what, and of whose pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
from made_up import entry, run
from made_up_attacks import EPSILON, GRADIENT, Bright, Halves, Step

from fxbench import examples
from fxbench.component import Terms

if TYPE_CHECKING:
    import pytest

ATTACK = frozenset({"fixed"})


class Hidden(Halves):
    terms = Terms("private", may_redistribute=False, may_show=False, may_send_to_cloud=False)


def sheets(tmp_path: Path, dataset: Any = Halves, **more: Any) -> list[str]:
    stored = run(
        tmp_path,
        entry("dataset", "halves", dataset),
        entry("classifier", "near", Bright, traits=GRADIENT),
        entry("classifier", "far", lambda: Bright(130), traits=GRADIENT),
        entry("attack", "step", Step, traits=ATTACK),
        attacks=("step",),
        epsilons=(10 / 255, EPSILON),
        **more,
    )
    return sorted(path.name for path in (stored.folder / "examples").glob("*"))


def test_each_classifier_and_attack_has_one_with_its_largest_budget(tmp_path: Path) -> None:
    assert sheets(tmp_path) == [
        "halves-far-step-linf-40of255.png",
        "halves-near-step-linf-40of255.png",
    ]
    (folder,) = (tmp_path / "results").glob("halves*")
    sheet = cv2.imread(str(folder / "examples" / "halves-near-step-linf-40of255.png"))
    assert sheet.shape[0] > sheet.shape[1] > 500, "four rows of three"
    assert sheet.std() > 20


def test_another_surrogates_faces_are_not_shown_as_its_own(tmp_path: Path) -> None:
    shown = sheets(tmp_path, surrogates=("near",), targets=("far",), classifiers=None)
    assert shown == []


def test_what_may_not_be_shown_is_not_drawn(tmp_path: Path) -> None:
    assert sheets(tmp_path, Hidden) == []


def test_without_matplotlib_a_run_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "find_spec", lambda name: None)
    assert sheets(tmp_path) == []

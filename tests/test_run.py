"""Whole runs on tiny FER+ trees, with light components that write down what they are asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxbench import pairs, runner
from fxbench.collect import Readable
from fxbench.errors import UnavailableError, UsageError
from fxbench.selection import Selection
from fxbench.sources import evenly_spaced
from fxbench.store import StoredRun
from fxbench.types import Answers

Run = Callable[..., StoredRun]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "toy.log"
    monkeypatch.setenv("TOY_LOG", str(path))
    path.touch()
    return path


@pytest.fixture
def run(tmp_path: Path, ferplus: Path, toy: None) -> Run:
    """Run on the tiny tree; keywords are those of Selection, of Settings, or `options`."""

    def execute(
        *options: str, results: str = "results", latency: bool = False, **selection: Any
    ) -> StoredRun:
        wanted = {
            "split": "valid",
            "detectors": ("full-frame",),
            "classifiers": ("prior", "toy-linear"),
            "attacks": ("none",),
        } | selection
        prepared = runner.prepare(
            Selection(**wanted), (f"ferplus.path={ferplus}", *options), folder=tmp_path
        )
        settings = runner.Settings(tmp_path / results, measure_latency=latency, threads=1)
        return runner.run(prepared, settings)

    return execute


def cell(stored: StoredRun, **axes: Any) -> dict[str, Any]:
    found = [
        c
        for c in stored.cells
        if all(c["axes"].get(axis) == value for axis, value in axes.items())
        and ("attack" in axes or "attack" not in c["axes"])
    ]
    assert len(found) == 1, [c["axes"] for c in stored.cells]
    return found[0]


def numbers(stored: StoredRun) -> list[dict[str, Any]]:
    """The cells without what depends on time."""
    return [{k: v for k, v in c.items() if k != "latency"} for c in stored.cells]


def test_prior_answers_neutral_and_is_right_as_often_as_that_is(run: Run) -> None:
    stored = run()
    prior = cell(stored, classifier="prior")
    assert prior["images"] == {"n": 17, "found": 17, "unreadable": 0}
    accuracy = prior["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (pytest.approx(3 / 17), 17)
    assert prior["floor"]
    # It looks at no pixel, so it is one behind any other detector too.
    other = run(detectors=("toy-centre",), classifiers=("prior", "toy-linear"))
    floors = {(c["axes"]["detector"], c["axes"].get("classifier")): c["floor"] for c in other.cells}
    assert floors["toy-centre", "prior"]
    assert not floors["toy-centre", "toy-linear"]
    assert stored.run["images"]["ferplus valid (majority)"]["selected"] == 17


def test_every_combination_has_a_cell(run: Run) -> None:
    stored = run(
        detectors=("full-frame", "toy-centre"),
        classifiers=("prior", "toy-linear", "toy-seven"),
        attacks=("none", "fgsm", "toy-greedy"),
        epsilons=(0.0, 8 / 255),
    )
    counts = Counter((c["axes"].get("attack"), c["status"]) for c in stored.cells)
    assert counts == {
        (None, "ok"): 6,
        ("fgsm", "ok"): 4,
        ("toy-greedy", "ok"): 4,
        ("noise", "ok"): 2,
        ("fgsm", "skipped"): 8,
        ("toy-greedy", "skipped"): 8,
    }
    skipped = [c for c in stored.cells if c["status"] == "skipped"]
    assert {c["reason"]["kind"] for c in skipped} == {"no gradient"}
    assert runner.exit_code(stored) == 0, "what can't be combined was not asked for"


def test_an_attack_of_nothing_equals_the_clean_result_exactly(run: Run) -> None:
    stored = run(attacks=("none", "fgsm", "toy-greedy"), epsilons=(0.0, 0.2))
    clean = cell(stored, classifier="toy-linear")
    for attack in ("fgsm", "toy-greedy"):
        none = cell(stored, classifier="toy-linear", attack=attack, epsilon=0.0)
        assert none["confusion"] == clean["confusion"]
        assert none["metrics"]["cross_entropy"] == clean["metrics"]["cross_entropy"]
        assert none["metrics"]["attack_success_rate"]["value"] in (0, None)
    fgsm = cell(stored, classifier="toy-linear", attack="fgsm", epsilon=0.2)
    right = clean["metrics"]["accuracy"]["value"] * 17
    assert fgsm["metrics"]["attack_success_rate"]["n"] == round(right)
    assert fgsm["metrics"]["cross_entropy"]["value"] > clean["metrics"]["cross_entropy"]["value"]


def test_images_are_detected_once_for_all_classifiers(run: Run, log: Path) -> None:
    run(
        detectors=("toy-centre",),
        classifiers=("toy-linear", "toy-seven", "prior"),
        attacks=("none", "fgsm"),
        epsilons=(0.1,),
    )
    detected = [line for line in log.read_text().split("\n") if line.startswith("detect")]
    assert sum(int(line.split()[1]) for line in detected) == 17


def test_a_finished_run_started_again_does_no_work_and_loads_no_model(run: Run, log: Path) -> None:
    first = run(attacks=("none", "fgsm"), latency=True)
    assert "load toy-linear" in log.read_text()
    log.write_text("")
    again = run(attacks=("none", "fgsm"), latency=True)
    assert log.read_text() == ""
    assert again.cells == first.cells


def test_another_run_uses_what_the_first_one_computed(run: Run, log: Path) -> None:
    run()
    log.write_text("")
    wider = run(classifiers=("prior", "toy-linear", "toy-seven"), results="elsewhere")
    assert "toy-linear" not in log.read_text()
    assert "load toy-seven" in log.read_text()
    assert {c["status"] for c in wider.cells} == {"ok"}


def test_nothing_stale_is_used(run: Run, log: Path, ferplus: Path, tmp_path: Path) -> None:
    before = run(classifiers=("toy-linear",))
    log.write_text("")
    other = run("toy-linear.seed=1", classifiers=("toy-linear",))
    assert "predict" in log.read_text(), "an option that affects results"
    assert numbers(other) != numbers(before)
    log.write_text("")
    labels = ferplus / "FER2013Valid" / "label.csv"
    labels.write_text(labels.read_text().replace(",10,0", ",0,10", 1))
    run(classifiers=("toy-linear",))
    assert "predict" in log.read_text(), "a label"


def test_the_protocol_decides_which_images_count(run: Run) -> None:
    counts = {
        protocol: cell(run(protocol=protocol), classifier="prior")["images"]["n"]
        for protocol in ("majority", "plurality", "multi-target")
    }
    assert counts == {"majority": 17, "plurality": 18, "multi-target": 20}


def test_limit_takes_evenly_spaced_images(run: Run) -> None:
    assert evenly_spaced(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly_spaced(3, 5).tolist() == [0, 1, 2]
    assert cell(run(limit=5), classifier="prior")["images"]["n"] == 5


def test_a_missed_face_is_wrong_end_to_end_and_left_out_of_conditional_scores(run: Run) -> None:
    stored = run("toy-centre.min_mean=55", detectors=("toy-centre",), classifiers=("prior",))
    missed = cell(stored, detector="toy-centre")
    found = missed["images"]["found"]
    assert 0 < found < 17
    accuracy, end_to_end = (missed["metrics"][name] for name in ("accuracy", "accuracy_end_to_end"))
    assert (accuracy["n"], end_to_end["n"]) == (found, 17)
    assert accuracy["value"] * found == pytest.approx(end_to_end["value"] * 17)
    nothing = run("toy-centre.min_mean=256", detectors=("toy-centre",), classifiers=("toy-linear",))
    blind = cell(nothing, detector="toy-centre")
    assert blind["images"]["found"] == 0
    assert blind["metrics"]["accuracy_end_to_end"]["value"] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy-broken", "RuntimeError: no luck with"),
        ("toy-wrong", "each row sums to 1"),
    ],
)
def test_a_cell_that_fails_is_a_row_and_the_others_finish(
    run: Run, name: str, message: str
) -> None:
    stored = run(classifiers=(name, "toy-linear"), attacks=("none", "fgsm"), epsilons=(0.1,))
    failed = cell(stored, classifier=name)
    assert failed["status"] == "failed"
    assert message in failed["reason"]["message"]
    attacked = cell(stored, classifier="toy-linear", attack="fgsm", epsilon=0.1)
    assert attacked["status"] == "ok"
    assert runner.exit_code(stored) == 3


def test_what_is_asked_for_by_name_and_lacks_something_is_a_skipped_row(run: Run) -> None:
    stored = run(detectors=("toy-absent", "full-frame"))
    absent = [c for c in stored.cells if c["axes"]["detector"] == "toy-absent"]
    assert {c["status"] for c in absent} == {"skipped"}
    assert absent[0]["reason"]["mend"] == "pip install not_a_module"
    assert runner.exit_code(stored) == 3


def test_all_takes_what_is_ready_and_says_what_it_left_out(
    tmp_path: Path, ferplus: Path, toy: None
) -> None:
    prepared = runner.prepare(
        Selection(detectors=("all",), classifiers=("prior",), attacks=("none",)),
        (f"ferplus.path={ferplus}",),
        folder=tmp_path,
    )
    names = {planned.cell.detector for planned in prepared.plan.cells}
    assert {"full-frame", "toy-centre", "opencv-haar"} <= names
    assert "toy-absent" not in names
    assert "toy-absent" in {entry.name for entry, _ in prepared.plan.left_out}


def test_images_go_nowhere_unless_the_terms_allow_it(run: Run) -> None:
    stored = run(classifiers=("toy-away",))
    away = cell(stored, classifier="toy-away")
    assert (away["status"], away["reason"]["kind"]) == ("skipped", "terms")


def test_an_image_that_can_t_be_read_is_counted_and_listed(run: Run, ferplus: Path) -> None:
    image = sorted((ferplus / "FER2013Valid").glob("*.png"))[2]
    image.write_bytes(image.read_bytes()[:60])
    stored = run(attacks=("none", "fgsm"))
    listed = stored.run["images"]["ferplus valid (majority)"]["unreadable"]
    assert [entry["id"] for entry in listed] == [image.name]
    prior = cell(stored, classifier="prior")
    assert prior["images"] == {"n": 16, "found": 16, "unreadable": 1}
    assert runner.exit_code(stored) == 3


def test_a_damaged_chunk_is_computed_again(run: Run, tmp_path: Path) -> None:
    first = run(results="one")
    for chunk in (tmp_path / "cache").rglob("*.parquet"):
        data = bytearray(chunk.read_bytes())
        data[20:60] = bytes(40)
        chunk.write_bytes(bytes(data))
    assert numbers(run(results="two")) == numbers(first)


def test_latency_is_measured_and_its_samples_kept(run: Run) -> None:
    stored = run(latency=True, detectors=("toy-centre",))
    latency = cell(stored, detector="toy-centre", classifier="toy-linear")["latency"]
    assert 0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"]
    assert latency["images_per_s"] > 0
    assert latency["samples"] == 10 * latency["images"] > 0
    assert (latency["threads"], latency["process"]) == (1, "fresh")
    assert len(list((stored.folder / "latency").glob("*.parquet"))) == 3


def test_ranks_are_ranges_within_one_condition(run: Run) -> None:
    stored = run(classifiers=("prior", "toy-linear", "toy-seven"))
    for entry in stored.cells:
        assert 1 <= entry["rank"]["low"] <= entry["rank"]["high"] <= 3
        assert len(pairs.read(stored.folder).of(entry["id"])) == 2


def test_the_record_says_what_it_was_made_with(run: Run) -> None:
    record = run("toy-linear.seed=4").run
    assert record["options"]["classifier toy-linear"]["given"] == {"seed": 4}
    assert record["datasets"]["ferplus"]["terms"]["may_send_to_cloud"] is False
    assert len(record["datasets"]["ferplus"]["fingerprint"]) >= 32
    environment = record["environment"]
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["threads"] == 1
    assert environment["cpu"]
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    ("selection", "options", "error", "message"),
    [
        ({"detectors": ("ful-frame",)}, (), UsageError, "did you mean 'full-frame'"),
        ({"split": "vaild"}, (), UsageError, "did you mean 'valid'"),
        ({"protocol": "most"}, (), UsageError, "Unknown protocol of ferplus"),
        ({"datasets": ("folder",)}, (), UnavailableError, "folder.path=PATH"),
        ({}, ("ferplus.labels=other",), UsageError, "expected one of label.csv"),
    ],
)
def test_a_wrong_selection_gets_a_sentence(
    run: Run, selection: dict[str, Any], options: tuple[str, ...], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        run(*options, **selection)


def test_without_a_named_dataset_the_one_that_comes_along_is_taken(tmp_path: Path) -> None:
    plan = runner.prepare(Selection(attacks=("none",)), (), folder=tmp_path).plan
    assert [source.name for source in plan.sources] == ["mini test (quick)"]


def test_a_dataset_whose_place_was_said_is_meant_and_no_other(
    ferplus: Path, tmp_path: Path
) -> None:
    settings = (f"ferplus.path={ferplus}",)
    plan = runner.prepare(Selection(attacks=("none",)), settings, folder=tmp_path).plan
    assert [source.entry.name for source in plan.sources] == ["ferplus"]


def test_what_cannot_be_read_is_told_by_its_reasons(
    run: Run, ferplus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = sorted((ferplus / "FER2013Valid").glob("*.png"))[:7]
    for image in images:
        image.write_bytes(image.read_bytes()[:60])
    notes: list[str] = []
    monkeypatch.setattr(runner.Silent, "note", lambda _, text: notes.append(text))
    stored = run()
    (told,) = [note for note in notes if "can't be read and are left out" in note]
    assert told.startswith("7 of 17 images of ferplus valid (majority) can't be read")
    assert [image.name in told for image in images] == [True] * 5 + [False] * 2
    assert told.endswith("; 2 more such as these, which run.json lists.")
    (listed,) = stored.run["images"].values()
    assert [one["id"] for one in listed["unreadable"]] == [image.name for image in images]
    # Frames with one reason are said together.
    lost = tuple({"row": r, "id": f"a.mp4#{r}", "reason": "a.mp4 is short."} for r in range(9))
    nothing = Answers(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert Readable(nothing, lost).why() == "a.mp4#0 and 8 more: a.mp4 is short."

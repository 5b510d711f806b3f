"""Groups of images, clusters and reference lines: from the dataset to the tables and diagrams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from fxbench_ferplus import TERMS, agreement, votes
from fxbench_ferplus.dataset import FerPlus
from fxbench_folder.dataset import Folder
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import IMAGES, Squares, Uniform, entry, run
from make_ferplus import make_ferplus
from scipy import stats
from sklearn.metrics import f1_score
from test_folder import put

from fxbench import answers as stored_answers
from fxbench.cli import cli
from fxbench.component import Terms
from fxbench.errors import DataError, UsageError
from fxbench.figures import draw
from fxbench.figures_calibration import calibrated, ranked, risks
from fxbench.leaderboard import leaderboard_rows, leaderboard_table
from fxbench.metrics.intervals import proportion
from fxbench.metrics.subgroups import LEAST, by_group
from fxbench.reference_lines import reference_notes
from fxbench.scoring import rank
from fxbench.store import StoredRun
from fxbench.tables import accuracy_table
from fxbench.tables_calibration import calibration_table
from fxbench.tables_emotions import emotion_table
from fxbench.tables_groups import group_tables
from fxbench.tabular import letters, to_markdown
from fxbench.types import Answers

OPEN = Terms("none", may_redistribute=False, may_show=False, may_send_to_cloud=False)


def answered(seed: int, n: int = 400, worse: float = 0.0) -> tuple[Any, ...]:
    """Images of three groups, and answers that are right less often in the group `b`."""
    rng = np.random.default_rng(seed)
    truth, names = rng.integers(0, 8, n), rng.choice(list("abc"), n)
    right = rng.random(n) < np.where(names == "b", 0.7 - worse, 0.7)
    return truth, np.where(right, truth, (truth + 1) % 8), names.tolist(), np.arange(n)


# Groups of images


def test_the_scores_of_groups_agree_with_scikit_learn_and_wilson() -> None:
    truth, top, names, clusters = answered(0)
    groups, gap = by_group(truth, top, names, clusters)
    assert [one.name for one in groups] == ["a", "b", "c"]
    for one in groups:
        own = np.array(names) == one.name
        hits = int((truth[own] == top[own]).sum())
        assert one.accuracy == proportion(hits, int(own.sum()))
        expected = f1_score(truth[own], top[own], average="macro", labels=np.unique(truth[own]))
        assert one.macro_f1["value"] == pytest.approx(expected)
        assert one.macro_f1["low"] <= expected <= one.macro_f1["high"]
    assert gap is not None
    shares = sorted((one.accuracy["value"], one.name) for one in groups)
    assert (gap.worst, gap.best) == (shares[0][1], shares[-1][1])
    assert gap.gap["value"] == pytest.approx(shares[-1][0] - shares[0][0])


def test_the_test_of_two_groups_agrees_with_scipy_s_permutation_test() -> None:
    truth, top, names, clusters = answered(1, 150, worse=0.1)
    names = ["a" if name == "c" else name for name in names]
    _, gap = by_group(truth, top, names, clusters)
    right, group = (truth == top).astype(float), np.array(names)

    def difference(first: Any, second: Any, axis: int) -> Any:
        return np.abs(first.mean(axis=axis) - second.mean(axis=axis)) + 1e-12

    expected = stats.permutation_test(
        (right[group == "a"], right[group == "b"]),
        difference,
        vectorized=True,
        n_resamples=4000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    assert gap is not None
    assert gap.p == pytest.approx(expected.pvalue, abs=0.03)
    assert gap.by_chance["value"] == pytest.approx(expected.null_distribution.mean(), rel=0.1)


def test_a_gap_is_found_where_there_is_one_and_seldom_where_there_is_none() -> None:
    found = {0.0: 0, 0.25: 0}
    for worse in found:
        for seed in range(20):
            _, gap = by_group(*answered(100 + seed, 300, worse))
            assert gap is not None
            assert 0 <= gap.gap["low"] <= gap.gap["value"] <= gap.gap["high"]
            found[worse] += gap.p <= 0.05
    assert found[0.0] <= 4
    assert found[0.25] >= 17


def test_pictures_of_a_few_people_show_no_gap_between_groups_of_people() -> None:
    # Four people, two in each group; one of them is always misread.
    person = np.repeat(np.arange(4), 50)
    truth, names = np.zeros(200, np.int64), np.where(person < 2, "a", "b").tolist()
    top = np.where(person == 0, 1, 0)
    _, single = by_group(truth, top, names, np.arange(200))
    _, known = by_group(truth, top, names, person)
    assert single is not None
    assert known is not None
    assert single.p < 0.01
    assert known.p > 0.5


def test_small_and_unknown_groups_are_shown_and_not_compared() -> None:
    names = ["10 years"] * 40 + ["2 years"] * 30 + [""] * 40 + ["few"] * (LEAST - 1)
    truth = np.zeros(len(names), np.int64)
    top = np.where(np.array(names) == "few", 1, 0)
    groups, gap = by_group(truth, top, names, np.arange(len(names)))
    assert [one.name for one in groups] == ["2 years", "10 years", "few", ""]
    assert gap is not None
    assert {gap.worst, gap.best} == {"2 years", "10 years"}
    assert (gap.gap["value"], gap.p) == (0, 1)
    assert by_group(truth[:40], top[:40], names[:40], np.arange(40))[1] is None
    assert by_group(truth[:0], top[:0], [], np.arange(0)) == ((), None)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_order_of_images_changes_no_group(seed: int) -> None:
    truth, top, names, clusters = answered(seed, 90)
    order = np.random.default_rng(seed).permutation(90)
    first, _ = by_group(truth, top, names, clusters)
    again, _ = by_group(truth[order], top[order], [names[i] for i in order], clusters[order])
    assert again == first


# What the annotators of FER+ agree on


def test_the_reference_lines_of_the_validation_split(shared: Path) -> None:
    dataset = FerPlus(shared / "data" / "ferplus", "label.csv", TERMS)
    lines = dataset.references("valid", "majority")
    assert {name: round(line["value"] or 0, 2) for name, line in lines.items()} == {
        "one_annotator": 0.80,
        "split_half": 0.89,
    }
    assert all(line["low"] < line["value"] < line["high"] for line in lines.values())
    answers = dataset.answers("valid", "plurality")
    assert len(np.unique(dataset._hashes("valid").copies)) == 3579 - 26
    assert len(answers.rows) - len(np.unique(answers.clusters)) > 10
    assert set(answers.groups["agreement"]) == {
        "5 votes or fewer",
        "6 or 7 votes",
        "8 or 9 votes",
        "10 votes",
    }


def test_halves_are_counted_as_a_draw_of_them_would() -> None:
    rng = np.random.default_rng(2)
    table = rng.multinomial(10, [0.4, 0.3, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0], 6)
    exact = agreement.split_half(table)
    for row, expected in zip(table, exact, strict=True):
        people = np.repeat(np.arange(10), row)
        agreed = 0.0
        for _ in range(3000):
            mixed = rng.permutation(people)
            halves = [np.bincount(half, minlength=10) for half in (mixed[:5], mixed[5:])]
            first = [set(np.flatnonzero(half == half.max())) for half in halves]
            agreed += len(first[0] & first[1]) / (len(first[0]) * len(first[1]))
        assert expected == pytest.approx(agreed / 3000, abs=0.03)


def test_one_annotator_shares_ties() -> None:
    table = np.zeros((3, 10), np.int64)
    table[0, 0], table[1, [0, 1]], table[2, [0, 1]] = 10, (9, 1), (5, 5)
    # Of nine others, four say what one of five says: that one is never with the most.
    assert agreement.one_annotator(table).tolist() == [1, 0.9, 0]
    assert agreement.split_half(table)[:2].tolist() == [1, 1]
    assert votes.answers(table, "majority").rows.tolist() == [0, 1]


def test_copies_of_a_picture_are_a_cluster(tmp_path: Path) -> None:
    root = make_ferplus(tmp_path)
    folder = root / "FER2013Valid"
    names = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    names[3].write_bytes(names[1].read_bytes())
    dataset = FerPlus(root, "label.csv", TERMS)
    copies = dataset._hashes("valid").copies
    assert copies[3] == copies[1] == 1
    assert len(np.unique(copies)) == len(copies) - 1
    assert dataset.fingerprint("valid") == FerPlus(root, "label.csv", TERMS).fingerprint("valid")


# A folder with a csv


def test_a_folder_s_csv_gives_groups_and_people(tmp_path: Path) -> None:
    names = ["anger/1.png", "anger/2.png", "fear/1.png", "fear/2.png"]
    root = put(tmp_path / "faces", *names)
    plain = Folder(root, "", OPEN)
    table = tmp_path / "people.csv"
    table.write_text("image,age,subject\nanger/1.png,30,p1\nfear/1.png,7,p1\nfear/2.png,, \n")
    told = Folder(root, "", OPEN, table)
    answers = told.answers("all", "single")
    assert answers.groups["age"].tolist() == ["30", "", "7", ""]
    assert answers.clusters is not None
    assert answers.clusters[0] == answers.clusters[2]
    assert len(set(answers.clusters.tolist())) == 3
    assert plain.answers("all", "single").clusters is None
    assert plain.fingerprint("all") != told.fingerprint("all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age\n7\n", "'image'"),
        ("image\nanger/1.png\n", "and others"),
        ("image,age\nanger/1.png,7\nanger/1.png,8\n", "twice"),
        ("image,age\nanger/9.png,7\n", "doesn't have"),
        ('image,age\n"anger', "can't be read"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    root = put(tmp_path / "faces", "anger/1.png", "fear/1.png")
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Folder(root, "", OPEN, tmp_path / "people.csv")
    with pytest.raises(DataError, match="can't be read"):
        Folder(root, "", OPEN, tmp_path / "none.csv")


# Through a run


class Grouped(Squares):
    """Squares, of which ten each are of one person, and a line to read scores against."""

    def answers(self, split: str, protocol: str) -> Answers:
        rows = np.arange(IMAGES)
        return Answers(
            rows,
            self.labels,
            clusters=rows // 10,
            groups={"half": np.where(rows < 10, "first", "second")},
        )

    def references(self, split: str, protocol: str) -> dict[str, Any]:
        return {"one_person": dict(proportion(15, 20))}


class Second(Uniform):
    """Always says happiness, rather surely."""

    def predict(self, faces: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        told = np.full((len(faces), 8), 0.05, np.float32)
        told[:, 1] = 0.65
        return told


@pytest.fixture
def stored(tmp_path: Path) -> StoredRun:
    return run(
        tmp_path,
        entry("dataset", "squares", Grouped),
        entry("classifier", "first", Uniform),
        entry("classifier", "second", Second),
    )


def test_clusters_groups_and_lines_reach_the_tables(stored: StoredRun) -> None:
    (source,) = stored_answers.read(stored.folder)
    assert source.clusters.tolist() == [row // 10 for row in range(IMAGES)]
    accuracy = stored.cells[0]["metrics"]["accuracy"]
    # Two people alone: no interval of single images is as wide.
    single = proportion(10, 20)
    assert accuracy["high"] - accuracy["low"] >= single["high"] - single["low"]
    assert stored.cells[0]["metrics"]["macro_f1"]["low"] is None
    assert stored.cells[0]["rank"]["groups"] == [1]
    line = "one person 75.0 [53.1, 88.8] %"
    assert line in reference_notes(stored.cells, stored.run)[0]
    for table in (accuracy_table, leaderboard_table):
        assert line in to_markdown(table(stored.cells, stored.run))
    assert {row["rank_groups"] for row in leaderboard_rows(stored.cells)} == {"a"}


def test_calibration_and_emotions_have_tables(stored: StoredRun) -> None:
    table = calibration_table(stored.cells, stored.run)
    first, second = table.rows
    assert first["ece"] == pytest.approx(abs(1 / 8 - 0.5), abs=1e-3)
    assert second["ece"] == pytest.approx(abs(0.65 - 0.5), abs=1e-3)
    assert second["confidence"] == pytest.approx(0.65, abs=1e-3)
    assert (first["aurc"], first["risk_at_half"]) == (0.5, 0.5)
    assert "if calibrated" in to_markdown(table)
    rows = emotion_table(stored.cells, stored.run).rows
    assert len(rows) == 16
    happy = next(r for r in rows if (r["classifier"], r["emotion"]) == ("second", "happiness"))
    assert (happy["precision"], happy["recall"], happy["recall_n"]) == (0.5, 1, 10)
    assert happy["f1"] == pytest.approx(2 / 3)


def test_results_by_a_column(stored: StoredRun) -> None:
    groups, gaps = group_tables(stored.cells, stored_answers.read(stored.folder), "half")
    assert [(row["group"], row["n"]) for row in groups.rows] == 2 * [("first", 10), ("second", 10)]
    # Ten images are too few for a gap.
    assert [row["gap"] for row in gaps.rows] == [None, None]
    with pytest.raises(UsageError, match="choose from half"):
        group_tables(stored.cells, stored_answers.read(stored.folder), "halves")
    with pytest.raises(UsageError, match="keeps no answers"):
        group_tables(stored.cells, (), "half")


def test_the_command_shows_groups(stored: StoredRun) -> None:
    given = ["--results", str(stored.folder.parent)]
    shown = CliRunner().invoke(cli, ["tables", "--by", "half", *given])
    assert shown.exit_code == 0, shown.output
    assert "second" in shown.output
    told = CliRunner().invoke(cli, ["tables", "--by", "half", "--format", "json", *given])
    assert {len(json.loads(told.output)[name]) for name in ("groups", "gaps")} == {4, 2}
    empty = CliRunner().invoke(cli, ["tables", "--by", "", *given])
    assert "--by got an empty name" in str(empty.exception)
    refused = CliRunner().invoke(cli, ["tables", "--by", "half", "--table", "recall", *given])
    assert isinstance(refused.exception, UsageError)
    assert "without --table" in str(refused.exception)


def test_groups_are_letters_and_too_many_are_none() -> None:
    assert letters([1, 3, 26]) == "acz"
    assert letters([]) is None
    steps = [(f"c{i}", np.arange(2000) < 60 * i) for i in range(30)]
    assert rank(steps[:26])[0]["c0"]["groups"] == [26]
    assert all(own["groups"] == [] for own in rank(steps)[0].values())


def test_accuracy_reliability_and_risk_are_drawn(stored: StoredRun, tmp_path: Path) -> None:
    files = draw(stored.cells, tmp_path / "figures", stored.run)
    assert [path.name for path in files] == ["accuracy.png", "reliability.png", "risk-coverage.png"]
    assert all((cv2.imread(str(path)) < 100).any() for path in files)
    assert [panel.title for panel in calibrated(stored.cells)] == ["first", "second"]
    assert risks(stored.cells)[0].risk[-1] == 0.5
    assert [row.value for row in ranked(stored.cells)] == [0.5, 0.5]
    without = draw(stored.cells, tmp_path / "without")[0].read_bytes()
    assert without != files[0].read_bytes()

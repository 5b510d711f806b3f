"""The leaderboard of a run, from nothing but its cells."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fxbench.leaderboard import leaderboard_rows, leaderboard_table, render
from fxbench.tabular import to_markdown

PROMISED = {
    *("dataset", "split", "protocol", "detector", "classifier"),
    *("attack", "surrogate", "norm", "epsilon", "n", "found"),
    *("accuracy", "accuracy_low", "accuracy_high", "accuracy_end_to_end", "macro_f1"),
    *("latency_p50_ms", "images_per_s", "status"),
}


def estimate(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 3000}


def cell(classifier, score=0.5, *, rank=None, attack=None, **changes):
    axes = {
        "dataset": "ferplus",
        "split": "valid",
        "protocol": "majority",
        "detector": "full-frame",
        "classifier": classifier,
        **(attack or {}),
        **changes.pop("axes", {}),
    }
    metrics = {
        "accuracy": estimate(score + 0.1),
        "accuracy_end_to_end": estimate(score),
        "macro_f1": {"value": score - 0.1, "low": None, "high": None, "n": 3000},
    }
    if attack:
        metrics["attack_success_rate"] = estimate(0.4)
    return {
        "schema": 1,
        "id": "/".join(map(str, axes.values())),
        "axes": axes,
        "status": "ok",
        "reason": None,
        "weights": "verified",
        "floor": False,
        "images": {"n": 3191, "found": 3000},
        "metrics": metrics,
        "rank": rank and {"low": rank[0], "high": rank[1], "of": 3},
        "latency": None if attack else {"p50_ms": 3.4, "images_per_s": 321.0, "batch": 64},
        **changes,
    }


def fgsm(epsilon, surrogate, norm="linf"):
    return {"attack": "fgsm", "norm": norm, "epsilon": epsilon, "surrogate": surrogate}


def failed(classifier, **changes):
    reason = {"kind": "missing extra", "message": "no TensorFlow", "mend": "pip install it"}
    empty = {"metrics": None, "images": None, "latency": None, "rank": None}
    return cell(classifier, **{"status": "failed", "reason": reason, **empty, **changes})


def a_run():
    return [
        failed("broken"),
        cell("prior", 0.3, rank=(3, 3), floor=True),
        cell("emopy", 0.6, rank=(1, 2)),
        cell("deepface", 0.61, rank=(1, 2), weights="unverified"),
        cell("emopy", 0.6, attack=fgsm(0.0, "emopy")),
        cell("emopy", 0.2, attack=fgsm(8 / 255, "emopy")),
        cell("emopy", 0.4, attack=fgsm(2 / 255, "emopy")),
        cell("deepface", 0.5, attack=fgsm(2 / 255, "emopy")),
        cell("deepface", 0.11, attack=fgsm(2 / 255, "deepface")),
        cell("deepface", 0.52, attack=fgsm(2 / 255, "another")),
    ]


def shown(cells, run=None):
    table = [
        [part.strip() for part in line.strip("|").split(" | ")]
        for line in to_markdown(leaderboard_table(cells, run)).splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]


def test_every_row_has_the_promised_keys():
    rows = leaderboard_rows(a_run())
    assert len(rows) == 10
    for row in rows:
        assert set(row) >= PROMISED
    assert list(rows[0])[:5] == ["dataset", "split", "protocol", "detector", "classifier"]


def test_a_clean_cell_has_the_attack_none_and_an_attacked_one_its_own():
    rows = leaderboard_rows(a_run())
    clean = [row for row in rows if row["attack"] == "none"]
    assert [row["classifier"] for row in clean] == ["deepface", "emopy", "prior", "broken"]
    assert all(row[key] is None for row in clean for key in ("epsilon", "norm", "surrogate"))
    attacked = [row for row in rows if row["attack"] == "fgsm"]
    assert len(attacked) == 6
    assert attacked[1]["epsilon"] == 8 / 255
    assert attacked[1]["attack_success_rate"] == 0.4


def test_numbers_are_fractions_and_missing_ones_none():
    rows = {row["classifier"]: row for row in leaderboard_rows(a_run()[:3])}
    emopy, broken = rows["emopy"], rows["broken"]
    assert (emopy["accuracy"], emopy["accuracy_low"]) == (0.7, pytest.approx(0.68))
    assert (emopy["n"], emopy["found"]) == (3191, 3000)
    assert (emopy["rank_low"], emopy["rank_high"]) == (1, 2)
    assert (emopy["latency_p50_ms"], emopy["images_per_s"]) == (3.4, 321.0)
    assert rows["prior"]["floor"] is True
    assert broken["accuracy"] is None
    assert (broken["status"], broken["reason"]) == ("failed", "no TensorFlow")


def test_the_table_is_sorted_by_rank_then_end_to_end_score():
    rows = shown(a_run())
    assert [row["classifier"] for row in rows] == ["deepface†", "emopy", "prior‡", "broken"]
    assert [row["rank"] for row in rows] == ["1-2", "1-2", "3", "-"]
    assert rows[0]["accuracy % [95 % CI]"] == "71.0 [69.0, 73.0]"
    assert rows[0]["end-to-end %"] == "61.0"
    assert rows[0]["images/s"] == "321"
    assert rows[3]["status"] == "failed: missing extra"


def test_robust_accuracy_is_of_the_classifiers_own_attack_only():
    rows = {row["classifier"]: row for row in shown(a_run())}
    columns = [name for name in rows["emopy"] if name.startswith("fgsm")]
    assert columns == ["fgsm 2/255 %", "fgsm 8/255 %"]
    assert rows["emopy"]["fgsm 2/255 %"] == "40.0"
    assert rows["emopy"]["fgsm 8/255 %"] == "20.0"
    assert rows["deepface†"]["fgsm 2/255 %"] == "11.0"
    assert rows["deepface†"]["fgsm 8/255 %"] == "-"
    assert rows["prior‡"]["fgsm 2/255 %"] == "-"


def robust(*points):
    return [
        {"norm": norm, "epsilon": epsilon, "attacks": ["fgsm"], "estimate": estimate(value)}
        for norm, epsilon, value in points
    ]


def test_the_headline_takes_the_place_of_single_attacks():
    points = (("l2", 0.1, 0.5), ("linf", 8 / 255, 0.19), ("linf", 2 / 255, 0.38))
    rows = {
        row["classifier"]: row for row in shown([*a_run(), cell("strong", robust=robust(*points))])
    }
    columns = [name for name in rows["strong"] if "robust" in name or "fgsm" in name]
    assert columns == ["robust l2 0.1 %", "robust 2/255 %", "robust 8/255 %"]
    assert rows["strong"]["robust 8/255 %"] == "19.0"
    assert rows["strong"]["robust l2 0.1 %"] == "50.0"
    assert rows["emopy"]["robust 8/255 %"] == "-"
    notes = " ".join(leaderboard_table([cell("strong", robust=robust(*points))]).notes)
    assert "under every attack with that or a smaller epsilon" in notes


def test_cells_of_other_conditions_are_no_rows():
    fog = {"corruption": "fog", "severity": 2}
    cells = [cell("emopy"), cell("emopy", 0.1, axes=fog)]
    assert len(shown(cells)) == 1
    assert [row["corruption"] for row in leaderboard_rows(cells)] == ["none", "fog"]


def test_norms_are_told_apart():
    cells = [
        cell("emopy"),
        cell("emopy", 0.4, attack=fgsm(0.1, "emopy")),
        cell("emopy", 0.3, attack=fgsm(0.1, "emopy", "l2")),
    ]
    (row,) = shown(cells)
    assert row["fgsm 0.1 %"] == "40.0"
    assert row["fgsm l2 0.1 %"] == "30.0"


def test_each_dataset_split_and_protocol_is_ranked_for_itself():
    cells = [
        cell("low", 0.2, rank=(2, 2)),
        cell("test-best", 0.9, rank=(1, 1), axes={"split": "test"}),
        cell("best", 0.6, rank=(1, 1)),
    ]
    rows = shown(cells)
    assert [(row["split"], row["classifier"]) for row in rows] == [
        ("valid", "best"),
        ("valid", "low"),
        ("test", "test-best"),
    ]


def test_notes_say_how_ranks_are_made_and_what_the_marks_mean():
    run = {"datasets": {"ferplus": {"fingerprint": "ab" * 20}}}
    text = " ".join(leaderboard_table(a_run(), run).notes)
    for words in ("McNemar", "Holm", "† weights: unverified", "‡ a floor", "fingerprint abab"):
        assert words in text


def test_json_is_a_list_of_objects_and_csv_has_the_same_rows():
    rows = leaderboard_rows(a_run())
    assert json.loads(render(a_run(), format="json")) == rows
    records = list(csv.DictReader(io.StringIO(render(a_run(), format="csv"))))
    assert [record["classifier"] for record in records] == [row["classifier"] for row in rows]
    assert [record["epsilon"] for record in records][:2] == ["", ""]
    assert float(records[0]["accuracy"]) == rows[0]["accuracy"]


@pytest.mark.parametrize("kind", ["table", "md", "csv", "json"])
def test_a_run_without_cells_renders(kind):
    assert render([], format=kind)


def test_text_for_people_has_the_title_and_the_notes():
    text = render(a_run(), format="table")
    assert "Leaderboard: ferplus, valid, majority" in text
    assert "mid-p McNemar" in text
    assert render(a_run(), format="md").startswith("### Leaderboard")

"""Suites: plans that are frozen, name what exists, and are the same plan on every machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import pytest
from docs_text import section

from fxbench import runner, store, suites
from fxbench.cli import main
from fxbench.errors import DataError, SchemaError, UsageError
from fxbench.registry import discover
from fxbench.selection import Selection

FOLDER = Path(suites.__file__).parent
FROZEN = {
    "ferplus-1": "94b9182021838d82313728f7de6b5fe49cfe17ced6feffa0e2d29d435ab18858",
    "mini-1": "9bca1fd42b2d7d54282ae24bb19fac14d1f4506aaa3d3f5696b662f53af76e7f",
}
"""The hash of each suite's file. Frozen means that no line of this ever changes."""
KINDS = {
    "datasets": "dataset",
    "detectors": "detector",
    "landmarkers": "landmarker",
    "classifiers": "classifier",
    "attacks": "attack",
    "surrogates": "classifier",
    "targets": "classifier",
    "corruptions": "corruption",
    "spotters": "spotter",
}
COMMAND = ["run", "--suite", "mini-1"]


def named(suite):
    """The components of a suite, by kind and name."""
    return [
        (kind, name)
        for field, kind in KINDS.items()
        for name in getattr(suite.recipe.selection, field) or ()
        if name != "none"
    ]


def test_no_suite_was_edited_and_none_was_taken_away():
    now = {
        name: hashlib.sha256((FOLDER / f"{name}.json").read_bytes()).hexdigest()
        for name in suites.names()
    }
    assert now == FROZEN, "a suite is frozen: leave it as it was, and write another file"


@pytest.mark.parametrize("name", suites.names())
def test_a_suite_names_what_exists(name):
    registry = discover()
    for kind, component in named(suites.read(name)):
        assert registry.get(kind, component).plugin.distribution == "fxbench"


@pytest.mark.parametrize("name", suites.names())
def test_a_suite_leaves_nothing_to_a_default(name):
    suite = suites.read(name)
    record = json.loads((FOLDER / f"{name}.json").read_text())
    assert set(record["recipe"]["selection"]) == {field.name for field in fields(Selection)}
    for field in ("datasets", "detectors", "landmarkers", "classifiers", "attacks"):
        chosen = getattr(suite.recipe.selection, field)
        assert chosen is not None
        assert "all" not in chosen
    assert suite.recipe.selection.split
    assert suite.recipe.selection.protocol
    registry = discover()
    options = {
        f"{component.owner}.{option.name}"
        for key in named(suite)
        for component in [registry.get(*key).component]
        for option in component.options
        if option.affects_results
    }
    assert {text.partition("=")[0] for text in suite.recipe.settings} == options
    assert set(suite.fingerprints) == set(suite.recipe.selection.datasets)


def test_the_suite_on_mini_needs_nothing_but_the_base_install():
    for key in named(suites.read("mini-1")):
        assert discover().get(*key).component.extra is None, key


def test_the_plan_of_mini_is_what_it_was():
    prepared = suites.read("mini-1").prepare()
    cells = [planned.cell for planned in prepared.plan.cells if planned.status == "planned"]
    assert len(cells) == len(prepared.plan.cells) == 38
    digest = hashlib.sha256("".join(sorted(cell.id for cell in cells)).encode()).hexdigest()
    assert digest == "1efb231b510f8f7dd6ef1a20eeacff80271122d73fed3c41aa92577d1f543fa4"
    assert prepared.recipe is not None
    assert prepared.recipe.record()["settings"] == list(suites.read("mini-1").recipe.settings)


def test_the_plan_of_ferplus_is_what_it_was(shared):
    suite = suites.read("ferplus-1")
    prepared = suite.prepare((f"ferplus.path={shared / 'data' / 'ferplus'}",))
    (source,) = prepared.plan.sources
    assert source.name == "ferplus valid (majority)"
    assert len(source.answers.rows) == 3191
    assert len(prepared.plan.cells) == 28


def test_other_images_are_refused(ferplus):
    with pytest.raises(DataError, match=r"frozen with other images or labels of ferplus"):
        suites.read("ferplus-1").prepare((f"ferplus.path={ferplus}",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--classifiers", "prior"], "--classifiers would change the plan"),
        (["--limit", "5"], "--limit would change the plan"),
        (["--epsilons", "0"], "--epsilons would change the plan"),
        (["--model", "x.onnx"], "--model would change the plan"),
        (["--set", "opencv-haar.min_size=30"], "results depend on this option"),
    ],
)
def test_what_would_change_the_plan_is_refused(given, said, capsys):
    with pytest.raises(SystemExit) as end:
        main([*COMMAND, *given])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_how_it_is_run_may_be_said_and_settings_elsewhere_change_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FXBENCH_OPT__OPENCV_HAAR__MIN_SIZE", "30")
    (tmp_path / "fxbench.toml").write_text("[options.prior]\nfrequencies = '1,1,1,1,1,1,1,1'\n")
    for given in ([], ["--threads", "1", "--no-latency", "--set", "ferplus.path=/nowhere"]):
        with pytest.raises(SystemExit) as end:
            main([*COMMAND, "--dry-run", *given])
        assert end.value.code == 0
        assert "38 cells to run, 0 left out" in capsys.readouterr().out
    recipe = suites.read("mini-1").prepare(folder=tmp_path).recipe
    assert recipe == suites.read("mini-1").recipe


def test_an_unknown_suite_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="mini-1"):
        suites.read("mini-9")


def small(tmp_path, **changes):
    """A suite of three pictures, and its file."""
    record = json.loads((FOLDER / "mini-1.json").read_text())
    record["recipe"]["selection"] |= {
        "detectors": ["full-frame"],
        "landmarkers": [],
        "classifiers": ["prior"],
        "corruptions": [],
        "limit": 3,
    }
    record["recipe"]["settings"] = [
        text for text in record["recipe"]["settings"] if text.startswith("prior.")
    ]
    path = tmp_path / "tiny-1.json"
    path.write_text(json.dumps(record | changes))
    return path


def test_a_run_of_a_suite_is_known_by_its_record(tmp_path, monkeypatch):
    suite = suites.read_file(small(tmp_path))
    how = runner.Settings(tmp_path / "results", tmp_path / "cache", 1, measure_latency=False)
    stored = runner.run(suite.prepare(), how)
    record = store.load(stored.folder).run
    assert suite.is_of(record)
    # The same plan by options is the same plan.
    by_hand = {**record["recipe"], "settings": []}
    assert suite.is_of({**record, "recipe": by_hand})
    fewer = {**record["recipe"], "selection": {**record["recipe"]["selection"], "limit": 2}}
    assert not suite.is_of({**record, "recipe": fewer})
    assert not suite.is_of({**record, "recipe": None})
    assert not suite.is_of({key: value for key, value in record.items() if key != "recipe"})
    others = {"mini": {**record["datasets"]["mini"], "fingerprint": "other"}}
    assert not suite.is_of({**record, "datasets": others})
    options = json.loads(json.dumps(record["options"]))
    options["classifier prior"]["given"]["frequencies"] = "1,1,1,1,1,1,1,1"
    assert not suite.is_of({**record, "options": options})
    assert suites.of(record) is None
    monkeypatch.setattr(suites, "_FOLDER", tmp_path)
    assert suites.of(record) == suite


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"schema": 99}, "upgrade it"), ({"recipe": {}}, "no recipe"), ({"title": None}, None)],
)
def test_a_suite_of_a_newer_version_or_a_damaged_one_is_refused(tmp_path, changes, said):
    path = small(tmp_path, **changes)
    if said is None:
        path.write_text(path.read_text()[:-9])
        said = "can't be read"
    with pytest.raises(SchemaError, match=said):
        suites.read_file(path)


def test_every_suite_is_described_and_no_other():
    rows = [line for line in section("reproducing.md", "## Suites").splitlines() if "| `" in line]
    described = {line.split("`")[1]: line for line in rows}
    assert sorted(described) == suites.names()
    for name, row in described.items():
        said = {word for word in row.split("`") if word}
        for _, component in named(suites.read(name)):
            assert component in said, (name, component)

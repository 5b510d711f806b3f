"""A plan can be made again from what a run's folder says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fxbench import answers, runner
from fxbench.errors import SchemaError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.options import Given, Options
from fxbench.recipe import GivenModel, Recipe, settings_of
from fxbench.registry import discover
from fxbench.selection import Selection

SELECTION = Selection(
    datasets=("mini",),
    detectors=("full-frame", "opencv-haar"),
    classifiers=("prior", "emopy-onnx"),
    attacks=("none",),
    limit=24,
)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / "cache"))
    settings = ("opencv-haar.min_neighbors=4",)
    prepared = runner.prepare(SELECTION, settings, folder=tmp_path)
    how = runner.Settings(tmp_path / "results", threads=1, measure_latency=False)
    return prepared, runner.run(prepared, how)


def test_a_stored_recipe_makes_the_same_plan(stored):
    prepared, run = stored
    recipe = Recipe.read(json.loads(json.dumps(run.run["recipe"])))
    assert recipe == prepared.recipe
    assert recipe.settings == ("opencv-haar.min_neighbors=4",)
    again = runner.follow(recipe)
    assert again.plan.key == prepared.plan.key
    assert runner.prepare(SELECTION).plan.key != prepared.plan.key


def test_settings_come_from_wherever_they_were_given(tmp_path, monkeypatch):
    monkeypatch.setenv("FXBENCH_OPT__OPENCV_HAAR__MIN_NEIGHBORS", "5")
    monkeypatch.setenv("FXBENCH_OPT__MTCNN__MIN_FACE_SIZE", "30")  # plays no part in this plan
    recipe = runner.prepare(SELECTION, (), folder=tmp_path).recipe
    assert recipe.settings == ("opencv-haar.min_neighbors=5",)
    monkeypatch.setenv("FXBENCH_OPT__OPENCV_HAAR__MIN_NEIGHBORS", "6")
    options = recipe.options(discover())
    haar = discover().get("detector", "opencv-haar").component
    assert options.of(haar)["min_neighbors"] == 5


def test_an_address_with_a_password_is_no_setting():
    given = {
        ("one", "server"): Given({"str": "https://me:hush@host/x"}, ""),
        ("one", "mirror"): Given({"str": "https://host/me@x"}, ""),
    }
    assert settings_of(Options(given), {"one"}) == ("one.mirror=https://host/me@x",)


def test_an_address_with_a_password_comes_from_the_environment(monkeypatch):
    seen = {}
    monkeypatch.setattr("fxbench.recipe.resolve", lambda *given: seen.update(given[2]))
    monkeypatch.setenv("FXBENCH_OPT__ONE__SERVER", "https://me:hush@host/x")
    monkeypatch.setenv("FXBENCH_OPT__ONE__MIRROR", "https://host/x")
    Recipe(Selection()).options(discover())
    assert "FXBENCH_OPT__ONE__SERVER" in seen
    assert "FXBENCH_OPT__ONE__MIRROR" not in seen


def test_a_registry_made_by_hand_has_no_recipe(tmp_path):
    assert runner.prepare(SELECTION, (), discover(), tmp_path).recipe is None


def test_the_record_keeps_what_is_not_the_default():
    model = GivenModel("/models/mine.onnx", "neutral,none", "grey,64,0..1")
    recipe = Recipe(Selection(every=(1, 5), limit=3), ("mini.seed=1",), model)
    record = recipe.record()
    assert record["selection"] == {"every": (1, 5), "limit": 3}
    assert Recipe.read(json.loads(json.dumps(record))) == recipe


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"selection": []},
        {"selection": {"no_such_field": 1}, "settings": []},
        {"selection": {}, "settings": [], "model": {"path": "x"}},
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(record):
    with pytest.raises(SchemaError, match="no recipe"):
        Recipe.read(record)


def test_a_wrong_value_in_a_recipe_is_named():
    with pytest.raises(UsageError, match="limit must be at least 1"):
        Recipe.read({"selection": {"limit": 0}, "settings": []})


def test_answers_stay_with_the_run(stored):
    _, run = stored
    (mini,) = answers.read(run.folder)
    assert (mini.dataset, len(mini.ids)) == ("mini", 24)
    cells = {cell["id"]: cell for cell in run.cells if cell["axes"].get("classifier")}
    assert set(mini.cells) == set(cells)
    for name, cell in cells.items():
        right = float((mini.top(name) == mini.labels).mean())
        assert right == pytest.approx(cell["metrics"]["accuracy_end_to_end"]["value"])
        missed = int((mini.top(name) == -1).sum())
        assert missed == cell["images"]["n"] - cell["images"]["found"]
    assert mini.labels.max() < len(EMOTIONS)


def test_damaged_and_newer_answers_are_refused_in_a_sentence(stored):
    _, run = stored
    (path,) = (run.folder / "answers").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SchemaError, match="damaged"):
        answers.read(run.folder)
    path.write_bytes(whole.replace(b'{"schema": 1, ', b'{"schema": 9, '))
    with pytest.raises(SchemaError, match=r"upgrade|damaged"):
        answers.read(run.folder)

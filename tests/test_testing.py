"""The conformance kit: it passes what is right, and refuses each wrong thing for its reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import numpy as np
import pytest
from docs_text import blocks, first_column, read, section
from kit_components import (
    BLACK_BOX,
    RIGHT,
    Cheer,
    Everything,
    Filmed,
    Gape,
    Guess,
    Linear,
    Shrink,
    component,
)
from kit_wrong_others import ALL_WRONG

from fxbench.cli import main
from fxbench.component import Option, Weights
from fxbench.errors import UsageError
from fxbench.kinds import KINDS
from fxbench.labels import EMOTIONS
from fxbench.registry import Entry, Plugin, Registry, discover
from fxbench.testing import check, faces, load, photos, rules_of, track
from fxbench.testing.every_kind import HEAVY

ROOT = Path(__file__).resolve().parent.parent


def failed(report):
    return {result.rule for result in report.failed}


# What is right passes.


_OTHERS = {
    "attack": {"minimum", "queries-spent"},
    "dataset": {"clips-stable", "frame-labels", "frame-times", "pieces"},
}
"""Rules for other components of the kind than that of this test."""


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_component_passes_every_rule(kind):
    report = check(component(kind, RIGHT[kind]), kind)
    assert report.ok, report.text()
    skipped = {result.rule for result in report.results if result.status == "skipped"}
    assert skipped == {"light-import", "weights", *_OTHERS.get(kind, ())}, "they don't apply"
    assert [result.rule for result in report.results] == [rule.name for rule in rules_of(kind)]


@pytest.mark.parametrize(
    ("made", "traits", "others"),
    [
        (Guess, BLACK_BOX, {"minimum", "zero-budget", "empty-batch"}),
        (Shrink, {"minimum"}, {"budget", "zero-budget", "queries-spent"}),
        (Shrink, {"minimum", "black-box"}, {"budget", "zero-budget", "empty-batch"}),
    ],
)
def test_right_attacks_of_other_sorts_pass_every_rule(made, traits, others):
    asks = {"queries": 30} if "black-box" in traits else {}
    attack = type("Made", (made,), asks)
    report = check(component("attack", attack, traits=frozenset(traits)), "attack")
    assert report.ok, report.text()
    skipped = {result.rule for result in report.results if result.status == "skipped"}
    assert skipped == {"light-import", "weights", *others}


@pytest.mark.parametrize(
    ("kind", "made", "traits"),
    [
        ("dataset", Filmed, set()),
        ("spotter", Cheer, {"probabilities"}),
        ("spotter", Everything, set()),
    ],
)
def test_what_is_about_videos_passes_every_rule(kind, made, traits):
    report = check(component(kind, made, traits=frozenset(traits)), kind)
    assert report.ok, report.text()
    skipped = {result.rule for result in report.results if result.status == "skipped"}
    assert skipped == {"light-import", "weights"}


def test_drawn_clips_show_what_they_are_said_to_show():
    found = Gape().spot(track(points=True))
    assert [one.kind for one in found] == ["macro", "micro"]
    assert [one.apex for one in found] == pytest.approx([34, 72], abs=1)
    assert Cheer().spot(track(probabilities=True))[0].apex == found[0].apex
    twice = Gape().spot(track(points=True, seconds=8, first=50))
    assert [one.onset for one in twice[:2]] == [one.onset + 50 for one in found]
    assert len(twice) == 4
    slow = Gape().spot(track(points=True, fps=10))
    assert [one.apex / 10 for one in slow] == pytest.approx([1.36, 2.9], abs=0.1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("detector", "toy-centre"), ("classifier", "toy-linear"), ("classifier", "toy-seven")],
)
def test_the_toys_that_are_right_pass(toy, kind, name):
    report = check(discover().get(kind, name))
    assert report.ok, report.text()


def test_toys_that_are_wrong_are_refused(toy):
    registry = discover()
    greedy = check(registry.get("attack", "toy-greedy"))
    assert failed(greedy) == {"budget", "zero-budget"}
    assert failed(check(registry.get("classifier", "toy-wrong"))) == {"probabilities"}
    broken = check(registry.get("classifier", "toy-broken"))
    assert "no luck with 8 faces (at " in broken.failed[0].why
    assert "fxbench_toy.py:" in broken.failed[0].why


# What is wrong is refused, for that reason and no other.


@pytest.mark.parametrize(
    ("kind", "made", "fields", "expected", "says"),
    ALL_WRONG,
    ids=[f"{kind}-{made.__name__}" for kind, made, *_ in ALL_WRONG],
)
def test_a_wrong_component_is_refused_for_its_reason(kind, made, fields, expected, says):
    record = component(kind, made, **fields)
    report = check(record, kind)
    assert failed(report) == expected, report.text()
    assert not report.ok
    assert says in " ".join(result.why for result in report.failed)
    assert all("\n" not in result.why for result in report.results)
    for result in report.failed:
        _run(result.see, record)


def _run(see, record):
    """The line that shows what is wrong is Python that works, unless the component raises."""
    try:
        exec(compile(see, "see", "exec"), {"component": record, "print": lambda *_: None})
    except (NameError, ImportError, SyntaxError):
        raise
    except Exception as error:  # noqa: BLE001 - a wrong component may raise anything
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        lacks_a_method = isinstance(error, AttributeError) and record.factory.__name__ in str(error)
        assert lacks_a_method or any("kit_" in frame for frame in frames), (see, error)


def test_every_rule_of_a_kind_has_a_component_that_breaks_it():
    for kind in RIGHT:
        broken = {rule for k, _, _, expected, _ in ALL_WRONG if k == kind for rule in expected}
        common = {rule.name for rule in rules_of(kind) if not rule.needs}
        assert broken == {rule.name for rule in rules_of(kind)} - common


class _Mixed:
    labels, face = EMOTIONS, Linear.face


@pytest.mark.parametrize(
    ("fields", "rule", "says"),
    [
        ({"summary": " "}, "described", "one sentence"),
        ({"summary": "Two\nlines."}, "described", "one line"),
        ({"options": (Option("side", "int", 1, ""),)}, "options-documented", "no help"),
        ({"options": (Option("side", "int", "1", "Of it."),)}, "options-documented", "no int"),
        ({"options": (Option("side", "int", True, "Of it."),)}, "options-documented", "bool"),
        (
            {"options": (Option("side", "int", 1, "Of it.", required=True),)},
            "options-documented",
            "is required and has the default",
        ),
        (
            {"options": (Option("mode", "str", "c", "How.", choices=("a", "b")),)},
            "options-documented",
            "none of its choices (a, b)",
        ),
        (
            {"options": (Option("side", "int", 1, "Of it."), Option("side", "int", 2, "Or."))},
            "options-documented",
            "more than once",
        ),
        ({"weights": (Weights("w.bin", lambda: None, None, "get it"),)}, "weights", "get it"),
        (
            {"weights": (Weights("w.bin", lambda: Path(__file__), "0" * 64, "get it"),)},
            "weights",
            "expects 000",
        ),
        ({"factory": lambda side: Linear()}, "factory", "'side'"),
        ({"factory": _Mixed}, "factory", "it lacks predict"),
        ({"factory": lambda: 1 / 0}, "factory", "ZeroDivisionError: division by zero"),
        ({"factory": lambda: sys.exit("no")}, "factory", "SystemExit: no"),
    ],
)
def test_a_wrong_record_is_refused_for_its_reason(fields, rule, says):
    given = {"factory": lambda **_: Linear()} | fields
    report = check(component("classifier", **given), "classifier")
    assert failed(report) == {rule}, report.text()
    assert says in report.failed[0].why


def _entry(module, record):
    (kind,) = (kind for kind in KINDS if kind.name == "classifier")
    return Entry(kind, record, Plugin("acme", module, "acme", "1"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import numpy", "loads numpy"),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_detectors():\n    import cv2\n",
            "loads cv2, numpy",
        ),
        ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
        ("print('loading')", None),
    ],
    ids=["module", "hook", "broken", "light"],
)
def test_what_a_plugin_imports_is_seen(tmp_path, monkeypatch, source, says):
    (tmp_path / "acme_light.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    report = check(_entry("acme_light", component("classifier", Linear)))
    assert failed(report) == ({"light-import"} if says else set()), report.text()
    assert says is None or says in report.failed[0].why


# The rest of its interface.


def test_options_reach_the_factory_and_the_line_to_see(toy):
    entry = discover().get("classifier", "toy-linear")
    assert check(entry, options={"seed": 3}).ok
    with pytest.raises(UsageError, match="did you mean 'seed'"):
        check(entry, options={"seeds": 3})
    wrong = component("classifier", _Sized, options=(Option("size", "int", 8, "Outputs."),))
    (result,) = check(wrong, "classifier", options={"size": 7}).failed
    assert result.see.startswith("c = component.factory(size=7); ")
    assert np.array_equal(
        load("classifier", "toy-linear", seed=3).weights,
        entry.component.factory(seed=3).weights,
    )
    with pytest.raises(UsageError, match="Unknown option"):
        load("classifier", "toy-linear", seeds=3)


class _Sized(Linear):
    def __init__(self, size):
        super().__init__()
        self.labels = list(EMOTIONS[:size])


def test_wrong_calls_are_refused():
    record = component("classifier", Linear)
    with pytest.raises(UsageError, match="Say the kind"):
        check(record)
    with pytest.raises(UsageError, match="did you mean 'classifier'"):
        check(record, "clasifier")
    with pytest.raises(UsageError, match="is a classifier, not a detector"):
        check(_entry("acme", record), "detector")


def test_own_pictures_take_the_place_of_the_drawn_ones():
    seen = []

    class Looks(RIGHT["detector"]):
        def detect(self, images):
            seen.extend(images)
            return super().detect(images)

    own = tuple(photo[::-1].copy() for photo in photos()[:2])
    assert check(component("detector", Looks), "detector", data=own).ok
    assert any(np.array_equal(image, own[0]) for image in seen)
    assert not any(np.array_equal(image, photos()[0]) for image in seen)
    rendered = faces(Linear.face, own)
    assert rendered.shape == (8, 6, 6, 3)
    assert not np.array_equal(rendered[0], faces(Linear.face)[0])


def test_a_detector_that_finds_nothing_is_told_so():
    from fxbench.types import Boxes

    class Blind:
        def detect(self, images):
            return Boxes.from_lists([[] for _ in images])

    report = check(component("detector", Blind), "detector")
    assert report.ok
    (inside,) = (result for result in report.results if result.rule == "inside")
    assert (inside.status, "give it photos" in inside.why) == ("skipped", True)


def test_the_text_of_a_report_says_what_why_and_how_to_see_it(toy):
    report = check(discover().get("classifier", "toy-wrong"))
    text = report.text()
    assert text.startswith("classifier toy-wrong does not conform: 8 passed, 1 failed, 8 skipped\n")
    assert "  failed   probabilities" in text
    assert "For drawn faces a row sums to 8 instead of 1." in text
    assert "see probabilities: from fxbench.testing import faces, load; c = load(" in text
    assert "7 rules" in text
    assert json.loads(json.dumps(report.record()))["ok"] is False


def test_the_rules_are_documented_and_no_other():
    common = {rule.name for rule in rules_of("detector") if not rule.needs}
    documented = {"every kind": set(first_column(section("checking.md", "### Every kind")))}
    assert documented["every kind"] == common
    for kind in (kind for kind in KINDS if kind.name in RIGHT):
        names = {rule.name for rule in rules_of(kind.name)} - common
        heading = f"### {kind.plural.capitalize()}"
        assert set(first_column(section("checking.md", heading))) == names
    assert {
        name for name in HEAVY if f"`{name}`" not in section("checking.md", "### Every kind")
    } == set()


def test_the_documented_code_runs(capsys):
    names = {}
    for block in blocks(read("checking.md"), "python"):
        exec(compile(block, "docs/checking.md", "exec"), names)
    assert capsys.readouterr().out.startswith("detector full-frame conforms")
    asked = []
    names["test_acme"](lambda *arguments: asked.append(arguments))
    assert asked == [("classifier", "acme")]


# The command.


@pytest.fixture
def fxbench(tmp_path, monkeypatch, capfd, toy):
    """Call the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["check", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, err

    return call


def test_the_command_says_yes_or_no(fxbench):
    code, out, _ = fxbench("toy-centre", "prior")
    assert code == 0
    assert "detector toy-centre conforms" in out
    assert "classifier prior conforms" in out
    code, out, _ = fxbench("toy-centre", "toy-greedy")
    assert code == 1
    assert "attack toy-greedy does not conform" in out
    shown = re.search(r"^  see budget: from fxbench.testing import (.*)$", out, re.MULTILINE)
    assert shown is not None
    assert "try_attack" in shown[1]


def test_the_command_checks_a_plugin_and_prints_json(fxbench):
    code, out, err = fxbench("toy", "--kind", "detector", "--json")
    (report,) = json.loads(out)
    assert (report["component"], report["ok"]) == ("toy-centre", True)
    assert {"rule", "tried", "status", "why", "see"} == report["results"][0].keys()
    assert code == 2, "one of the two can't be checked"
    assert "toy-absent (missing extra)" in err
    assert "pip install not_a_module" in " ".join(err.split())


def test_the_command_refuses_what_it_cannot_check(fxbench):
    code, _, err = fxbench("toy-centr")
    assert (code, "did you mean 'toy-centre'" in err) == (2, True)
    code, _, err = fxbench("ferplus")
    assert (code, "--set ferplus.path=PATH" in " ".join(err.split())) == (2, True)
    code, _, err = fxbench("toy-away")
    assert (code, "--allow-sending" in err) == (2, True)
    assert fxbench("toy-away", "--allow-sending")[0] == 0
    assert fxbench("toy-centre", "--set", "toy-centre.min_mean=dark")[0] == 2


def test_the_command_takes_options(fxbench, ferplus):
    code, out, _ = fxbench("ferplus", f"--set=ferplus.path={ferplus}")
    assert code == 0, out
    assert "valid: 17/18/19/19/20, " in out


def test_all_is_what_is_ready_and_sends_nothing(fxbench, monkeypatch):
    # Large detectors take their time, and have tests of their own.
    every = discover()
    light = ("toy", "floors", "fgsm", "opencv")
    few = Registry(every.plugins, tuple(e for e in every.entries if e.plugin.name in light))
    monkeypatch.setattr("fxbench.registry.discover", lambda: few)
    code, out, _ = fxbench("all", "--kind", "attack", "--json")
    names = {report["component"] for report in json.loads(out)}
    assert (code, {"fgsm", "toy-greedy"} <= names) == (1, True)
    code, out, err = fxbench("all", "--kind", "detector", "--json")
    assert "opencv-haar" in out
    assert "toy-absent" not in out + err
    assert code == 0


def test_a_plugin_with_a_problem_is_reported(fxbench, tmp_path, monkeypatch):
    info = tmp_path / "torn-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fxbench]\ntorn = torn_plugin\n")
    (tmp_path / "torn_plugin.py").write_text("raise RuntimeError('torn')\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, out, _ = fxbench("torn")
    assert code == 1
    assert "plugin torn does not conform" in out
    assert "RuntimeError: torn" in out


# The fixture.


def test_the_fixture_passes_and_fails_tests_of_others(tmp_path):
    (tmp_path / "test_acme.py").write_text(
        textwrap.dedent(
            """
            def test_right(fxbench_check):
                report = fxbench_check("classifier", "toy-linear", options={"seed": 2})
                assert report.ok

            def test_wrong(fxbench_check):
                fxbench_check("attack", "toy-greedy")

            def test_unknown(fxbench_check):
                fxbench_check("attack", "toy-gredy")
            """
        )
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "toy")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "2 failed" in done.stdout
    assert "attack toy-greedy does not conform" in done.stdout
    assert "see budget: from fxbench.testing import" in done.stdout
    assert "did you mean 'toy-greedy'" in done.stdout


def test_the_pytest_plugin_and_the_kits_front_door_are_light():
    code = (
        "import sys, pytest; import fxbench.testing.pytest_plugin, fxbench.testing; "
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in HEAVY if f"'{name}'" in done.stdout]

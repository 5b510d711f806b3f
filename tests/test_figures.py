"""The diagrams of a run: what they show, and that they are drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from made_up_conditions import (
    COMMON,
    a_run,
    attacked,
    attacks_of,
    cell,
    corrupted,
    robust,
    under,
)

from fxbench.cli import cli
from fxbench.errors import UnavailableError
from fxbench.figures import corruption_panels, curve_panels, draw, heat_maps
from fxbench.plots_robustness import (
    Answer,
    Line,
    Panel,
    corruption_curves,
    robust_curves,
    sheet,
)
from fxbench.store import RunFolder


def size(path):
    image = cv2.imread(str(path))
    assert image is not None
    assert image.std() > 5, "it is blank"
    return image.shape[:2]


# What they show.


def test_a_curve_begins_at_the_clean_accuracy():
    (panel,) = curve_panels(attacks_of("emopy", 0.7, 0.1))["linf"]
    assert panel.title == "emopy"
    lines = {line.label: line for line in panel.lines}
    assert list(lines) == ["robust at epsilon", "fgsm", "pgd", "noise", "square (50 images)"]
    headline = lines["robust at epsilon"]
    assert headline.bold
    assert headline.x == (0.0, 2 / 255, 8 / 255)
    assert headline.y == pytest.approx((0.7, 0.48, 0.1))
    assert lines["pgd"].y == pytest.approx((0.7, 0.5, 0.18))
    assert all(
        low < y < high for low, y, high in zip(headline.low, headline.y, headline.high, strict=True)
    )
    square = lines["square (50 images)"]
    assert square.few
    assert square.x == (8 / 255,)
    without_0 = [c for c in attacks_of("emopy", 0.7, 0.1) if c["axes"].get("epsilon") != 0]
    (again,) = curve_panels(without_0)["linf"]
    assert again == panel


def test_transferred_attacks_stand_for_those_that_can_not_be_run():
    cells = [
        cell("deaf", 0.6),
        attacked("deaf", 0.5, under("pgd", 0.1, "emopy"), transferred=True),
        attacked("deaf", 0.59, under("noise", 0.1, "deaf")),
        attacked("deaf", 0.58, under("noise", 0.1, "emopy")),
        attacked("deaf", 0.3, under("pgd", 0.1, "emopy", target_label="fear")),
    ]
    (panel,) = curve_panels(cells)["linf"]
    assert [line.label for line in panel.lines] == ["pgd from emopy", "noise"]


def test_norms_have_panels_of_their_own():
    clean = cell("emopy", 0.7, robust=robust(("l2", 0.1, 0.4), attacks=("pgd-l2",)))
    cells = [clean, attacked("emopy", 0.5, under("pgd-l2", 0.1, "emopy", "l2"))]
    panels = curve_panels(cells)
    assert list(panels) == ["l2"]
    assert [line.label for line in panels["l2"][0].lines] == ["robust at epsilon", "pgd-l2"]


def test_a_heat_map_is_about_the_faces_that_all_got_right():
    maps = heat_maps(a_run())
    assert list(maps) == ["pgd-linf"]
    first, second = maps["pgd-linf"]
    assert (first.title, second.title) == ("epsilon 2/255", "epsilon 8/255")
    assert first.surrogates == ("emopy", "mobilenetv2")
    assert first.targets == ("emopy", "mobilenetv2", "emopy-onnx")
    assert first.own.tolist() == [[True, False, True], [False, True, False]]
    assert first.n.tolist() == [[550] * 3] * 2
    assert first.success[0, 1] == pytest.approx(0.262, abs=1e-3)
    assert first.success[0, 0] == pytest.approx(0.45, abs=1e-2)


def test_what_was_not_tried_is_not_known():
    cells = [
        c
        for c in a_run()
        if c["axes"].get("surrogate") != "mobilenetv2" or c["axes"]["classifier"] != "emopy-onnx"
    ]
    (first, _) = heat_maps(cells)["pgd-linf"]
    assert np.isnan(first.success[1, 2])
    assert not np.isnan(first.success[1, 0])


def test_corruption_panels_begin_with_the_mean():
    panels = corruption_panels(a_run())
    assert len(panels) == 1 + len(COMMON) + 3
    assert [panel.title for panel in panels[:2]] == ["mean over the 15", "gaussian noise"]
    lines = {line.label: line for line in panels[0].lines}
    assert list(lines) == ["emopy", "mobilenetv2", "emopy-onnx"]
    assert lines["emopy"].x == (0, 1, 2, 3, 4, 5)
    assert lines["emopy"].y[0] == pytest.approx(0.28)
    singles = [next(x for x in p.lines if x.label == "emopy").y[5] for p in panels[1:16]]
    assert lines["emopy"].y[5] == pytest.approx(sum(singles) / 15)


def test_a_mean_is_over_all_or_not_at_all():
    cells = [
        cell("emopy", 0.7),
        corrupted("emopy", 0.5, "fog", 1),
        corrupted("emopy", 0.5, "snow", 2),
    ]
    panels = corruption_panels(cells)
    assert [panel.title for panel in panels] == ["fog", "snow"]
    assert panels[0].lines[0].x == (0, 1)


# That they are drawn.


def test_a_run_is_drawn_into_a_folder(tmp_path):
    cells = [c for c in a_run() if c["axes"].get("corruption", "fog") in ("fog", "sunglasses")]
    files = draw(cells, tmp_path / "new")
    names = ["accuracy.png", "robust-linf.png", "transfer-pgd-linf.png", "corruptions.png"]
    assert [path.name for path in files] == names
    assert all(size(path)[0] > 200 for path in files)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(names)


def test_places_have_files_of_their_own(tmp_path):
    cells = attacks_of("emopy", 0.7, 0.1)
    other = [c | {"axes": c["axes"] | {"detector": "dlib-hog"}} for c in cells]
    files = draw([*cells, *other], tmp_path)
    names = ["accuracy.png", "full-frame-robust-linf.png", "dlib-hog-robust-linf.png"]
    assert [p.name for p in files] == names


def test_nothing_to_draw_draws_nothing(tmp_path):
    assert draw([], tmp_path / "new") == []
    assert draw([cell("emopy", 0.7)], tmp_path / "new") == []
    failed = attacked("emopy", 0.7, under("fgsm", 0.1, "emopy"))
    failed |= {"status": "failed", "metrics": None}
    assert draw([cell("emopy", 0.7), failed], tmp_path / "new") == []
    landmarks = cell("emopy", 0.7)
    del landmarks["axes"]["classifier"]
    assert draw([landmarks], tmp_path / "new") == []
    assert not (tmp_path / "new").exists()


def test_many_lines_and_few_panels_fit(tmp_path):
    lines = tuple(Line(f"classifier-{n}", (0, 1, 5), (0.1, 0.2, n / 12)) for n in range(12))
    one = corruption_curves([Panel("fog", lines)], tmp_path / "one.png", "A title")
    four = robust_curves([Panel(str(n), lines) for n in range(4)], tmp_path / "four.png")
    assert size(four)[0] > size(one)[0]


def test_a_sheet_has_a_row_for_each_face(tmp_path):
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    near = np.clip(clean.astype(int) + rng.integers(-8, 9, clean.shape), 0, 255).astype(np.uint8)
    said = [Answer("fear", 0.91)] * 3

    def drawn(count):
        return size(
            sheet(
                clean[:count],
                near[:count],
                tmp_path / f"{count}.png",
                labels=["happiness"] * count,
                before=said[:count],
                after=said[:count],
            )
        )

    assert drawn(3)[0] > 2 * drawn(1)[0]
    with pytest.raises(ValueError, match="as many"):
        sheet(clean, near[:2], tmp_path / "a.png", labels=["fear"] * 3, before=said, after=said)
    with pytest.raises(ValueError, match="as many labels"):
        sheet(clean, near, tmp_path / "a.png", labels=["fear"], before=said, after=said)


# The command.


@pytest.fixture
def results(tmp_path):
    def store(cells):
        folder = RunFolder(tmp_path / "results" / "r")
        folder.folder.mkdir(parents=True, exist_ok=True)
        folder.write_run(
            {"id": "r", "status": "finished", "created": "2026", "plan": {}, "images": {}}
        )
        folder.compact(cells)
        return ["--results", str(tmp_path / "results")]

    return store


def test_the_command_draws_into_the_runs_folder_and_names_the_files(results, tmp_path):
    done = CliRunner().invoke(cli, ["figures", *results(attacks_of("emopy", 0.7, 0.1))])
    assert done.exit_code == 0
    expected = tmp_path / "results" / "r" / "figures" / "robust-linf.png"
    assert done.output.splitlines() == [str(expected)]
    assert expected.is_file()
    there = ["r", "-o", str(tmp_path / "elsewhere"), *results(attacks_of("emopy", 0.7, 0.1))]
    assert CliRunner().invoke(cli, ["figures", *there]).exit_code == 0
    assert (tmp_path / "elsewhere" / "robust-linf.png").is_file()


def test_the_command_says_that_there_is_nothing_to_draw(results):
    done = CliRunner().invoke(cli, ["figures", *results([cell("emopy", 0.7)])])
    assert done.exit_code == 0
    assert "There is nothing to draw: r has no result" in done.output


def test_the_command_says_what_brings_matplotlib(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = CliRunner().invoke(cli, ["figures", *results(a_run())])
    assert isinstance(done.exception, UnavailableError)
    assert "pip install 'fxbench[plots]'" in str(done.exception)


def test_no_split_leads_out_of_the_folder(tmp_path: Path) -> None:
    one = {"onset": 1, "apex": None, "offset": 3, "kind": "micro", "score": 1.0}
    clip = {"clip": "a$b\\frac$.avi", "fps": 25.0, "frames": 9, "truth": [one], "spotted": [one]}
    axes = {"dataset": "clips", "split": "../../x", "detector": "whole", "spotter": "s"}
    spotted = {"axes": axes, "status": "ok", "floor": False, "intervals": [clip]}
    (path,) = draw([spotted], tmp_path / "inside" / "folder")
    assert path.parent == tmp_path / "inside" / "folder"
    assert path.is_file()


def test_a_diagram_of_what_was_spotted_says_behind_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        "fxbench.figures.spotted_intervals",
        lambda _, path, title: titles.append(title) or path,
    )
    axes = {"dataset": "clips", "split": "test", "detector": "whole", "spotter": "flow"}
    for more in ({}, {"landmarker": "dlib-68"}, {"landmarker": "dlib-68", "every": 5}):
        draw([{"axes": axes | more, "status": "ok", "floor": False, "intervals": []}], tmp_path)
    assert titles == [
        "flow behind whole: clips test",
        "flow behind whole, dlib-68: clips test",
        "flow behind whole, dlib-68, faces looked for in every 5 frames: clips test",
    ]


def test_diagrams_for_papers_scale_and_are_the_same_each_time(tmp_path):
    cells = attacks_of("emopy", 0.7, 0.1)
    twice = [draw(cells, tmp_path / name, form="svg") for name in ("one", "two")]
    assert [path.name for path in twice[0]] == [path.name for path in twice[1]]
    assert {path.suffix for path in twice[0]} == {".svg"}
    for one, other in zip(*twice, strict=True):
        text = one.read_text(encoding="utf-8")
        assert "<svg" in text
        assert text.count("<path") > 10
        assert text == other.read_text(encoding="utf-8"), "no date, and no names drawn at random"


def test_the_command_draws_in_the_format_that_was_asked_for(tmp_path):
    run = RunFolder(tmp_path / "results" / "a-run")
    run.write_run({"id": "a-run", "status": "finished", "plan": {}, "images": {}})
    run.compact(attacks_of("emopy", 0.7, 0.1))
    arguments = ["figures", "--format", "svg", "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    drawn = sorted(path.name for path in (run.folder / "figures").iterdir())
    assert drawn == ["robust-linf.svg"]
    assert "robust-linf.svg" in done.output.replace("\n", "")

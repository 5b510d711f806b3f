"""fxbench from Python: light to import, the same runs as the commands, and documented."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from docs_text import blocks, read
from onnx import TensorProto, helper, numpy_helper, save

import fxbench
from fxbench.cli import main
from fxbench.errors import DataError, UsageError
from fxbench.inventory import inventory
from fxbench.progress import Silent


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.cells = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def cell_done(self) -> None:
        self.cells += 1


@pytest.fixture
def given(ferplus: Path, toy: None) -> dict[str, Any]:
    """What most runs of these tests have in common."""
    return {
        "split": "valid",
        "detectors": "full-frame",
        "classifiers": ["prior", "toy-linear"],
        "attacks": "none",
        "options": {"ferplus.path": ferplus},
        "latency": False,
    }


def test_importing_is_light_and_shows_what_there_is() -> None:
    code = (
        "import sys, fxbench\n"
        "assert {'run', 'load', 'score', 'components', 'Run'} <= set(dir(fxbench))\n"
        "heavy = {'numpy', 'pandas', 'cv2', 'pyarrow', 'rich', 'click', 'onnxruntime'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from fxbench import load\n"
        "assert 'onnxruntime' not in sys.modules and 'pandas' not in sys.modules\n"
        "assert load.__module__ == 'fxbench.api' and 'numpy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'ran'"):
        fxbench.ran  # noqa: B018
    assert (files("fxbench") / "py.typed").is_file()


def test_a_run_is_the_same_from_python_and_from_the_command_line(
    given: dict[str, Any], ferplus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given |= {"attacks": ["none", "fgsm"], "epsilons": [0.1]}
    run = fxbench.run(**given)
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "run",
                "--split=valid",
                "--detectors=full-frame",
                "--classifiers=prior,toy-linear",
                "--attacks=none,fgsm",
                "--epsilons=0.1",
                "--no-latency",
                "--json",
                f"--set=ferplus.path={ferplus}",
            ]
        )
    out, err = capfd.readouterr()
    assert ended.value.code == 0
    assert "finished already" in err, "it is the same run"
    rows = json.loads(out)
    assert len(run.cells) == len(rows) == 7, "epsilon 0 is tried too, and noise"
    assert list(run.cells.columns) == list(dict.fromkeys(key for row in rows for key in row))
    for (_, row), other in zip(run.cells.iterrows(), rows, strict=True):
        for name in ("classifier", "attack", "status", "id"):
            assert row[name] == other[name]
        for name in ("accuracy", "accuracy_low", "macro_f1", "rank_low", "epsilon"):
            assert row[name] == other[name] or (np.isnan(row[name]) and other[name] is None)
    assert run.cells["accuracy"].dtype == run.cells["epsilon"].dtype == np.float64
    assert run.finished
    assert run.record["id"] == run.folder.name


def test_runs_are_read_by_name_by_path_and_the_latest(given: dict[str, Any]) -> None:
    first = fxbench.run(**given)
    second = fxbench.run(**(given | {"limit": 5}))
    assert fxbench.load().folder.name == second.folder.name
    assert fxbench.load(first.folder.name).record == first.record
    assert fxbench.load(first.folder).cells.equals(first.cells)
    with pytest.raises(UsageError, match="There is no run 'x'"):
        fxbench.load("x")
    with pytest.raises(UsageError, match="There is no run in elsewhere"):
        fxbench.load(results="elsewhere")


def test_cells_that_failed_or_were_skipped_are_rows(given: dict[str, Any]) -> None:
    run = fxbench.run(
        **(
            given
            | {
                "detectors": "full-frame, toy-absent",
                "classifiers": "toy-broken",
            }
        )
    )
    rows = run.cells.set_index(["detector", "classifier"])
    assert rows.loc[("full-frame", "toy-broken"), "status"] == "failed"
    assert "no luck" in rows.loc[("full-frame", "toy-broken"), "reason"]
    assert rows.loc[("toy-absent", "toy-broken"), "mend"] == "pip install not_a_module"
    assert rows.loc[("full-frame", "prior"), "accuracy"] == pytest.approx(3 / 17)


def test_cells_of_landmarkers_are_rows_too(given: dict[str, Any]) -> None:
    run = fxbench.run(**given, landmarkers="mean-shape")
    rows = run.cells[run.cells["landmarker"].notna()]
    assert rows["landmarker"].tolist() == ["mean-shape"]
    assert rows["reason_kind"].tolist() == ["no landmark truth"]
    assert len(run.cells) == 3


def test_errors_of_landmarks_are_among_the_cells(toy: None) -> None:
    root = Path("photos")
    root.mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (80, 80, 3), np.uint8)
        (root / f"{seed}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        rows = [f"{4 + i % 10 * 8} {4 + i // 10 * 12}" for i in range(68)]
        text = "\n".join(["version: 1", "n_points: 68", "{", *rows, "}", ""])
        (root / f"{seed}.pts").write_text(text)
    run = fxbench.run(
        datasets="pts",
        detectors="full-frame",
        landmarkers="mean-shape",
        options={"pts.path": root},
        latency=False,
    )
    row = run.cells.set_index("landmarker").loc["mean-shape"]
    assert (row["status"], row["n"], row["found"]) == ("ok", 3, 3)
    assert row["nme_inter_ocular"] > 0
    assert 0 <= row["failure_rate_low"] <= row["failure_rate"] <= 1


def test_options_of_every_type_are_taken(given: dict[str, Any]) -> None:
    given["detectors"] = ["toy-centre"]
    given["options"] |= {"toy-centre.min_mean": 55.0, "toy-linear.seed": 3}
    run = fxbench.run(**given)
    assert run.record["options"]["detector toy-centre"]["given"] == {"min_mean": 55.0}
    assert run.record["options"]["classifier toy-linear"]["given"] == {"seed": 3}
    assert run.cells["found"].min() < 17
    for options, message in (
        ({"ferplus.pth": "x"}, "did you mean 'path'"),
        ({"toy-linear.seed": 0.5}, "expected a whole number"),
    ):
        with pytest.raises(UsageError, match=message):
            fxbench.run(**(given | {"options": options}))


def test_an_observer_hears_what_the_command_would_say(given: dict[str, Any]) -> None:
    heard = Heard()
    fxbench.run(**(given | {"detectors": "all", "limit": 3}), observer=heard)
    assert "Left out: detector toy-absent (missing extra): pip install not_a_module" in heard.notes
    assert heard.cells > 2
    again = Heard()
    fxbench.run(**(given | {"detectors": "all", "limit": 3}), observer=again)
    assert any("finished already" in note for note in again.notes)
    Path("mine.csv").write_text("image,neutral\nfer0000148.png,1\n")
    score = {"dataset": "ferplus", "split": "valid", "options": given["options"]}
    heard = Heard()
    fxbench.score("mine.csv", **score, latency=False, observer=heard)
    assert heard.notes[0].startswith("Images without a row,")
    assert heard.notes[0].endswith(": 16 of 17.")


def test_images_leave_the_machine_only_where_that_was_allowed(
    given: dict[str, Any], ferplus: Path
) -> None:
    root = Path("faces")
    for label in ("happy", "sad"):
        (root / label).mkdir(parents=True)
        for image in sorted((ferplus / "FER2013Valid").glob("*.png"))[:3]:
            (root / label / image.name).write_bytes(image.read_bytes())
    away: dict[str, Any] = {
        "datasets": "folder",
        "detectors": "full-frame",
        "classifiers": "toy-away",
        "attacks": "none",
        "options": {"folder.path": root, "folder.may_send_to_cloud": True},
        "latency": False,
    }
    for cost in (None, 0.001):
        with pytest.raises(UsageError, match=r"sends 6 images .* about 0\.006 USD: allow it with"):
            fxbench.run(**away, max_cost=cost)
    for cost in (math.nan, math.inf, -1.0):
        with pytest.raises(UsageError, match="expected an amount of US dollars"):
            fxbench.run(**away, max_cost=cost)
    assert not Path("results").exists()
    assert fxbench.run(**away, max_cost=0.006).cells["status"].tolist() == ["ok", "ok"]


def test_components_are_what_the_command_lists(toy: None) -> None:
    frame = fxbench.components()
    assert json.loads(frame.to_json(orient="records")) == inventory()
    classifiers = fxbench.components("classifier").set_index("name")
    assert {"prior", "toy-linear"} <= set(classifiers.index)
    assert set(classifiers["kind"]) == {"classifier"} | (set(frame["kind"]) & {"plugin"})
    assert classifiers.loc["prior", "state"] == "ready"
    with pytest.raises(UsageError, match="did you mean 'classifier'"):
        fxbench.components("classifiers")


def test_a_wrong_name_or_file_is_an_error_with_a_sentence(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="did you mean 'valid'"):
        fxbench.run(**(given | {"split": "vaild"}))
    with pytest.raises(DataError, match=r"nothing\.csv can't be read"):
        fxbench.score("nothing.csv", dataset="ferplus")


def small_model(path: Path) -> None:
    """Eight probabilities for grey faces of 64 pixels: their mean times a matrix."""
    rows = np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
            helper.make_node("Softmax", ["y"], ["p"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 1, 64, 64))],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ("N", 8))],
        [numpy_helper.from_array(rows, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    save(model, path)


def test_the_code_of_the_page_runs(ferplus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    ferplus.rename("data/ferplus")
    small_model(Path("my.onnx"))
    names: dict[str, Any] = {}
    code = blocks(read("python.md"), "python")
    assert len(code) == 9
    for block in code:
        exec(compile(block, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out
    for shown in (
        "opencv-haar",
        "classifier my conforms",
        "my.onnx takes grey faces as NCHW",
        "note: Timing the detector full-frame.",
        "note: Timing the classifier prior.",
        "did you mean 'valid'",
    ):
        assert shown in printed

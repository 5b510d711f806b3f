"""The pages of the dashboard, run by Streamlit without a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="needs the extra dashboard")

from made_up_run import MadeUpRun
from streamlit.testing.v1 import AppTest

from fxbench.dashboard.setup import VARIABLE, Setup

APP = Path(__file__).resolve().parent.parent / "fxbench" / "dashboard" / "app.py"


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Streamlit puts a page in the place of `__main__`, which new processes import."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def opened(page: str, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """A page as it is when it is opened."""
    monkeypatch.setenv(VARIABLE, setup.text())

    def script(name: str) -> None:
        from importlib import import_module

        from fxbench.dashboard.setup import Setup
        from fxbench.dashboard.words import told

        with told():
            import_module(f"fxbench.dashboard.{name}").page(Setup.read())

    app = AppTest.from_function(script, default_timeout=60, kwargs={"name": page})
    return whole(app.run())


def whole(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    assert not app.error, app.error[0].value
    return app


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A results folder with two runs of the same cells."""
    for number in (1, 2):
        MadeUpRun(detectors=2, classifiers=3).write(tmp_path / f"run-{number}")
    return tmp_path


def test_the_app_leads_to_four_pages(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Setup(runs).text())
    app = whole(AppTest.from_file(str(APP), default_timeout=60).run())
    assert app.title[0].value == "Compare"


def test_without_a_run_it_says_how_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened("compare", Setup(tmp_path / "<b>nothing</b>"), monkeypatch)
    assert "fxbench run" in app.info[0].value
    assert "<b>nothing" not in app.info[0].value.replace("\\<b\\>nothing", "")


def test_the_leaderboard_is_filtered(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("compare", Setup(runs), monkeypatch)
    assert len(app.dataframe[0].value) == 6
    app.multiselect(key="filter-classifier").set_value(["classifier-1"])
    frame = whole(app.run()).dataframe[0].value
    assert set(frame["classifier"]) == {"classifier-1"}


def test_two_cells_stand_side_by_side(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("compare", Setup(runs), monkeypatch)
    app.segmented_control(key="view").set_value("Two cells side by side")
    whole(app.run())
    labels = [metric.label for metric in app.metric]
    assert labels[:3] == ["A, end-to-end accuracy", "B, end-to-end accuracy", "B less A"]
    first = app.selectbox(key="cell-a").value
    assert app.selectbox(key="cell-b").value != first
    # Nothing says that the made-up dataset's images may be shown.
    assert any("licence" in info.value for info in app.info)
    app.selectbox(key="cell-b").set_value(first)
    whole(app.run())
    assert "There is none" in app.caption[-1].value


def test_a_damaged_run_is_one_sentence(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "run-2" / "run.json").write_text('{"schema": 2}')
    monkeypatch.setenv(VARIABLE, Setup(runs).text())
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception
    app.selectbox(key="run").set_value("run-2").run()
    assert "damaged" in app.error[0].value


def test_a_drawn_face_is_analysed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("analyse", Setup(tmp_path), monkeypatch)
    assert any("Upload" in info.value for info in app.info)
    app.selectbox(key="analyse-detector").set_value("full-frame")
    app.multiselect(key="analyse-classifiers").set_value(["emopy-onnx", "prior"])
    app.segmented_control(key="analyse-place").set_value("Drawn face")
    whole(app.run())
    text = " ".join(one.value for one in app.markdown)
    assert "emopy\\-onnx: labelled as **" in text
    assert "prior: labelled as **neutral**" in text
    assert "does not say what a person feels" in app.caption[-1].value


def test_a_drawn_face_is_attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("attack", Setup(tmp_path), monkeypatch)
    app.selectbox(key="attack-detector").set_value("full-frame")
    app.selectbox(key="attack-name").set_value("noise")
    whole(app.run())
    app.selectbox(key="attack-surrogate").set_value("emopy-onnx")
    app.multiselect(key="attack-asked").set_value(["mobilenetv2-onnx"])
    app.segmented_control(key="attack-place").set_value("Drawn face")
    whole(app.run())
    assert app.dataframe[0].value["classifier"].tolist() == ["emopy-onnx", "mobilenetv2-onnx"]
    assert "The largest change of a pixel is 8 of 255" in app.caption[0].value
    app.select_slider(key="attack-epsilon").set_value(0)
    whole(app.run())
    assert app.metric[1].value == "0 of 1"


def test_the_camera_waits_for_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("live", Setup(tmp_path), monkeypatch)
    app.multiselect(key="live-classifiers").set_value([])
    whole(app.run())
    assert "Choose a detector" in app.info[0].value

"""The transcriber `faster-whisper`: where its model is looked for, and that it is asked rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spoken import grey, speak, write_film

from fxbench.availability import availability
from fxbench.errors import UsageError
from fxbench.options import resolve
from fxbench.registry import Entry, discover
from fxbench.speech import Listener
from fxbench.testing import check, load

PARTS = ("model.bin", "config.json", "tokenizer.json")


@pytest.fixture(autouse=True)
def _nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "weights"))


def entry() -> Entry:
    return discover().get("transcriber", "faster-whisper")


def located() -> set[Path | None]:
    return {weights.locate() for weights in entry().component.weights}


def lay(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for part in PARTS:
        if part != without:
            (folder / part).write_bytes(b"1")
    return folder


def test_a_model_is_found_in_the_folders_of_weights_first(tmp_path: Path) -> None:
    assert located() == {None}
    hub = tmp_path / "home" / ".cache" / "huggingface" / "hub"
    snapshot = lay(hub / "models--Systran--faster-whisper-tiny" / "snapshots" / "0a1b")
    assert located() == {snapshot / part for part in PARTS}
    lay(tmp_path / "weights" / "faster-whisper-base", without="tokenizer.json")
    assert located() == {snapshot / part for part in PARTS}
    own = lay(tmp_path / "weights" / "deep" / "faster-whisper-small")
    assert located() == {own / part for part in PARTS}


def test_hugging_faces_own_variables_are_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = "models--Systran--faster-whisper-tiny/snapshots/0a1b"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "face"))
    snapshot = lay(tmp_path / "face" / "hub" / models)
    assert snapshot / "model.bin" in located()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert located() == {None}
    snapshot = lay(tmp_path / "elsewhere" / models)
    assert snapshot / "model.bin" in located()


def test_what_lacks_is_said() -> None:
    whisper = entry()
    state = availability(whisper, resolve([whisper.component]))
    if state.state == "missing extra":
        assert state.mend == "pip install 'fxbench[whisper]'"
    else:
        assert state.state == "missing weights"
        assert "FXBENCH_WEIGHTS" in state.mend


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of random numbers."""
    pytest.importorskip("faster_whisper", reason="needs pip install 'fxbench[whisper]'")
    from random_whisper import make

    return make(tmp_path / "weights" / "faster-whisper-random")


@pytest.mark.usefixtures("model")
def test_it_conforms_with_a_model_of_random_numbers() -> None:
    assert availability(entry(), resolve([entry().component])).state == "ready"
    report = check(entry())
    assert report.ok, report.text()


@pytest.mark.usefixtures("model")
def test_words_of_a_video_have_times_within_it(tmp_path: Path) -> None:
    sound = speak("I love my mother. She was angry and afraid.")
    film = write_film(tmp_path / "talk.mp4", sound, grey(25))
    listener = Listener.load()
    assert listener.names[0] == "faster-whisper", "ready, so that it is the default"
    said = listener.said(film)
    assert said.words, "random numbers that hear nothing test nothing: take another seed"
    assert all(0 <= word.begin_s <= word.end_s <= said.seconds + 0.1 for word in said.words)


@pytest.mark.usefixtures("model")
def test_a_model_or_a_language_that_is_not_there_is_refused() -> None:
    load("transcriber", "faster-whisper", model="faster-whisper-random")
    with pytest.raises(UsageError, match="did you mean 'faster-whisper-random'"):
        load("transcriber", "faster-whisper", model="faster-whisper-randon")
    with pytest.raises(UsageError, match="Unknown language 'de'"):
        load("transcriber", "faster-whisper", language="de")
    with pytest.raises(UsageError, match=r"faster-whisper\.beam is 0"):
        load("transcriber", "faster-whisper", beam=0)
    assert load("transcriber", "faster-whisper").transcribe(np.zeros(0, np.float32)) == ()

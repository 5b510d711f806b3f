"""`fxbench audit`: what it prints, its exit codes, and one sentence for each wrong request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_faces import SIDE, Patterns, templates
from onnx import TensorProto, helper, numpy_helper, save

from fxbench.cli import main
from fxbench.labels import EMOTIONS

EIGHT = ",".join(EMOTIONS)
BACKWARDS = ",".join(EMOTIONS[::-1])
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Call `fxbench audit`: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["audit", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, " ".join(err.split())

    return call


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The patterns as a folder of images, ready to be given to the dataset `folder`."""
    import cv2

    patterns = Patterns({"test": 300})
    for row, (image, emotion) in enumerate(
        zip(patterns.images["test"], patterns.truth["test"], strict=True)
    ):
        path = tmp_path / "patterns" / EMOTIONS[emotion] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])
    return f"--set=folder.path={tmp_path / 'patterns'}"


def network(path: Path, size: Any = SIDE) -> Path:
    """A model that reads patterns in 0..1, clipped, RGB, its outputs from contempt to neutral."""
    middle = templates().mean(0)
    directions = (templates() - middle)[::-1].reshape(8, -1)
    bias = -(directions @ middle.ravel())
    nodes = [
        helper.make_node("Clip", ["faces", "low", "high"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "flat"], ["x"]),
        helper.make_node("Gemm", ["x", "w", "b"], ["logits"], alpha=4.0, beta=4.0),
        helper.make_node("Softmax", ["logits"], ["out"]),
    ]
    data = {
        "low": np.float32(0),
        "high": np.float32(1),
        "flat": np.array([-1, SIDE * SIDE * 3]),
        "w": directions.T.astype(np.float32),
        "b": bias.astype(np.float32),
    }
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "patterns",
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ("N", size, size, 3))],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ("N", 8))],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in data.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    save(model, path)
    return path


def findings(out: str) -> dict[str, dict[str, Any]]:
    return {found["check"]: found for found in json.loads(out)["findings"]}


def test_a_file_of_which_nothing_is_known_tells_its_order_and_its_input(
    command: Command, folder: str, tmp_path: Path
) -> None:
    path = network(tmp_path / "Net.onnx")
    code, out, err = command("--model", str(path), folder, "--datasets=folder", "--json")
    assert code == 0, err
    found = findings(out)
    assert json.loads(out)["subject"] == "net"
    assert found["input"]["advice"] == f"Give it --input rgb,{SIDE},0..1"
    assert found["input"]["numbers"]["alike"] == []
    assert found["labels"]["numbers"]["best"].split(",")[3:] == BACKWARDS.split(",")[3:]
    assert {f["verdict"] for f in found.values()} <= {"pass", "undetermined"}


def test_a_wrong_order_and_a_wrong_input_fail_with_what_is_right(
    command: Command, folder: str, tmp_path: Path
) -> None:
    path = network(tmp_path / "net.onnx")
    said = ["--model", str(path), f"--labels={EIGHT}", f"--input=bgr,{SIDE},-1..1"]
    code, out, _ = command(*said, folder, "--datasets=folder", "--checks=labels,input")
    assert code == 1
    text = " ".join(out.split())
    assert "classifier net: 2 failed" in text
    assert f"→ Give it --input rgb,{SIDE},0..1" in text
    assert "contempt" in text.partition("→ Read the outputs as --labels ")[2].split(",")[0]
    assert "on folder all (single)" in text
    right = ["--model", str(path), f"--labels={BACKWARDS}", f"--input=rgb,{SIDE},0..1"]
    code, out, _ = command(*right, folder, "--datasets=folder", "--checks=labels,input")
    assert code == 0, out


def test_diagrams_are_drawn(command: Command, folder: str, tmp_path: Path) -> None:
    import cv2

    path = network(tmp_path / "net.onnx")
    said = ["--model", str(path), f"--labels={BACKWARDS}", f"--input=rgb,{SIDE},0..1"]
    drawing = ["--checks=calibration", "--plots=drawn", "--json"]
    code, out, err = command(*said, folder, "--datasets=folder", *drawing)
    assert code == 0, err
    drawn = [Path(name) for name in json.loads(out)["plots"]]
    assert [p.name for p in drawn] == [
        "net-on-folder-all-single-reliability.png",
        "net-on-folder-all-single-confusion.png",
    ]
    for file in drawn:
        image = cv2.imread(str(file))
        assert image is not None
        assert min(image.shape[:2]) >= 300
        assert image.std() > 5


def test_without_matplotlib_diagrams_say_what_they_need(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = command("prior", "--plots=drawn")
    assert code == 2
    assert "pip install 'fxbench[plots]'" in err


def test_a_component_is_audited_by_its_name(command: Command, folder: str) -> None:
    code, out, err = command("prior", folder, "--datasets=folder", "--limit=200", "--json")
    assert code in (0, 1), err
    found = findings(out)
    assert {c: found[c]["verdict"] for c in ("determinism", "batch", "labels", "input")} == {
        "determinism": "pass",
        "batch": "pass",
        "labels": "undetermined",
        "input": "undetermined",
    }


def test_a_dataset_is_audited_by_its_name(command: Command, ferplus: Path) -> None:
    setting = f"--set=ferplus.path={ferplus}"
    train = ferplus / "FER2013Train"
    name = next(path.name for path in sorted((ferplus / "FER2013Valid").glob("*.png")))
    first = min(train.glob("*.png"))
    first.write_bytes((ferplus / "FER2013Valid" / name).read_bytes())
    code, out, err = command("ferplus", setting, "--json")
    assert code == 1, err
    (found,) = json.loads(out)["findings"]
    pairs = {(p["split"], p["other"]): p for p in found["numbers"]["pairs"]}
    assert len(pairs) == 3
    (exact,) = [p for p in pairs.values() if {p["split"], p["other"]} == {"valid", "train"}]
    assert sorted(exact["exact_list"][0]) == sorted([name, first.name])
    code, out, _ = command("ferplus", setting, "--split=valid", "--limit=5", "--json")
    (found,) = json.loads(out)["findings"]
    assert [p["images"] for p in found["numbers"]["pairs"]] == [5, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to audit: the name of a classifier or a dataset, or a file with --model"),
        (["prior", "--model=net.onnx"], "(both are given)"),
        (["pryor"], "Unknown classifier or dataset 'pryor': did you mean 'prior'?"),
        (["full-frame"], "full-frame is a detector: an audit is of a classifier or a dataset."),
        (["net.onnx"], "net.onnx is a file: name it with --model net.onnx"),
        (["prior", f"--labels={EIGHT}"], "--labels says something of a model: name its file"),
        (["prior", "--datasets=ferplus"], "The dataset ferplus can't be used: It needs the option"),
        (["ferplus"], "The dataset ferplus can't be used: It needs the option path."),
        (["prior", "--checks=lables"], "Unknown check 'lables': did you mean 'labels'?"),
        (["prior", "--datasets=ferplos"], "Unknown dataset 'ferplos': did you mean 'ferplus'?"),
    ],
)
def test_a_wrong_request_gets_one_sentence(
    command: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    network(tmp_path / "net.onnx")
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=absent.onnx"], "absent.onnx can't be read: No such file"),
        (["--model=net.onnx", "--labels=neutral,anger"], "answers 8 values for a face, but 2 lab"),
        (["--model=net.onnx", "--labels=neutral,bored"], "list of labels names 'bored'"),
        (["--model=net.onnx", "--input=rgb,9"], "is not COLOUR,SIZE,LOW..HIGH"),
        (["--model=net.onnx", "--input=rgb,9,0..1"], "but rgb,9 makes"),
        (["--model=free.onnx"], "doesn't say which size of face it takes (its input is (N, N, N"),
        (["--model=rubbish.onnx"], "rubbish.onnx is no ONNX model that ONNX Runtime"),
        (["--model=net.onnx", "--limit=10"], "has 10 labelled images here, too few to tell"),
        (["prior", "--split=train"], "Unknown split of folder 'train'"),
        (["folder", "--datasets=folder"], "folder is a dataset: of one, --split, --limit"),
    ],
)
def test_a_wrong_file_gets_one_sentence(
    command: Command, tmp_path: Path, folder: str, arguments: list[str], message: str
) -> None:
    network(tmp_path / "net.onnx")
    network(tmp_path / "free.onnx", "side")
    (tmp_path / "rubbish.onnx").write_bytes(b"\x08\x07nothing")
    on = [] if "folder" in arguments else ["--datasets=folder"]
    code, out, err = command(*arguments, folder, *on)
    assert (code, out) == (2, "")
    assert message in err


def test_images_without_labels_are_refused(command: Command, tmp_path: Path, shared: Path) -> None:
    faces = shared / "data" / "landmarks-dlib"
    code, _, err = command("prior", "--datasets=dlib-faces", f"--set=dlib-faces.path={faces}")
    assert code == 2
    assert "has no emotion labels, and an audit compares answers with them" in err


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_a_model_with_an_unknown_order_is_read_rightly(command: Command, shared: Path) -> None:
    model = shared / "weights" / "reference" / "model_emopy_50_ep.h5"
    if not model.is_file():
        pytest.skip(f"needs {model}")
    where = ["--datasets=ferplus", f"--set=ferplus.path={shared / 'data' / 'ferplus'}"]
    plain = ["--model", str(model), *where, "--split=valid", "--limit=200", "--json"]
    right = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    code, out, err = command(*plain, "--checks=input,labels,batch,determinism")
    assert code == 0, err
    found = findings(out)
    assert {f["verdict"] for f in found.values()} == {"pass"}
    assert found["input"]["numbers"]["best"] == "grey,64,0..1"
    best = found["labels"]["numbers"]["best"].split(",")
    certain = found["labels"]["numbers"]["certain"]
    known = [place for place in range(8) if certain[place] >= 0.95]
    assert {right[place] for place in known} >= {"anger", "happiness", "neutral", "surprise"}
    assert [best[place] for place in known] == [right[place] for place in known]
    said = [f"--labels={EIGHT}", "--input=grey,64,0..1", "--checks=labels"]
    code, out, err = command(*plain, *said)
    assert code == 1, err
    numbers = findings(out)["labels"]["numbers"]
    assert [numbers["best"].split(",")[place] for place in known] == [right[p] for p in known]
    assert numbers["accuracy_declared"]["value"] < 0.05

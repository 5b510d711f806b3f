"""ONNX files as classifiers: fed as was said, refused where they are not as was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fxbench.cli import main
from fxbench.errors import DataError, FxbenchError, PluginError
from fxbench.labels import EMOTIONS
from fxbench.model_file import FileClassifier, InputSpec, conforming, open_model, parse_input
from fxbench.options import Options

EIGHT = ",".join(EMOTIONS)
SIZE = 6
OPSET = 17
TYPES = {"float32": 1, "uint8": 2, "float16": 10, "float64": 11}

Array = npt.NDArray[Any]


def weights(count: int, outputs: int = 8) -> Array:
    return np.random.default_rng(1).normal(size=(count, outputs)).astype(np.float32)


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **data: Any) -> Path:
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in data.items()]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def linear(
    path: Path,
    shape: tuple[Any, ...] = ("N", 1, SIZE, SIZE),
    *,
    softmax: bool = True,
    dtype: str = "float32",
    outputs: int = 8,
    scale: float = 0.1,
    batch_mean: bool = False,
) -> Path:
    """Cast, flatten, multiply by a matrix and, if so, softmax."""
    count = int(np.prod(shape[1:]))
    nodes = [
        helper.make_node("Cast", ["faces"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["x", "flat"], ["y"]),
    ]
    if batch_mean:
        nodes.append(helper.make_node("ReduceMean", ["y"], ["m"], axes=[0], keepdims=1))
        nodes.append(helper.make_node("Sub", ["y", "m"], ["z"]))
    else:
        nodes.append(helper.make_node("Identity", ["y"], ["z"]))
    nodes.append(helper.make_node("MatMul", ["z", "w"], ["logits"]))
    last = "Softmax" if softmax else "Identity"
    nodes.append(helper.make_node(last, ["logits"], ["out"]))
    return save(
        path,
        nodes,
        [helper.make_tensor_value_info("faces", TYPES[dtype], shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, (shape[0], outputs))],
        flat=np.array([-1, count]),
        w=weights(count, outputs) * np.float32(scale),
    )


def faces(count: int, size: int = SIZE) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(2)
    return generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def softmax(logits: Array) -> Array:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def classifier(path: Path, labels: str, input_: str) -> FileClassifier:
    component = open_model(path, labels, input_).entry.component
    made = component.factory(**Options({}).of(component))
    assert isinstance(made, FileClassifier)
    return made


@pytest.mark.parametrize(
    ("colour", "layout"),
    [
        ("grey", "nchw"),
        ("grey", "nhwc"),
        ("grey", "nhw"),
        ("rgb", "nchw"),
        ("rgb", "nhwc"),
        ("bgr", "nchw"),
        ("bgr", "nhwc"),
    ],
)
@pytest.mark.parametrize("span", [(0, 1), (0, 255), (-1, 1), (1, 0)])
def test_faces_enter_as_was_said(
    tmp_path: Path, layout: str, colour: str, span: tuple[int, int]
) -> None:
    channels = 1 if colour == "grey" else 3
    shapes = {"nchw": (channels, SIZE, SIZE), "nhwc": (SIZE, SIZE, channels), "nhw": (SIZE, SIZE)}
    scale = 0.1 / 255 if span[1] == 255 else 0.1
    path = linear(tmp_path / "m.onnx", ("N", *shapes[layout]), scale=scale)
    made = classifier(path, EIGHT, f"{colour},{SIZE},{span[0]}..{span[1]}")
    given = faces(5)
    pixels = given.astype(np.float64)
    if colour == "grey":
        pixels = np.rint(pixels @ (0.299, 0.587, 0.114))[..., None]
    elif colour == "bgr":
        pixels = pixels[..., ::-1]
    pixels = span[0] + pixels / 255 * (span[1] - span[0])
    if layout == "nchw":
        pixels = pixels.transpose(0, 3, 1, 2)
    expected = softmax(pixels.reshape(5, -1) @ weights(channels * SIZE**2) * scale)
    assert made.predict(given) == pytest.approx(expected, abs=1e-5)
    assert (made.labels, made.face.size) == (EMOTIONS, SIZE)


def test_logits_get_a_softmax_and_it_is_said(tmp_path: Path) -> None:
    plain = open_model(linear(tmp_path / "p.onnx"), EIGHT, f"grey,{SIZE},0..1")
    logits = open_model(linear(tmp_path / "l.onnx", softmax=False), EIGHT, f"grey,{SIZE},0..1")
    assert [len(plain.notes), len(logits.notes)] == [1, 2]
    assert "read as logits and a softmax" in logits.notes[1]
    first, second = (
        classifier(tmp_path / name, EIGHT, f"grey,{SIZE},0..1").predict(faces(9))
        for name in ("p.onnx", "l.onnx")
    )
    assert first == pytest.approx(second, abs=1e-6)
    assert first.dtype == second.dtype == np.float32
    assert second.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-6)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_gives_what_a_free_one_gives(tmp_path: Path, batch: int) -> None:
    said = (EIGHT, f"grey,{SIZE},0..1")
    free = classifier(linear(tmp_path / "free.onnx"), *said)
    path = linear(tmp_path / "fixed.onnx", (batch, 1, SIZE, SIZE))
    assert f"{batch} at once" in open_model(path, *said).notes[0]
    for count in (0, 1, 9, 130):
        assert classifier(path, *said).predict(faces(count)) == pytest.approx(
            free.predict(faces(count)), abs=1e-6
        )


@pytest.mark.parametrize(("dtype", "span"), [("uint8", 255), ("float16", 1), ("float64", 1)])
def test_other_types_of_input_are_fed(tmp_path: Path, dtype: str, span: int) -> None:
    said = (EIGHT, f"rgb,{SIZE},0..{span}")
    shape = ("N", SIZE, SIZE, 3)
    reference = linear(tmp_path / "reference.onnx", shape, scale=0.1 / span)
    path = linear(tmp_path / "m.onnx", shape, dtype=dtype, scale=0.1 / span)
    expected = classifier(reference, *said).predict(faces(3))
    assert classifier(path, *said).predict(faces(3)) == pytest.approx(expected, abs=2e-3)


def test_labels_have_the_models_order_and_some_no_counterpart(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", outputs=4)
    made = classifier(path, "happy, -,Angry,none", f"grey,{SIZE},0..1")
    assert made.labels == ("happiness", None, "anger", None)


def test_threads_are_those_that_were_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    made = classifier(linear(tmp_path / "m.onnx"), EIGHT, f"grey,{SIZE},0..1")
    options = made.network.loaded.handle.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)


def test_weights_beside_the_model_are_weights_too(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=512)
    component = open_model(path, EIGHT, f"grey,{SIZE},0..1").entry.component
    assert [file.name for file in component.weights] == ["m.onnx", "m.onnx.data"]
    assert len({file.sha256 for file in component.weights}) == 2


@pytest.mark.parametrize(
    "text",
    ["grey,64", "cmyk,64,0..1", "grey,0,0..1", "grey,64,1..1", "grey,64,0-1", "grey,6.5,0..1"],
)
def test_an_input_that_says_something_else_is_refused(text: str) -> None:
    with pytest.raises(FxbenchError, match=r"not COLOUR,SIZE,LOW\.\.HIGH"):
        parse_input(text)
    assert parse_input(" Gray, 64, -1..1") == InputSpec("grey", 64, -1.0, 1.0)


def two(path: Path, what: str) -> Path:
    names = ("a", "b")
    nodes = [
        helper.make_node("Softmax", [n if what == "inputs" else "a"], [f"out{n}"]) for n in names
    ]
    ins = names if what == "inputs" else ("a",)
    return save(
        path,
        nodes,
        [helper.make_tensor_value_info(n, 1, ("N", 1, SIZE, SIZE)) for n in dict.fromkeys(ins)],
        [helper.make_tensor_value_info(f"out{n}", 1, ("N", 1, SIZE, SIZE)) for n in names],
    )


def nan(path: Path) -> Path:
    linear(path)
    model = onnx.load(path)
    for stored in model.graph.initializer:
        if stored.name == "w":
            stored.CopyFrom(numpy_helper.from_array(weights(SIZE**2) * np.float32("nan"), "w"))
    onnx.save(model, path)
    return path


def rubbish(path: Path) -> Path:
    path.write_bytes(b"\x08\x07not an ONNX file")
    return path


def absent(path: Path) -> Path:
    return path


@pytest.mark.parametrize(
    ("make", "labels", "input_", "message"),
    [
        (absent, EIGHT, "grey,6,0..1", "can't be read: No such file"),
        (rubbish, EIGHT, "grey,6,0..1", "is no ONNX model that ONNX Runtime"),
        (lambda p: two(p, "inputs"), EIGHT, "grey,6,0..1", r"has 2 inputs \(a, b\)"),
        (lambda p: two(p, "outputs"), EIGHT, "grey,6,0..1", r"has 2 outputs \(outa, outb\)"),
        (linear, "neutral,anger", "grey,6,0..1", "answers 8 values for a face, but 2 labels"),
        (linear, f"{EIGHT},none", "grey,6,0..1", "answers 8 values for a face, but 9 labels"),
        (
            linear,
            EIGHT,
            "grey,48,0..1",
            r"shape \(N, 1, 6, 6\), but grey,48 makes \(N, 1, 48, 48\) or \(N, 48, 48, 1\)",
        ),
        (linear, EIGHT, "rgb,6,0..1", r"rgb,6 makes \(N, 3, 6, 6\) or \(N, 6, 6, 3\)"),
        (
            lambda p: linear(p, dtype="uint8"),
            EIGHT,
            "grey,6,0..1",
            r"takes 8-bit pixels, but the range 0\.\.1 is given",
        ),
        (nan, EIGHT, "grey,6,0..1", "numbers that are not finite"),
        (linear, "neutral,bored", "grey,6,0..1", "list of labels names 'bored'"),
        (linear, "none,-", "grey,6,0..1", "names no emotion"),
    ],
)
def test_a_model_that_is_not_as_was_said_gets_one_sentence(
    tmp_path: Path, make: Callable[[Path], Path], labels: str, input_: str, message: str
) -> None:
    with pytest.raises(FxbenchError, match=message):
        open_model(make(tmp_path / "m.onnx"), labels, input_)


def test_a_model_whose_answer_depends_on_its_neighbours_is_refused(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", batch_mean=True)
    component = open_model(path, EIGHT, f"grey,{SIZE},0..1").entry.component
    with pytest.raises(PluginError, match="batch-independent: Each face alone"):
        conforming(component, Options({}))


def test_a_model_that_changed_since_is_not_run(tmp_path: Path) -> None:
    from fxbench.weights import check

    path = linear(tmp_path / "m.onnx")
    component = open_model(path, EIGHT, f"grey,{SIZE},0..1").entry.component
    assert check(component)["m.onnx"]["state"] == "verified"
    linear(path, scale=0.2)
    with pytest.raises(FxbenchError, match="expects"):
        check(component)


# The command line.


@pytest.fixture
def command(
    tmp_path: Path,
    ferplus: Path,
    toy: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Call `fxbench run` on the tiny tree: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        plain = ["run", f"--set=ferplus.path={ferplus}", "--split=valid", "--attacks=none"]
        with pytest.raises(SystemExit) as ended:
            main([*plain, "--detectors=full-frame", "--json", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, " ".join(err.split())

    return call


def model(path: Path, labels: str = EIGHT) -> list[str]:
    return [f"--model={path}", f"--labels={labels}", f"--input=grey,{SIZE},0..1"]


def test_a_model_gets_a_row_beside_the_others(command: Callable[..., Any], tmp_path: Path) -> None:
    path = linear(tmp_path / "My_Net.onnx", softmax=False)
    code, out, err = command(*model(path), "--classifiers=toy-linear")
    assert code == 0, err
    rows = {row["classifier"]: row for row in json.loads(out)}
    assert set(rows) == {"my-net", "toy-linear", "prior"}
    assert rows["my-net"]["accuracy_n"] == 17
    assert rows["my-net"]["latency_p50_ms"] > 0
    assert rows["my-net"]["weights"] == "verified"
    assert "classifier my-net conforms" in err
    assert "read as logits" in err
    (folder,) = (tmp_path / "results").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["weights"]["classifier my-net"]["My_Net.onnx"]["state"] == "verified"
    assert record["options"]["classifier my-net"]["defaulted"] == {
        "labels": EIGHT,
        "input": "grey,6,0..1",
        "outputs": "logits",
    }
    again, _, err = command(*model(path), "--classifiers=toy-linear")
    assert (again, "finished already" in err) == (0, True)
    linear(path, softmax=False, scale=0.3)
    other, out, err = command(*model(path), "--classifiers=toy-linear", "--no-latency")
    assert (other, "finished already" in err) == (0, False)
    after = next(row for row in json.loads(out) if row["classifier"] == "my-net")
    assert after["cross_entropy"] != rows["my-net"]["cross_entropy"]


def test_what_was_found_out_can_be_set(command: Callable[..., Any], tmp_path: Path) -> None:
    path = linear(tmp_path / "net.onnx", softmax=False)
    outputs = "--set=net.outputs=probabilities"
    code, _, err = command(*model(path), "--classifiers=prior", outputs, "--no-latency")
    assert code == 2
    assert "The model net is no classifier to be measured. probabilities: For" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=m.onnx"], "--model needs --labels and --input"),
        (["--model=m.onnx", f"--labels={EIGHT}"], "--model needs --input"),
        (["--labels=neutral"], "--labels says something of a model: name its file with --model"),
        (["--name=x"], "--name says something of a model"),
        (["--model=m.onnx", "--labels=neutral", "--input=x"], "not COLOUR,SIZE,LOW..HIGH"),
        (
            ["--model=m.onnx", f"--labels={EIGHT}", "--input=grey,6,0..1", "--name=prior"],
            "'prior' is there already, from fxbench: choose another name with --name",
        ),
    ],
)
def test_half_a_model_gets_one_sentence(
    command: Callable[..., Any], tmp_path: Path, arguments: list[str], message: str
) -> None:
    linear(tmp_path / "m.onnx")
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_errors_of_data_and_of_use_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_model(rubbish(tmp_path / "m.onnx"), EIGHT, "grey,6,0..1")

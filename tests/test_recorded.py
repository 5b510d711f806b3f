"""Predictions in a csv: exported, scored, and refused with the line that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fxbench
from fxbench import pairs, recorded
from fxbench.cli import main
from fxbench.errors import DataError, FxbenchError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.prediction_csv import PredictionTable, parse, text

IMAGES = [f"fer{100 + 3 * seed:07d}.png" for seed in range(16, 40)]
"""The names of the rows of the tiny tree's split valid; the first 16 count, and one later."""

Options = dict[str, Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def options(ferplus: Path, toy: None) -> Options:
    return {"ferplus.path": ferplus, "toy-centre.min_mean": 55}


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, err

    return call


def csv(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def score(path: Path, options: Options, **more: Any) -> fxbench.Run:
    given = {"dataset": "ferplus", "split": "valid", "latency": False, "threads": 1} | more
    return fxbench.score(path, options=options, **given)


def cell(run: fxbench.Run, **axes: Any) -> dict[str, Any]:
    cells = [json.loads(line) for line in (run.folder / "cells.jsonl").read_text().splitlines()]
    found = [c for c in cells if all(c["axes"].get(a) == v for a, v in axes.items())]
    assert len(found) == 1, [c["axes"] for c in cells]
    return found[0] | {"paired": pairs.read(run.folder).of(found[0]["id"])}


def result(record: dict[str, Any]) -> dict[str, Any]:
    """What a cell scored, without what says which cell it is."""
    paired = [{k: v for k, v in pair.items() if k != "cell"} for pair in record["paired"]]
    names = ("images", "metrics", "recall", "recall_end_to_end", "confusion", "rank")
    kept = {name: record[name] for name in names}
    kept["metrics"] = {n: m for n, m in kept["metrics"].items() if n != "attack_success_rate"}
    kept["images"] = {n: c for n, c in kept["images"].items() if n != "attacked"}
    return kept | {"paired": paired}


# There and back.


def test_every_float16_from_0_to_1_survives_the_csv() -> None:
    every = np.arange(0x3C01, dtype=np.uint16).view(np.float16)
    words = text(PredictionTable(tuple(map(str, range(len(every)))), (None,), every[:, None]))
    back = [float(line.split(",")[1]) for line in words.splitlines()[1:]]
    assert np.array_equal(np.array(back).astype(np.float16), every)


@pytest.mark.parametrize("classifier", ["toy-linear", "toy-seven"])
@pytest.mark.parametrize("detector", ["full-frame", "toy-centre"])
def test_what_is_exported_and_scored_again_gives_the_same_row(
    options: Options, command: Callable[..., Any], classifier: str, detector: str
) -> None:
    first = fxbench.run(
        split="valid",
        detectors=detector,
        classifiers=classifier,
        attacks="none",
        options=options,
        latency=False,
    )
    code, out, err = command("predictions", "--classifier", classifier, "-o", "out.csv")
    assert (code, out, err) == (0, "", "")
    again = score(Path("out.csv"), options, detector=detector, name="again")
    before, after = cell(first, classifier=classifier), cell(again, classifier="again")
    assert (before["images"]["found"] < 17) == (detector == "toy-centre")
    assert result(after) == result(before)
    numbers = ["accuracy_end_to_end", "accuracy_shared", "macro_f1", "cross_entropy", "rank_low"]
    rows = [
        run.cells.set_index("classifier").loc[name, numbers].to_list()
        for run, name in ((first, classifier), (again, "again"))
    ]
    assert rows[0][:3] == rows[1][:3]
    assert str(rows[0]) == str(rows[1])
    theirs = again.predictions("again")
    assert theirs.equals(first.predictions(classifier))


def test_answers_under_attack_are_exported_and_scored_too(options: Options) -> None:
    first = fxbench.run(
        split="valid",
        detectors="full-frame",
        classifiers="toy-linear",
        attacks="fgsm",
        epsilons=[0.0, 0.1],
        options=options,
        latency=False,
    )
    with pytest.raises(UsageError, match=r"2 cells .* Give the epsilon of the one"):
        first.predictions("toy-linear", attack="fgsm")
    frame = first.predictions("toy-linear", attack="fgsm", epsilon=0.1)
    frame.to_csv("attacked.csv", index=False)
    attacked = cell(first, attack="fgsm", epsilon=0.1)
    again = cell(score(Path("attacked.csv"), options), classifier="attacked")
    assert again["confusion"] == attacked["confusion"]
    assert again["metrics"]["kl"] == attacked["metrics"]["kl"]
    assert again["confusion"] != cell(first, classifier="toy-linear", attack=None)["confusion"]


def test_images_that_can_t_be_read_and_a_limit_change_nothing(
    options: Options, ferplus: Path
) -> None:
    given = {"split": "valid", "limit": 11, "options": options, "latency": False}
    clean = {"detectors": "full-frame", "classifiers": "toy-linear", "attacks": "none"}
    whole = fxbench.run(**(given | clean | {"limit": None}))
    whole.predictions("toy-linear").to_csv("whole.csv", index=False)
    path = ferplus / "FER2013Valid" / IMAGES[3]
    path.write_bytes(path.read_bytes()[:60])
    first = fxbench.run(**given, **clean)
    before = cell(first, classifier="toy-linear")
    assert before["images"] == {"n": 10, "found": 10, "unreadable": 1}
    scored = score(Path("whole.csv"), options, limit=11)
    assert result(cell(scored, classifier="whole")) == result(before)
    assert IMAGES[3] not in list(scored.predictions("whole")["image"])
    assert len(scored.predictions("whole")) == 10


def test_many_chunks_some_of_them_without_a_row(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxbench.sources.CHUNK_ROWS", 4)
    rows = [f"{name},1" for name in (*IMAGES[12:16], *reversed(IMAGES[:2]))]
    run = score(csv(Path("few.csv"), "image,anger", *rows), options)
    found = cell(run, classifier="few")
    assert found["images"]["found"] == 6
    assert np.sum(found["confusion"]["counts"]) == 17
    assert found["recall"]["anger"]["n"] == 1
    assert sorted(run.predictions("few")["image"]) == sorted(r.split(",")[0] for r in rows)


# What a file may hold.


def test_columns_come_in_any_order_and_spelling_and_need_not_be_all(options: Options) -> None:
    right = [EMOTIONS[index % 8] for index in range(16)]
    words = {"happiness": "Happy", "anger": " angry", "surprise": "surprised"}
    columns = ["anger", "happiness", "surprise", "neutral"]
    rows = []
    for name, emotion in zip(IMAGES, right, strict=False):
        values = [float(column == emotion) for column in columns]
        rows.append(",".join(map(str, [*values, name, float(emotion not in columns)])))
    header = ",".join([*(words.get(c, c) for c in columns), "IMAGE", "none"])
    path = csv(Path("My Model (2).csv"), header, *rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    run = score(path, options)
    row = run.cells.set_index("classifier").loc["my-model-2"]
    assert (row["n"], row["found"], row["accuracy"]) == (17, 16, 0.5)
    assert row["accuracy_shared"] == 1
    assert row["accuracy_end_to_end"] == 8 / 17
    recall = cell(run, classifier="my-model-2")["recall"]
    assert (recall["happiness"]["value"], recall["sadness"]["value"]) == (1, 0)


def test_images_without_a_row_are_missed_and_it_is_said(
    options: Options, command: Callable[..., Any], ferplus: Path
) -> None:
    # The last image is of no single emotion, so it doesn't count under the protocol majority.
    path = csv(Path("few.csv"), "image,neutral", f"{IMAGES[0]},1", f"{IMAGES[16]},1")
    arguments = ["--dataset=ferplus", "--split=valid", f"--set=ferplus.path={ferplus}", "--json"]
    code, out, err = command("score", str(path), *arguments, "--classifiers", "toy-linear")
    assert code == 0
    said = " ".join(err.split())
    assert "Images without a row, each counted as a face that was not found: 16 of 17." in said
    assert "Rows of images that don't count here, passed over: 1." in said
    rows = {row["classifier"]: row for row in json.loads(out)}
    assert set(rows) == {"few", "prior", "toy-linear"}
    assert (rows["few"]["found"], rows["few"]["n"]) == (1, 17)
    assert rows["few"]["accuracy"] == 1
    assert rows["few"]["accuracy_end_to_end"] == pytest.approx(1 / 17)
    assert rows["few"]["latency_p50_ms"] is None
    assert rows["toy-linear"]["latency_p50_ms"] > 0
    assert "latency_error" not in Path(fxbench.load().folder / "cells.jsonl").read_text()


def test_the_file_decides_what_is_another_run(options: Options) -> None:
    rows = [f"{name},0.5,0.5" for name in IMAGES[:16]]
    path = csv(Path("mine.csv"), "image,neutral,anger", *rows)
    first = score(path, options)
    assert score(path, options).folder == first.folder
    (digest,) = first.record["weights"]["classifier mine"].values()
    assert digest["sha256"] == recorded.load(path).weights.sha256
    csv(path, "image,neutral,anger", f"{IMAGES[0]},0.4,0.6", *rows[1:])
    other = score(path, options)
    assert other.folder != first.folder
    assert other.predictions("mine")["neutral"][0] == np.float16(0.4)
    assert first.predictions("mine")["neutral"][0] == 0.5


def test_nothing_is_loaded_for_it_and_a_damaged_cache_is_filled_again(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv(Path("mine.csv"), "image,neutral", *(f"{name},1" for name in IMAGES[:16]))
    monkeypatch.setattr(recorded, "_Answers", None)
    first = score(path, options)
    for chunk in (tmp_path / "cache").rglob("*.parquet"):
        data = bytearray(chunk.read_bytes())
        data[20:60] = bytes(40)
        chunk.write_bytes(bytes(data))
    again = score(path, options, results="elsewhere")
    assert result(cell(again, classifier="mine")) == result(cell(first, classifier="mine"))


# What is refused.

GOOD = f"{IMAGES[0]},0.5,0.5"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("image,neutral,anger\n", "a header and no row"),
        ("name,neutral\nx,1\n", "no columns 'image': its header is 'name,neutral'"),
        ("image,Image,neutral\nx,y,1\n", "2 columns 'image'"),
        ("image\nx\n", "names no emotion"),
        ("image,none\nx,1\n", "names no emotion"),
        (",image,neutral,bored\n", "names '', 'bored', which is no emotion"),
        (
            f"image,neutral,anger\n{GOOD}\n\n{GOOD}\n",
            "line 4, names .* after line 2",
        ),
        (f"image,neutral,anger\n{GOOD}\nx,1\n", "line 3, has 2 columns where the header has 3"),
        ("image,neutral,anger\nx,1,\n", "line 2, has '' for anger: expected is a probability"),
        ("image,neutral,anger\nx,a lot,0\n", "line 2, has 'a lot' for neutral"),
        ("image,neutral,anger\nx,-0.5,1.5\n", "line 2, has '-0.5' for neutral"),
        ("image,neutral,anger\nx,nan,1\n", "line 2, has 'nan' for neutral"),
        ("image,neutral,anger\nx,inf,1\n", "line 2, has 'inf' for neutral"),
        ("image,neutral,anger\nx,0.5,0.4\n", "sum to 0.9: expected is 1, within 0.002"),
        ("image,neutral,anger\nx,50,50\n", "sum to 100: .*divide percentages by 100"),
        ('image,neutral\n"x,1\n', "no valid csv"),
        ("image,neutral\nx\xe4,1\n", "no text in UTF-8"),
    ],
)
def test_a_wrong_file_gets_one_sentence(content: str, message: str) -> None:
    with pytest.raises(FxbenchError, match=message):
        parse(content.encode("latin-1"), "mine.csv")


def test_rows_may_miss_1_by_a_thousandth() -> None:
    assert parse(b"image,neutral,anger\nx,0.5,0.4991\n", "mine.csv").outputs.shape == (1, 2)


def test_images_that_the_split_does_not_have_are_named(options: Options) -> None:
    path = csv(Path("mine.csv"), "image,neutral", f"{IMAGES[0]},1", "a.png,1", "b.png,1")
    with pytest.raises(DataError, match=r"line 3, names the image 'a.png'.*2 of 3 rows") as error:
        score(path, options)
    assert f"such as '{IMAGES[0]}'" in str(error.value)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("toy-linear", "mine.csv", "is there already, from fxbench-toy: choose another .*--name"),
        (None, "prior.csv", "'prior' is there already"),
        ("My Model", "mine.csv", "'My Model' gives no name"),
        (None, "all.csv", "'all.csv' gives no name .* --name"),
        (None, "???.csv", "gives no name"),
    ],
)
def test_a_name_must_be_free_and_a_name(
    options: Options, name: str | None, file: str, message: str
) -> None:
    path = csv(Path(file), "image,neutral", f"{IMAGES[0]},1")
    with pytest.raises(UsageError, match=message):
        score(path, options, name=name)


def test_a_missing_file_and_a_cleaned_cache_say_what_to_do(
    command: Callable[..., Any], options: Options, ferplus: Path
) -> None:
    arguments = ["--dataset=ferplus", "--split=valid", f"--set=ferplus.path={ferplus}"]
    code, _, err = command("score", "nothing.csv", *arguments)
    assert (code, "nothing.csv can't be read" in err) == (2, True)
    path = csv(Path("mine.csv"), "image,neutral", f"{IMAGES[0]},1")
    assert command("score", str(path), *arguments, "--no-latency")[0] == 0
    code, out, _ = command("predictions", "--classifier", "mine")
    assert (code, out) == (0, f"image,neutral\n{IMAGES[0]},1\n")
    code, _, err = command("predictions", "--classifier", "yours")
    assert (code, "The run has no result like that. It has 2: dataset ferplus" in err) == (2, True)
    code, _, err = command("predictions", "--classifier", "mine", "-o", "mine.csv/x")
    assert (code, "name another with -o" in err) == (2, True)
    command("clean", "--all", "--yes")
    code, _, err = command("predictions", "--classifier", "mine")
    assert code == 2
    assert "no longer in the cache" in err
    assert "give the run's command again" in err


def test_a_cell_without_any_face_has_nothing_to_export(options: Options) -> None:
    run = fxbench.run(
        split="valid",
        detectors="toy-centre",
        classifiers="toy-linear",
        attacks="none",
        options=options | {"toy-centre.min_mean": 256},
        latency=False,
    )
    with pytest.raises(UsageError, match="no face was found"):
        run.predictions("toy-linear")


def test_nobody_asked_for_spotters(
    options: Options, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Any] = []

    def prepare(selection: Any, *_: Any) -> Any:
        wanted.append(selection.spotters)
        raise UsageError("That is enough.")

    monkeypatch.setattr("fxbench.runner.prepare", prepare)
    path = csv(Path("mine.csv"), "image,neutral", f"{IMAGES[0]},1")
    assert command("score", str(path), "--dataset=ferplus")[0] == 2
    with pytest.raises(UsageError):
        score(path, options)
    assert wanted == [(), ()]


def test_without_spotters_images_need_be_no_videos(options: Options) -> None:
    path = csv(Path("mine.csv"), "image,neutral", f"{IMAGES[0]},1")
    assert len(score(path, options).cells) == 2

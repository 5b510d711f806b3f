"""The command line as a person meets it: light, helpful, and one sentence for every mistake."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from fxbench.cli import main, terminal
from fxbench.cli.run import ask_before_sending
from fxbench.costs import Costs, dollars
from fxbench.errors import UsageError

TOY = Path(__file__).parent / "toy"
HEAVY = {"numpy", "pandas", "cv2", "tensorflow", "keras", "tf_keras", "dlib", "deepface", "scipy"}

Result = tuple[int, str, str]
Fxbench = Callable[..., Result]


@pytest.fixture
def fxbench(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    toy: None,
) -> Fxbench:
    """Call the command line in an empty folder: exit code, standard output, standard error."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, err

    return call


def run_arguments(ferplus: Path, *more: str) -> list[str]:
    return [
        "run",
        "--split=valid",
        f"--set=ferplus.path={ferplus}",
        "--detectors=full-frame",
        "--classifiers=prior,toy-linear",
        "--attacks=none,fgsm",
        "--no-latency",
        *more,
    ]


@pytest.mark.parametrize("given", ["1.5", "0", "many", "257"])
def test_a_number_of_workers_is_a_whole_one(given, capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", "--workers", given])
    assert end.value.code == 2
    assert f"{given!r} is no whole number from 1 to 256." in capsys.readouterr().err


def test_list_and_help_import_nothing_heavy() -> None:
    code = (
        "import sys, io, contextlib\n"
        "from fxbench.cli import main\n"
        "for words in (['list'], ['list', '--json'], ['--help'], ['run', '--help'], ['--version'],"
        " ['show', 'emopy']):\n"
        "    try:\n"
        "        with contextlib.redirect_stdout(io.StringIO()): main(words)\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, (words, end.code)\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(TOY)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "fxbench_emopy" in loaded, "the plugins were found"
    assert not loaded & (HEAVY | {"pyarrow", "onnxruntime"})


def test_help_keeps_its_examples_apart(fxbench: Fxbench) -> None:
    for words in ([], ["run"], ["tables"], ["clean"]):
        out = fxbench(*words, "--help")[1]
        assert "\\b" not in out
        assert "Examples:\n  " in out.replace("    ", "  ")
    assert "4    stopped, and can be resumed" in fxbench("--help")[1]


def test_the_list_as_json_has_the_promised_keys(fxbench: Fxbench) -> None:
    code, out, _ = fxbench("list", "--json")
    records = json.loads(out)
    assert code == 0
    assert all({"kind", "name", "plugin", "state", "mend"} <= record.keys() for record in records)
    by_name = {(r["kind"], r["name"]): r for r in records}
    assert by_name["classifier", "prior"]["state"] == "ready"
    assert by_name["detector", "toy-absent"]["mend"] == "pip install not_a_module"
    assert by_name["dataset", "ferplus"]["state"] == "needs option"


def test_the_list_for_people_shows_states_and_what_mends_them(fxbench: Fxbench) -> None:
    code, out, _ = fxbench("list", "--kind", "detector")
    assert code == 0
    assert "toy-absent" in out
    assert "pip install not_a_module" in out
    assert "toy-linear" not in out


def test_show_tells_all_about_a_component(fxbench: Fxbench) -> None:
    code, out, _ = fxbench("show", "ferplus")
    assert code == 0
    assert "ferplus.path (path, required)" in out
    assert "may send to cloud" in out
    record = json.loads(fxbench("show", "toy", "--json")[1])
    assert {"toy-centre", "toy-linear"} <= {entry["name"] for entry in record}
    code, _, err = fxbench("show", "emopi")
    assert (code, "did you mean 'emopy'" in err) == (2, True)


def test_a_run_prints_its_tables_and_can_be_read_again(fxbench: Fxbench, ferplus: Path) -> None:
    code, out, err = fxbench(*run_arguments(ferplus))
    assert code == 0, err
    for title in ("Accuracy", "Robustness", "Leaderboard"):
        assert title in out
    assert "p99 ms" not in out, "a table without a row is not shown"
    assert "17.6 [6.2, 41.0]" in out, "prior: three of seventeen with Wilson's interval"
    assert fxbench("tables")[1] in out
    again, out, err = fxbench(*run_arguments(ferplus))
    assert again == 0
    assert "finished already" in err
    rows = json.loads(fxbench("leaderboard", "--format", "json")[1])
    promised = (
        "dataset split protocol detector classifier attack surrogate norm epsilon n found accuracy "
        "accuracy_low accuracy_high accuracy_end_to_end macro_f1 latency_p50_ms images_per_s status"
    )
    assert all(set(promised.split()) <= row.keys() for row in rows)
    prior = next(row for row in rows if row["classifier"] == "prior")
    assert prior["accuracy"] == pytest.approx(3 / 17)
    table = list(csv.DictReader(io.StringIO(fxbench("leaderboard", "--format", "csv")[1])))
    assert float(table[0]["accuracy"]) == rows[0]["accuracy"]
    assert fxbench("leaderboard", "--format", "md")[1].count("|") > 10
    recall = fxbench("tables", "--table", "recall", "--format", "csv")[1]
    assert "recall_contempt" in recall


def test_json_of_a_run_is_only_json(fxbench: Fxbench, ferplus: Path) -> None:
    _, out, _ = fxbench(*run_arguments(ferplus, "--json"))
    assert {row["classifier"] for row in json.loads(out)} == {"prior", "toy-linear"}


def test_a_dry_run_shows_the_plan_and_writes_nothing(fxbench: Fxbench, ferplus: Path) -> None:
    code, out, _ = fxbench(*run_arguments(ferplus, "--dry-run"))
    assert code == 0
    assert "17 images" in out
    assert "epsilon: 0, 2/255, 8/255" in out
    assert "no gradient: prior gives no gradient for fgsm." in out
    assert not Path("results").exists()
    plan = json.loads(fxbench(*run_arguments(ferplus, "--dry-run", "--json"))[1])
    assert plan["cells"] == 10, "noise stands beside the attack"
    assert {stage["stage"] for stage in plan["stages"]} == {"decode", "detect", "attack", "predict"}


def test_the_cache_is_shown_and_freed_and_runs_keep_their_tables(
    fxbench: Fxbench, ferplus: Path
) -> None:
    fxbench(*run_arguments(ferplus))
    before = json.loads(fxbench("clean", "--json")[1])
    assert before["chunks"] == 8 + 5 * 2, "boxes and outputs; adversarial faces of two batches"
    assert before["used_bytes"] == before["bytes"] > 0
    assert json.loads(fxbench("clean", "--unused", "--yes", "--json")[1])["freed_bytes"] == 0
    freed = json.loads(fxbench("clean", "--all", "--yes", "--json")[1])["freed_bytes"]
    assert freed == before["bytes"]
    assert "Accuracy" in fxbench("tables")[1]


def test_images_are_sent_away_only_when_a_person_agreed(
    fxbench: Fxbench, tmp_path: Path, ferplus: Path
) -> None:
    root = tmp_path / "faces"
    for label in ("happy", "sad"):
        (root / label).mkdir(parents=True)
        for image in sorted((ferplus / "FER2013Valid").glob("*.png"))[:3]:
            shutil.copy(image, root / label)
    arguments = [
        "run",
        f"--set=folder.path={root}",
        "--set=folder.may_send_to_cloud=true",
        "--detectors=full-frame",
        "--classifiers=toy-away",
        "--attacks=none",
        "--no-latency",
    ]
    assert "6 calls, about 0.006 USD" in fxbench(*arguments, "--dry-run")[1]
    code, _, err = fxbench(*arguments)
    assert code == 2
    assert "sends 6 images to cloud services" in err
    assert "--max-cost 0.006" in err
    for limit in ("0", "0.001"):
        refused = " ".join(fxbench(*arguments, "--max-cost", limit)[2].split())
        assert f"costs about 0.006 USD, more than --max-cost {limit}: choose fewer" in refused
    assert fxbench(*arguments, "--max-cost", "0.006")[0] == 0


@pytest.mark.parametrize("command", ["run", "score"])
@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "much"])
def test_a_limit_that_limits_nothing_is_refused(fxbench: Fxbench, command: str, limit: str) -> None:
    code, out, err = fxbench(command, f"--max-cost={limit}")
    assert (code, out) == (2, "")
    assert f"{limit!r} is no amount: expected US dollars" in " ".join(err.split())


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (0.0, "0"),
        (0.00004, "0.00004"),
        (6 * 0.002, "0.012"),
        (0.0123, "0.013"),
        (12.5, "12.50"),
        (3 * 0.1, "0.300"),
    ],
)
def test_an_amount_is_never_shown_as_less_than_it_is(price: float, shown: str) -> None:
    assert dollars(round(price, 9)) == shown
    assert float(shown) >= round(price, 9)


def test_a_price_that_is_not_known_is_confirmed_whatever_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    sent = Costs(6, 0.0, ("toy-away",))
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text))
    for limit in (None, 100.0):
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(UsageError, match="--max-cost can't allow that"):
            ask_before_sending(sent, limit)
        monkeypatch.setattr("sys.stdin", Terminal())
        ask_before_sending(sent, limit)
    assert asked == 2 * [
        "This plan sends 6 images to cloud services at a price that is not known (toy-away). Go on?"
    ]
    assert str(Costs(6, 0.5, ("x",))) == "about 0.500 USD and a price that is not known (x)"


class Terminal(io.StringIO):
    """A person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "goes_on"),
    [
        (["list"], False),
        (["--debug", "run"], True),
        (["weights", "list"], False),
        (["weights", "fetch", "--all"], True),
    ],
)
def test_ctrl_c_while_a_command_is_imported_is_one_sentence(
    fxbench: Fxbench, monkeypatch: pytest.MonkeyPatch, arguments: list[str], goes_on: bool
) -> None:
    def stopped(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fxbench.cli.importlib.import_module", stopped)
    code, out, err = fxbench(*arguments)
    more = " The same command goes on where it stopped." if goes_on else ""
    assert (code, out, err.strip()) == (130, "", f"Interrupted.{more}")


def test_ctrl_c_before_the_first_command_is_known_is_one_word() -> None:
    code = (
        "import sys\n"
        "class Stopped:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fxbench.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stopped())\n"
        "from fxbench.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


def test_the_list_says_once_what_several_lack(
    fxbench: Fxbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"kind": "detector", "state": "missing extra", "summary": "", "problems": []}
    names = {"a": "pip install x", "b": "pip install x", "c": "pip install y"}
    rows = [row | {"name": name, "mend": mend} for name, mend in names.items()]
    monkeypatch.setattr("fxbench.cli.listing.inventory", lambda _: rows)
    out = fxbench("list")[1]
    assert out.count("pip install x") == out.count("pip install y") == 1
    assert out.count("missing extra (1)") == 2
    assert out.count("missing extra (2)") == 1


def test_a_run_without_a_classifier_says_so(fxbench: Fxbench, ferplus: Path) -> None:
    fxbench(*run_arguments(ferplus))
    (path,) = Path("results").glob("*/cells.jsonl")
    path.write_text("")
    record = json.loads(path.with_name("run.json").read_text())
    record["plan"]["cells"] = 0
    path.with_name("run.json").write_text(json.dumps(record))
    for words in (["tables", "--table", "matrix"], ["leaderboard"], ["leaderboard", "--format=md"]):
        code, out, _ = fxbench(*words)
        assert (code, out.count("This run has no classifier's result: ")) == (0, 1)
    for words in (["tables", "--table", "matrix"], ["leaderboard"]):
        assert json.loads(fxbench(*words, "--format", "json")[1]) == []
        assert "detector" in fxbench(*words, "--format", "csv")[1].splitlines()[0].split(",")


def test_an_interval_of_progress_without_a_stage_has_no_empty_brackets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0.0)
    text = io.StringIO()
    watch = terminal.Watch(Console(file=text))
    watch.start(10, 1)
    watch.advance(2, "")
    watch.advance(2, "detect")
    lines = text.getvalue().splitlines()[1:]
    assert [line.partition(" left")[2] for line in lines] == ["", " (detect)"]


def test_failed_cells_end_with_3(fxbench: Fxbench, ferplus: Path) -> None:
    code, out, _ = fxbench(*run_arguments(ferplus, "--classifiers=toy-broken,prior"))
    assert code == 3
    assert "no luck with" in " ".join(out.split())
    code, out, _ = fxbench(*run_arguments(ferplus, "--detectors=toy-absent"))
    assert code == 3
    assert "pip install not_a_module" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["runn"], 2, "did you mean 'run'"),
        (["run", "--detectors", "a,,b"], 2, "has an empty name"),
        (["run", "--epsilons", "2/0"], 2, "is no budget"),
        (["run", "--epsilons", "300"], 2, "is no budget"),
        (["run", "--limit", "0"], 2, "'0' is no whole number from 1 on"),
        (["run", "--set", "ferplus.path"], 2, "expected NAME.OPTION=VALUE"),
        (["run", "--datasets", "ferplus"], 2, "--set ferplus.path=PATH"),
        (["run", "--set", "ferplus.path=/not/there"], 2, "/not/there"),
        (["run", "--align", "nonsense"], 2, "choose from eyes, none, similarity"),
        (["predictions", "--classifier=x", "--align=foo"], 2, "choose from eyes, none, similarity"),
        (["check", "toy-centre", "--kind=classifier"], 2, "toy-centre is a detector, no class"),
        (["tables"], 2, "make one with `fxbench run`"),
        (["leaderboard", "x"], 2, "There is no run 'x'"),
        (["tables", "--format", "xml"], 2, "'xml' is not one of"),
    ],
)
def test_a_mistake_gets_one_sentence(
    fxbench: Fxbench, arguments: list[str], code: int, message: str
) -> None:
    actual, out, err = fxbench(*arguments)
    assert actual == code
    assert message in " ".join(err.split())
    assert not out


def _no_column(root: Path) -> None:
    labels = root / "FER2013Valid" / "label.csv"
    labels.write_text("\n".join(line.rsplit(",", 1)[0] for line in labels.read_text().split("\n")))


def _climbs(root: Path) -> None:
    with zipfile.ZipFile(root / "FER2013Valid.zip", "w") as archive:
        archive.writestr("../../etc/evil.png", b"x")
        archive.writestr("FER2013Valid/label.csv", "")


def _bomb(root: Path) -> None:
    with zipfile.ZipFile(root / "FER2013Valid.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FER2013Valid/label.csv", b"0" * 200_000_000)


def _no_image(root: Path) -> None:
    for image in (root / "FER2013Valid").glob("*.png"):
        image.write_bytes(b"not an image")


@pytest.mark.parametrize(
    ("spoil", "empty", "code", "message"),
    [
        (_no_column, False, 2, "label.csv"),
        (_climbs, True, 2, "FER2013Valid.zip"),
        (_bomb, True, 2, "FER2013Valid.zip"),
        (_no_image, False, 3, "17 of 17 images of ferplus valid (majority) can't be read"),
    ],
)
def test_bad_data_gets_one_sentence_and_nothing_is_lost(
    fxbench: Fxbench,
    ferplus: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    empty: bool,
    code: int,
    message: str,
) -> None:
    root = tmp_path / "empty" if empty else ferplus
    root.mkdir(exist_ok=True)
    spoil(root)
    actual, _, err = fxbench(*run_arguments(root))
    assert actual == code, err
    assert message in " ".join(err.split())


def test_a_results_folder_of_a_newer_schema_is_refused(fxbench: Fxbench, ferplus: Path) -> None:
    fxbench(*run_arguments(ferplus))
    (path,) = Path("results").glob("*/run.json")
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 3'))
    for arguments in (["tables"], run_arguments(ferplus)):
        code, _, err = fxbench(*arguments)
        assert code == 2
        assert "reads up to 2" in " ".join(err.split())


def test_a_full_disk_ends_with_4_and_the_run_goes_on_later(
    fxbench: Fxbench, ferplus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        code, _, err = fxbench(*run_arguments(ferplus))
    assert code == 4
    assert "The disk is full" in err
    assert "goes on where it stopped" in " ".join(err.split())
    assert fxbench(*run_arguments(ferplus))[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="pipes that close are of POSIX")
@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_a_reader_that_has_had_enough_is_no_failure(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "fxbench", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_debug_shows_where_it_failed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fxbench", "--debug", "show", "nothing-like-it"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "Traceback" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("name", "mend"), [("transfer", "--surrogates"), ("corruptions", "--corruptions")]
)
def test_in_place_of_an_empty_table_it_says_what_would_fill_it(
    fxbench: Fxbench, ferplus: Path, name: str, mend: str
) -> None:
    fxbench(*run_arguments(ferplus))
    code, out, _ = fxbench("tables", "--table", name)
    assert code == 0
    assert "This run has no" in out
    assert mend in out
    assert json.loads(fxbench("tables", "--table", name, "--format", "json")[1]) == []

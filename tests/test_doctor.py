"""`fxbench doctor` tells what works, what is missing and what is broken, and what mends it."""

from __future__ import annotations

import hashlib
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pip_target import python

from fxbench import doctor
from fxbench.cli import main

PLUGIN = """
    from pathlib import Path
    import fxbench
    from fxbench.component import Component, Option, Terms, Weights

    HERE = Path(__file__).parent

    def weights(name, sha256):
        path = HERE / name
        return Weights(name, lambda: path if path.is_file() else None, sha256, f"fetch {name}")

    @fxbench.hookimpl
    def fxbench_classifiers():
        return [
            Component("sick-extra", "x", dict, requires=("no_such_module",), extra="big"),
            Component("sick-weights", "x", dict, weights=(
                weights("right.bin", "RIGHT"), weights("any.bin", None),
                weights("absent.bin", None),
            )),
            Component("sick-secret", "x", dict, options=(
                Option("api_key", "str", None, "x"), Option("size", "int", 1, "x"),
            )),
        ]

    @fxbench.hookimpl
    def fxbench_datasets():
        terms = Terms("x", False, False, False)
        option = Option("path", "path", None, "x", required=True)
        return [Component("sick-data", "x", dict, options=(option,), terms=terms)]
"""

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """Call `fxbench doctor` in an empty folder: exit code and standard output."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        return ended.value.code, out

    return call


@pytest.fixture
def facts(examined: Doctor) -> Callable[[], tuple[int, dict[str, Any]]]:
    """The same with `--json`."""

    def call() -> tuple[int, dict[str, Any]]:
        code, out = examined("--json")
        record = json.loads(out)
        assert record["ok"] == (code == 0)
        return code, record

    return call


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a distribution on the path, as a plugin where it has a source."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    modules = []

    def add(name: str, source: str | None = None) -> Path:
        module = name.replace("-", "_")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if source is not None:
            (info / "entry_points.txt").write_text(f"[fxbench]\n{name} = {module}\n")
            (folder / f"{module}.py").write_text(textwrap.dedent(source))
            modules.append(module)
        return folder

    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def sick(packages: Callable[..., Path]) -> Path:
    """A plugin with something of everything, not broken."""
    right = hashlib.sha256(b"right").hexdigest()
    folder = packages("fxbench-sick", PLUGIN.replace("RIGHT", right))
    (folder / "right.bin").write_bytes(b"right")
    (folder / "any.bin").write_bytes(b"any")
    return folder


def told(record: dict[str, Any], which: str, text: str) -> str:
    """What mends the one finding that holds a text."""
    (mend,) = [finding["mend"] for finding in record[which] if text in finding["what"]]
    return mend


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from fxbench.cli import main\n"
        "try: main(['doctor', '--json'])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    loaded = set(python("-c", code, cwd=tmp_path).stdout.splitlines())
    assert "fxbench" in loaded
    heavy = {"numpy", "pandas", "pyarrow", "cv2", "tensorflow", "keras", "dlib", "onnxruntime"}
    assert not heavy & loaded


def test_where_all_is_well_it_says_so(examined: Doctor, facts: Any, tmp_path: Path) -> None:
    (tmp_path / "cache" / "chunks").mkdir(parents=True)
    (tmp_path / "cache" / "chunks" / "a").write_bytes(bytes(1500))
    code, out = examined()
    assert code == 0, out
    assert "Everything that is installed works." in out
    assert "Broken" not in out
    assert f"{tmp_path / 'cache'} (1.5 kB used, " in " ".join(out.split())
    assert len(out.splitlines()) <= 56, "one screen"
    code, record = facts()
    assert (code, record["broken"]) == (0, [])
    assert record["cache"]["bytes"] == 1500
    assert len(record["cv2"]) == 1
    assert record["system"]["cores"] >= 1
    assert not (tmp_path / "here" / "results").exists(), "it makes nothing"


def test_without_a_dataset_it_says_how_to_set_one(facts: Any) -> None:
    _, record = facts()
    mend = told(record, "missing", "No dataset is set")
    assert mend == "fxbench run --set ferplus.path=PATH"


def test_an_extra_that_is_missing_is_no_fault(facts: Any, sick: Path) -> None:
    code, record = facts()
    assert code == 0
    mend = told(record, "missing", "The extra big, for sick-extra.")
    assert mend == "pip install 'fxbench-sick[big]'"
    (extra,) = [e for e in record["extras"] if e["distribution"] == "fxbench-sick"]
    assert (extra["installed"], extra["components"]) == (False, ["sick-extra"])


def test_weights_are_looked_for_and_compared(facts: Any, sick: Path) -> None:
    code, record = facts()
    mine = {f["name"]: f["state"] for f in record["weights"] if f["component"] == "sick-weights"}
    assert mine == {"right.bin": "verified", "any.bin": "unverified", "absent.bin": "missing"}
    assert code == 0
    assert told(record, "missing", "absent.bin") == "fetch absent.bin"

    (sick / "right.bin").write_bytes(b"wrong")
    code, record = facts()
    assert code == 1
    assert told(record, "broken", "right.bin") == "fetch right.bin"


def test_a_broken_plugin_is_named(examined: Doctor, packages: Callable[..., Path]) -> None:
    packages("fxbench-torn", "raise RuntimeError('[bold]torn')")
    code, out = examined()
    assert code == 1
    assert "Broken" in out
    text = " ".join(out.split())
    assert "The plugin fxbench-torn (fxbench-torn) is broken: RuntimeError: [bold]torn" in text
    assert "→ pip install --upgrade fxbench-torn" in text
    assert "1 to be mended." in text


def test_a_plugin_for_a_newer_version_is_no_fault(
    facts: Any, packages: Callable[..., Path]
) -> None:
    packages(
        "fxbench-new",
        "import fxbench\n@fxbench.hookimpl\ndef fxbench_translators():\n    return []\n",
    )
    code, record = facts()
    assert code == 0
    mend = told(record, "missing", "fxbench-new needs a newer fxbench")
    assert mend == "pip install --upgrade fxbench"


def test_two_opencvs_are_a_fault(facts: Any, packages: Callable[..., Path]) -> None:
    packages("opencv-python")
    code, record = facts()
    assert code == 1
    mend = told(record, "broken", "2 distributions provide cv2")
    removed, _, installed = mend.partition(" && ")
    assert removed.startswith("pip uninstall -y opencv-")
    assert "opencv-python" in removed.split()
    assert "pip install --force-reinstall --no-deps 'opencv-contrib-python-headless" in installed


@pytest.mark.parametrize("name", ["opencv_python_headless", "OpenCV-Contrib.Python", "my-vision"])
def test_whoever_provides_cv2_is_known(packages: Callable[..., Path], name: str) -> None:
    before = doctor._cv2()
    folder = packages(name)
    if name == "my-vision":
        (folder / "my_vision-1.0.dist-info" / "top_level.txt").write_text("cv2\n")
    assert len(doctor._cv2()) == len(before) + 1


def test_a_cache_that_cannot_be_written_is_a_fault(
    facts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / "file" / "cache"))
    code, record = facts()
    assert code == 1
    assert "FXBENCH_CACHE" in told(record, "broken", "can't be written")
    assert record["cache"]["writable"] is False


def test_settings_are_told_and_secrets_are_not(
    examined: Doctor, sick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FXBENCH_OPT__SICK_SECRET__API_KEY", "hunter2")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("FXBENCH_WEIGHTS", "/nowhere/at/all")
    for arguments in ((), ("--json",)):
        code, out = examined(*arguments)
        assert code == 0
        assert "FXBENCH_OPT__SICK_SECRET__API_KEY" in out
        assert "hunter2" not in out
    code, out = examined()
    text = " ".join(out.split())
    assert "KERAS_BACKEND=tensorflow" in text
    assert "3 in a run without --threads, OMP_NUM_THREADS=3" in text
    assert "FXBENCH_WEIGHTS names /nowhere/at/all, which is not there." in text


@pytest.mark.parametrize("variable", ["SICK_SECRET__SIZE", "SICK_SECRET__SISE"])
def test_a_setting_that_a_run_would_refuse_is_a_fault(
    facts: Any, sick: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(f"FXBENCH_OPT__{variable}", "large")
    code, record = facts()
    assert code == 1
    told(record, "broken", f"FXBENCH_OPT__{variable}")
    assert {row["name"] for row in record["components"]} >= {"sick-secret", "prior"}


def test_a_dataset_that_is_not_where_it_is_said_to_be_is_a_fault(
    facts: Any, sick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FXBENCH_OPT__SICK_DATA__PATH", str(tmp_path))
    code, record = facts()
    assert code == 0
    assert not [f for f in record["missing"] if "No dataset" in f["what"]]
    monkeypatch.setenv("FXBENCH_OPT__SICK_DATA__PATH", str(tmp_path / "gone"))
    code, record = facts()
    assert code == 1
    told(record, "broken", f"The dataset sick-data is set to {tmp_path / 'gone'}")

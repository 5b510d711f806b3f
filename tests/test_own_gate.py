"""fxbench gates itself: what it answers about `mini` is what its baseline says it did.

Another processor rounds otherwise, so a few images may flip; a gate doesn't mind.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs_text import ROOT, blocks

from fxbench.cli import cli

BASELINE = ROOT / "results" / "baselines" / "mini.json"
COMMAND = (
    "run --datasets mini --detectors opencv-haar,full-frame "
    "--classifiers emopy-onnx,mobilenetv2-onnx,emopy-int8 --landmarkers mean-shape "
    "--attacks none --no-latency"
)
"""The baseline is what `fxbench baseline` makes of a run by this; docs/gate.md says when."""


@pytest.mark.timeout(600)
def test_fxbench_is_as_good_as_its_baseline(tmp_path: Path) -> None:
    assert BASELINE.is_file(), "docs/gate.md says how it is made"
    results = ["--results", str(tmp_path / "results")]
    ran = CliRunner().invoke(cli, [*COMMAND.split(), *results])
    assert ran.exit_code == 0, ran.output
    gated = CliRunner().invoke(cli, ["gate", "--baseline", str(BASELINE), "--json", *results])
    record = json.loads(gated.stdout)
    wrong = [check for check in record["checks"] if check["verdict"] != "passed"]
    assert gated.exit_code == 0, wrong
    assert sum(check["metric"] == "accuracy_end_to_end" for check in record["checks"]) >= 7


@pytest.mark.timeout(600)
def test_the_example_of_the_page_gates_the_run_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    command = next(line for line in page.splitlines() if line.startswith("$ fxbench run "))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fxbench.toml").write_text(blocks(page, "toml")[0], encoding="utf-8")
    ran = CliRunner().invoke(cli, [*command.split()[2:], "--no-latency"])
    assert ran.exit_code == 0, ran.output
    made = CliRunner().invoke(cli, ["baseline", "-o", "mini.json"])
    assert made.exit_code == 0, made.output
    gated = CliRunner().invoke(cli, ["gate", "--baseline", "mini.json", "--json"])
    assert gated.exit_code == 0, gated.exception or gated.output
    record = json.loads(gated.stdout)
    assert {check["metric"] for check in record["checks"]} == {
        "accuracy_end_to_end",
        "ece",
        "recall.happiness",
    }
    assert len(record["untimed"]) > 1


def test_the_page_says_how_the_baseline_is_made() -> None:
    page = " ".join((ROOT / "docs" / "gate.md").read_text(encoding="utf-8").split())
    assert COMMAND in page.replace("\\ ", "")

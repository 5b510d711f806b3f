"""Tables as pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from click.testing import CliRunner
from made_up_run import MadeUpRun

from fxbench.cli import cli
from fxbench.tabular import Column, Table, render

NAMES = Table(
    "Tables & <pictures>",
    (Column("name", "classifier"), Column("share", "accuracy %", "percent")),
    ({"name": "<script>alert(1)</script>", "share": 0.5}, {"name": "prior", "share": 0.25}),
    notes=("One note.",),
)


def words(svg: str) -> str:
    return "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")


def test_a_picture_says_what_the_table_says() -> None:
    told = words(render(NAMES, "svg"))
    for text in ("Tables & <pictures>", "<script>alert(1)</script>", "50.0", "25.0", "One note."):
        assert text in told


def test_a_picture_loads_nothing_and_runs_nothing() -> None:
    picture = render(NAMES, "svg")
    assert {node.tag.rpartition("}")[2] for node in ET.fromstring(picture).iter()} <= {
        "svg", "style", "defs", "clipPath", "rect", "g", "text",
    }  # fmt: skip
    assert "url(http" not in picture
    assert "@font-face" not in picture


def test_the_same_table_is_the_same_picture_wherever_it_is_drawn(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    usual = render(NAMES, "svg")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "40")):
        monkeypatch.setenv(name, value)
    assert render(NAMES, "svg") == usual


def test_one_table_is_a_picture_and_several_are_none(tmp_path: Path) -> None:
    MadeUpRun(detectors=1, classifiers=2, conditions=1, images=20).write(tmp_path / "results" / "a")
    run = ["--results", str(tmp_path / "results"), "--format", "svg"]
    done = CliRunner().invoke(cli, ["leaderboard", *run], catch_exceptions=False)
    assert "accuracy" in words(done.stdout)
    refused = CliRunner().invoke(cli, ["tables", *run])
    assert "name it with --table" in str(refused.exception)
    done = CliRunner().invoke(cli, ["tables", "--table", "accuracy", *run], catch_exceptions=False)
    assert "accuracy" in words(done.stdout)

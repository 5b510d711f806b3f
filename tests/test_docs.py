"""The documentation is complete, its commands exist, its links lead somewhere, its code runs."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from docs_text import DOCS, ROOT, blocks, first_column, read, section, slugs, without_code
from make_ferplus import make_ferplus

from fxbench import chunks, cli, runner
from fxbench.availability import availability
from fxbench.component import TRAITS, Component, Option, Terms, Weights
from fxbench.kinds import KINDS
from fxbench.labels import EMOTIONS
from fxbench.options import Options
from fxbench.registry import Entry, discover
from fxbench.retired import Retired
from fxbench.schemes import shared_points
from fxbench.scoring import Predictions
from fxbench.scoring_landmarks import Located, score_landmarks
from fxbench.scoring_robustness import score_attack
from fxbench.selection import Reason, Selection
from fxbench.store import StoredRun
from fxbench.testing import check
from fxbench.types import Answers, FaceSpec

PAGES = [page.name for page in sorted(DOCS.glob("*.md"))]
WITH_README = [f"docs/{page}" for page in PAGES] + ["README.md"]
RUN = "ferplus-valid-1a2b3c4d"
"""What the documentation calls a run."""


def commands() -> dict[str, click.Command]:
    """Every command by all of its words. A group within has nothing but its own commands."""

    def below(words: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                assert command.params == []
                yield from below(f"{words} {name}", command)
            else:
                yield f"{words} {name}", command

    return {"fxbench": cli.cli} | dict(below("fxbench", cli.cli))


# What must be described.


@pytest.mark.parametrize("name", commands())
def test_every_option_of_every_command_is_described_and_no_other(name: str) -> None:
    text = section("cli.md", f"## {name}")
    options = [p for p in commands()[name].params if isinstance(p, click.Option)]
    expected = {word for o in options for word in (*o.opts, *o.secondary_opts)}
    documented = set(first_column(text))
    assert documented - {"-h", "--help"} == expected
    for option in options:
        if isinstance(option.type, click.Choice):
            assert all(f"`{choice}`" in text for choice in option.type.choices), option.name
        if option.show_default:
            assert f"`{option.default}`" in text, option.name
    for argument in commands()[name].params:
        if isinstance(argument, click.Argument):
            assert str(argument.name).upper() in text


def test_every_exit_code_is_described_and_no_other() -> None:
    in_help = re.findall(r"^ *(\d+) ", cli.EXIT_CODES, re.MULTILINE)
    assert len(in_help) >= 6
    in_docs = re.findall(r"^\| (\d+) \|", section("cli.md", "## Exit codes"), re.MULTILINE)
    assert set(in_docs) == set(in_help)


def test_every_hook_is_described_and_no_other() -> None:
    text = section("plugins.md", "### Hooks")
    rows = dict(re.findall(r"^\| `(fxbench_\w+)` \| [\w-]+ \| `(\w+)`", text, re.MULTILINE))
    assert rows == {kind.hook: kind.protocol for kind in KINDS}


@pytest.mark.parametrize("record", [Component, Option, Weights, Terms, Retired, FaceSpec])
def test_every_field_of_what_a_plugin_returns_is_described(record: Any) -> None:
    text = section("plugins.md", f"### {record.__name__}")
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == [
        field.name for field in fields(record)
    ]


def test_every_trait_is_described_and_no_other() -> None:
    assert set(first_column(section("plugins.md", "### Traits"))) == TRAITS


def shipped() -> list[Entry]:
    entries = [entry for entry in discover().entries if entry.plugin.distribution == "fxbench"]
    assert len(entries) >= 9
    return entries


def test_every_component_that_is_shipped_is_described_and_no_other() -> None:
    expected = set()
    for entry in shipped():
        traits = ", ".join(f"`{trait}`" for trait in sorted(entry.component.traits)) or "-"
        extra = f"`{entry.component.extra}`" if entry.component.extra else "-"
        expected.add(f"| `{entry.name}` | {entry.kind.name} | {extra} | {traits} |")
    rows = without_code(read("components.md")).partition("## Options")[0].splitlines()
    documented = {re.sub(r"\| [^|]*\|$", "|", row) for row in rows if row.startswith("| `")}
    assert documented == expected


def test_every_option_of_a_component_is_described_with_its_default_and_no_other() -> None:
    expected = set()
    for entry in shipped():
        for option in entry.component.options:
            default = "required" if option.required else f"`{option.default}`"
            if isinstance(option.default, bool):
                default = default.lower()
            expected.add(f"| `{entry.component.owner}.{option.name}` | {option.type} | {default} |")
    rows = section("components.md", "## Options").splitlines()
    assert {re.sub(r"\| [^|]*\|$", "|", row) for row in rows if row.startswith("| `")} == expected


def test_every_metric_is_defined() -> None:
    rng = np.random.default_rng(0)
    votes = rng.dirichlet(np.ones(8), 20).astype(np.float32)
    answers = Answers(np.arange(20), np.arange(20) % 8, votes > 0.3, votes)
    found = np.arange(20) % 5 > 0
    clean = Predictions(found, rng.dirichlet(np.ones(8), 20).astype(np.float16), EMOTIONS)
    result = score_attack(answers, clean, clean, found, EMOTIONS)
    names = [*result["metrics"], "recall", "recall_end_to_end", "confusion"]
    assert len(names) >= 15
    text = read("metrics.md")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_metric_and_field_of_landmarks_is_defined() -> None:
    truth = np.random.default_rng(0).uniform(0, 100, (3, 68, 2)).astype(np.float32)
    shared = shared_points("300w-68", "300w-68")
    found = np.ones(3, np.bool_)
    located = Located(np.arange(3), found, truth, truth, "300w-68", shared)
    result = score_landmarks(located, 3)
    text = section("metrics.md", "## Landmarks")
    assert [name for name in result["metrics"] if f"`{name}`" not in text] == []
    assert set(result) <= set(first_column(section("results.md", "### cells.jsonl")))


def test_every_reason_for_a_cell_without_a_result_is_described_and_no_other() -> None:
    rows = re.findall(
        r"^\| (?:skipped|failed) \| `([^`]+)`",
        section("running.md", "## When something goes wrong"),
        re.MULTILINE,
    )
    stated = re.findall(r"`([^`]+)`", (Reason.__doc__ or "").partition("message:")[0])
    assert len(stated) >= 10
    assert set(rows) == set(stated)


def test_every_module_has_its_room() -> None:
    text = section("design.md", "## 2. The house")
    rooms = "".join(line for line in text.splitlines() if line.startswith("| "))
    modules = {path.stem for path in (ROOT / "fxbench").glob("[!_]*.py")}
    assert {name for name in modules if f"`{name}`" not in rooms} == set()


# What is said must be so.


def spoken(page: str) -> list[str]:
    """The fxbench commands of a page: after `$` in console blocks, and in backticks in the text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [
        line[2:]
        for block in blocks(text, "console")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("$ ")
    ]
    return lines + re.findall(r"`(fxbench [^`]*)`", without_code(text).replace("\n", " "))


@pytest.mark.parametrize("page", WITH_README)
def test_the_commands_that_are_shown_exist(page: str) -> None:
    known = commands()
    for line in spoken(page):
        words = shlex.split(re.split(r" (?:\||>|&&) ", line)[0])
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words[:1] != ["fxbench"]:
            continue
        words = [word for word in words[1:] if not re.fullmatch(r"\[[A-Z]+\]|…|--help", word)]
        while words and words[0].startswith("-"):
            assert words.pop(0) in ("--debug", "--version"), line
        if not words or words[0] == "COMMAND":
            continue
        count = next((n for n in (1, 2) if f"fxbench {' '.join(words[:n])}" in known), 0)
        assert count, line
        if len(words) == count:  # a command that is spoken of, not one to be given
            continue
        try:
            known[f"fxbench {' '.join(words[:count])}"].make_context(words[0], words[count:])
        except click.UsageError as error:
            pytest.fail(f"{page}: {line}: {error.message}")


@pytest.mark.parametrize("page", WITH_README)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = without_code(path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in slugs(there.read_text(encoding="utf-8")), f"{page} links to {target}"


def test_every_page_stands_in_the_index() -> None:
    index = re.findall(r"\]\(([^)\s]+)\)", read("README.md"))
    assert sorted(index) == sorted(page for page in PAGES if page != "README.md")


def test_the_counts_of_ferplus_are_those_of_the_files(shared: Path) -> None:
    from fxbench_ferplus import TERMS
    from fxbench_ferplus.dataset import FerPlus

    text = section("datasets.md", "### Two label files")
    for labels in ("label.csv", "fer2013new.csv"):
        dataset = FerPlus(shared / "data" / "ferplus", labels, TERMS)
        for split in dataset.splits:
            kept = [
                len(dataset.answers(split, protocol).rows)
                for protocol in ("majority", "probability", "multi-target")
            ]
            row = " | ".join(f"{count:,}" for count in kept)
            pattern = rf"`{re.escape(labels)}` \| [\d,]+ \| {re.escape(row)} \|"
            assert re.search(pattern, text), (labels, split)


# The code of the documentation.


@dataclass(frozen=True)
class Documented:
    """The plugins of docs/plugins.md, and a run that they took part in.

    Attributes:
        states: the state of each of their components while its weights are missing.
        folder: where `results` lies.
        stored: the run.
    """

    entries: dict[tuple[str, str], Entry]
    states: dict[str, str]
    folder: Path
    stored: StoredRun


def install(folder: Path) -> None:
    """Write the packages of docs/plugins.md into a folder, as `pip` would install them."""
    sources: dict[str, str] = {}
    for block in blocks(read("plugins.md"), "python"):
        name, _, code = block.partition("\n")
        path = re.match(r"# (fxbench_\w+(?:/\w+)?\.py)(, in \w+)?$", name)
        assert path, f"a block of docs/plugins.md doesn't begin with its file's name: {name!r}"
        sources[path[1]] = sources.get(path[1], "") + code + ("" if path[2] else "\n")
    for name, code in sources.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    for block in blocks(read("plugins.md"), "toml"):
        project = tomllib.loads(block)["project"]
        info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = project["entry-points"]["fxbench"].items()
        (info / "entry_points.txt").write_text(
            "[fxbench]\n" + "".join(f"{name} = {module}\n" for name, module in points)
        )


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    folder = tmp_path_factory.mktemp("documented")
    packages, weights = folder / "packages", folder / "weights"
    packages.mkdir()
    weights.mkdir()
    install(packages)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 40, 30, 3), dtype=np.uint8)
    np.savez(folder / "faces.npz", images=images, labels=np.arange(12) % 8)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(packages)
        registry = discover()
        ours = {"fxbench-centre", "fxbench-acme"}
        entries = {
            (e.kind.name, e.name): e for e in registry.entries if e.plugin.distribution in ours
        }
        assert [p for p in registry.plugins if p.distribution in ours and p.problems] == []
        states = {e.name: availability(e, Options({})).state for e in entries.values()}
        small = np.float32(0.01)
        np.savez(
            weights / "acme-linear.npz",
            weights=rng.normal(size=(768, 8)).astype(np.float32) * small,
            bias=np.zeros(8, np.float32),
        )
        patch.setenv("FXBENCH_WEIGHTS", str(weights))
        prepared = runner.prepare(
            Selection(
                datasets=("ferplus", "acme-npz"),
                detectors=("full-frame", "acme-bright", "centre"),
                classifiers=("acme-linear",),
                landmarkers=("acme-five",),
                attacks=("none", "acme-step"),
                epsilons=(0.0, 0.1),
            ),
            (
                f"ferplus.path={make_ferplus(folder / 'ferplus')}",
                f"acme-npz.path={folder / 'faces.npz'}",
            ),
            registry,
            folder,
        )
        settings = runner.Settings(folder / "results", folder / "cache", threads=1)
        stored = runner.run(prepared, settings)
        # The documentation's name for a run: a folder may be called anything.
        (folder / "results" / stored.folder.name).rename(folder / "results" / RUN)
        yield Documented(entries, states, folder, stored)
    for name in set(sys.modules) - before:
        if name.startswith(("fxbench_acme", "fxbench_centre")):
            del sys.modules[name]


def test_the_plugins_of_the_tutorial_are_found(documented: Documented) -> None:
    assert set(documented.entries) == {
        ("detector", "centre"),
        ("detector", "acme-bright"),
        ("landmarker", "acme-five"),
        ("classifier", "acme-linear"),
        ("attack", "acme-step"),
        ("corruption", "acme-curtain"),
        ("spotter", "acme-flash"),
        ("dataset", "acme-clips"),
        ("dataset", "acme-npz"),
        ("transcriber", "acme-shouts"),
        ("text-emotion", "acme-ah"),
    }
    assert documented.states == {
        "centre": "ready",
        "acme-bright": "ready",
        "acme-five": "ready",
        "acme-linear": "missing weights",
        "acme-step": "ready",
        "acme-curtain": "ready",
        "acme-flash": "ready",
        "acme-clips": "ready",
        "acme-npz": "needs option",
        "acme-shouts": "ready",
        "acme-ah": "ready",
    }
    text = section("plugins.md", "## Availability")
    assert set(documented.states.values()) < set(first_column(text))


def test_the_plugins_of_the_tutorial_conform(
    documented: Documented, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(documented.folder / "weights"))
    for (kind, name), entry in documented.entries.items():
        options = {"path": documented.folder / "faces.npz"} if name == "acme-npz" else {}
        report = check(entry, kind, options=options)
        assert report.ok, report.text()


def test_the_plugins_of_the_tutorial_take_part_in_a_run(documented: Documented) -> None:
    cells = documented.stored.cells
    for dataset in ("ferplus", "acme-npz"):
        for detector in ("full-frame", "acme-bright", "centre"):
            here = [c for c in cells if c["axes"]["dataset"] == dataset]
            here = [c for c in here if c["axes"]["detector"] == detector]
            linear = [c for c in here if c["axes"].get("classifier") == "acme-linear"]
            assert [c["status"] for c in linear] == ["ok"] * 4, linear
            assert {c["weights"] for c in linear} == {"unverified"}
            clean, none, attacked, noise = linear
            assert noise["axes"]["attack"] == "noise-l2", "beside an attack of that norm"
            assert clean["images"]["found"] == clean["images"]["n"]
            assert none["confusion"] == clean["confusion"]
            loss = [c["metrics"].get("cross_entropy") for c in (clean, attacked)]
            if dataset == "ferplus":
                assert loss[1]["value"] > loss[0]["value"], "the gradient points uphill"
            landmarks = [c for c in here if "landmarker" in c["axes"]]
            assert [c["reason"]["kind"] for c in landmarks] == ["no landmark truth"]
    assert runner.exit_code(documented.stored) == 0


@pytest.fixture(scope="module")
def watched(documented: Documented) -> StoredRun:
    """A run on the videos of docs/plugins.md."""
    selection = Selection(
        datasets=("acme-clips",),
        detectors=("full-frame",),
        classifiers=("prior",),
        spotters=("acme-flash",),
    )
    prepared = runner.prepare(selection, (), discover(), documented.folder)
    place = documented.folder / "videos"
    return runner.run(prepared, runner.Settings(place / "results", place / "cache", threads=1))


def test_the_spotter_of_the_tutorial_finds_what_its_videos_show(watched: StoredRun) -> None:
    cells = [cell for cell in watched.cells if "spotter" in cell["axes"]]
    found = {cell["axes"]["spotter"]: cell["metrics"]["spot_f1"]["value"] for cell in cells}
    assert found["acme-flash"] == 1
    assert runner.exit_code(watched) == 0


def test_every_field_of_a_run_is_described(documented: Documented, watched: StoredRun) -> None:
    for heading, records in (
        ("### run.json", [documented.stored.run, watched.run]),
        ("### cells.jsonl", [*documented.stored.cells, *watched.cells]),
    ):
        described = set(first_column(section("results.md", heading)))
        written = {field for record in records for field in record}
        elsewhere = {"latency_error", "points", "curve", "baseline", "common"}
        assert described - elsewhere == written
    latency = next(c["latency"] for c in documented.stored.cells if c["latency"])
    text = section("results.md", "### cells.jsonl") + section("results.md", "### latency/")
    assert [name for name in latency if f"`{name}`" not in text] == []


def test_the_columns_of_chunks_and_samples_are_described(documented: Documented) -> None:
    kept = chunks.Chunks(documented.folder / "cache")
    columns = {c for key, _ in kept.sizes() for c in kept.get(key).columns}
    text = section("results.md", "## The cache")
    assert [name for name in columns if f"`{name}`" not in text] == []
    samples = next((documented.folder / "results" / RUN / "latency").glob("*.parquet"))
    import pyarrow.parquet as pq

    text = section("results.md", "### latency/")
    assert [name for name in pq.read_schema(samples).names if f"`{name}`" not in text] == []


def test_the_code_that_reads_results_runs(
    documented: Documented, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(documented.folder)
    names: dict[str, Any] = {}
    code = blocks(read("results.md"), "python")
    assert len(code) == 3
    for block in code:
        exec(compile(block, "docs/results.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "acme-linear" in printed
    assert re.search(r"^[\d.]+ ms$", printed, re.MULTILINE)
    assert "True" in printed

"""How a run is cited: what plugins ask for, and what stands in the BibTeX of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from docs_text import blocks, read

from fxbench import citations, runner
from fxbench.citations import parse
from fxbench.citing import bibliography, together
from fxbench.cli import main
from fxbench.errors import PluginError
from fxbench.registry import discover
from fxbench.selection import Selection
from fxbench.store import RunFolder

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(ROOT.glob("*/*/citations.bib"))

TWO = r"""
@comment{nothing here}
@Article{one2020,
  author = {M{\"u}ller, Ada and {Others, Inc}},
  title  = "An {A, B} and
            a second line",
  year   = 2020,
  fxbench = {classifier acme-*, detector acme}
}
@misc{two, note = {a = b, c},}
"""


def test_bibtex_is_read_with_braces_quotes_and_numbers():
    one, two = parse(TWO)
    assert (one.type, one.key) == ("article", "one2020")
    assert one.fields == {
        "author": r"{M{\"u}ller, Ada and {Others, Inc}}",
        "title": '"An {A, B} and a second line"',
        "year": "2020",
    }
    assert one.components == ("classifier acme-*", "detector acme")
    assert two.fields == {"note": "{a = b, c}"}
    assert parse(one.bibtex()) == (citations.Reference("article", "one2020", one.fields),), (
        "what is written is read again, and says nothing of fxbench"
    )


@pytest.mark.parametrize(
    "text", ["@misc{a, title = {x}", "@misc{a, {x}}", "@misc{a, title = {x", '@misc{a, title = "x}']
)
def test_what_is_not_closed_is_refused_with_its_key(text):
    with pytest.raises(ValueError, match="the entry a"):
        parse(text)


def test_an_entry_is_for_the_components_that_it_names_or_for_all():
    one, two = parse(TWO)
    assert one.is_for("classifier acme-onnx")
    assert one.is_for("detector acme")
    assert not one.is_for("detector acme-onnx")
    assert two.is_for("attack anything")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_what_is_shipped_names_what_exists_and_is_complete(path):
    own = {
        f"{entry.kind.name} {entry.name}"
        for entry in discover().entries
        if entry.plugin.module == path.parent.name
    }
    references = parse(path.read_text(encoding="utf-8"))
    assert references
    for reference in references:
        assert {"author", "title", "year"} <= set(reference.fields), reference.key
        assert re.search(r"\d{4}", reference.key)
        for pattern in reference.components:
            one = citations.Reference("misc", "x", {}, (pattern,))
            assert any(map(one.is_for, own)), f"{reference.key}: {pattern}"


def test_the_same_paper_has_one_entry_everywhere():
    texts = {}
    for path in FILES:
        for reference in parse(path.read_text(encoding="utf-8")):
            texts.setdefault(reference.key, set()).add(reference.bibtex())
    assert len(FILES) >= 15
    assert [key for key, found in texts.items() if len(found) > 1] == []


def test_a_run_cites_what_took_part_and_each_paper_once():
    used = [("dataset", "mini"), ("dataset", "ferplus"), ("classifier", "emopy-onnx")]
    notes = []
    records = citations.gather(discover(), used, notes.append)
    assert notes == []
    by_key = {record["key"]: record for record in records}
    assert set(by_key) == {"barsoum2016ferplus", "goodfellow2013challenges", "emopy2018"}
    assert by_key["barsoum2016ferplus"]["for"] == ["dataset mini", "dataset ferplus"]
    assert by_key["emopy2018"]["for"] == ["classifier emopy-onnx"]


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Writes plugins with one detector each, and what they ask to be cited by."""

    def write(**files):
        for name, text in files.items():
            package = tmp_path / "site" / f"fxbench_{name}"
            package.mkdir(parents=True)
            (package / "__init__.py").write_text(
                "import fxbench\nfrom fxbench.component import Component\n@fxbench.hookimpl\n"
                f"def fxbench_detectors():\n    return [Component('{name}', 'x', dict)]\n"
            )
            (package / "citations.bib").write_text(text)
            info = tmp_path / "site" / f"{name}-1.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            (info / "entry_points.txt").write_text(f"[fxbench]\n{name} = fxbench_{name}\n")
        monkeypatch.syspath_prepend(tmp_path / "site")

    return write


def test_two_papers_with_one_key_are_both_cited(plugins):
    plugins(ours1="@misc{smith2020, title = {One}}", ours2="@misc{smith2020, title = {Two}}")
    used = [("detector", "ours1"), ("detector", "ours2")]
    records = citations.gather(discover(), used, pytest.fail)
    assert [record["key"] for record in records] == ["smith2020", "smith2020-2"]
    assert "@misc{smith2020-2," in records[1]["bibtex"]


def test_a_file_that_cannot_be_read_is_noted_and_stops_nobody(plugins):
    plugins(ours3="@misc{smith2020, title = {One")
    notes = []
    assert citations.gather(discover(), [("detector", "ours3")], notes.append) == []
    assert len(notes) == 1
    assert "the entry smith2020 is not closed" in notes[0]
    with pytest.raises(PluginError, match=r"citations\.bib"):
        citations.of_package("fxbench_ours3")


def record(**changes):
    return {
        "id": "mini-test-1a2b3c4d",
        "status": "finished",
        "created": "2026-11-22T10:00:00+00:00",
        "finished": "2026-11-23T10:00:00+00:00",
        "plan": {"key": "0123456789abcdef"},
        "environment": {"fxbench": "0.1.0"},
        "datasets": {"mini": {"split": "test", "protocol": "quick", "fingerprint": "f" * 64}},
        "images": {"mini test (quick)": {"selected": 288, "unreadable": []}},
        "citations": [{"key": "one2020", "bibtex": "@misc{one2020,\n}", "for": ["dataset mini"]}],
    } | changes


def test_a_run_is_cited_with_what_tells_it_from_others():
    software, run, other = parse(bibliography(record(), "mini-1"))
    assert software.fields["note"] == "{Version 0.1.0}"
    assert run.key == "fxbench:mini-test-1a2b3c4d"
    assert run.fields["howpublished"] == "{suite mini-1, fxbench 0.1.0}"
    assert (run.fields["year"], run.fields["month"]) == ("{2026}", "nov")
    note = "mini test, protocol quick, 288 images, fingerprint ffffffffffff; plan 0123456789ab."
    assert run.fields["note"] == f"{{{note}}}"
    assert other.key == "one2020"


def test_names_in_a_citation_mean_nothing_to_latex():
    text = bibliography(record(id="my_set-a%b"))
    assert r"title = {{fxbench} run my\_set-a\%b}" in text
    assert "@misc{fxbench:my_set-a_b," in text


def test_the_command_prints_bibtex_and_says_what_an_older_run_lacks(tmp_path, capsys):
    folder = RunFolder(tmp_path / "one")
    folder.write_run(record())
    folder.compact([])
    with pytest.raises(SystemExit) as end:
        main(["cite", "--results", str(tmp_path)])
    assert end.value.code == 0
    printed = capsys.readouterr()
    assert printed.out == bibliography(record())
    older = {key: value for key, value in record().items() if key != "citations"}
    folder.write_run(older)
    with pytest.raises(SystemExit):
        main(["cite", "--results", str(tmp_path)])
    printed = capsys.readouterr()
    assert "earlier version" in printed.err
    assert len(parse(printed.out)) == 2


def test_a_run_keeps_what_its_components_ask_for(tmp_path):
    selection = Selection(
        datasets=("mini",),
        detectors=("full-frame",),
        landmarkers=(),
        classifiers=("prior",),
        limit=3,
    )
    how = runner.Settings(tmp_path / "results", tmp_path / "cache", 1, measure_latency=False)
    stored = runner.run(runner.prepare(selection), how)
    kept = json.loads((stored.folder / "run.json").read_text())["citations"]
    assert [entry["key"] for entry in kept] == ["barsoum2016ferplus", "goodfellow2013challenges"]
    assert "fxbench" not in kept[0]["bibtex"]


def test_the_bibtex_of_the_documentation_is_read():
    (plugin,) = blocks(read("plugins.md"), "bibtex")
    (reference,) = parse(plugin)
    assert reference.components == ("classifier acme-*", "detector acme")
    (run,) = blocks(read("reproducing.md"), "bibtex")
    names = list(parse(run)[0].fields)
    assert names == list(parse(bibliography(record(), "mini-1"))[1].fields)


def test_a_merged_run_cites_what_its_runs_do():
    one = {"key": "a", "bibtex": "@misc{a,\n  year = {1},\n}", "for": ["dataset mini"]}
    same = one | {"for": ["dataset mini", "classifier emopy"]}
    other = {"key": "a", "bibtex": "@misc{a,\n  year = {2},\n}", "for": ["detector dlib-hog"]}
    made = together([{"citations": [one]}, {"citations": [same, other]}, {}])
    assert [(record["key"], record["for"]) for record in made] == [
        ("a", ["dataset mini", "classifier emopy"]),
        ("a-2", ["detector dlib-hog"]),
    ]
    assert made[1]["bibtex"].startswith("@misc{a-2,")
    assert one["for"] == ["dataset mini"], "records are left as they were"

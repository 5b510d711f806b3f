"""Tables for papers: what stands in them, and that LaTeX reads it as it is meant."""

from __future__ import annotations

import re

import pytest
from test_leaderboard import a_run, cell

from fxbench.cli import main
from fxbench.latex import escaped, to_latex
from fxbench.leaderboard import render
from fxbench.store import RunFolder
from fxbench.tables import accuracy_table
from fxbench.tabular import FORMATS, Column, Table


def rows_of(text):
    """The cells of each line between the rules."""
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    lines = [line.strip() for line in body.splitlines() if line.strip().endswith(r"\\")]
    return [
        [part.strip() for part in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines
    ]


def test_a_leaderboard_has_the_rules_of_booktabs_and_no_other():
    text = render(a_run(), None, format="latex")
    assert [text.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]
    assert r"\hline" not in text
    assert "|" not in text
    assert r"\caption{Leaderboard: ferplus, valid, majority.}" in text
    assert r"\label{tab:leaderboard}" in text
    header, *rows = rows_of(text)
    columns = re.search(r"\\begin{tabular}{@{}([lr]+)@{}}", text)
    assert {len(row) for row in rows} == {len(header)} == {len(columns[1])}
    assert columns[1].startswith("rll")
    assert header[3] == r"accuracy \% [95 \% CI]"
    first, *_, last = rows
    assert first[:4] == ["1--2", "full-frame", r"deepface$^{\dagger}$", "71.0 [69.0, 73.0]"]
    assert last[0] == "--", "what is missing is a dash"


def test_every_group_and_environment_is_closed():
    text = render(a_run(), None, format="latex")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count("$") % 2 == 0
    begun = re.findall(r"\\begin{([a-z*]+)}", text)
    assert sorted(begun) == sorted(re.findall(r"\\end{([a-z*]+)}", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 % of #1 {x}", r"a\_b \& 5 \% of \#1 \{x\}"),
        (r"C:\new $5 ^ ~", r"C:\textbackslash{}new \$5 \textasciicircum{} \textasciitilde{}"),
        ("a < b | c > d", r"a \textless{} b \textbar{} c \textgreater{} d"),
        ("one\n two", "one two"),
        ("broken → mend", r"broken $\rightarrow$ mend"),
        ("prior‡ § ¶", r"prior$^{\ddagger}$ \textsuperscript{\S} \textsuperscript{\P}"),
    ],
)
def test_no_character_means_anything_to_latex(text, expected):
    assert escaped(text) == expected


TWO = (Column("a", "a"), Column("b", "b"))


def table(*rows, columns=TWO, notes=()):
    return Table("Odd_title", columns, rows, notes)


def test_numbers_have_a_minus_and_names_keep_their_hyphens():
    columns = (Column("a", "a"), Column("b", "b", "number"))
    text = to_latex(table({"a": "emopy-2-int8", "b": -0.25}, columns=columns))
    assert rows_of(text)[1] == ["emopy-2-int8", "$-$0.250"]


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_line_break():
    text = to_latex(table({"a": "x", "b": "y"}, {"a": "[x]", "b": "y"}))
    assert "    {}[x] & y" in text


def test_what_notes_quote_is_set_as_code_with_both_hyphens():
    note = "See `fxbench tables --table robust` first, `a_b`."
    text = to_latex(table({"a": "x", "b": "y"}, notes=(note, "one ` alone")))
    quoted = r"\texttt{fxbench tables -{}-table robust} first, \texttt{a\_b}."
    assert f"See {quoted}\\par" in text
    assert r"one ` alone\par" in text


def test_families_stand_apart_and_a_narrow_table_fits_one_column():
    first, second = {"a": "x", "dataset": "ferplus"}, {"a": "y", "dataset": "mini"}
    columns = (Column("a", "a"),)
    assert to_latex(table(first, second, columns=columns)).count(r"\addlinespace") == 1
    narrow = to_latex(table(first, first, columns=columns))
    assert r"\addlinespace" not in narrow
    assert r"\begin{table}[tbp]" in narrow
    assert r"\small" in narrow
    wide = to_latex(table({"a": "x" * 120}, columns=columns))
    assert r"\begin{table*}[tbp]" in wide
    assert r"\scriptsize" in wide


def test_a_column_without_any_value_is_left_out():
    rows = ({"a": "x", "b": None}, {"a": "y", "b": None})
    assert rows_of(to_latex(table(*rows))) == [["a"], ["x"], ["y"]]
    assert rows_of(to_latex(table())) == [["a", "b"]]


def test_no_format_of_a_column_leaves_a_character_that_latex_reads():
    row = {"a": 0.123, "a_low": 0.1, "a_high": 0.2, "a_n": 1234, "n": 5, "unit": "fraction"}
    row |= {"rank_high": 2, "queries_budget": 9, "fp": 1, "fn": 2, "reason_kind": None}
    for name in set(FORMATS) - {"found", "hits", "count"}:
        (_, (text,)) = rows_of(to_latex(Table("t", (Column("a", "a", name),), (row,))))
        assert not re.search(r"(?<!\\)[%#&]", text), name


def test_the_commands_print_it(tmp_path, capsys):
    folder = RunFolder(tmp_path / "results" / "one")
    folder.write_run({"id": "one", "status": "finished", "plan": {}, "images": {}})
    cells = [cell("emopy", 0.6, rank=(1, 1))]
    folder.compact([c | {"asked": True, "chunks": {}} for c in cells])
    for command in (["leaderboard"], ["tables", "--table", "accuracy"]):
        with pytest.raises(SystemExit) as end:
            main([*command, "--format", "latex", "--results", str(tmp_path / "results")])
        assert end.value.code == 0
        printed = capsys.readouterr().out
        assert printed.startswith("% \\usepackage{booktabs}\n")
        assert "emopy" in printed
    assert to_latex(accuracy_table(cells)) in printed

"""What all pages share: they hold what they show, and let nothing in that is not theirs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import re
from html import unescape

import cv2
import numpy as np
import pytest

from fxbench.errors import UnavailableError, UsageError
from fxbench.pages import page
from fxbench.pages.figures import COLOURS, EMOTION_COLOURS, Choice, chooser, figure
from fxbench.pages.pictures import data_uri, picture
from fxbench.pages.tables import folded, prose, table
from fxbench.pareto import front
from fxbench.report.section import Section
from fxbench.tabular import Column, Table

pytest.importorskip("jinja2", reason="needs the extra report")
pytest.importorskip("plotly", reason="needs the extra report")

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def rows(count=9):
    columns = (
        Column("name", "name"),
        Column("kind", "kind"),
        Column("accuracy", "accuracy %", "interval"),
        Column("p50", "p50 ms", "time"),
        Column("empty", "never"),
    )
    made = tuple(
        {
            "name": f"row-{number}",
            "kind": "ab"[number % 2],
            "accuracy": number / 10,
            "accuracy_low": number / 20,
            "accuracy_high": min(1, number / 5),
            "p50": None if number == 2 else 1234.5678 * number,
        }
        for number in range(count)
    )
    return Table("Numbers", columns, made, ("See `fxbench tables`.",))


def report(*parts, **more):
    given = {"name": "a run", "suite": None, "tiles": [], "warnings": []}
    sections = [Section("one", "One", tuple(parts))]
    return page.render("report.html", **(given | {"sections": sections} | more))


def scripts(html):
    """The scripts of a page that a browser would run."""
    return re.findall(r"<script>(.*?)</script>", html, re.DOTALL)


def test_what_is_shown_is_escaped():
    html = report(name=EVIL, tiles=[(EVIL, EVIL)], warnings=[EVIL])
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5


def test_only_the_scripts_that_the_page_names_may_run():
    html = report(figure({"data": []}, title="t", alt="a"))
    (policy,) = map(unescape, re.findall(r'Content-Security-Policy" content="([^"]*)"', html))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    for forbidden in ("unsafe-eval", "http", "*", "connect-src", "script-src 'unsafe"):
        assert forbidden not in policy
    (own,) = scripts(html)
    packed = re.search(r'id="plotly">([^<]*)</script>', html)[1]
    for text in (own, gzip.decompress(base64.b64decode(packed)).decode()):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_page_loads_nothing():
    html = report(figure({"data": []}, title="t", alt="a"), table(rows()))
    named = re.findall(r'(?:src|href|action|data)\s*=\s*"([^"]*)"', html)
    assert [link for link in named if not link.startswith(("#", "data:"))] == []
    assert "@import" not in html
    assert "url(" not in html


def test_plotly_is_there_only_for_a_figure():
    without = report(table(rows()))
    assert 'id="plotly"' not in without
    assert len(without) < 100_000


def test_a_template_that_lacks_something_is_no_page():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="sections"):
        page.render("report.html", name="x", suite=None, tiles=[], warnings=[])


def test_without_the_extra_a_message_says_what_mends_it(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jinja2" else found(name)
    )
    with pytest.raises(UnavailableError, match=r"needs Jinja2: pip install 'fxbench\[report\]'"):
        page.require()


def drawn(markup):
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', str(markup), re.DOTALL)
    return json.loads(text)


def test_a_figure_holds_plain_numbers():
    data = [
        {
            "x": np.array([1, 2]),
            "y": np.array([0.123456789, np.nan]),
            "hovertemplate": "%{y}<extra></extra>",
            "name": "<b>&",
            "line": {"color": COLOURS[0]},
        }
    ]
    made = figure({"data": data, "layout": {"height": np.inf}}, title="t", alt='it "rises"')
    (one,) = drawn(made)
    assert one["alt"] == 'it "rises"'
    assert one["layout"] == {"height": None}
    (trace,) = one["data"]
    assert trace["x"] == [1, 2]
    assert trace["y"] == [0.12346, None]
    assert trace["hovertemplate"] == "%{y}<extra></extra>"
    assert trace["name"] == "&lt;b>&amp;", "Plotly would take it for HTML"
    assert 'role="img" aria-label="it &#34;rises&#34;"' in made
    assert "<select" not in made


def test_no_text_ends_the_script_of_a_figure():
    made = figure({"data": [{"x": ["</script><script>alert(1)"]}]}, title=EVIL, alt=EVIL)
    assert "<script>alert" not in made
    assert drawn(made)[0]["data"][0]["x"] == ["&lt;/script>&lt;script>alert(1)"]


def test_figures_that_share_a_place_are_chosen_from_a_list():
    made = chooser(
        [Choice("a <b>", {"data": []}, "one"), Choice("c", {"data": []}, "two")], title="t"
    )
    assert '<option value="0">a &lt;b&gt;</option><option value="1">c</option>' in made
    assert [one["alt"] for one in drawn(made)] == ["one", "two"]


def test_a_plotly_figure_can_be_given():
    graph = pytest.importorskip("plotly.graph_objects")
    made = figure(graph.Figure(graph.Scatter(x=[1], y=[2])), title="t", alt="a")
    assert drawn(made)[0]["data"][0]["type"] == "scatter"


def test_every_colour_that_a_figure_may_name_is_there_in_both_themes():
    css = str(page._static("page.css"))
    light, dark = css.split(':root[data-theme="dark"]', 1)
    dark = dark.split("}", 1)[0]
    for name in (*COLOURS, *EMOTION_COLOURS.values(), "var(--text)", "var(--muted)"):
        declared = f"{name[4:-1]}: #"
        assert declared in light
        assert declared in dark


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """WCAG 2.2, success criterion 1.4.3."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_can_be_told_from_the_background(theme):
    css = str(page._static("page.css"))
    block = css.split(':root[data-theme="dark"]')[theme == "dark"].partition("}")[0]
    found = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
    for ground in ("bg", "panel"):
        for name in ("text", "muted", "link", "good", "bad"):
            assert contrast(found[name], found[ground]) >= 4.5, (name, ground)
    for name, colour in found.items():
        if re.match(r"c\d|emotion-|focus", name):
            assert contrast(colour, found["bg"]) >= 3, name
    for end in ("low", "high"):
        assert contrast(found["text"], found[end]) >= 4.5, "numbers in a heat map"


def test_both_ways_to_the_dark_theme_have_the_same_colours():
    css = str(page._static("page.css"))
    by_switch = css.partition(':root[data-theme="dark"] {')[2].partition("}")[0]
    by_system = css.partition(":root:not([data-theme]) {")[2].partition("}")[0]
    assert "--text" in by_switch
    assert by_switch.split() == by_system.split()


def test_a_table_is_sorted_by_its_numbers():
    made = str(table(rows()))
    assert 'data-v="0.8">80.0 [40.0, 100.0]</td>' in made
    assert 'data-v="4938.27">4938.3</td>' in made
    assert "never" not in made, "a column without a value is left out"
    assert made.count('<button type="button">') == 4
    assert '<th scope="row" class="s">row-0</th>' in made
    assert "<li>See <code>fxbench tables</code>.</li>" in made


def test_a_table_is_filtered_by_words_and_lists():
    made = str(table(rows(9)))
    assert '<select data-column="1"><option value="">all</option>' in made
    assert "<option>a</option><option>b</option>" in made
    assert 'class="filters"' not in str(table(rows(7)))
    assert 'class="filters"' not in str(table(rows(9), sorts=False))
    assert "<button" not in str(table(rows(1)))


def test_names_in_a_table_are_escaped():
    made = str(table(Table(EVIL, (Column("a", EVIL),), ({"a": EVIL}, {"a": "x"}), (EVIL,))))
    assert "<script>" not in made
    assert "<img" not in made
    assert made.count("&lt;script&gt;") == 5
    assert "<summary>&lt;b&gt;</summary>" in folded(rows(2), "<b>")


def test_a_lone_backtick_is_no_code():
    assert prose("a ` b") == "a ` b"
    assert prose("`<b>` x") == "<code>&lt;b&gt;</code> x"


def test_a_picture_is_part_of_the_page():
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = (250, 20, 20)
    made = picture(image, alt='a "face"', width=80, kind="png")
    assert 'width="80" height="40"' in made
    assert 'alt="a &#34;face&#34;"' in made
    coded = re.search(r"base64,([^\"]*)", str(made))[1]
    back = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(back[..., ::-1], image)


def test_a_picture_that_is_too_large_is_refused():
    with pytest.raises(UsageError, match="20000 x 2 pixels can't be written as webp"):
        data_uri(np.zeros((2, 20_000, 3), np.uint8))


def test_the_front_is_what_nothing_is_better_than():
    assert front([(2, 0.5), (1, 0.5), (3, 0.9), (4, 0.8), (5, 0.95)]) == [1, 2, 4]
    assert front([(1, 0.5), (1, 0.7), (1, 0.7)]) == [1]
    assert front([]) == []

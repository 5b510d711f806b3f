"""Pages in a browser: sorting, filtering, drawing, both themes, a phone, the keyboard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_pages import EVIL, report, rows

from fxbench.pages.figures import COLOURS, Choice, chooser, figure
from fxbench.pages.tables import table

pytestmark = pytest.mark.heavy

LINE = {
    "data": [{"type": "scatter", "x": [0, 1], "y": [1, 2], "line": {"color": COLOURS[0]}}],
    "layout": {},
}
HEAT = {
    "data": [{"type": "heatmap", "z": np.eye(3), "colorscale": "sequential"}],
    "layout": {},
}


@pytest.fixture
def opened(browser: Any, tmp_path: Any) -> Any:
    """Opens HTML in a page that collects what goes wrong and what is asked of a network."""
    contexts = []

    def open_(html: str, **more: Any) -> Any:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 700}, **more})
        contexts.append(context)
        shown = context.new_page()
        shown.wrong = []
        shown.on("console", lambda message: shown.wrong.append(message.text))
        shown.on("pageerror", lambda error: shown.wrong.append(str(error)))
        shown.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:", "blob:"))
                or shown.wrong.append(request.url)
            ),
        )
        shown.goto(path.as_uri())
        return shown

    yield open_
    for context in contexts:
        context.close()


def column(shown, number):
    cells = shown.locator(f"tbody tr:not([hidden]) > :nth-child({number})")
    return cells.all_text_contents()


def test_a_table_sorts_and_filters(opened):
    shown = opened(report(table(rows(12))))
    times = shown.get_by_role("button", name="p50 ms")
    times.focus()
    shown.keyboard.press("Enter")
    assert shown.locator("thead th").nth(3).get_attribute("aria-sort") == "ascending"
    assert column(shown, 1)[:4] == ["row-0", "row-1", "row-3", "row-4"]
    assert column(shown, 4)[-1] == "-", "what is missing stands last"
    times.click()
    assert column(shown, 1)[0] == "row-11"
    assert column(shown, 4)[-1] == "-"
    shown.get_by_role("button", name="accuracy").click()
    assert column(shown, 1)[0] == "row-11", "of accuracy the largest is looked for first"
    shown.get_by_label("Filter").fill("row-1")
    assert sorted(column(shown, 1)) == ["row-1", "row-10", "row-11"]
    shown.get_by_label("kind").select_option("b")
    assert sorted(column(shown, 1)) == ["row-1", "row-11"]
    assert shown.get_by_role("status").text_content() == "2 of 12 rows"
    assert shown.wrong == []


def test_a_figure_is_drawn_when_it_comes_into_view(opened):
    shown = opened(
        report(
            table(rows(40)),
            table(rows(40)),
            chooser([Choice("line", LINE, "rises"), Choice("map", HEAT, "diagonal")], title="t"),
        )
    )
    shown.wait_for_timeout(300)
    assert shown.locator("svg.main-svg").count() == 0
    plot = shown.get_by_role("img", name="rises")
    assert plot.text_content() == "rises", "the words stand there until it is drawn"
    shown.locator("figure.chart").scroll_into_view_if_needed()
    shown.wait_for_selector(".plot .scatterlayer .trace")
    shown.get_by_label("Show").select_option("map")
    shown.wait_for_selector(".plot .heatmaplayer .hm")
    assert shown.get_by_role("img", name="diagonal").count() == 1
    assert shown.locator(".plot .scatterlayer .trace").count() == 0
    assert shown.wrong == []


def test_the_switch_changes_the_colours_of_page_and_figures(opened):
    shown = opened(report(figure(LINE, title="t", alt="a")), color_scheme="dark")
    shown.wait_for_selector(".plot .scatterlayer .js-line")

    def colours():
        return shown.evaluate(
            """[getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector('.plot .js-line')).stroke]"""
        )

    assert colours() == ["rgb(20, 23, 27)", "rgb(92, 179, 236)"]
    shown.get_by_role("button", name="Light colours").click()
    assert colours() == ["rgb(255, 255, 255)", "rgb(0, 114, 178)"]
    shown.reload()
    shown.wait_for_selector(".plot .scatterlayer .js-line")
    assert shown.get_by_role("button", name="Dark colours").is_visible()


def test_what_is_printed_is_light_and_has_its_figures(opened):
    tall = {"data": LINE["data"], "layout": {"title": {"text": "far below"}}}
    html = report(*[table(rows(40))] * 3, figure(tall, title="t", alt="a"))
    shown = opened(html, color_scheme="dark")
    shown.wait_for_timeout(500)
    assert shown.locator("svg.main-svg").count() == 0
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.locator(".plot .scatterlayer .trace").count() == 1
    assert shown.evaluate("document.documentElement.dataset.theme") == "light"
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.evaluate("document.documentElement.dataset.theme") is None


def test_a_phone_shows_it_without_scrolling_sideways(opened):
    html = report(table(rows(9)), figure(LINE, title="t" * 80, alt="a"), warnings=["w" * 300])
    shown = opened(html, viewport={"width": 390, "height": 844}, has_touch=True)
    shown.wait_for_selector("svg.main-svg")
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    assert shown.wrong == []


def test_the_first_key_leads_to_the_content(opened):
    shown = opened(report(table(rows(9))))
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the content"
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "main"


def test_an_injected_script_does_not_run(opened):
    # As if escaping had been forgotten somewhere: the policy is the second wall.
    html = report(name="x").replace(
        "<h1>x</h1>", "<script>document.title='run'</script><img src=x>"
    )
    shown = opened(html)
    assert shown.title() != "run"
    assert any("Content Security Policy" in text for text in shown.wrong)


def test_names_that_look_like_html_are_text_in_a_figure(opened):
    data = [
        {"type": "scatter", "x": [0, 1], "y": [1, 2], "name": EVIL},
        {"type": "scatter", "x": [0, 1], "y": [1, 2], "name": "<a href='http://x.org'>x</a>"},
    ]
    shown = opened(report(figure({"data": data}, title="t", alt="a")))
    shown.wait_for_selector(".plot .legendtext")
    told = shown.locator(".plot .legendtext").all_text_contents()
    assert told == [EVIL, "<a href='http://x.org'>x</a>"]
    assert shown.locator(".plot a").count() == 0
    assert shown.wrong == []

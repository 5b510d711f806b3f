"""Charts in a page, drawn by Plotly once they scroll into view, in the colours of the theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from markupsafe import Markup

COLOURS = tuple(f"var(--c{number})" for number in range(1, 9))
"""Eight colours that can be told apart on both themes. A figure may name any custom property of
`page.css` as a colour, such as `var(--muted)`: it is looked up when the figure is drawn."""
EMOTION_COLOURS = {name: f"var(--emotion-{name})" for name in EMOTIONS}
"""The colour of each emotion."""
SEQUENTIAL = "sequential"
"""As a `colorscale`: from the page's background to a strong colour."""
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Besides the colours, for who can't tell these apart."""
_DIGITS = 5
_TEMPLATES = ("hovertemplate", "texttemplate")
"""Texts that the code writes: they name the numbers that they show, and may hold `<br>`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several figures that share a place.

    Attributes:
        label: what it is called in the list.
        figure: its data and layout.
        alt: what it shows, in words.
    """

    label: str
    figure: Any
    alt: str


def figure(
    data: Any, *, title: str, alt: str, height: int = 420, below: Markup | str = ""
) -> Markup:
    """A chart with its heading and a text for who can't see it.

    Args:
        data: a mapping with `data` and `layout` as Plotly has them, or a Plotly figure. Arrays may
            be NumPy's; NaN is a gap.
        title: above it.
        alt: what it shows, in words.
        height: in CSS pixels.
        below: a table of the same numbers, if it is short; see :func:`fxbench.pages.tables.folded`.
    """
    return chooser((Choice(title, data, alt),), title=title, height=height, below=below)


def chooser(
    choices: Sequence[Choice],
    *,
    title: str,
    what: str = "Show",
    height: int = 420,
    below: Markup | str = "",
) -> Markup:
    """Several charts in one place: the reader chooses, the first is shown.

    Args:
        choices: one at least.
        title: above it.
        what: the label of the list.
        height: in CSS pixels.
        below: what stands below.
    """
    from jinja2.utils import htmlsafe_json_dumps
    from markupsafe import Markup

    drawn = [{"alt": choice.alt} | _plain(_of(choice.figure)) for choice in choices]
    options = Markup("").join(
        Markup('<option value="{}">{}</option>').format(number, choice.label)
        for number, choice in enumerate(choices)
    )
    chosen = Markup('<label class="choose">{} <select>{}</select></label>').format(what, options)
    return Markup(
        '<figure class="chart" data-plotly><figcaption>{title}</figcaption>{chosen}'
        '<div class="plot" role="img" aria-label="{alt}" style="height:{height}px">'
        '<p class="alt">{alt}</p></div>'
        '<script type="application/json">{json}</script>{below}</figure>'
    ).format(
        title=title,
        chosen=chosen if len(choices) > 1 else "",
        alt=choices[0].alt,
        height=int(height),
        json=htmlsafe_json_dumps(drawn, separators=(",", ":"), allow_nan=False),
        below=below,
    )


def _of(given: Any) -> Mapping[str, Any]:
    made: Mapping[str, Any] = given.to_plotly_json() if hasattr(given, "to_plotly_json") else given
    return {"data": made["data"], "layout": made.get("layout") or {}}


def _plain(value: Any, key: str = "") -> Any:
    """As JSON holds it: lists for arrays, null for what is no number, five digits of a fraction.

    Plotly reads some HTML in texts, links too. A name of data must make none, so that only
    templates are left as they are.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(each, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, key) for each in value]
    if isinstance(value, str):
        return value if key in _TEMPLATES else value.replace("&", "&amp;").replace("<", "&lt;")
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value

"""A table as a picture of a terminal: SVG, with text that can be copied, and nothing to load."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from fxbench.tabular import to_rich

if TYPE_CHECKING:
    from fxbench.tabular import Table

WIDTH = 132
"""Characters in a line."""

# rich's own frame, less its buttons and the fonts that it would fetch from a network.
_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="8" fill="#1b1f24"/>
<g transform="translate({terminal_x}, 12)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def to_svg(table: Table) -> str:
    """The table, its title and notes, as a terminal of :data:`WIDTH` characters shows them."""
    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI

    # Told nothing of where this runs: the same table is the same picture everywhere.
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    console.print(to_rich(table, WIDTH))
    return console.export_svg(theme=DIMMED_MONOKAI, code_format=_FRAME, unique_id="fxbench")

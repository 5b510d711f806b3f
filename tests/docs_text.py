"""Takes the pages of docs/ apart for tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def read(page: str) -> str:
    """The text of a page of docs/."""
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading.partition(" ")[0])
    lines: list[str] = []
    inside = code = False
    for line in read(page).splitlines():
        code ^= line.startswith("```")
        mark = re.match(r"(#+) ", line)
        if mark and not code:  # in code, it begins a comment
            if inside and len(mark[1]) <= level:
                break
            inside = inside or line == heading
            if line == heading:
                continue
        if inside:
            lines.append(line)
    assert inside, f"{page} has no heading {heading!r}"
    return "\n".join([*lines, ""])


def first_column(text: str) -> list[str]:
    """Everything in backticks in the first column of a section's tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    """A text without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

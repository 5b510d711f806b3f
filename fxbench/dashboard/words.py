"""Texts of the pages: what comes from files and components is shown as it is, never as Markdown."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from fxbench.errors import FxbenchError
from fxbench.loader import one_line
from fxbench.tabular import clean

_log = logging.getLogger("fxbench")
_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")

NOT_FEELINGS = (
    "A label says how a classifier reads a facial expression. It does not say what a person feels: "
    "people show expressions that don't fit what they feel, and even annotators disagree."
)


def plain(text: str) -> str:
    """A text in which nothing is Markdown: no link, no picture, no formula, no HTML.

    A file may be called `![](https://example.org/x.png)`, and a page that showed that as Markdown
    would fetch it.
    """
    return _SPECIAL.sub(r"\\\1", clean(text))


@contextmanager
def told() -> Iterator[None]:
    """Show an error of what stands within as one sentence on the page."""
    try:
        yield
    except FxbenchError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        _log.exception("A page of the dashboard failed")
        st.error(
            f"fxbench failed unexpectedly ({plain(one_line(error))}). Started as `fxbench --debug "
            "dashboard` it shows where in its terminal. Please report it.",
            icon=":material/bug_report:",
        )


def not_feelings() -> None:
    """Say what facial expression recognition can't tell."""
    st.caption(f":material/info: {NOT_FEELINGS}")

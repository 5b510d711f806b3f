"""The script that Streamlit runs, for each browser and after each click: it leads to the pages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import streamlit as st

from fxbench import __version__
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import told

# Streamlit puts the script's folder first, where `attack` or `live` would hide other packages.
sys.path[:] = [place for place in sys.path if Path(place) != Path(__file__).parent]

PAGES = (
    ("compare", "Compare", ":material/leaderboard:"),
    ("analyse", "Analyse", ":material/face:"),
    ("attack", "Attack", ":material/blur_on:"),
    ("live", "Live", ":material/videocam:"),
)

_STYLE = ".stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 3rem; }"
# White on the light blue of the dark theme can hardly be read.
_DARK = "[data-testid=stMultiSelect] [aria-label='Selected values'] * { color: #14171b; }"


def _shown(module: str) -> Callable[[], None]:
    def page() -> None:
        with told():
            import_module(f"fxbench.dashboard.{module}").page(Setup.read())

    return page


# An icon by its name would be fetched from another machine.
_icon = str(Path(__file__).with_name("icon.png"))
st.set_page_config(page_title="fxbench", page_icon=_icon, layout="wide")
st.html(f"<style>{_STYLE}{_DARK if st.context.theme.type == 'dark' else ''}</style>")
_pages = [
    st.Page(_shown(name), title=title, icon=icon, url_path=name, default=name == "compare")
    for name, title, icon in PAGES
]
_chosen = st.navigation(_pages)
with st.sidebar:
    st.caption(f"fxbench {__version__}. Everything runs on this machine; nothing is kept.")
_chosen.run()

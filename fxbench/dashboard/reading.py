"""Runs as the pages read them: each once, and again when it has changed on disk."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from fxbench import answers, store
from fxbench.sides import Side, side_of_run
from fxbench.store import StoredRun

_KEPT = 8


def loaded(folder: Path) -> StoredRun:
    """A run as it lies on disk now.

    Raises:
        FxbenchError: see :func:`fxbench.store.load`.
    """
    files = (folder / "run.json", folder / "cells.jsonl", folder / "cells")
    return _loaded(folder, tuple(p.stat().st_mtime_ns if p.exists() else 0 for p in files))


@st.cache_resource(max_entries=_KEPT, show_spinner="Reading the run")
def _loaded(folder: Path, stamp: tuple[int, ...]) -> StoredRun:  # noqa: ARG001 - the key
    return store.load(folder)


def side(stored: StoredRun) -> Side:
    """A run with what it answered to each image.

    Raises:
        SchemaError: a file is damaged, or of a newer version.
    """
    return _side(stored.folder, str(stored.run.get("finished")), stored)


@st.cache_resource(max_entries=_KEPT, show_spinner="Reading the answers to each image")
def _side(folder: Path, finished: str, _stored: StoredRun) -> Side:  # noqa: ARG001 - the key
    return side_of_run(_stored, answers.read(folder))

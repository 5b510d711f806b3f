"""Fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make_ferplus import make_ferplus

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """A folder with FER+, photos, clips and weights; the test skips where it is missing."""
    folder = Path(os.environ.get("FXBENCH_TEST_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the test data in {folder} (FXBENCH_TEST_DATA names another folder)")
    return folder


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what belongs to the person who runs it."""
    for name in list(os.environ):
        if name.startswith("FXBENCH_") and name != "FXBENCH_TEST_DATA":
            monkeypatch.delenv(name)
    # How wide a terminal is: the libraries of some tests set it for good.
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FXBENCH_CONFIG", str(tmp_path / "config"))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # A command fixes threads through the environment, for good: undone after the test.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "1")
    # DeepFace makes a folder in its home when it is imported.
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path / "deepface"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, as a `playwright.sync_api.Browser`; the test skips where it is missing.

    Its camera and its microphone are made up, and nobody is asked whether they may be used. It goes
    with its module: while it is there, nothing else in this process can start an event loop.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    # Root has no sandbox there, and a container little shared memory.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", *fake]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin of tests/toy is installed."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "toy")


@pytest.fixture
def ferplus(tmp_path: Path) -> Path:
    """A tiny FER+ tree of the authors' layout: 17 valid images count under `majority`."""
    return make_ferplus(tmp_path / "ferplus")

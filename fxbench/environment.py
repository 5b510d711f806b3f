"""What a run ran on: recorded with every result, and threads that are fixed beforehand."""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import platformdirs

from fxbench import __version__

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def cache_folder() -> Path:
    """`FXBENCH_CACHE`, else the user's cache folder."""
    folder = os.environ.get("FXBENCH_CACHE")
    return Path(folder).expanduser() if folder else platformdirs.user_cache_path("fxbench")


def config_folder() -> Path:
    """`FXBENCH_CONFIG`, else the user's folder for settings: what a person has accepted."""
    folder = os.environ.get("FXBENCH_CONFIG")
    return Path(folder).expanduser() if folder else platformdirs.user_config_path("fxbench")


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """What OMP_NUM_THREADS says, else one for each core that this process may use."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() and int(text) else available_cores()


def fix_threads(threads: int) -> None:
    """Set how many threads numerical libraries use. Has its full effect before they are imported.

    TensorFlow, OpenMP and BLAS read it from the environment when they load; OpenCV is told.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


def thread_counts() -> dict[str, int]:
    """How many threads each numerical library that is loaded uses.

    OpenCV is asked, and so is BLAS where `threadpoolctl` is installed; of TensorFlow and ONNX
    Runtime it is what they were told.
    """
    counts: dict[str, int] = {}
    if "cv2" in sys.modules:
        counts["opencv"] = int(sys.modules["cv2"].getNumThreads())
    if "numpy" in sys.modules:
        counts["blas"] = _blas_threads()
    told = {"tensorflow": "TF_NUM_INTRAOP_THREADS", "onnxruntime": "OMP_NUM_THREADS"}
    for module, variable in told.items():
        if module in sys.modules and os.environ.get(variable, "").isdigit():
            counts[module] = int(os.environ[variable])
    return counts


def _blas_threads() -> int:
    try:
        pools = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return default_threads()
    found = [int(pool["num_threads"]) for pool in pools if pool["user_api"] == "blas"]
    return max(found, default=default_threads())


def capture(threads: int) -> dict[str, Any]:
    """A JSON-like record: processor, memory, threads, platform, packages, git revision."""
    return {
        "fxbench": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": available_cores(),
        "memory_bytes": _memory(),
        "threads": threads,
        "git": _git(),
        "packages": packages(),
    }


@cache
def packages() -> dict[str, str]:
    """Every installed distribution with its version, by name."""
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


@cache
def _git() -> dict[str, Any] | None:
    """The revision of the repository that the command was given in, if it is one."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    revision = git("rev-parse", "HEAD")
    if revision is None:
        return None
    changes = git("status", "--porcelain")
    return {"revision": revision, "modified": None if changes is None else bool(changes)}

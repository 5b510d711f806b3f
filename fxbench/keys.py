"""Hashes of what determines a result, so that results are shared and none is ever stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fxbench.options import Options, plain
from fxbench.registry import Entry
from fxbench.types import Int64

SCHEMA = 1
"""Of keys and chunks: to be raised when their meaning changes."""

_CORE_MODULES = (
    "adversary",
    "align",
    "annotated",
    "attacked",
    "attackwork",
    "batching",
    "between",
    "budget",
    "chunkwork",
    "clips",
    "cloud/analyzer",
    "cloud/fitting",
    "containers",
    "division",
    "enlarge",
    "faces",
    "facework",
    "images",
    "keras_network",
    "kept_points",
    "labels",
    "model_file",
    "onnx_network",
    "outputs",
    "pictures",
    "pipeline",
    "scenes",
    "schemes",
    "spotting",
    "standard_face",
    "tracking",
    "trained",
    "transfer",
    "types",
    "video",
    "video_dataset",
    "views",
    "watching",
)
"""The modules of the core that a stage's result depends on."""

_SCORING_MODULES = (
    "answers",
    "collect",
    "labels",
    "latency",
    "reference_units",
    "reference_work",
    "sampling",
    "scores",
    "scores_video",
    "scoring",
    "scoring_clips",
    "scoring_detection",
    "scoring_landmarks",
    "scoring_probabilities",
    "scoring_robustness",
    "scoring_spotting",
    "timed_apart",
    "timing_process",
    "timing_work",
    "timings",
)
"""Those that a table's numbers depend on besides, with all of `metrics`."""


def digest(record: Any) -> str:
    """A hash of 32 hexadecimal digits of a JSON-like record, whatever the order of its keys."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def rows_digest(rows: Int64) -> str:
    """A hash of row numbers or labels."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:32]


@cache
def core_digest() -> str:
    """A hash of what the core itself does to images, and with what."""
    folder = Path(__file__).parent
    sources = [(folder / f"{name}.py").read_bytes() for name in _CORE_MODULES]
    return digest(
        {
            "schema": SCHEMA,
            "sources": [hashlib.sha256(source).hexdigest() for source in sources],
            "versions": module_versions(("numpy", "cv2")),
        }
    )


def component_digest(
    entry: Entry, options: Options, weights: Mapping[str, Mapping[str, str]]
) -> str:
    """A hash of a component: its package's sources, what it requires, its weights and options.

    Args:
        entry: the component.
        options: only those that affect results enter.
        weights: as :func:`fxbench.weights.check` returns them.
    """
    component = entry.component
    values = options.of(component)
    return digest(
        {
            "kind": entry.kind.name,
            "name": component.name,
            "sources": sources_digest(entry.plugin.module),
            "versions": module_versions(component.requires),
            "weights": {name: record["sha256"] for name, record in weights.items()},
            "where": component.where() if component.where is not None else None,
            "options": {
                option.name: plain(values[option.name])
                for option in component.options
                if option.affects_results
            },
        }
    )


@cache
def scoring_digest() -> str:
    """A hash of what turns stored outputs into the numbers of a table."""
    folder = Path(__file__).parent
    paths = [folder / f"{name}.py" for name in _SCORING_MODULES]
    paths += sorted((folder / "metrics").glob("*.py"))
    return digest(
        {
            "sources": [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
            "versions": module_versions(("scipy",)),
        }
    )


@cache
def sources_digest(module: str) -> str:
    """A hash of all Python files of the package (or of the one module) that a plugin is.

    A module of fxbench itself is hashed alone: what results depend on else is in `core_digest`.
    """
    parts = module.split(".")
    spec = find_spec(module if parts[0] == "fxbench" else parts[0])
    depth = 1
    # A namespace package has no file of its own: what counts is the first package inside it.
    while spec is not None and spec.origin is None and depth < len(parts):
        depth += 1
        spec = find_spec(".".join(parts[:depth]))
    if spec is None or spec.origin is None:
        return digest(module)
    if not spec.submodule_search_locations:
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:32]
    root = Path(next(iter(spec.submodule_search_locations)))
    return digest(
        [
            (path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(root.rglob("*.py"))
        ]
    )


def module_versions(modules: tuple[str, ...]) -> dict[str, str]:
    """The versions of the distributions that provide these modules.

    A name with dots is of a package within a namespace that several distributions share.
    """
    versions = {}
    for module in modules:
        for distribution in sorted(_distributions().get(module, ())):
            try:
                versions[distribution] = version(distribution)
            except PackageNotFoundError:
                continue
    return versions


@cache
def _distributions() -> Mapping[str, set[str]]:
    """The distributions that provide each top-level module and each package.

    By the files that they hold: what they declare leaves out packages such as dlib-bin's.
    """
    found: dict[str, set[str]] = {}
    for distribution in distributions():
        for file in distribution.files or ():
            parts = file.parts
            if parts[-1] == "__init__.py":
                module = ".".join(parts[:-1])
            elif len(parts) == 1 and file.suffix in (".py", ".so", ".pyd"):
                module = parts[0].partition(".")[0]
            else:
                continue
            found.setdefault(module, set()).add(distribution.metadata["Name"])
    return found

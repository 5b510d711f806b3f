"""The house keeps its rules: rooms, doors, and who may know whom."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [*(ROOT / "plugins").glob("*/"), *(ROOT / "datasets").glob("*/")]
PRODUCT = [
    path
    for folder in ("fxbench", "plugins", "datasets")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
READERS = (
    "cell_lines",
    "store",
    "tables",
    "tables_calibration",
    "tables_corruption",
    "tables_emotions",
    "tables_faces",
    "tables_latency",
    "tables_robustness",
    "tables_video",
    "interval_table",
    "latex",
    "svg",
    "citing",
    "reproduce",
    "matrix",
    "service_table",
    "table_block",
    "tabular",
    "leaderboard",
    "reference_lines",
)
MAY_KNOW = {
    "cell_lines": {"errors"},
    "store": {"cell_lines", "errors", "files"},
    "tables": {"reference_lines", "tabular"},
    "tables_calibration": {"tables", "tabular"},
    "tables_corruption": {"metrics", "tables", "tabular"},
    "tables_emotions": {"labels", "tables", "tabular"},
    "tables_faces": {"tables", "tabular"},
    "tables_latency": {"tables", "tabular"},
    "tables_robustness": {"tables", "tabular"},
    "tables_video": {"tables", "tables_latency", "tabular"},
    "interval_table": {"tables", "tabular"},
    "latex": {"tabular"},
    "svg": {"tabular"},
    "citing": {"latex"},
    "reproduce": {"tables", "tabular"},
    "matrix": {"tables", "tabular"},
    "service_table": {"tabular"},
    "table_block": set(),
    "table_layout": {"tabular"},
    "tabular": {"latex", "svg", "table_block", "table_layout"},
    "leaderboard": {
        "reference_lines",
        "tables",
        "tables_latency",
        "tables_robustness",
        "tabular",
    },
    "reference_lines": {"tabular"},
}


NUMBERS = {"errors", "files", "labels", "metrics", "names", "tabular"}
JUDGES = {
    "sides": NUMBERS | {"answers"},
    "changes": NUMBERS | {"answers"},
    "latency_changes": {"metrics"},
    "compare": NUMBERS | {"changes", "latency_changes", "sides"},
    "compare_report": {"latency_changes", "names", "reasons", "sides", "tabular"},
    "baseline": NUMBERS | {"answers", "sides"},
    "budgets": {"errors", "names", "sides"},
    "judgement": set(),
    "gate_checks": NUMBERS | {"baseline", "budgets", "judgement", "sides"},
    "gate_cover": {"budgets", "errors", "names", "sides"},
    "gate_floors": {"judgement", "budgets", "sides"},
    "gate": NUMBERS
    | {"baseline", "budgets", "changes", "compare", "judgement", "latency_changes", "sides"}
    | {"gate_checks", "gate_cover", "gate_floors"},
    "gate_report": {
        "budgets",
        "judgement",
        "latency_changes",
        "names",
        "reasons",
        "sides",
        "tabular",
    },
    "reasons": set(),
}
"""What compares runs reads results too, and reckons with them."""


def imported(path: Path) -> set[str]:
    """The modules that a file imports anywhere, other than for types alone."""
    found = set()
    for node in ast.walk(_without_types(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _without_types(tree: ast.Module) -> ast.Module:
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    return tree


def test_every_folder_is_a_plugin_and_every_plugin_has_its_folder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = set(project["project"]["entry-points"]["fxbench"].values())
    assert declared == {path.name for path in PACKAGES if path.name != "__pycache__"}
    installed = {
        point.value for point in entry_points(group="fxbench") if point.dist.name == "fxbench"
    }
    assert installed == declared


def test_no_root_of_packages_shadows_another_package() -> None:
    assert not (ROOT / "plugins" / "__init__.py").exists()
    assert not (ROOT / "datasets" / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_plugin_knows_fxbench_and_no_other_plugin(package: Path) -> None:
    for path in package.rglob("*.py"):
        others = {
            name.partition(".")[0]
            for name in imported(path)
            if name.startswith("fxbench_") and name.partition(".")[0] != package.name
        }
        assert not others, path


def test_the_harness_knows_no_plugin() -> None:
    for path in (ROOT / "fxbench").rglob("*.py"):
        assert not [name for name in imported(path) if name.startswith("fxbench_")], path


@pytest.mark.parametrize("reader", [*READERS, *JUDGES])
def test_a_reader_of_results_knows_little(reader: str) -> None:
    own = {
        name.split(".")[1]
        for name in imported(ROOT / "fxbench" / f"{reader}.py")
        if name.startswith("fxbench.")
    }
    assert own <= (MAY_KNOW | JUDGES)[reader]


def test_readers_import_no_model_and_no_array_library() -> None:
    code = (
        "import sys\n"
        f"for name in {READERS}: __import__('fxbench.' + name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "tensorflow", "pandas", "scipy"} & set(done.stdout.split())


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert path.stem not in ("utils", "helpers", "misc", "common")
    for word in ("pickle.load", "allow_pickle=True", "raise NotImplementedError"):
        assert word not in text


def test_one_distribution_alone_provides_opencv() -> None:
    assert set(packages_distributions()["cv2"]) == {"opencv-contrib-python-headless"}

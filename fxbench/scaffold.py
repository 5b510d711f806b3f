"""Writes a new plugin: a small project that can be installed, conforms and is tested."""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from fxbench import __version__
from fxbench.component import Component
from fxbench.errors import FxbenchError, UsageError
from fxbench.names import unknown_name
from fxbench.registry import discover

_FERPLUS = "--set ferplus.path=~/data/ferplus --split valid"
_RUNS = {
    "classifier": f"fxbench run --classifiers $name,prior --attacks none {_FERPLUS}",
    "detector": (
        f"fxbench run --detectors $name,full-frame --classifiers prior --attacks none {_FERPLUS}"
    ),
    "landmarker": (
        "fxbench run --landmarkers $name,mean-shape --datasets dlib-faces "
        "--set dlib-faces.path=~/data/dlib-faces"
    ),
    "attack": f"fxbench run --attacks none,$name,fgsm --classifiers emopy {_FERPLUS}",
    "corruption": (
        f"fxbench run --corruptions $name --classifiers emopy --attacks none {_FERPLUS}"
    ),
    "spotter": "fxbench run --spotters $name,spot-everything --datasets mini-clips",
    "dataset": "fxbench run --datasets $name --classifiers prior --attacks none",
}
_NOW = {
    "classifier": "As it stands, it knows only how bright a face is.",
    "detector": "As it stands, it takes the middle of every image for a face.",
    "landmarker": "As it stands, it puts five points at the same places of every box.",
    "attack": "As it stands, it adds or takes away epsilon at random.",
    "corruption": "As it stands, it puts one side of a picture into the shade.",
    "spotter": "As it stands, it notices when the mouth gets lighter or darker.",
    "dataset": "As it stands, it has eight drawn squares, or a folder of images for each emotion.",
}


@dataclass(frozen=True, slots=True)
class Project:
    """A plugin that was written.

    Attributes:
        folder: of the project, with `pyproject.toml`.
        files: relative to it, in order.
        run: a command that compares the component once it is installed.
    """

    folder: Path
    files: tuple[Path, ...]
    run: str


def plugin(name: str, kind: str, parent: Path) -> Project:
    """Write the project of a plugin with one component into `parent/name`.

    Args:
        name: of the component and of the distribution. The import package has underscores for
            its hyphens.
        kind: `classifier`, `detector`, `landmarker`, `attack`, `corruption`, `spotter` or
            `dataset`.
        parent: a folder, made where it is missing.

    Raises:
        PluginError: `name` can't be the name of a component.
        UsageError: an unknown kind, or a name that something else has already.
        FxbenchError: the files can't be written.
    """
    if kind not in _RUNS:
        raise UsageError(unknown_name("kind", kind, _RUNS))
    Component(name, "Refuses a name that can't be one.", Path)
    module = name.replace("-", "_")
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} is there already: choose another name, another --folder, or delete it."
        )
    _refuse_taken(name, module)
    names = {
        "name": name,
        "module": module,
        "kind": kind,
        "version": __version__,
        "run": Template(_RUNS[kind]).substitute(name=name),
        "now": _NOW[kind],
    }
    common = files("fxbench") / "templates" / "plugin"
    package = Path("src") / module
    sources: dict[Path, Traversable] = {
        Path("pyproject.toml"): common / "pyproject.toml.template",
        Path("README.md"): common / "README.md.template",
        package / "__init__.py": common / kind / "__init__.py.template",
        package / f"{kind}.py": common / kind / f"{kind}.py.template",
        Path("tests") / f"test_{module}.py": common / kind / "test.py.template",
    }
    try:
        for path, source in sources.items():
            text = Template(source.read_text(encoding="utf-8")).substitute(names)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FxbenchError(
            f"{folder} can't be written ({error.strerror or error}): choose another --folder."
        ) from error
    return Project(folder, tuple(sources), names["run"])


def _refuse_taken(name: str, module: str) -> None:
    """Raise UsageError where the plugin could not be installed beside what is there."""
    if not module.isidentifier() or keyword.iskeyword(module):
        raise UsageError(
            f"The name {name!r} can't be that of a Python package too, which {module!r} would "
            "be: choose one that begins with a letter and is no word of the language."
        )
    spec = find_spec(module)
    # A folder without __init__.py is importable too, but yields to any package.
    if spec is not None and spec.origin is not None:
        raise UsageError(
            f"The name {name!r} is taken: there is a module {module!r} already ({spec.origin}). "
            "Choose another one."
        )
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        pass
    else:
        raise UsageError(
            f"The name {name!r} is taken: pip would replace the installed {name} {version} with "
            "the plugin. Choose another one."
        )
    # Of any kind: options are set by the component's name alone.
    for entry in discover().entries:
        if entry.name == name:
            raise UsageError(
                f"The {entry.kind.name} {name!r} is there already, from "
                f"{entry.plugin.distribution}: choose another name."
            )

"""What is installed, what is missing for what, and the commands that mend it.

Nothing heavy is imported: packages are looked for, not loaded.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions, requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fxbench import __version__, environment, weights
from fxbench.availability import availability
from fxbench.component import Component, Weights
from fxbench.errors import UsageError
from fxbench.inventory import inventory
from fxbench.options import ENVIRONMENT_PREFIX, Options, resolve
from fxbench.registry import Entry, Registry, discover

VARIABLES = (
    "FXBENCH_CACHE",
    "FXBENCH_CONFIG",
    "FXBENCH_WEIGHTS",
    "DEEPFACE_HOME",
    "KERAS_BACKEND",
)
"""Environment variables that decide what is found, and none of which is a secret."""

LITTLE = 1_000_000_000
"""Bytes: less than that free is worth a word."""

_CV2 = "opencv-contrib-python-headless"
_OPENCV = re.compile(r"opencv(-contrib)?-python(-headless|-rolling)*")


@dataclass(frozen=True, slots=True)
class System:
    """What fxbench runs on; `threads` is what a run uses unless it is told otherwise."""

    fxbench: str
    python: str
    executable: str
    platform: str
    cpu: str
    cores: int
    threads: int
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder that fxbench writes to.

    Attributes:
        folder: which need not be there yet.
        writable: whether it, or the nearest folder above it that is there, can be written.
        free_bytes: on its disk; None where that can't be told.
        bytes: what its files take; None where they were not counted.
    """

    folder: str
    writable: bool
    free_bytes: int | None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of a distribution that some component needs; `mend` installs it."""

    distribution: str
    extra: str
    installed: bool
    components: tuple[str, ...]
    mend: str


@dataclass(frozen=True, slots=True)
class File:
    """A weight file.

    Attributes:
        component: that declares it.
        name: its name.
        path: where it is; None where it was not found.
        state: as in :class:`fxbench.weights.Inspected`, and `why` too.
        why: the end of a sentence that begins with the file; empty where it is right.
        mend: what to do where it can't be used.
        fetched: whether `fxbench weights fetch` can get it.
    """

    component: str
    name: str
    path: str | None
    state: str
    why: str
    mend: str
    fetched: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be mended, and a command or a sentence that does."""

    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found.

    Attributes:
        system: the machine.
        cache: its folder.
        results: the folder of runs.
        thread_variables: those that are set.
        variables: :data:`VARIABLES`, None where not set.
        option_variables: the names of those that set options; their values may be secret.
        components: records of :func:`fxbench.inventory.inventory`.
        extras: what components need beyond the base install.
        weights: every file that a component declares.
        cv2: the distributions that provide the module cv2; there should be one.
        broken: what is installed and doesn't work.
        missing: what could be added.
    """

    system: System
    cache: Storage
    results: Storage
    thread_variables: dict[str, str]
    variables: dict[str, str | None]
    option_variables: tuple[str, ...]
    components: tuple[dict[str, Any], ...]
    extras: tuple[Extra, ...]
    weights: tuple[File, ...]
    cv2: tuple[str, ...]
    broken: tuple[Finding, ...]
    missing: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that is installed works."""
        return not self.broken


def examine(results: Path) -> Diagnosis:
    """Look at everything that a run depends on.

    Args:
        results: the folder of runs.
    """
    registry = discover()
    options, wrong = _options(registry)
    rows = tuple(inventory(registry=registry, options=options))
    extras = _extras(registry, options)
    components = [entry.component for entry in registry.entries]
    files = tuple(_file(component, w) for component in components for w in component.weights)
    cache = _storage(environment.cache_folder(), count=True)
    place = _storage(results)
    cv2 = _cv2()
    broken = [
        *wrong,
        *_base(),
        *_cv2_findings(cv2),
        *_broken_components(rows, registry, options),
        *_bad_files(files),
    ]
    if not cache.writable:
        mend = "export FXBENCH_CACHE=FOLDER with one that can be written"
        broken.append(Finding(f"The cache {cache.folder} can't be written.", mend))
    return Diagnosis(
        _system(),
        cache,
        place,
        {name: os.environ[name] for name in environment.THREAD_VARIABLES if name in os.environ},
        {name: os.environ.get(name) for name in VARIABLES},
        tuple(sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX))),
        rows,
        extras,
        files,
        cv2,
        tuple(broken),
        tuple(_missing(rows, extras, files, (cache, place))),
    )


def _system() -> System:
    facts = environment.capture(environment.default_threads())
    return System(
        __version__,
        facts["python"],
        sys.executable,
        platform.platform(),
        facts["cpu"],
        facts["cores"],
        facts["threads"],
        facts["memory_bytes"],
    )


def _options(registry: Registry) -> tuple[Options, list[Finding]]:
    """What the environment and `fxbench.toml` set; nothing where a run would refuse them."""
    components = [entry.component for entry in registry.entries]
    try:
        return resolve(components, (), os.environ, Path()), []
    except UsageError as error:
        finding = Finding(str(error), "correct or remove that setting")
    try:
        return resolve(components, (), os.environ, Path(), lenient=True), [finding]
    except UsageError:
        return Options({}), [finding]


def _storage(folder: Path, *, count: bool = False) -> Storage:
    folder = folder.expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    writable, free = True, None
    try:
        free = shutil.disk_usage(there).free
        # Asking for permission is not enough: a disk may be read-only, or full.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError:
        writable = False
    return Storage(str(folder), writable, free, _size(folder) if count else None)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except OSError:  # It has gone in the meantime.
                continue
    return total


def _extras(registry: Registry, options: Options) -> tuple[Extra, ...]:
    """Every extra that is named by a component, by distribution and name."""
    users: dict[tuple[str, str], list[Entry]] = {}
    for entry in registry.entries:
        # What has a command of its own needs more than the extra.
        if entry.component.extra and not entry.component.mend:
            key = (entry.plugin.distribution, entry.component.extra)
            users.setdefault(key, []).append(entry)
    return tuple(
        Extra(
            name,
            extra,
            all(availability(entry, options).state != "missing extra" for entry in entries),
            tuple(entry.name for entry in entries),
            f"pip install '{name}[{extra}]'",
        )
        for (name, extra), entries in sorted(users.items())
    )


def _file(component: Component, declared: Weights) -> File:
    found = weights.inspect(declared)
    path = None if found.path is None else str(found.path)
    mend = "" if found.usable else declared.mend
    fetched = declared.url is not None
    return File(component.name, declared.name, path, found.state, found.why, mend, fetched)


def _cv2() -> tuple[str, ...]:
    found = set()
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()
        if _OPENCV.fullmatch(name) or "cv2" in (one.read_text("top_level.txt") or "").split():
            found.add(name)
    return tuple(sorted(found))


def _cv2_findings(found: tuple[str, ...]) -> Iterator[Finding]:
    wanted = next(
        (r.partition(";")[0].strip() for r in _requirements() if r.startswith(_CV2)), _CV2
    )
    # Both write to one folder, so that removing one takes files of the other with it.
    again = f"pip install --force-reinstall --no-deps '{wanted}'"
    if len(found) > 1:
        yield Finding(
            f"{len(found)} distributions provide cv2, where one may: {', '.join(found)}.",
            f"pip uninstall -y {' '.join(found)} && {again}",
        )
    elif find_spec("cv2") is None:
        yield Finding("OpenCV is not installed: there is no module cv2.", again)


def _requirements() -> list[str]:
    """What fxbench itself needs, without the extras."""
    try:
        stated = requires("fxbench") or []
    except PackageNotFoundError:
        return []
    return [requirement for requirement in stated if "extra ==" not in requirement]


def _base() -> Iterator[Finding]:
    for requirement in _requirements():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if _OPENCV.fullmatch(name):
            continue
        try:
            distribution(name)
        except PackageNotFoundError:
            plain = requirement.partition(";")[0].strip()
            yield Finding(f"fxbench needs {name}, which is missing.", f"pip install '{plain}'")


def _broken_components(
    rows: tuple[dict[str, Any], ...], registry: Registry, options: Options
) -> Iterator[Finding]:
    for row in rows:
        if row["state"] == "broken":
            origin = f" ({row['distribution']})" if row["kind"] == "plugin" else ""
            what = f"The {row['kind']} {row['name']}{origin} is broken: {row['detail']}"
            yield Finding(what, row["mend"] or f"pip install --upgrade {row['distribution']}")
    for entry in registry.of_kind("dataset"):
        if availability(entry, options).state != "ready":
            continue
        values = options.of(entry.component)
        for option in entry.component.options:
            path = values[option.name]
            if option.type == "path" and path is not None and not Path(path).exists():
                yield Finding(
                    f"The dataset {entry.name} is set to {path}, which is not there.",
                    f"set {entry.name}.{option.name} to where it is",
                )


def _bad_files(files: tuple[File, ...]) -> Iterator[Finding]:
    for file in files:
        # Without a path its plugin failed to look for it, which is said of the component.
        if file.state in ("damaged", "unreadable") and file.path is not None:
            what = f"{file.path}, which {file.component} needs, is {file.state}: it {file.why}."
            yield Finding(what, file.mend)


def _missing(
    rows: tuple[dict[str, Any], ...],
    extras: tuple[Extra, ...],
    files: tuple[File, ...],
    folders: tuple[Storage, ...],
) -> Iterator[Finding]:
    absent: dict[str, list[str]] = {}
    for row in rows:
        if row["state"] == "missing extra":
            absent.setdefault(row["mend"], []).append(row["name"])
    known = {extra.mend: f"The extra {extra.extra}, for" for extra in extras}
    for mend, names in absent.items():
        yield Finding(f"{known.get(mend, 'Packages for')} {', '.join(names)}.", mend)
    lacking = {name for names in absent.values() for name in names}
    # An extra may bring its weights along.
    lost = [f for f in files if f.state == "missing" and f.component not in lacking]
    for file in lost:
        if not file.fetched:
            yield Finding(f"{file.component} needs the weights {file.name}.", file.mend)
    users = " ".join(dict.fromkeys(file.component for file in lost if file.fetched))
    if users:
        what = f"Weights that can be fetched, for {users.replace(' ', ', ')}."
        yield Finding(what, f"fxbench weights fetch {users}")
    # What comes along is for a first look: nobody has to say where it is.
    datasets = [r for r in rows if r["kind"] == "dataset" and r["required"]]
    if not any(row["state"] == "ready" for row in datasets):
        example = next((row["mend"] for row in datasets if row["name"] == "ferplus"), None)
        example = example or next((row["mend"] for row in datasets if row["mend"]), "")
        what = "No dataset is set: there is nothing to run on but what comes along."
        yield Finding(what, f"fxbench run {example}")
    for row in rows:
        if row["state"] == "needs a newer fxbench":
            yield Finding(f"The plugin {row['name']} needs a newer fxbench.", row["mend"])
    for folder in os.environ.get(weights.SEARCH_PATH, "").split(os.pathsep):
        if folder and not Path(folder).expanduser().is_dir():
            yield Finding(
                f"FXBENCH_WEIGHTS names {folder}, which is not there.", "make or correct it"
            )
    for place in folders:
        if place.free_bytes is not None and place.free_bytes < LITTLE:
            yield Finding(
                f"Only {place.free_bytes / 1e6:.0f} MB are free at {place.folder}.",
                "fxbench clean --unused",
            )
    if not folders[-1].writable:
        yield Finding(
            f"The results folder {folders[-1].folder} can't be written.",
            "fxbench run --results FOLDER",
        )

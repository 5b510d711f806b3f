"""All weight files that installed components declare: which there are, fetching and accepting."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench.acceptance import accept
from fxbench.component import Weights
from fxbench.download.addresses import shown
from fxbench.errors import UsageError, WeightsError
from fxbench.names import unknown_name
from fxbench.registry import Registry
from fxbench.weights import Inspected, forget, inspect, plain_name, store_folder

if TYPE_CHECKING:
    from fxbench.download.transfer import Watcher


@dataclass(frozen=True, slots=True)
class File:
    """A weight file.

    Attributes:
        weights: its declaration; where components of the same file say different things, the first
            that says something.
        found: how it lies on disk.
        declared: what each component that loads it says of it, with the component's name.
    """

    weights: Weights
    found: Inspected
    declared: tuple[tuple[str, Weights], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.weights.name

    @property
    def components(self) -> tuple[str, ...]:
        """The names of those that load it."""
        return tuple(dict.fromkeys(component for component, _ in self.declared))

    @property
    def licences(self) -> tuple[str, ...]:
        """What is said about the licence of the weights, each statement once."""
        said = (weights.licence for _, weights in self.declared)
        return tuple(dict.fromkeys(licence for licence in said if licence))

    def mend(self, names: Iterable[str] = ()) -> str:
        """What to do where it can't be used, for a person who named these files or components."""
        named = next((name for name in names if name in self.components), None)
        if any(weights.url is not None for _, weights in self.declared):
            return f"fxbench weights fetch {shlex.quote(named or self.name)}"
        return next((w.mend for component, w in self.declared if component == named), "") or (
            self.weights.mend
        )

    def record(self, names: Iterable[str] = ()) -> dict[str, Any]:
        """A JSON-like record, its address without what may be secret; `names` as in `mend`."""
        weights, found = self.weights, self.found
        return {
            "file": weights.name,
            "components": list(self.components),
            "state": found.state,
            "why": found.why,
            "path": None if found.path is None else str(found.path),
            "bytes": found.bytes,
            "sha256": found.sha256,
            "accepted": found.accepted or None,
            "declared_bytes": weights.bytes,
            "declared_sha256": weights.sha256,
            "licence": "; or: ".join(self.licences),
            "source": weights.source,
            "url": None if weights.url is None else shown(weights.url),
            "mend": self.mend(names),
        }


def files(registry: Registry) -> tuple[File, ...]:
    """Every weight file that a component declares, by name, and how it lies on disk.

    Components that declare the same file and find it at the same place share one. Files of the same
    name that are found at two places, or of which two sha256 are declared, are two.
    """
    groups: dict[tuple[Any, ...], File] = {}
    for entry in registry.entries:
        for weights in entry.component.weights:
            found = _inspected(weights)
            path = None if found.path is None else found.path.absolute()
            key = (weights.name, weights.sha256, path, found.state)
            known = groups.get(key, File(weights, found, ()))
            declared = (*known.declared, (entry.name, weights))
            groups[key] = File(_joined(known.weights, weights), found, declared)
    return tuple(sorted(groups.values(), key=lambda file: (file.name, file.components)))


def _inspected(weights: Weights) -> Inspected:
    try:
        plain_name(weights.name)
    except WeightsError as error:
        return Inspected("unreadable", why=f"could not be looked for: {error}")
    return inspect(weights)


def _joined(first: Weights, second: Weights) -> Weights:
    return replace(
        first,
        source=first.source or second.source,
        licence=first.licence or second.licence,
        url=first.url or second.url,
        bytes=first.bytes if first.bytes is not None else second.bytes,
    )


def chosen(known: Iterable[File], names: Iterable[str], registry: Registry) -> tuple[File, ...]:
    """Those of these names; a name is a file's, or that of a component that loads it.

    Raises:
        UsageError: nothing has that name, and the message suggests the nearest; or a component has
            it that loads no file, or can't be had any more.
    """
    known = tuple(known)
    picked: dict[int, File] = {}
    for name in names:
        of_name = [file for file in known if name == file.name or name in file.components]
        if not of_name:
            _refuse_weightless(registry, name)
            every = [n for file in known for n in (file.name, *file.components)]
            where = "`fxbench weights list` shows all."
            raise UsageError(
                unknown_name("weight file or component with weights", name, every, where)
            )
        picked.update((id(file), file) for file in of_name)
    return tuple(file for file in known if id(file) in picked)


def _refuse_weightless(registry: Registry, name: str) -> None:
    if any(entry.name == name for entry in registry.entries):
        raise UsageError(f"{name} has no weight files.")
    for gone in registry.retired:
        if gone.retired.name == name:
            raise UsageError(gone.message)


def fetch(file: File, known: Iterable[File], watcher: Watcher, names: Collection[str] = ()) -> File:
    """Download a file into the store, unless it is there, and look at it again.

    Args:
        file: of which nothing usable is there.
        known: all files, none of which is overwritten by another of the same name.
        watcher: is told how far it is.
        names: of the files or components that a person asked for: the addresses that such a
            component declares are tried before the others.

    Returns:
        The file as its components find it now; its state is usable.

    Raises:
        WeightsError: it can't be fetched, with what to do instead; or its components still find
            another one.
        StoreError: the disk is full or the store can't be written.
    """
    weights = file.weights
    target = store_folder() / plain_name(weights.name)
    known = tuple(known)
    addresses = _addresses(file, known, names)
    if not addresses:
        raise WeightsError(f"{weights.name} can't be fetched by fxbench: {weights.mend}")
    # What an earlier call has fetched for another component may be what this one needs.
    forget()
    now = inspect(weights)
    if now.usable:
        return replace(file, found=now)
    for other in known:
        found = _inspected(other.weights)
        if found.usable and found.path == target:
            raise WeightsError(
                f"{weights.name} is not fetched, since another file of this name is in the store, "
                f"for {', '.join(other.components)}. Fetch it by hand from {shown(addresses[0])} "
                f"into a folder of its own, for {', '.join(file.components)}."
            )
    if not inspect(replace(weights, locate=lambda: target)).usable:
        _download(weights, addresses, target, watcher)
    forget()
    again = inspect(weights)
    if again.usable:
        return replace(file, found=again)
    users, several = ", ".join(file.components), len(file.components) > 1
    if again.path is None:
        verb = "don't" if several else "doesn't"
        raise WeightsError(f"{target} is fetched, but {users} {verb} find it: {weights.mend}")
    if again.path == target:
        raise WeightsError(f"{target} is fetched, but it {again.why}.")
    raise WeightsError(
        f"{target} is fetched, but {users} {'find' if several else 'finds'} {again.path} instead, "
        f"which {again.why}."
    )


def _addresses(file: File, known: Iterable[File], names: Collection[str]) -> tuple[str, ...]:
    """Where a file can be fetched from, the address to be tried first in front.

    Those that a component of `names` declares come first, then those of whoever knows the size of
    the file, each in the order of the components.
    """
    said = list(file.declared)
    if file.weights.sha256 is not None:
        # Who finds a copy elsewhere still knows where the same contents are to be had.
        for other in known:
            if (other.name, other.weights.sha256) == (file.name, file.weights.sha256):
                said += [one for one in other.declared if one not in said]
    said.sort(key=lambda one: (one[0] not in names, one[1].bytes is None))
    return tuple(dict.fromkeys(weights.url for _, weights in said if weights.url is not None))


def _download(weights: Weights, addresses: tuple[str, ...], target: Path, watcher: Watcher) -> None:
    """Download from the first address that has the file."""
    from fxbench.download.transfer import download

    for url, following in pairwise((*addresses, None)):
        try:
            download(str(url), target, watcher, sha256=weights.sha256, size=weights.bytes)
        except WeightsError as error:
            if following is None:
                raise
            watcher.note(f"{error} Trying {shown(following)}.")
        else:
            return


def verify(known: Iterable[File]) -> tuple[File, ...]:
    """Read the contents of files again, whatever was known of them."""
    forget()
    return tuple(replace(file, found=_inspected(file.weights)) for file in known)


def accept_file(file: File) -> File:
    """Keep that a person takes a file for the right one, where nobody declares its sha256.

    Raises:
        UsageError: its sha256 is declared, or it is not there.
        WeightsError: what was accepted before can't be read.
        StoreError: it can't be written.
    """
    weights, found = file.weights, file.found
    if weights.sha256 is not None:
        raise UsageError(
            f"{weights.name} can't be accepted, since its right sha256 is declared: "
            f"{weights.sha256}. {_is(found)}"
        )
    if found.sha256 is None or found.bytes is None:
        raise UsageError(f"{weights.name} can't be accepted: it {found.why}. {weights.mend}")
    accept(weights.name, found.sha256, found.bytes)
    return replace(file, found=inspect(weights))


def _is(found: Inspected) -> str:
    if found.state == "verified":
        return f"{found.path} has it, so there is nothing to accept."
    return f"{found.path or 'The file'} {found.why}."

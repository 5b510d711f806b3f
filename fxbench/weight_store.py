"""All weight files that installed components declare: which there are, fetching and accepting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
        components: the names of those that load it.
        found: how it lies on disk.
    """

    weights: Weights
    components: tuple[str, ...]
    found: Inspected

    @property
    def name(self) -> str:
        """The file's name."""
        return self.weights.name

    def record(self) -> dict[str, Any]:
        """A JSON-like record, its address without what may be secret."""
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
            "licence": weights.licence,
            "source": weights.source,
            "url": None if weights.url is None else shown(weights.url),
            "mend": weights.mend,
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
            known = groups.get(key)
            if known is None:
                groups[key] = File(weights, (entry.name,), found)
                continue
            names = dict.fromkeys((*known.components, entry.name))
            groups[key] = File(_joined(known.weights, weights), tuple(names), found)
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


def chosen(known: Iterable[File], names: Iterable[str]) -> tuple[File, ...]:
    """Those of these names; a name is a file's, or that of a component that loads it.

    Raises:
        UsageError: nothing has that name; the message suggests the nearest.
    """
    known = tuple(known)
    picked: dict[int, File] = {}
    for name in names:
        of_name = [file for file in known if name == file.name or name in file.components]
        if not of_name:
            every = [n for file in known for n in (file.name, *file.components)]
            raise UsageError(unknown_name("weight file or component with weights", name, every))
        picked.update((id(file), file) for file in of_name)
    return tuple(file for file in known if id(file) in picked)


def fetch(file: File, known: Iterable[File], watcher: Watcher) -> File:
    """Download a file into the store, unless it is there, and look at it again.

    Args:
        file: of which nothing usable is there.
        known: all files, none of which is overwritten by another of the same name.
        watcher: is told how far it is.

    Returns:
        The file as its components find it now; its state is usable.

    Raises:
        WeightsError: it can't be fetched, with what to do instead; or its components still find
            another one.
        StoreError: the disk is full or the store can't be written.
    """
    from fxbench.download.transfer import download

    weights = file.weights
    target = store_folder() / plain_name(weights.name)
    if weights.url is None:
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
                f"for {', '.join(other.components)}. Fetch it by hand from {shown(weights.url)} "
                f"into a folder of its own, for {', '.join(file.components)}."
            )
    if not inspect(replace(weights, locate=lambda: target)).usable:
        download(weights.url, target, watcher, sha256=weights.sha256, size=weights.bytes)
    forget()
    again = inspect(weights)
    if again.usable:
        return replace(file, found=again)
    users = ", ".join(file.components)
    if again.path is None:
        raise WeightsError(f"{target} is fetched, but {users} doesn't find it: {weights.mend}")
    if again.path == target:
        raise WeightsError(f"{target} is fetched, but it {again.why}.")
    raise WeightsError(
        f"{target} is fetched, but {users} finds {again.path} first, which {again.why}. Delete "
        "that one."
    )


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

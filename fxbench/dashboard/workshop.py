"""The components of the dashboard: each is loaded once for all pages and browsers, and takes turns.

Models are large, and few of them may be called from two threads at once.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from fxbench.analysis.engine import Cast, Engine, choose, default_names
from fxbench.availability import availability
from fxbench.errors import FxbenchError
from fxbench.labels import EMOTIONS
from fxbench.loader import Loader
from fxbench.options import resolve
from fxbench.protocols import Dataset
from fxbench.registry import Entry, discover
from fxbench.types import UInt8


class Turns:
    """A lock that is fair: who has waited longest is next.

    With a plain one, a long video would keep a camera waiting, as it asks again at once.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Hold it."""
        with self._guard:
            turn = threading.Event()
            if self._held:
                self._waiting.append(turn)
            else:
                self._held = True
                turn.set()
        try:
            turn.wait()
        except BaseException:
            self._leave(turn)
            raise
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False

    def _leave(self, turn: threading.Event) -> None:
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return
        self._next()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture that comes along.

    Attributes:
        name: for people.
        image: RGB uint8 (H, W, 3).
    """

    name: str
    image: UInt8


class Workshop:
    """What is installed, and what of it has been loaded."""

    def __init__(self, settings: tuple[str, ...]) -> None:
        """Find out what is installed.

        Args:
            settings: options as texts `NAME.OPTION=VALUE`.

        Raises:
            UsageError: one is wrong.
        """
        self._settings = settings
        self.registry = discover()
        components = [entry.component for entry in self.registry.entries]
        self.options = resolve(components, settings, os.environ, Path())
        self._loader = Loader(self.options)
        self._turns = Turns()
        self._engines: dict[Cast, Engine] = {}
        self._ready: dict[str, list[Entry]] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within this nobody else calls a component."""
        with self._turns.mine():
            yield

    def ready(self, kind: str) -> list[Entry]:
        """The components of a kind that can be used here, floors last.

        What sends pictures away is not among them, nor what answers from a file.
        """
        if kind not in self._ready:
            fit = [
                entry
                for entry in self.registry.of_kind(kind)
                if not entry.component.sends
                and "recorded" not in entry.component.traits
                and availability(entry, self.options).state == "ready"
            ]
            self._ready[kind] = sorted(fit, key=lambda entry: "floor" in entry.component.traits)
        return self._ready[kind]

    def left_out(self, kind: str) -> int:
        """How many of a kind are installed and can't be used here."""
        return sum(1 for _ in self.registry.of_kind(kind)) - len(self.ready(kind))

    def default(self, kind: str) -> str | None:
        """The component of a kind that is taken where nobody chooses.

        Of its network the runtime that no extra is needed for, if there is one: it loads sooner.
        """
        first = next(iter(default_names(self.registry, self.options, kind)), None)
        light = [
            entry.component
            for entry in self.ready(kind)
            if entry.component.variant_of == first
            and entry.component.extra is None
            and "default" in entry.component.traits
        ]
        if first is None or not light:
            return first
        # Others are compared with that one, so it is no rougher than the network itself.
        return max(light, key=lambda component: "baseline" in component.traits).name

    def component(self, kind: str, name: str) -> Any:
        """A component, loaded at the first call.

        Raises:
            FxbenchError: there is none of that name, or it can't be loaded.
        """
        entry = self.registry.get(kind, name)
        with self.turn():
            return self._loader.get(entry)

    def engine(self, cast: Cast) -> Engine:
        """Components that look together, loaded at the first call.

        Raises:
            FxbenchError: see :meth:`fxbench.analysis.engine.Engine.load`.
        """
        # Asked for every picture of a camera, so what is there is not looked for again.
        if cast not in self._engines:
            entries, _ = choose(cast, settings=self._settings, registry=self.registry)
            with self.turn():
                self._engines.setdefault(cast, Engine(entries, self.options, self._loader))
        return self._engines[cast]

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """One picture for each emotion, of a dataset that comes along and may be shown."""
        for entry in self.registry.of_kind("dataset"):
            terms = entry.component.terms
            shipped = "default" in entry.component.traits
            if not shipped or terms is None or not terms.may_show:
                continue
            try:
                return _samples(entry.name, self.component("dataset", entry.name))
            except FxbenchError:
                continue
        return ()


def _samples(name: str, dataset: Dataset) -> tuple[Sample, ...]:
    split = dataset.splits[0]
    answers = dataset.answers(split, dataset.protocols[0])
    first = {}
    for code, emotion in enumerate(EMOTIONS):
        rows = answers.rows[answers.labels == code]
        if len(rows):
            first[int(rows[len(rows) // 2])] = emotion
    found = []
    for batch in dataset.batches(split, np.array(sorted(first), np.int64)):
        for row, image in zip(batch.rows.tolist(), batch.frames.images, strict=True):
            found.append(Sample(f"{name}: labelled as {first[row]}", image))
    return tuple(found)


@st.cache_resource(show_spinner="Finding out what is installed")
def workshop(settings: tuple[str, ...]) -> Workshop:
    """The workshop of this server."""
    return Workshop(settings)

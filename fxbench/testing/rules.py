"""What a rule is, and how rules are tried one after the other so that none stops the kit."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.component import Component
from fxbench.kinds import Kind
from fxbench.loader import one_line
from fxbench.options import plain
from fxbench.testing.report import Result, Status
from fxbench.types import UInt8

_TOOLS = (
    *("attack_inputs", "boxes", "corrupted", "faces", "photos", "track", "try_attack"),
    "voice",
)
_CORE = str(Path(__file__).parent.parent)


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The component breaks the rule; the message says how, with values."""


class NotTried(Exception):  # noqa: N818 - it is an answer, not an error
    """The rule doesn't apply; the message says why."""


@dataclass(slots=True)
class Trial:
    """A component under test.

    Attributes:
        component: its record.
        kind: its kind.
        values: the options that its factory is called with.
        module: of the plugin that offers it; None for a component that is not installed.
        pictures: a person's own pictures, RGB uint8 (H, W, 3); none where the drawn ones serve.
        made: what the factory returned, once the rule `factory` has passed.
    """

    component: Component
    kind: Kind
    values: dict[str, Any]
    module: str | None
    pictures: tuple[UInt8, ...]
    made: Any = None

    def make(self) -> Any:
        """Call the factory."""
        return self.component.factory(**self.values)

    def snippet(self, see: str) -> str:
        """A line of Python that makes the component, called `c`, and then does `see`."""
        if not see:
            return ""
        if self.pictures:
            see = see.replace("photos()", "data").replace("faces(c.face", "faces(c.face, data")
        wants = sorted(self.component.traits & {"points", "probabilities"})
        see = see.replace("track(", "track(" + "".join(f"{trait}=True, " for trait in wants))
        tools = [tool for tool in _TOOLS if re.search(rf"\b{tool}\(", see)]
        changed = {
            option.name: plain(self.values[option.name])
            for option in self.component.options
            if self.values[option.name] != option.default
        }
        if self.module is None:
            values = {name: plain(value) for name, value in self.values.items()}
            how = f"c = component.factory({_keywords(values)})"
        else:
            tools.append("load")
            arguments = f"{self.kind.name!r}, {self.component.name!r}"
            how = f"c = load({', '.join(filter(None, (arguments, _keywords(changed))))})"
        imported = f"from fxbench.testing import {', '.join(sorted(tools))}; " if tools else ""
        return f"{imported}{how}; {see}"


def _keywords(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a component must do.

    Attributes:
        name: lower case with hyphens.
        tries: what is tried, one sentence.
        test: returns a figure or nothing where the component passes; raises :class:`Refused` or
            :class:`NotTried`. Anything else that it raises is a failure too.
        see: Python that shows what was wrong with the component, called `c`.
        needs: rules that must have passed before, because this one means nothing without them.
    """

    name: str
    tries: str
    test: Callable[[Trial], str | None]
    see: str = ""
    needs: tuple[str, ...] = ("factory",)


def judge(trial: Trial, rules: Iterable[Rule]) -> tuple[Result, ...]:
    """Try every rule in turn."""
    results: dict[str, Result] = {}
    for rule in rules:
        blocking = [results[name] for name in rule.needs if results[name].status != "passed"]
        status: Status = "passed"
        if blocking:
            first = blocking[0]
            unknown = f"It can't be told while the rule {first.rule!r} fails."
            status, why = "skipped", first.why if first.status == "skipped" else unknown
        else:
            try:
                why = rule.test(trial) or ""
            except NotTried as answer:
                status, why = "skipped", str(answer)
            except Refused as answer:
                status, why = "failed", str(answer)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
                status, why = "failed", f"It raised {one_line(error)}{notes}{_where(error)}"
        see = trial.snippet(rule.see) if status == "failed" else ""
        results[rule.name] = Result(rule.name, rule.tries, status, why, see)
    return tuple(results.values())


def _where(error: BaseException) -> str:
    """The deepest line of the component's own package that an exception came through."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_CORE)
    ]
    if not frames:
        return ""
    folder = Path(frames[0].filename).parent
    last = next(f for f in reversed(frames) if Path(f.filename).parent == folder)
    return f" (at {last.filename}:{last.lineno})"


def same(
    what: str,
    got: npt.NDArray[Any],
    expected: npt.NDArray[Any],
    tolerance: float,
    unit: str = "",
) -> str:
    """Raise Refused unless two arrays are equal within `tolerance`; a NaN equals a NaN.

    Returns:
        The largest difference, for a person.
    """
    if got.shape != expected.shape:
        raise Refused(f"{what}: the shape is {got.shape} instead of {expected.shape}.")
    if not got.size:
        return "nothing to compare"
    with np.errstate(invalid="ignore"):
        difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    missing = np.isnan(got.astype(np.float64)) != np.isnan(expected.astype(np.float64))
    difference[missing] = np.inf
    largest = float(np.nanmax(difference, initial=0.0))
    if largest > tolerance:
        raise Refused(
            f"{what}: the largest difference is {largest:.3g}{unit}, at most "
            f"{tolerance:g}{unit} is allowed."
        )
    return f"largest difference {largest:.2g}{unit}"


def unchanged(what: str, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> None:
    """Raise Refused where a component wrote to an array that it was given."""
    if not np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
        changed = int((before != after).sum())
        raise Refused(f"It changed {changed} of {before.size} values of {what}.")


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only copy."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy

"""What the kit says about a component. This module imports nothing outside the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule found.

    Attributes:
        rule: its name.
        tried: what was tried, one sentence.
        status: `passed`, `failed` or `skipped`.
        why: what was wrong, or why it was not tried; where it passed, a figure or nothing.
        see: where it failed, a line of Python that shows it.
    """

    rule: str
    tried: str
    status: Status
    why: str = ""
    see: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the kit tried on a component, what failed, and how to see it.

    Attributes:
        component: its name.
        kind: its kind, or `plugin`.
        results: one for each rule, in the order in which they were tried.
    """

    component: str
    kind: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether no rule failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Result, ...]:
        """The rules that failed."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        count = {
            status: sum(result.status == status for result in self.results)
            for status in ("passed", "failed", "skipped")
        }
        figures = ", ".join(f"{number} {status}" for status, number in count.items() if number)
        verdict = "conforms" if self.ok else "does not conform"
        return f"{self.kind} {self.component} {verdict}: {figures}"

    def text(self) -> str:
        """The whole report in plain text."""
        rows = list(self.rows())
        width = max((len(rules) for _, rules, _ in rows), default=0)
        lines = [self.headline]
        for status, rules, sentences in rows:
            first, *more = sentences
            lines.append(f"  {status:<8} {rules:<{width}}  {first}")
            lines += [f"{'':{width + 13}}{sentence}" for sentence in more]
        return "\n".join(lines + [f"  see {r.rule}: {r.see}" for r in self.failed if r.see])

    def rows(self) -> Iterator[tuple[Status, str, list[str]]]:
        """For people: status, rule and sentences; rules skipped for one reason stand together."""
        skipped: list[Result] = []
        for result in self.results:
            if skipped and (result.status != "skipped" or result.why != skipped[0].why):
                yield _skipped(skipped)
                skipped = []
            if result.status == "skipped":
                skipped.append(result)
            elif result.status == "failed":
                yield "failed", result.rule, [result.tried, result.why]
            else:
                figure = f" ({result.why})" if result.why else ""
                yield "passed", result.rule, [result.tried + figure]
        if skipped:
            yield _skipped(skipped)

    def record(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            "component": self.component,
            "kind": self.kind,
            "ok": self.ok,
            "results": [asdict(result) for result in self.results],
        }


def _skipped(results: list[Result]) -> tuple[Status, str, list[str]]:
    names = [result.rule for result in results]
    if len(names) == 1:
        return "skipped", names[0], [results[0].why]
    return "skipped", f"{len(names)} rules", [f"{results[0].why} ({', '.join(names)})"]

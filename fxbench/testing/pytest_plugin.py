"""What fxbench brings to pytest: fixtures that check, gate and time what a package offers.

pytest loads this module by itself, in every run: it imports nothing but pytest before a fixture is
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fxbench.judgement import Judgement
    from fxbench.testing.report import Report

_WRITTEN = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of fxbench."""
    group = parser.getgroup("fxbench", "benchmarks of facial expression recognition")
    group.addoption(
        "--fxbench",
        action="store_true",
        help="Run the tests that run benchmarks too; without it they are skipped.",
    )
    group.addoption(
        "--fxbench-update",
        action="store_true",
        help="Write the baselines of fxbench_gate anew instead of comparing with them.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.stash[_WRITTEN] = []
    config.addinivalue_line(
        "markers", "fxbench: runs a benchmark of fxbench; only with the option --fxbench"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what runs a benchmark where nobody asked for that."""
    if _asked(config):
        return
    skipped = pytest.mark.skip(reason="runs a benchmark: give --fxbench")
    for item in items:
        wants = {"fxbench_gate", "fxbench_time"} & set(getattr(item, "fixturenames", ()))
        if wants or item.get_closest_marker("fxbench") is not None:
            item.add_marker(skipped)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which baselines were written."""
    for path in config.stash[_WRITTEN]:
        terminalreporter.write_line(f"fxbench wrote the baseline {path}")


def _failed(text: str) -> BaseException:
    """What makes a test fail with that text and no traceback."""
    return pytest.fail.Exception(text, pytrace=False)


def _asked(config: pytest.Config) -> bool:
    return bool(config.getoption("--fxbench") or config.getoption("--fxbench-update"))


@pytest.fixture(scope="session")
def fxbench_check() -> Callable[..., Report]:
    """Checks an installed component: `fxbench_check("classifier", "acme")`.

    The arguments are those of :func:`fxbench.testing.check`: the kind, the name, and as keywords
    `options` and `data`. The test fails with the whole report where the component doesn't conform.
    """

    def check(
        kind: str,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        data: Sequence[Any] = (),
    ) -> Report:
        from fxbench import testing
        from fxbench.errors import FxbenchError
        from fxbench.registry import discover

        try:
            entry = discover().get(kind, name)
            report = testing.check(entry, kind, options=options, data=data)
        except FxbenchError as error:
            # From None: else the sentence is shown twice.
            raise _failed(str(error)) from None
        if not report.ok:
            pytest.fail(report.text(), pytrace=False)
        return report

    return check


@pytest.fixture
def fxbench_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Judgement | None]:
    """Runs a plan and holds it against a baseline: `fxbench_gate("acme.json", suite="mini-1")`.

    The first argument is the baseline's file, from pytest's root folder on. The keywords are those
    of :func:`fxbench.run`, which says what is run; latency is measured only with `latency=True`.
    Budgets stand in the table `[gate]` of `fxbench.toml` in the root folder. The test fails where
    something got worse or can't be compared, with every image that is answered differently.

    Returns:
        A function, and that what the gate says; None where it wrote the baseline
        (`--fxbench-update`).
    """

    def gate(baseline: str | Path, **plan: Any) -> Judgement | None:
        from fxbench.errors import FxbenchError
        from fxbench.testing import gating

        root = request.config.rootpath
        path = root / baseline
        update = bool(request.config.getoption("--fxbench-update"))
        try:
            side = gating.ran(root, tmp_path / "results", plan)
            if update:
                gating.written(path, side)
                request.config.stash[_WRITTEN].append(str(baseline))
                return None
            judgement = gating.judged(path, root, side)
        except FxbenchError as error:
            # From None: else the sentence is shown twice.
            raise _failed(str(error)) from None
        request.node.user_properties.append(("fxbench", gating.sentence(judgement)))
        if not judgement.ok:
            pytest.fail(gating.report(judgement), pytrace=False)
        return judgement

    return gate


@pytest.fixture
def fxbench_time(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Times a component by pytest-benchmark: `fxbench_time("classifier", "acme")`.

    The kind (detector, landmarker or classifier), the name, and as keywords `batch`, how many
    pictures or faces at a time, and `options` of the component. The pictures are drawn by code, so
    that every machine has the same ones. Loading and the first call are not timed. How often is
    measured is up to the options of pytest-benchmark; so are storing and comparing.

    Returns:
        A function, and that what the component answered.
    """

    def measure(
        kind: str, name: str, *, batch: int = 1, options: Mapping[str, Any] | None = None
    ) -> Any:
        if not request.config.pluginmanager.hasplugin("benchmark"):
            pytest.fail(
                "fxbench_time needs pytest-benchmark: pip install pytest-benchmark, and give no "
                "`-p no:benchmark`.",
                pytrace=False,
            )
        from fxbench.errors import FxbenchError
        from fxbench.testing import gating

        try:
            work, about = gating.work(kind, name, batch, options or {})
        except FxbenchError as error:
            # From None: else the sentence is shown twice.
            raise _failed(str(error)) from None
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info |= {"fxbench": about}
        return benchmark(work)

    return measure

"""The pytest fixture `fxbench_check`, for the tests of plugins. pytest loads it by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fxbench.testing.report import Report


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
            pytest.fail(str(error), pytrace=False)
        if not report.ok:
            pytest.fail(report.text(), pytrace=False)
        return report

    return check

"""`--suite`: a frozen plan in the place of all that `fxbench run` could be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench.runner import Prepared

_BESIDE = (
    "suite",
    "settings",
    "results",
    "threads",
    "latency",
    "dry_run",
    "as_json",
    "max_cost",
    "workers",
    "scheduler",
)
"""What may be said beside `--suite`: how it is run, and where things are."""

suite_option = click.option(
    "--suite", metavar="NAME", help="Run a frozen plan, such as mini-1; see docs/reproducing.md."
)


def prepare_suite(name: str, settings: tuple[str, ...]) -> Prepared:
    """The plan of a suite.

    Raises:
        UsageError: no such suite, or an option beside it that would change the plan.
        DataError: these are not the images that it was frozen with.
    """
    from fxbench import suites

    suite = suites.read(name)
    context = click.get_current_context()
    for parameter in context.command.params:
        given = parameter.name and context.get_parameter_source(parameter.name)
        if given is not ParameterSource.DEFAULT and parameter.name not in _BESIDE:
            raise UsageError(
                f"{parameter.opts[0]} would change the plan, and the suite {name} is frozen: leave "
                "that option out, or give what the suite has by options, without --suite."
            )
    return suite.prepare(settings)

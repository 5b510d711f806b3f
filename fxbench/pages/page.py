"""A page from a template: one file, with its styles, scripts, pictures and figures in it."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.errors import UnavailableError

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
_SCRIPTS = ("theme.js", "tables.js", "figures.js")
MEND = "pip install 'fxbench[report]'"


def require() -> None:
    """See that pages can be made, before work that would be for nothing is done.

    Raises:
        UnavailableError: Jinja2 or Plotly is not installed.
    """
    for module, name in (("jinja2", "Jinja2"), ("plotly", "Plotly")):
        if importlib.util.find_spec(module) is None:
            raise UnavailableError(f"An HTML page needs {name}: {MEND}")


def render(template: str, **context: Any) -> str:
    """A whole page.

    What is put into it is escaped, whatever it holds; only `Markup`, as the functions of this
    package make it, is not. A Content-Security-Policy in the page lets no script run but those
    whose hashes it names, and forbids the network.

    Args:
        template: a file of `templates/`, which extends `base.html`.
        context: what the template shows, every name of it.

    Raises:
        UnavailableError: Jinja2 or Plotly is not installed.
        jinja2.UndefinedError: the template shows something that is not there.
    """
    require()
    script = _script()
    return (
        _environment()
        .get_template(template)
        .render(
            style=_static("page.css"),
            script=script,
            plotly=_packed_plotly,
            hashes=(_hash(script), _hash(_plotly())),
            version=fxbench.__version__,
            **context,
        )
    )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _static(name: str) -> Any:
    from markupsafe import Markup

    return Markup((_FOLDER / "static" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


@functools.cache
def _script() -> Any:
    from markupsafe import Markup

    return Markup("\n").join(_static(name) for name in _SCRIPTS)


def _hash(script: str) -> str:
    """As a Content-Security-Policy names a script that may run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@functools.cache
def _packed_plotly() -> str:
    """Plotly's script, gzip in base64: two fifths of its size, and no work until it is needed."""
    return base64.b64encode(gzip.compress(_plotly().encode(), 9, mtime=0)).decode()

"""What is installed, as flat records: the same for `fxbench list --json` and for Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fxbench.availability import availability
from fxbench.errors import UsageError
from fxbench.kinds import KINDS
from fxbench.names import unknown_name
from fxbench.options import Options, resolve
from fxbench.registry import Registry, discover


def inventory(
    kind: str | None = None, registry: Registry | None = None, options: Options | None = None
) -> list[dict[str, Any]]:
    """One record for each component, and one for each plugin that has a problem.

    Args:
        kind: only components of this kind.
        registry: what is installed; found out where None.
        options: the state of a component is that with these; None for those of the environment and
            of `fxbench.toml`.

    Returns:
        Records with `kind`, `name`, `plugin`, `distribution`, `version`, `state`, `detail`,
        `problems`, `mend`, `summary`, `traits` and `required`, the options that must be set. A
        plugin with a problem has the kind `plugin`.

    Raises:
        UsageError: an unknown kind, or an option that can't be read.
    """
    if kind is not None and kind not in (known := [k.name for k in KINDS]):
        raise UsageError(unknown_name("kind", kind, known))
    registry = registry or discover()
    if options is None:
        components = (entry.component for entry in registry.entries)
        options = resolve(components, (), os.environ, Path(), lenient=True)
    rows: list[dict[str, Any]] = []
    for entry in registry.entries:
        if kind is not None and entry.kind.name != kind:
            continue
        state = availability(entry, options)
        rows.append(
            {
                "kind": entry.kind.name,
                "name": entry.name,
                "plugin": entry.plugin.name,
                "distribution": entry.plugin.distribution,
                "version": entry.plugin.version,
                "state": state.state,
                "detail": state.detail,
                "problems": [],
                "mend": state.mend or None,
                "summary": entry.component.summary,
                "traits": sorted(entry.component.traits),
                "required": [o.name for o in entry.component.options if o.required],
            }
        )
    for plugin in registry.plugins:
        if plugin.problems:
            newer = plugin.state == "needs a newer fxbench"
            package = "fxbench" if newer else plugin.distribution
            rows.append(
                {
                    "kind": "plugin",
                    "name": plugin.name,
                    "plugin": plugin.name,
                    "distribution": plugin.distribution,
                    "version": plugin.version,
                    "state": plugin.state,
                    "detail": " ".join(plugin.problems),
                    "problems": list(plugin.problems),
                    "mend": f"pip install --upgrade {package}",
                    "summary": "",
                    "traits": [],
                    "required": [],
                }
            )
    return rows

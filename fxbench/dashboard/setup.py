"""What the command line tells the dashboard, which runs in a process of its own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fxbench.errors import UsageError

VARIABLE = "FXBENCH_DASHBOARD"
"""The environment variable that carries it. Arguments would be read by every user of the machine,
and options may name what others need not know."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How the dashboard was started.

    Attributes:
        results: the folder of run folders.
        settings: options of components, as texts `NAME.OPTION=VALUE`.
        max_upload: the largest file that may be uploaded, in MB.
        max_seconds: how much of a video is looked at, at most.
        network: whether other machines can reach it.
    """

    results: Path = Path("results")
    settings: tuple[str, ...] = ()
    max_upload: int = 100
    max_seconds: float = 60.0
    network: bool = False

    def text(self) -> str:
        """As text for the environment."""
        return json.dumps(asdict(self) | {"results": str(self.results)})

    @classmethod
    def read(cls) -> Setup:
        """What the environment says; the defaults where it says nothing.

        Raises:
            UsageError: it is not what this version writes.
        """
        text = os.environ.get(VARIABLE)
        if text is None:
            return cls()
        try:
            record = json.loads(text)
            return cls(
                results=Path(record["results"]),
                settings=tuple(record["settings"]),
                max_upload=int(record["max_upload"]),
                max_seconds=float(record["max_seconds"]),
                network=bool(record["network"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{VARIABLE} is not what `fxbench dashboard` writes ({error}): start the dashboard "
                "with that command."
            ) from error

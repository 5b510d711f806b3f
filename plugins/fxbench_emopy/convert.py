"""Makes what is shipped of `emopy`: ``python -m fxbench_emopy.convert WEIGHTS.weights.h5``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fxbench.training.twins import command


def _network() -> Any:
    from fxbench_emopy.network import build

    return build()


main = command("emopy", _network, Path(__file__).parent)

if __name__ == "__main__":
    main()

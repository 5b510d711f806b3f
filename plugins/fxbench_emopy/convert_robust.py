"""Makes what is shipped of `emopy-robust`: ``python -m fxbench_emopy.convert_robust WEIGHTS``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fxbench.training.twins import command


def _network() -> Any:
    from fxbench_emopy.network import build

    return build()


main = command("emopy-robust", _network, Path(__file__).parent, int8=False)

if __name__ == "__main__":
    main()

"""Makes what is shipped of `mobilenetv2`: ``python -m fxbench_mobilenetv2.convert WEIGHTS``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fxbench.training.twins import command

# Its first convolutions have few channels, whose ranges differ widely, and are soon computed.
FLOAT_CONVOLUTIONS = 3


def _network() -> Any:
    from fxbench_mobilenetv2.network import build

    return build()


main = command("mobilenetv2", _network, Path(__file__).parent, first=FLOAT_CONVOLUTIONS)

if __name__ == "__main__":
    main()

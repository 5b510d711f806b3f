"""`python -m fxbench`, and what the command `fxbench` calls."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is being imported ends it without a traceback too."""
    try:
        from fxbench import cli
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()

"""`python -m fxbench`."""

from fxbench.cli import main

main()

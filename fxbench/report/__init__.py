"""One HTML file that shows what a run has: `fxbench report`.

A reader of results: it shows what the tables, the leaderboard and the diagrams of a run already
say, and computes none of it anew. `assemble` makes the page of the sections that the other modules
make. Pictures are handed to it by who may read the dataset.
"""

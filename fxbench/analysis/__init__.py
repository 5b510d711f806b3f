"""Photos and videos that a person brings: looked at with any components, and written down.

:mod:`fxbench.analysis.engine` is what `fxbench analyze`, the live view and the dashboard share.
"""

"""What all HTML pages of fxbench have in common: one file each, which needs no network.

`page` makes the page of a template, `figures` draws charts in it, `tables` shows a table that
sorts and filters, `pictures` puts a picture into it. Needs the extra `report`.
"""

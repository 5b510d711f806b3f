"""Catches the mistakes that people make with emotion classifiers; docs/auditing.md explains it.

Importing this package imports nothing heavy.
"""

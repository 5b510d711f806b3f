"""What can go wrong, each with the exit code that the command line ends with."""

from __future__ import annotations


class FxbenchError(Exception):
    """An error whose message is meant for a person.

    The message is one sentence (or a few short ones) that says what was given, what was expected
    and what to do next.
    """

    exit_code = 2


class UsageError(FxbenchError):
    """A wrong option, name or value."""


class DataError(FxbenchError):
    """A dataset or a file of it that can't be used."""


class ImageError(FxbenchError):
    """One image that can't be read: counted and listed, it stops no run."""


class PluginError(FxbenchError):
    """A plugin or component that breaks the contract of its kind."""


class UnavailableError(FxbenchError):
    """A component that lacks an extra, weights, an option or credentials."""


class WeightsError(FxbenchError):
    """A weight file that is missing, truncated or not the one that was declared."""


class SchemaError(FxbenchError):
    """A file of results that this version can't read."""


class StoppedError(FxbenchError):
    """A run that can't go on now. The same command resumes it."""

    exit_code = 4


class StoreError(StoppedError):
    """Results that can't be written, for example on a full disk. The run can be resumed."""

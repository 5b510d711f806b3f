"""Where the Face resource is and how to sign in, told from the environment alone.

This module imports the standard library only, so that `fxbench list` can ask it. What it holds is
secret: nothing here shows a key, not even in a message about it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fxbench.errors import UnavailableError

ENDPOINT = "AZURE_FACE_ENDPOINT"
KEY = "AZURE_FACE_KEY"

_EXAMPLE = "https://NAME.cognitiveservices.azure.com"
_SET_BOTH = (
    f"Set {ENDPOINT} to the address of your Face resource ({_EXAMPLE}), and {KEY} to its key, or "
    "sign in with `az login`."
)
_SET_KEY = (
    f"Set {KEY} to the key of your Face resource, or sign in with `az login`. Where azure-identity "
    "finds a login that can't be seen from here, such as a virtual machine's own, set "
    "AZURE_TOKEN_CREDENTIALS to its name."
)

_LOGINS = (
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
)
"""Variables that tell azure-identity's chain of a login."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Face resource and its key.

    Attributes:
        endpoint: its address, without a slash at the end.
        where: the same without the scheme, which is no secret.
        key: None where azure-identity is to sign in.
    """

    endpoint: str
    where: str
    key: str | None = field(repr=False)


def lacking() -> str | None:
    """What to do before the service can be asked; None where nothing lacks."""
    try:
        find()
    except UnavailableError as error:
        return str(error)
    return None


def where() -> str:
    """Host and path of the address that is asked.

    Raises:
        UnavailableError: there is none that could be.
    """
    return find().where


def find() -> Account:
    """The account that the environment tells of.

    Raises:
        UnavailableError: the address or every login lacks, or one of them can't be right.
    """
    endpoint = os.environ.get(ENDPOINT, "").strip().rstrip("/")
    key = os.environ.get(KEY, "").strip()
    if not endpoint:
        raise UnavailableError(_SET_BOTH)
    where = _where(endpoint)
    # A key with a line break would be refused far below, by an error that shows it.
    if not all("!" <= letter <= "~" for letter in key):
        raise UnavailableError(
            f"{KEY} holds a space, a line break or a letter that no key has: copy the key again."
        )
    if not key and not _signed_in():
        raise UnavailableError(_SET_KEY)
    return Account(endpoint, where, key or None)


def _where(endpoint: str) -> str:
    """Host and path of an address that keys and images may be sent to."""
    try:
        parts = urlsplit(endpoint)
        right = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or "@" in endpoint or "?" in endpoint or "#" in endpoint:
        raise UnavailableError(
            f"{ENDPOINT} must be an address such as {_EXAMPLE}: with https, since a key and images "
            "are sent there, and without name, password or parameters."
        )
    return parts.netloc + parts.path


def _signed_in() -> bool:
    """Whether azure-identity has anything to begin with, as far as can be seen without asking."""
    if any(os.environ.get(name) for name in _LOGINS):
        return True
    command_line = Path(os.environ.get("AZURE_CONFIG_DIR") or "~/.azure").expanduser()
    developer = Path(os.environ.get("AZD_CONFIG_DIR") or "~/.azd").expanduser()
    return (
        any(command_line.glob("msal_token_cache.*"))
        or any(command_line.glob("service_principal_entries.*"))
        or (developer / "auth").is_dir()
    )

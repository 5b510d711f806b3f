"""Whether IBM's SDK will find credentials and an address, told without importing it.

It looks where the SDK does, in the same order: a credentials file, then the environment. What it
reads is secret: nothing here shows a key, not even in a message about it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from fxbench.errors import UnavailableError

PREFIX = "SPEECH_TO_TEXT_"
URL, KEY = f"{PREFIX}URL", f"{PREFIX}APIKEY"
FILE = "IBM_CREDENTIALS_FILE"

_EXAMPLE = "https://api.eu-de.speech-to-text.watson.cloud.ibm.com/instances/ID"
_LOGINS = ("APIKEY", "BEARER_TOKEN", "PASSWORD", "IAM_PROFILE_ID", "IAM_PROFILE_NAME")
"""Properties that tell the SDK of a login."""


def lacking() -> str | None:
    """What to do before the service can be asked; None where nothing lacks."""
    try:
        address()
    except UnavailableError as error:
        return str(error)
    return None


def where() -> str:
    """Host and path of the address that is asked.

    Raises:
        UnavailableError: there is none that could be.
    """
    parts = urlsplit(address())
    return parts.netloc + parts.path


def address() -> str:
    """The address of the service, without a slash at the end.

    Raises:
        UnavailableError: the address or a login lacks, or one of them can't be right.
    """
    told = properties()
    url = told.get("URL", "").strip().rstrip("/")
    if not url or not any(told.get(name, "").strip() for name in _LOGINS):
        raise UnavailableError(
            f"Set {KEY} and {URL} to the key and the address that IBM Cloud shows for your Speech "
            f"to Text instance, or {FILE} to its credentials file."
        )
    try:
        parts = urlsplit(url)
        right = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or any(sign in url for sign in "@?#"):
        raise UnavailableError(
            f"{URL} must be an address such as {_EXAMPLE}: with https, since a key and sound are "
            "sent there, and without name, password or parameters."
        )
    key = told.get("APIKEY", "").strip()
    # A key with a line break would be refused far below, by an error that shows it.
    if not all("!" <= letter <= "~" for letter in key):
        raise UnavailableError(
            f"{KEY} holds a space, a line break or a letter that no key has: copy the key again."
        )
    return url


def secrets() -> tuple[str, ...]:
    """What no message may show."""
    told = properties()
    return tuple(told[name].strip() for name in _LOGINS if told.get(name, "").strip())


def properties() -> dict[str, str]:
    """What the credentials file says of the service, else the environment."""
    found = _from_file()
    if found:
        return found
    return {
        name.removeprefix(PREFIX): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }


def _from_file() -> dict[str, str]:
    named = os.environ.get(FILE)
    folders = (Path.cwd(), Path.home())
    files = [Path(named)] if named else [folder / "ibm-credentials.env" for folder in folders]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.strip().partition("=") for line in lines if "=" in line)
    return {key.removeprefix(PREFIX): value for key, _, value in pairs if key.startswith(PREFIX)}

"""Addresses: which are used, and how they are shown."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fxbench.errors import WeightsError


def shown(url: str) -> str:
    """An address without user, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "what is no address"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


def allow(url: str, origin: str) -> None:
    """Refuse an address that anybody on the way could answer for.

    Args:
        url: where the next request goes.
        origin: the address that was declared, which led there.

    Raises:
        WeightsError: it is not https, and not http from this machine to itself.
    """
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if host and scheme == "https":
        return
    if host and scheme == "http" and _own_machine(url) and _own_machine(origin):
        return
    led = f"{shown(origin)} leads to {shown(url)}" if url != origin else shown(url)
    raise WeightsError(
        f"{led}, which is not used: only https is, so that nobody on the way can change what "
        "arrives. Fetch the file by hand into a folder that FXBENCH_WEIGHTS names."
    )


def _own_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

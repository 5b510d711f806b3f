"""How requests leave: counted, and repeated as IBM asks to.

The SDK can repeat by itself, but tells nobody how often, nor which requests may have been charged.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which a request is repeated."""

LONGEST_WAIT = 120.0
"""Seconds. A service that wants more has run out of its quota: that is for a person to know."""

_GATEWAY = frozenset({502, 504})
"""Answers of a gateway that doesn't know what became of the request."""

_FIRST_WAIT = 1.0


@dataclass(slots=True)
class Tally:
    """The requests for one sound.

    Attributes:
        attempts: how many were sent.
        uncertain: after how many of them nobody knows whether the service answered, and charged.
        seconds: how long the last one took.
        status: the HTTP status of the last answer, None where there was none.
    """

    attempts: int = 0
    uncertain: int = 0
    seconds: float = 0.0
    status: int | None = None


class Counting(HTTPAdapter):
    """Sends requests, once each, and counts them.

    Attributes:
        tally: of the requests for the sound that is in work.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=0)
        self.tally = Tally()

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> Any:
        """Send a request; see :class:`requests.adapters.HTTPAdapter`."""
        tally = self.tally
        tally.attempts += 1
        tally.status = None
        started = time.perf_counter()
        try:
            response = super().send(request, *args, **named)
            # Read here: a connection that breaks in the middle of an answer is uncertain too.
            response.content  # noqa: B018
        except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError):
            tally.attempts -= 1  # there was no connection that it could have left by
            raise
        except requests.exceptions.ConnectionError as error:
            if _never_left(error):
                tally.attempts -= 1
            else:
                tally.uncertain += 1
            raise
        except requests.exceptions.RequestException:
            tally.uncertain += 1
            raise
        finally:
            tally.seconds = time.perf_counter() - started
        tally.status = response.status_code
        tally.uncertain += response.status_code in _GATEWAY
        return response


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Whether there was no connection at all."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def wait_before(attempt: int, retry_after: str | None) -> float | None:
    """How long to wait before a request is repeated.

    Args:
        attempt: how often it was sent.
        retry_after: what the service said, seconds or a date; None where it said nothing.

    Returns:
        Seconds; None where the service wants us to wait longer than anybody does.
    """
    wait = _FIRST_WAIT * 2.0 ** (attempt - 1)
    if retry_after:
        try:
            wait = max(0.0, float(retry_after))
        except ValueError:
            with contextlib.suppress(ValueError):
                wait = max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return wait if wait <= LONGEST_WAIT else None

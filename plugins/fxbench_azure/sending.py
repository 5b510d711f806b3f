"""How requests leave: no faster than agreed, counted, and repeated as the vendor asks.

Repeating and waiting are azure-core's own. What is added: which answers are worth repeating, a
limit to how long a server may make us wait, and a count of what is uncertain.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ServiceRequestError
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.core.rest import HttpRequest, HttpResponse

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which a request is repeated: those of azure-core."""

LONGEST_WAIT = 120.0
"""Seconds. A server that wants more has run out of its quota: that is for a person to know."""

_GATEWAY = frozenset({502, 504})
"""Answers of a gateway that doesn't know what became of the request."""


@dataclass(slots=True)
class Tally:
    """The requests for one picture.

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


class Pace:
    """Keeps requests apart, those of all threads together.

    Args:
        per_minute: how many may be sent in a minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._apart = 60.0 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._apart
        if turn > now:
            time.sleep(turn - now)


class Patience(RetryPolicy[Any, Any]):
    """azure-core's policy: exponential backoff, and `Retry-After` is respected, within limits."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Whether to ask again after this answer.

        azure-core's own rule repeats every error that carries `Retry-After`, a used-up quota of a
        month among them.
        """
        if response.http_response.status_code not in AGAIN:
            return False
        if (self.get_retry_after(response) or 0.0) > LONGEST_WAIT:
            return False
        return bool(super().is_retry(settings, response))

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """The seconds that the server wants us to wait; None where it says nothing readable."""
        try:
            return super().get_retry_after(response)
        except ValueError:
            return None


class Transport(RequestsTransport):  # type: ignore[misc] # its module hides its types
    """azure-core's own transport, with a count of what it sends.

    Args:
        pace: keeps the requests apart.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, pace: Pace, timeout: float) -> None:
        super().__init__(connection_timeout=min(timeout, 10.0), read_timeout=timeout)
        self._pace = pace

    def send(self, request: HttpRequest, *, tally: Tally, **options: Any) -> HttpResponse:
        """Send one request, once.

        Raises:
            AzureError: there was no whole answer.
        """
        self._pace.wait()
        tally.attempts += 1
        tally.status = None
        started = time.perf_counter()
        try:
            response: HttpResponse = super().send(request, **options)
        except ServiceRequestError:
            tally.attempts -= 1  # there was no connection that it could have left by
            raise
        except AzureError:
            tally.uncertain += 1
            raise
        finally:
            tally.seconds = time.perf_counter() - started
        tally.status = response.status_code
        tally.uncertain += response.status_code in _GATEWAY
        return response

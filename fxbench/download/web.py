"""Requests, with what can go wrong told apart: what may pass, and what won't.

No message holds the text of another library's exception: it may hold the whole address.
"""

from __future__ import annotations

import contextlib
import http
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

import requests
from requests import exceptions
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from fxbench.download.addresses import allow, shown
from fxbench.errors import WeightsError

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which the same request may succeed."""

_BLOCK = 16 * 1024
_REDIRECTS = 10
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class PassingError(Exception):
    """What may go better another time: the rest of a sentence that begins with an address."""

    def __init__(self, why: str, response: requests.Response | None = None) -> None:
        super().__init__(why)
        self.response = response


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says before it sends.

    Attributes:
        response: whose body is still to be read.
        total: the bytes of the whole file; None where that is not told.
        start: the first byte that comes; -1 where a part comes without saying which.
    """

    response: requests.Response
    total: int | None
    start: int

    @property
    def status(self) -> str:
        """Such as `404 Not Found`, in words of this program: the server's own may be anything."""
        code = self.response.status_code
        try:
            return f"{code} {http.HTTPStatus(code).phrase}"
        except ValueError:
            return str(code)


@contextlib.contextmanager
def answer(
    session: requests.Session, url: str, headers: Mapping[str, str], timeout: tuple[float, float]
) -> Iterator[Answer]:
    """Ask for a file, by way of other addresses where the server says so.

    Args:
        session: for cookies and connections; it takes proxies from the environment.
        url: the address.
        headers: of the request.
        timeout: seconds for a connection, and for silence.

    Raises:
        PassingError: the server can't be reached now.
        WeightsError: it can't be asked at all, or leads to where nothing is fetched from.
    """
    here = url
    for _ in range(_REDIRECTS):
        allow(here, url)
        with _told_apart(here, timeout):
            response = session.get(
                here, headers=dict(headers), stream=True, timeout=timeout, allow_redirects=False
            )
        with response:
            if not response.is_redirect:
                yield _announced(response)
                return
            here = _joined(here, response.headers["Location"])
    raise WeightsError(
        f"{shown(url)} leads from one address to the next more than {_REDIRECTS} times: nothing "
        "was fetched."
    )


def _joined(here: str, location: str) -> str:
    try:
        return urljoin(here, location)
    except ValueError:
        raise WeightsError(
            f"{shown(here)} leads to what is no address: nothing was fetched."
        ) from None


def blocks(given: Answer, url: str, timeout: tuple[float, float]) -> Iterator[bytes]:
    """The body of an answer, in blocks.

    Raises:
        PassingError: the connection was cut, or went silent.
    """
    stream = given.response.iter_content(_BLOCK)
    while True:
        with _told_apart(url, timeout):
            block = next(stream, None)
        if block is None:
            return
        yield block


def _announced(response: requests.Response) -> Answer:
    if response.status_code in (206, 416):
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            return Answer(response, None, -1)
        total = None if found[2] == "*" else int(found[2])
        return Answer(response, total, int(found[1]) if found[1] else -1)
    length = response.headers.get("Content-Length", "")
    # The length of what was compressed on the way is not that of the file.
    plain = "Content-Encoding" not in response.headers and length.isdigit()
    return Answer(response, int(length) if plain else None, 0)


@contextlib.contextmanager
def _told_apart(url: str, timeout: tuple[float, float]) -> Iterator[None]:
    connect_s, silence_s = timeout
    try:
        yield
    except exceptions.ConnectTimeout:
        raise PassingError(f"could not be reached within {connect_s:g} s") from None
    except exceptions.ProxyError as error:
        raise PassingError(
            f"could not be reached through the proxy of the environment{_reason(error)}"
        ) from None
    except exceptions.SSLError:
        raise WeightsError(
            f"{shown(url)} shows no certificate that is trusted here, or speaks no TLS: nothing "
            "was fetched. REQUESTS_CA_BUNDLE names a file of certificates, where a proxy has its "
            "own."
        ) from None
    except exceptions.Timeout:
        raise PassingError(f"sent nothing for {silence_s:g} s") from None
    except exceptions.ChunkedEncodingError:
        raise PassingError("broke the connection off") from None
    except exceptions.ConnectionError as error:
        inner = error.args[0] if error.args else None
        if isinstance(inner, ReadTimeoutError):
            raise PassingError(f"sent nothing for {silence_s:g} s") from None
        if isinstance(inner, ProtocolError):
            raise PassingError(f"broke the connection off{_reason(error)}") from None
        raise PassingError(f"could not be reached{_reason(error)}") from None
    except (exceptions.InvalidURL, exceptions.InvalidSchema, exceptions.MissingSchema):
        raise WeightsError(
            f"{shown(url)}, or the proxy of the environment, is no address that can be asked."
        ) from None
    except exceptions.RequestException as error:
        raise PassingError(f"answered what can't be read ({type(error).__name__})") from None
    except ValueError:
        # requests looks at where a redirect leads, though it is not to follow it.
        raise WeightsError(
            f"{shown(url)} leads to what is no address: nothing was fetched."
        ) from None


def _reason(error: BaseException) -> str:
    """What the system says in brackets, such as ` (Connection refused)`."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return f" ({inner.strerror})"
        inner = inner.__cause__ or inner.__context__
    return ""

"""IBM Watson Speech to Text: one `recognize` call tells the words of a sound."""

from __future__ import annotations

import io
import logging
import time
import wave
from collections.abc import Mapping
from typing import Any, NoReturn

import requests
from ibm_cloud_sdk_core import ApiException
from ibm_watson import SpeechToTextV1

from fxbench.cloud.service import RefusedError, Reply, ServiceError
from fxbench.errors import PluginError
from fxbench.speech.words import RATE, Word
from fxbench_watson.account import KEY, URL, address, secrets, where
from fxbench_watson.sending import AGAIN, Counting, Tally, wait_before

_HESITATION = "%HESITATION"
"""What the older models write where somebody hesitates."""


class SpeechToText:
    """See :class:`fxbench.cloud.transcriber.SpeechService`.

    Args:
        model: of the service.
        timeout: seconds to wait for an answer.
        retries: how often a request is repeated at most.
    """

    name = "watson"
    price: float | None = 0.02

    def __init__(self, model: str, *, timeout: float, retries: int) -> None:
        # Without any handler Python prints warnings of libraries into our own output.
        for logger in ("ibm-cloud-sdk-core", "ibm_cloud_sdk_core", "ibm_watson"):
            logging.getLogger(logger).addHandler(logging.NullHandler())
        self.version = f"v1 {model} timestamps word_confidence"
        self.where = where()
        self._model = model
        self._retries = retries
        self._sending = Counting()
        self._client = SpeechToTextV1()
        self._client.set_service_url(address())
        self._client.set_http_config({"timeout": (10.0, timeout)})
        # The SDK would mount its own again where its settings ask for retries.
        self._client.disable_retries()
        self._client.get_http_client().mount("https://", self._sending)

    def ask(self, pcm: bytes) -> Reply:
        """Send a sound; see :class:`fxbench.cloud.transcriber.SpeechService`."""
        tally = self._sending.tally = Tally()
        sound = _wav(pcm)
        for attempt in range(1, self._retries + 2):
            wait: float | None
            try:
                answer = self._client.recognize(
                    audio=io.BytesIO(sound),
                    content_type="audio/wav",
                    model=self._model,
                    timestamps=True,
                    word_confidence=True,
                    headers={"X-Watson-Learning-Opt-Out": "true"},
                    # requests would send the sound wherever an answer points to.
                    allow_redirects=False,
                ).get_result()
            except ApiException as error:
                response = error.http_response
                after = None if response is None else response.headers.get("Retry-After")
                wait = wait_before(attempt, after) if error.status_code in AGAIN else None
                if wait is None or attempt > self._retries or tally.status is None:
                    self._give_up(tally, error)
            except requests.exceptions.RequestException as error:
                wait = wait_before(attempt, None)
                if wait is None or attempt > self._retries or _hopeless(error):
                    self._give_up(tally, error)
            except (AttributeError, TypeError, ValueError, KeyError) as error:
                # The SDK lets through what a strange answer, or a strange token, does to it.
                self._give_up(tally, error)
            else:
                return Reply(_plain(answer), tally.attempts, tally.uncertain, tally.seconds)
            time.sleep(wait)
        raise AssertionError  # the last attempt returns or gives up

    def read(self, answer: Any, seconds: float) -> tuple[Word, ...]:
        """The words of an answer; see :class:`fxbench.cloud.transcriber.SpeechService`."""
        results = answer.get("results") if isinstance(answer, Mapping) else None
        if not isinstance(results, list):
            raise ServiceError("the answer has no list of results")
        words = []
        for result in results:
            best = _best(result)
            stamps = best.get("timestamps", [])
            sure = best.get("word_confidence") or []
            if not isinstance(stamps, list) or not isinstance(sure, list):
                raise ServiceError("the answer has a result without a list of timestamps")
            for place, stamp in enumerate(stamps):
                text, begin_s, end_s = _stamp(stamp)
                if text == _HESITATION or not text.strip():
                    continue
                told = sure[place][1] if place < len(sure) and _is_pair(sure[place]) else None
                begin_s, end_s = min(begin_s, seconds), min(end_s, seconds)
                try:
                    words.append(Word(text, begin_s, max(begin_s, end_s), told))
                except PluginError as error:
                    raise ServiceError(f"the answer has a word that is none: {error}") from error
        return tuple(sorted(words, key=lambda word: (word.begin_s, word.end_s)))

    def _give_up(self, tally: Tally, error: Exception) -> NoReturn:
        """Tell what the last error means."""
        status = tally.status
        if status is None and isinstance(error, ApiException):
            status = error.status_code
        said = _words(error)
        counts = tally.attempts, tally.uncertain
        refusal = None
        if isinstance(error, requests.exceptions.RequestException) and not tally.attempts:
            refusal = f"{self.where} can't be reached: {said}. Look at {URL} and at the network."
        elif tally.status is None and isinstance(error, ApiException):
            refusal = f"IBM Cloud gave no token: {status}, {said}. Compare {KEY} with the key."
        elif status in (401, 403):
            refusal = (
                f"The Speech to Text service refused the key: {status}, {said}. Compare {KEY} with "
                f"the key, and {URL} with the address, that IBM Cloud shows for the instance."
            )
        elif status == 404:
            refusal = (
                f"There is no model {self._model} at {self.where}: {status}, {said}. Compare {URL} "
                "with the address that IBM Cloud shows, and watson.model with its list of models."
            )
        if refusal is not None:
            raise RefusedError(refusal, *counts) from error
        if status == 200:
            raise ServiceError(f"not an answer as documented: {said}", *counts, 1) from error
        if status is None:
            raise ServiceError(f"no answer: {said}", *counts) from error
        raise ServiceError(f"{status}, {said}", *counts) from error


def _wav(pcm: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return buffer.getvalue()


def _hopeless(error: requests.exceptions.RequestException) -> bool:
    """Whether asking again can't help: a certificate that is not trusted."""
    return isinstance(error, requests.exceptions.SSLError)


def _plain(answer: Any) -> Any:
    """What an answer tells about the sound: no identity, whatever else the service sends."""
    if not isinstance(answer, Mapping):
        return None
    return {"results": answer.get("results")}


def _best(result: Any) -> Mapping[str, Any]:
    alternatives = result.get("alternatives") if isinstance(result, Mapping) else None
    if not isinstance(alternatives, list) or not alternatives:
        raise ServiceError("the answer has a result without alternatives")
    if not isinstance(alternatives[0], Mapping):
        raise ServiceError("the answer has an alternative that is no object")
    return alternatives[0]


def _stamp(stamp: Any) -> tuple[str, float, float]:
    if isinstance(stamp, list) and len(stamp) == 3 and isinstance(stamp[0], str):
        times = [one for one in stamp[1:] if _is_number(one)]
        if len(times) == 2:
            return stamp[0], float(times[0]), float(times[1])
    raise ServiceError("the answer has a timestamp that is not a word with two times")


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_number(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(error: Exception) -> str:
    """What the service, or else the SDK, says, in one line that shows no key."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = " ".join(str(text).split())
    for secret in secrets():
        text = text.replace(secret, "(key)")
    return (text if len(text) <= 300 else f"{text[:299]}…").rstrip(".")

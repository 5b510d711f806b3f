"""A transcriber that asks a cloud service, about each part of a sound once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from fxbench.cloud.service import RefusedError, Reply, ServiceError
from fxbench.cloud.usage import Usage
from fxbench.errors import UnavailableError
from fxbench.speech.words import RATE, Word

if TYPE_CHECKING:
    from fxbench.cloud.answers import AnswerStore, Claim
    from fxbench.types import Float32, UInt8


LEAST_S = 0.1
"""Shorter sounds hold no word, and services refuse them."""


@runtime_checkable
class SpeechService(Protocol):
    """One vendor's protocol.

    Attributes:
        name: such as `watson`; a folder of the kept answers is called so.
        version: of the interface, with the parameters of the request that decide what is answered.
        where: the host that is asked; it is written nowhere in the clear.
        price: US dollars for one call, which is about a minute at most; None where it isn't known.
    """

    name: str
    version: str
    where: str
    price: float | None

    def ask(self, pcm: bytes) -> Reply:
        """Send a sound and wait; retry as the vendor asks to.

        Args:
            pcm: 16-bit little-endian samples of one channel, 16,000 a second.

        Raises:
            ServiceError: no usable answer about this sound.
            RefusedError: nor will there be one about any other.
        """
        ...

    def read(self, answer: Any, seconds: float) -> tuple[Word, ...]:
        """The words that an answer tells of.

        Args:
            answer: of a :class:`fxbench.cloud.service.Reply`, perhaps kept since long ago.
            seconds: how long the sound is.

        Raises:
            ServiceError: the answer is not of the form that the service documents.
        """
        ...


class CloudTranscriber:
    """Asks a service: a :class:`fxbench.protocols.Transcriber`.

    What was answered is kept, and never asked again. Digital silence is sent to nobody, and
    neither is what is too short for a word.

    Args:
        service: the vendor's protocol.
        store: of the answers.

    Attributes:
        usage: what was asked so far; its images are parts of a sound.
    """

    def __init__(self, service: SpeechService, store: AnswerStore) -> None:
        self.usage = Usage(service.price)
        self._service = service
        self._store = store

    def transcribe(self, samples: Float32) -> tuple[Word, ...]:
        """The words of a sound; see :class:`fxbench.protocols.Transcriber`.

        Raises:
            UnavailableError: there is no answer. What was answered before is kept.
            StoreError: answers can't be kept; then nothing is sent.
        """
        pcm = np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        if len(pcm) < LEAST_S * RATE or not pcm.any():
            return ()
        self.usage.looked_at(resized=False, reduced=False)
        sound = pcm.view(np.uint8)
        seconds = len(pcm) / RATE
        key = self._store.key(self._service, sound)
        words = self._kept(key, seconds)
        if words is None:
            with self._store.claimed(self._service, key) as claim:
                # Whoever had the claim before may have asked about the same sound.
                words = self._kept(key, seconds)
                if words is None:
                    words = self._ask(claim, sound, seconds)
        return words

    def _kept(self, key: str, seconds: float) -> tuple[Word, ...] | None:
        kept = self._store.read(self._service, key)
        if kept is None:
            return None
        try:
            words = self._service.read(kept.answer, seconds)
        except ServiceError:
            return None
        self.usage.kept(kept.uncertain)
        return words

    def _ask(self, claim: Claim, sound: UInt8, seconds: float) -> tuple[Word, ...]:
        self.usage.left_over(claim.interrupted, claim.uncertain)
        claim.about_to_send()
        try:
            reply = self._service.ask(sound.tobytes())
            try:
                words = self._service.read(reply.answer, seconds)
            except ServiceError as error:
                raise ServiceError(
                    error.reason, reply.attempts, reply.uncertain, answered=1
                ) from error
        except ServiceError as error:
            claim.give_up(error.uncertain)
            self.usage.lacks(error)
            if isinstance(error, RefusedError):
                raise UnavailableError(error.reason) from None
            raise UnavailableError(
                f"{self._service.name} gave no answer: {' '.join(error.reason.split())}. Give the "
                "same command again: what was answered is kept."
            ) from None
        claim.keep(reply, len(sound) // 2, 1)
        self.usage.got(reply)
        return words

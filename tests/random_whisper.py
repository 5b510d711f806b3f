"""A model of Whisper with random numbers, in the format of faster-whisper.

It is as large as it must be to be loaded and asked, and what it hears means nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIZE, MELS, FRAMES, LONGEST = 32, 80, 1500, 448


def make(folder: Path, seed: int = 3) -> Path:
    """Write `model.bin`, `config.json`, `tokenizer.json` and a vocabulary into a folder."""
    from ctranslate2.specs import WhisperSpec

    random = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    def linear(layer: Any, outputs: int, inputs: int) -> None:
        layer.weight, layer.bias = numbers(outputs, inputs), np.zeros(outputs, np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)

    def attention(layer: Any, *outputs: int) -> None:
        norm(layer.layer_norm)
        for part, size in zip(layer.linear, outputs, strict=True):
            linear(part, size, SIZE)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 2 * SIZE, SIZE)
        linear(layer.linear_1, SIZE, 2 * SIZE)

    words = vocabulary()
    spec = WhisperSpec(1, 2, 1, 2)
    for convolution, inputs in ((spec.encoder.conv1, MELS), (spec.encoder.conv2, SIZE)):
        convolution.weight = numbers(SIZE, inputs, 3)
        convolution.bias = np.zeros(SIZE, np.float32)
    spec.encoder.position_encodings.encodings = numbers(FRAMES, SIZE)
    norm(spec.encoder.layer_norm)
    attention(spec.encoder.layer[0].self_attention, 3 * SIZE, SIZE)
    feed_forward(spec.encoder.layer[0].ffn)
    spec.decoder.embeddings.weight = numbers(len(words), SIZE)
    spec.decoder.position_encodings.encodings = numbers(LONGEST, SIZE)
    norm(spec.decoder.layer_norm)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    attention(spec.decoder.layer[0].self_attention, 3 * SIZE, SIZE)
    attention(spec.decoder.layer[0].attention, SIZE, 2 * SIZE, SIZE)
    feed_forward(spec.decoder.layer[0].ffn)
    spec.register_vocabulary(words)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = []
    spec.config.alignment_heads = [(0, 0), (0, 1)]
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer(words).save(str(folder / "tokenizer.json"))
    return folder


def vocabulary() -> list[str]:
    """The bytes, as text, and the special tokens of a model of English, in their order."""
    from tokenizers.pre_tokenizers import ByteLevel

    plain = sorted(ByteLevel.alphabet())
    special = [
        *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>"),
        *("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
    ]
    return [*plain, *special, *(f"<|{number * 0.02:.2f}|>" for number in range(1501))]


def tokenizer(words: list[str]) -> Any:
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    made = tokenizers.Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([word for word in words if word.startswith("<|")])
    return made

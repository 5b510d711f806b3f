"""Where models of Whisper in CTranslate2's format lie. Nothing heavy is imported here."""

from __future__ import annotations

import os
from pathlib import Path

from fxbench.weights import SEARCH_PATH

PARTS = ("model.bin", "config.json", "tokenizer.json")
"""The files of a model that must be there. faster-whisper downloads a tokenizer that is not."""

_CALLED = "*whisper*"


def models() -> tuple[Path, ...]:
    """The folders of models: below those that `FXBENCH_WEIGHTS` names, then Hugging Face's cache.

    In the cache a model's folder is a snapshot: `models--…--faster-whisper-base.en/snapshots/HASH`.
    """
    found = []
    for folder in _named():
        found += [path.parent for path in sorted(folder.glob(f"**/{_CALLED}/{PARTS[0]}"))]
    cache = _hub()
    found += [
        path.parent for path in sorted(cache.glob(f"models--{_CALLED}/snapshots/*/{PARTS[0]}"))
    ]
    whole = [path for path in found if all((path / part).is_file() for part in PARTS)]
    return tuple(dict.fromkeys(whole))


def name_of(model: Path) -> str:
    """What a model's folder is called; of a snapshot, what Hugging Face calls the model."""
    if model.parent.name == "snapshots":
        return model.parent.parent.name.rpartition("--")[2]
    return model.name


def locate(part: str) -> Path | None:
    """A file of the first model that is found."""
    found = models()
    return found[0] / part if found else None


def _named() -> list[Path]:
    text = os.environ.get(SEARCH_PATH, "")
    return [Path(part).expanduser() for part in text.split(os.pathsep) if part.strip()]


def _hub() -> Path:
    """Hugging Face's own rule: HF_HUB_CACHE, else `hub` in HF_HOME, else in the user's cache."""
    if told := os.environ.get("HF_HUB_CACHE"):
        return Path(told).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "hub"

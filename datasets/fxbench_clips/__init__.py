"""Labelled videos: a person's own, and readers of datasets that are published for research."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench import hookimpl
from fxbench.component import Component, Option, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fxbench.video_dataset import VideoDataset

_UNKNOWN = "not stated"
_AGREEMENT = "research only, by an agreement with its authors, which each user signs"


def _clips(
    path: str,
    may_show: bool = False,
    may_send_to_cloud: bool = False,
    licence: str = _UNKNOWN,
) -> VideoDataset:
    from fxbench_clips.manifest import load

    return load(_folder(path), Terms(licence, False, may_show, may_send_to_cloud))


def _casme_sq(path: str) -> VideoDataset:
    from fxbench_clips.casme_sq import load

    return load(_folder(path), _TERMS["casme-sq"])


def _samm_lv(path: str) -> VideoDataset:
    from fxbench_clips.samm_lv import load

    return load(_folder(path), _TERMS["samm-lv"])


def _casme2(path: str, repression: str = "none") -> VideoDataset:
    from fxbench_clips.casme2 import load

    return load(_folder(path), repression, _TERMS["casme2"])


def _smic(path: str, negative: str = "disgust") -> VideoDataset:
    from fxbench_clips.smic import load

    return load(_folder(path), negative, _TERMS["smic"])


def _ravdess(path: str, calm: str = "skip") -> VideoDataset:
    from fxbench_clips.ravdess import load

    return load(_folder(path), calm, _TERMS["ravdess"])


def _crema_d(path: str) -> VideoDataset:
    from fxbench_clips.crema_d import load

    return load(_folder(path), _TERMS["crema-d"])


def _folder(path: str) -> Path:
    from pathlib import Path

    return Path(path).expanduser()


_TERMS = {
    "casme-sq": Terms(_AGREEMENT, False, False, False),
    "samm-lv": Terms(_AGREEMENT, False, False, False),
    "casme2": Terms(_AGREEMENT, False, False, False),
    "smic": Terms(_AGREEMENT, False, False, False),
    "ravdess": Terms("CC BY-NC-SA 4.0: non-commercial, with attribution", True, True, False),
    "crema-d": Terms("Open Database License 1.0", True, True, False),
}

_NEGATIVE = ("sadness", "anger", "disgust", "fear", "contempt")


def _path(what: str) -> Option:
    return Option("path", "path", None, what, affects_results=False, required=True)


def _published(
    name: str, summary: str, factory: Callable[..., VideoDataset], *options: Option
) -> Component:
    terms = _TERMS[name]
    return Component(name, summary, factory, options=options, terms=terms, licence=terms.licence)


@hookimpl
def fxbench_datasets() -> Iterable[Component]:
    """The datasets `clips`, `casme-sq`, `samm-lv`, `casme2`, `smic`, `ravdess` and `crema-d`."""
    return [
        Component(
            name="clips",
            summary="Videos in a folder, and a clips.csv that says what they show, and when.",
            factory=_clips,
            options=(
                _path("The folder that holds the videos and clips.csv."),
                Option(
                    "may_show",
                    "bool",
                    False,
                    "Whether the licence lets reports and the dashboard show the videos.",
                    affects_results=False,
                ),
                Option(
                    "may_send_to_cloud",
                    "bool",
                    False,
                    "Whether the licence lets frames be sent to a cloud service.",
                    affects_results=False,
                ),
                Option(
                    "licence",
                    "str",
                    _UNKNOWN,
                    "The videos' licence, for the tables.",
                    affects_results=False,
                ),
            ),
            terms=Terms(_UNKNOWN, False, False, False),
        ),
        _published(
            "casme-sq",
            "CAS(ME)^2: long videos, micro- and macro-expressions annotated, 30 frames/s.",
            _casme_sq,
            _path("The folder with rawpic (or rawvideo) and CAS(ME)^2code_final.xlsx."),
        ),
        _published(
            "samm-lv",
            "SAMM Long Videos: micro- and macro-expressions annotated, 200 frames/s.",
            _samm_lv,
            _path("The folder with SAMM_longvideos and SAMM_LongVideos_V3_Release.xlsx."),
        ),
        _published(
            "casme2",
            "CASME II: micro-expressions cut from onset to offset, 200 frames/s.",
            _casme2,
            _path("The folder with sub01 and so on, in it or in a folder of it, and the coding."),
            Option(
                "repression",
                "str",
                "none",
                "The emotion that repression is taken for: MEGC 2019 counts it as negative, as it "
                "does disgust. With none such clips have no label.",
                choices=("none", *_NEGATIVE),
            ),
        ),
        _published(
            "smic",
            "SMIC: micro-expressions cut from onset to offset, 100 frames/s (HS) or 25.",
            _smic,
            _path("The folder with HS, VIS and NIR, or with one of them."),
            Option(
                "negative",
                "str",
                "disgust",
                "The emotion that its class negative is taken for: it stands for all of "
                "MEGC 2019's negative ones, so don't read accuracies over eight emotions.",
                choices=_NEGATIVE,
            ),
        ),
        _published(
            "ravdess",
            "RAVDESS: 24 actors speak and sing with eight emotions, one of them calm.",
            _ravdess,
            _path("The folder with the .mp4 files, in folders of any depth."),
            Option(
                "calm",
                "str",
                "skip",
                "What calm, which is none of the eight emotions, is taken for.",
                choices=("skip", "neutral"),
            ),
        ),
        _published(
            "crema-d",
            "CREMA-D: 91 actors speak sentences with six emotions.",
            _crema_d,
            _path("The folder with the .flv files (VideoFlash), in folders of any depth."),
        ),
    ]

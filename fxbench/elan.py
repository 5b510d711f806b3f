"""ELAN's annotation files (EAF), which put what was found beside a video.

The format is that of the Max Planck Institute for Psycholinguistics, version 3.0
(http://www.mpi.nl/tools/elan/EAFv3.0.xsd).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MIME = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
}
_TYPE = "default-lt"


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that lasts for a while.

    Attributes:
        begin_s: seconds into the video.
        end_s: seconds, later than that.
        text: what it is.
    """

    begin_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Tier:
    """A line of annotations.

    Attributes:
        name: unique in its file.
        annotations: in any order.
        kind: of them, such as `emotion`: tiers of a kind share a linguistic type.
        participant: whom they are about; empty for nobody.
    """

    name: str
    annotations: tuple[Annotation, ...]
    kind: str = _TYPE
    participant: str = ""


def document(tiers: Iterable[Tier], *, media: Path, folder: Path) -> bytes:
    """An EAF file.

    Times are whole milliseconds. ELAN knows no overlap within a tier: an annotation that begins
    before the one before it ends begins where that ends, and is left out where nothing is left.

    Args:
        tiers: what it holds.
        media: the video that it is about.
        folder: where the file will lie: it names the video relative to there as well.
    """
    ET.register_namespace("xsi", _XSI)
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "fxbench",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    ET.SubElement(
        header,
        "MEDIA_DESCRIPTOR",
        {
            "MEDIA_URL": media.absolute().as_uri(),
            "MIME_TYPE": _MIME.get(media.suffix.lower(), "video/*"),
            "RELATIVE_MEDIA_URL": _relative(media, folder),
        },
    )
    last = ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    order = ET.SubElement(root, "TIME_ORDER")
    kinds: dict[str, None] = {}
    slots: list[tuple[int, ET.Element, str]] = []
    count = 0
    for tier in tiers:
        kinds[tier.kind] = None
        attributes = {"LINGUISTIC_TYPE_REF": _text(tier.kind), "TIER_ID": _text(tier.name)}
        if tier.participant:
            attributes["PARTICIPANT"] = _text(tier.participant)
        line = ET.SubElement(root, "TIER", attributes)
        for begin, end, text in _apart(tier.annotations):
            count += 1
            annotation = ET.SubElement(
                ET.SubElement(line, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {"ANNOTATION_ID": f"a{count}"},
            )
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = _text(text)
            slots.append((begin, annotation, "TIME_SLOT_REF1"))
            slots.append((end, annotation, "TIME_SLOT_REF2"))
    # The format lists them in the order of time, those of all tiers together.
    for number, (value, annotation, name) in enumerate(sorted(slots, key=lambda one: one[0]), 1):
        slot = f"ts{number}"
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(value)})
        annotation.set(name, slot)
    last.text = str(count)
    for kind in kinds or {_TYPE: None}:
        ET.SubElement(
            root,
            "LINGUISTIC_TYPE",
            {
                "GRAPHIC_REFERENCES": "false",
                "LINGUISTIC_TYPE_ID": _text(kind),
                "TIME_ALIGNABLE": "true",
            },
        )
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _apart(annotations: Iterable[Annotation]) -> list[tuple[int, int, str]]:
    """In order, in milliseconds, without an overlap."""
    apart = []
    until = 0
    for one in sorted(annotations, key=lambda one: (one.begin_s, one.end_s)):
        begin, end = max(until, round(one.begin_s * 1000)), round(one.end_s * 1000)
        if end > begin:
            apart.append((begin, end, one.text))
            until = end
    return apart


def _relative(media: Path, folder: Path) -> str:
    try:
        path = os.path.relpath(media.absolute(), folder.absolute())
    except ValueError:  # another drive
        return media.absolute().as_uri()
    name = Path(path).as_posix()
    return quote(os.fsencode(name if name.startswith("..") else f"./{name}"))


def _text(text: str) -> str:
    """The text without what XML can't hold."""
    return _NO_XML.sub("\ufffd", text)

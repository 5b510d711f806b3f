from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from fxbench import images
from fxbench.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path


def encoded(suffix: str, height: int = 30, width: int = 40, channels: int = 3) -> bytes:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return bytes(cv2.imencode(suffix, picture)[1].tobytes())


def webp(lossless: bool, alpha: bool) -> bytes:
    picture = np.random.default_rng(4).integers(0, 256, (30, 40, 4 if alpha else 3), np.uint8)
    quality = [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 80]
    return bytes(cv2.imencode(".webp", picture, quality)[1].tobytes())


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header, with a right checksum, claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 100)), chunk(b"IEND", b""))
    )


@pytest.mark.parametrize(
    "data",
    [
        encoded(".png"),
        encoded(".jpg"),
        encoded(".bmp"),
        webp(lossless=False, alpha=False),
        webp(lossless=True, alpha=False),
        webp(lossless=False, alpha=True),
        webp(lossless=True, alpha=True),
    ],
    ids=["png", "jpg", "bmp", "webp", "webp-lossless", "webp-alpha", "webp-lossless-alpha"],
)
def test_each_format_is_decoded_and_its_header_read(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert images.decode(data, "a").shape == (30, 40, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 30 * 40)
    images.decode(data, "a")
    monkeypatch.setattr(images, "MAX_PIXELS", 30 * 40 - 1)
    with pytest.raises(ImageError, match="40 x 30 pixels"):
        images.decode(data, "a")


def test_channels_are_red_green_blue() -> None:
    blue_green_red = np.zeros((4, 5, 3), np.uint8)
    blue_green_red[..., 2] = 200
    decoded = images.decode(cv2.imencode(".png", blue_green_red)[1].tobytes(), "a")
    assert decoded[0, 0].tolist() == [200, 0, 0]
    assert decoded.dtype == np.uint8


def test_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(48 * 48, dtype=np.uint8).reshape(48, 48)
    decoded = images.decode(cv2.imencode(".png", grey)[1].tobytes(), "a")
    assert np.array_equal(decoded, np.repeat(grey[..., None], 3, 2))


def test_16_bits_and_alpha_become_8_bit_rgb() -> None:
    deep = np.full((6, 7, 4), 65535, np.uint16)
    decoded = images.decode(cv2.imencode(".png", deep)[1].tobytes(), "a")
    assert decoded.shape == (6, 7, 3)
    assert (decoded == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_a_file_cut_short_anywhere_is_refused(suffix: str) -> None:
    data = encoded(suffix)
    lengths = sorted({*range(1, 64), *range(64, len(data) - 8, 97), len(data) // 2, len(data) - 9})
    for length in lengths:
        with pytest.raises(ImageError, match=r"^face\.x "):
            images.decode(data[:length], "face.x")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_changed_bytes_never_raise_anything_else(suffix: str) -> None:
    data = encoded(suffix)
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(200):
        broken = bytearray(data)
        for position in rng.integers(0, min(len(data), 400), 3):
            broken[position] = rng.integers(0, 256)
        try:
            images.decode(bytes(broken), "a")
        except ImageError:
            refused += 1
    assert refused > 0


def test_a_broken_png_writes_nothing_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(".png")
    for broken in (
        data[: len(data) // 2],
        data[:-3],
        data[:100] + b"\0" + data[101:],
        b"no image",
    ):
        with pytest.raises(ImageError):
            images.decode(broken, "a")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "is not a PNG, JPEG, BMP or WebP"),
        (b"GIF89a" + bytes(50), "is not a PNG, JPEG, BMP or WebP"),
        (png_claiming(60_000, 60_000), "60000 x 60000 pixels, more than the 100 megapixels"),
        (png_claiming(0, 5), "no pixels"),
        (png_claiming(48, 48), "corrupt or cut short"),
        (b"\xff\xd8\xff\xd9" + bytes(20), "no frame header"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03", "65535 x 65535 pixels"),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 20_000, -20_000), "20000 x 20000 pixels"),
        (b"BM" + bytes(12) + struct.pack("<IHH", 12, 20_000, 20_000), "20000 x 20000 pixels"),
        (b"RIFF....WEBPJUNK" + bytes(30), "no picture"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        images.decode(data, "x/face.png")
    assert str(caught.value).startswith("x/face.png ")


def test_a_huge_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(".bmp")
    monkeypatch.setattr(images, "MAX_BYTES", len(data) - 1)
    with pytest.raises(ImageError, match="more than the"):
        images.decode(data, "a")


def test_read_gives_the_bytes(tmp_path: Path) -> None:
    root = tmp_path
    (root / "a.png").write_bytes(b"abc")
    assert images.read(root / "a.png", root, "a.png") == b"abc"
    (root / "inside.png").symlink_to(root / "a.png")
    assert images.read(root / "inside.png", root, "inside.png") == b"abc"


def test_read_refuses_what_is_no_plain_file_inside(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("root")
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(b"secret")
    (root / "out.png").symlink_to(outside)
    (root / "circle.png").symlink_to(root / "circle.png")
    (root / "folder.png").mkdir()
    os.mkfifo(root / "pipe.png")
    (root / "large.png").write_bytes(bytes(11))
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    for name, message in {
        "out.png": "leads out of",
        "circle.png": "circle.png (can't be read|is missing)",
        "folder.png": "no plain file|not a plain file",
        "pipe.png": "not a plain file",
        "large.png": "more than the",
        "none.png": "is missing",
    }.items():
        with pytest.raises(ImageError, match=message):
            images.read(root / name, root, name)

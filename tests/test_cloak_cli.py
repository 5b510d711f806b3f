"""`fxbench cloak`: what it writes and prints, and one sentence for each wrong request."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_up import PLUGIN, Uniform, entry
from made_up_cloak import Bright, Fixed, photo

from fxbench.cli import main
from fxbench.errors import PluginError
from fxbench.images import decode
from fxbench.registry import Registry
from fxbench.types import FaceSpec

Command = Callable[..., tuple[Any, str, str]]
GRADIENT = frozenset({"gradient", "default"})
DEFAULT = frozenset({"default"})
FACE = (20.0, 20.0, 80.0, 85.0)


class Eager(Bright):
    """As Bright, without gradients."""

    gradient = None  # type: ignore[assignment]


class Stuck(Uniform):
    """Sees no difference, and has other labels."""

    labels = ("anger", "fear")
    face = FaceSpec(8)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([0.75, 0.25]), (len(faces), 1))


def broken() -> Any:
    raise PluginError("The weights are broken.")


def entries(**sent: Any) -> list[Any]:
    return [
        entry("detector", "whole", lambda: Fixed((0, 0, 120, 100)), traits=DEFAULT | {"floor"}),
        entry("detector", "yard", lambda: Fixed(FACE), traits=DEFAULT),
        entry("detector", "zoo", lambda: Fixed(FACE, (84, 20, 118, 60))),
        entry("detector", "blind", Fixed),
        entry("detector", "faraway", lambda: Fixed(FACE), sends=True),
        entry("classifier", "bright", Bright, traits=GRADIENT),
        entry("classifier", "bright-fast", Eager, traits=DEFAULT, variant_of="bright"),
        entry("classifier", "eager", lambda: Eager(FaceSpec(24)), traits=DEFAULT),
        entry("classifier", "stuck", Stuck, traits=GRADIENT),
        entry("classifier", "constant", Uniform, traits=DEFAULT | {"floor"}),
        entry("classifier", "broken", broken, traits=DEFAULT),
        entry("classifier", "absent", Eager, requires=("no_such_library",), extra="acme"),
        entry("classifier", "cloud", Eager, sends=True, **({"price": 0.001} | sent)),
    ]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Call `fxbench cloak` with made-up components: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", photo())

    def call(*arguments: str, given: list[Any] | None = None) -> tuple[Any, str, str]:
        registry = Registry((PLUGIN,), tuple(entries() if given is None else given))
        monkeypatch.setattr("fxbench.registry.discover", lambda: registry)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["cloak", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code, out, " ".join(err.split())

    return call


def test_it_writes_a_cloaked_png_beside_the_picture_and_says_what_it_does(
    command: Command, tmp_path: Path
) -> None:
    code, out, err = command("photo.png", "--steps", "5", "--figure", "sheet.png")
    assert code == 0
    image, result = (cv2.imread(name) for name in ("photo.png", "photo-cloaked.png"))
    change = np.abs(image.astype(int) - result)
    assert 0 < change.max() <= 8
    assert not change[:20].any()
    assert not change[85:].any()
    assert not change[:, :20].any()
    words = " ".join(out.split())
    # stuck and eager; the variant is the surrogate's own network.
    assert "Classifiers that it was not made with (1): 1 of 1 answers changed" in words
    assert "The surrogates' networks in other runtimes (1): 1 of 1 answers changed" in words
    assert "Classifiers that it was made with (2): 1 of 2 answers changed" in words
    assert "PSNR" in words
    assert "SSIM" in words
    assert "Written: photo-cloaked.png" in words
    assert "Left out: absent (missing extra): pip install 'odd[acme]'" in err
    assert "Left out: broken: The weights are broken." in err
    assert "constant" not in out
    assert "cloud" not in out
    assert cv2.imread("sheet.png").shape[1] > 600


def test_json_has_all_numbers(command: Command) -> None:
    code, out, _ = command(
        "photo.png", "-o", "out.png", "--json", "--steps", "5", "--detector", "zoo", "--seed", "3",
        "--epsilon", "4/255",
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert (told["image"], told["output"], told["figure"]) == ("photo.png", "out.png", None)
    assert (told["width"], told["height"]) == (120, 100)
    assert told["epsilon"] == pytest.approx(4 / 255)
    assert (told["levels"], told["steps"], told["seed"]) == (4, 5, 3)
    assert (told["detector"], told["target_label"]) == ("zoo", None)
    assert told["surrogates"] == ["bright", "stuck"]
    assert len(told["left_out"]) == 2
    assert [face["area"] for face in told["faces"]] == [[20, 20, 80, 85], [84, 20, 118, 60]]
    rows = told["classifiers"]
    assert [(r["name"], r["role"], r["face"]) for r in rows] == [
        ("bright", "surrogate", 0),
        ("bright", "surrogate", 1),
        ("bright-fast", "same network", 0),
        ("bright-fast", "same network", 1),
        ("eager", "unseen", 0),
        ("eager", "unseen", 1),
        ("stuck", "surrogate", 0),
        ("stuck", "surrogate", 1),
    ]
    assert [row["network"] for row in rows[2:4]] == ["bright", "bright"]
    for row in rows:
        for name in ("after", "jpeg", "redetected", "control"):
            assert set(row[name]) == {"label", "probability", "changed"}
            assert row[name]["changed"] == (row[name]["label"] != row["before"]["label"])
    unseen = told["summary"]["unseen"]
    assert unseen["classifiers"] == 1
    assert unseen["after"]["of"] == 2
    assert told["picture"]["largest"] == 4
    assert 30 < told["picture"]["psnr_faces"] < told["picture"]["psnr"]
    assert 0 < told["picture"]["ssim_faces"] < told["picture"]["ssim"] < 1


def test_the_written_picture_is_the_measured_one(command: Command) -> None:
    _, out, _ = command(
        "photo.png", "-o", "out.png", "--json", "--steps", "5", "--epsilon", "4/255"
    )
    told = json.loads(out)
    (row,) = [r for r in told["classifiers"] if r["name"] == "bright"]
    x1, y1, x2, y2 = (int(v) for v in told["faces"][0]["box"])
    image = decode(Path("out.png").read_bytes(), "out.png")
    face = cv2.resize(image[y1:y2, x1:x2], (48, 48))
    best = Bright().predict(face[None])[0].max()
    assert row["after"]["probability"] == pytest.approx(float(best), abs=1e-5)


def test_a_target_is_reached_or_named_as_impossible(command: Command) -> None:
    code, out, err = command(
        "photo.png", "--target-label", "Neutral", "--steps", "8", "--surrogates", "bright",
        "--classifiers", "bright,eager,stuck", "-o", "a.png",
    )  # fmt: skip
    assert code == 0
    words = " ".join(out.split())
    # stuck has no such output, so there is nothing to say of it.
    assert "not made with (2): 1 of 1 answers turned to neutral" in words
    assert "made with (1): 1 of 1 answers turned to neutral" in words
    code, _, err = command("photo.png", "--target-label", "neutral", "-o", "b.png")
    assert code == 0
    assert "Left out: surrogate stuck has no output for neutral" in err
    code, _, err = command("photo.png", "--target-label", "neutral", "--surrogates", "stuck")
    assert code == 2
    assert "stuck has no output for neutral: it can't be a surrogate for it." in err
    code, _, err = command("photo.png", "--target-label", "contempt")
    assert code == 2
    assert "No surrogate is left to make a cloak with" in err


def test_without_an_unseen_classifier_it_says_that_transfer_is_not_known(command: Command) -> None:
    _, out, _ = command("photo.png", "--classifiers", "bright,bright-fast", "--steps", "1")
    assert "Nothing says whether it transfers" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--detector", "blind"], "blind finds no face in photo.png"),
        (["--detector", "yrad"], "did you mean 'yard'?"),
        (["--detector", "faraway"], "detector faraway sends pictures to a service"),
        (["--surrogates", "brigth"], "did you mean 'bright'"),
        (["--surrogates", "eager"], "eager gives no gradient: surrogates are bright, stuck."),
        (["--surrogates", "bright-fast"], "name bright, the same network, instead."),
        (["--classifiers", "brigth"], "did you mean 'bright'"),
        (["--classifiers", "absent"], "pip install 'odd[acme]'"),
        (["--classifiers", "broken"], "The weights are broken."),
        (["--target-label", "hapiness"], "did you mean 'happiness'?"),
        (["--epsilon", "0.001"], "changes no pixel of an 8-bit picture"),
        (["--epsilon", "0"], "changes no pixel of an 8-bit picture"),
        (["--epsilon", "2/255,8/255"], "--epsilon takes one budget, not 2."),
        (["--epsilon", "9"], "is no budget"),
        (["--steps", "0"], "--steps"),
        (["-o", "out.jpg"], "out.jpg is no .png: a PNG keeps every pixel"),
        (["-o", "photo.png", "--force"], "is the picture itself"),
        (["--figure", "photo.png", "--force"], "is the picture itself"),
        (["-o", "there.png"], "there.png is there already"),
        (["--figure", "there.png"], "there.png is there already"),
        (["--figure", "photo-cloaked.png"], "Both pictures are to be written"),
        (["--classifiers", "cloud"], "costs about 0.005 USD: allow it with --max-cost 0.005."),
        (["--classifiers", "cloud", "--max-cost", "0.004"], "more than --max-cost 0.004:"),
    ],
)
def test_a_wrong_request_gets_one_sentence_and_writes_nothing(
    command: Command, arguments: list[str], said: str
) -> None:
    Path("there.png").write_bytes(b"kept")
    before = Path("photo.png").read_bytes()
    code, out, err = command("photo.png", *arguments)
    assert code == 2, (out, err)
    assert said in err
    assert Path("there.png").read_bytes() == b"kept"
    assert Path("photo.png").read_bytes() == before
    assert not Path("photo-cloaked.png").exists()


def test_a_service_is_asked_when_it_is_named_and_paid_for(command: Command) -> None:
    code, out, _ = command(
        "photo.png", "--classifiers", "cloud", "--max-cost", "0.005", "--steps", "5"
    )
    assert code == 0
    assert "cloud" in out
    given = entries(price=None)
    code, _, err = command(
        "photo.png", "-o", "b.png", "--classifiers", "cloud", "--max-cost", "9", given=given
    )
    assert code == 2
    assert "run it in a terminal and confirm it" in err


def test_with_force_a_file_is_written_over(command: Command) -> None:
    Path("out.png").write_bytes(b"old")
    code, _, _ = command("photo.png", "-o", "out.png", "--force", "--steps", "1")
    assert code == 0
    assert cv2.imread("out.png").shape == (100, 120, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing: there is no"),
        (b"", "is an empty file"),
        (b"GIF89a...", "is not a PNG, JPEG, BMP or WebP image"),
        (
            b"BM" + bytes(12) + struct.pack("<Iii", 40, 100_000, 100_000) + bytes(40),
            "more than the 100 megapixels that are read",
        ),
    ],
)
def test_a_picture_that_cant_be_read_gets_one_sentence(
    command: Command, content: bytes | None, said: str
) -> None:
    if content is not None:
        Path("bad.png").write_bytes(content)
    code, _, err = command("bad.png")
    assert code == 2
    assert said in err


def test_a_jpeg_is_kept_upright_and_loses_its_metadata(command: Command) -> None:
    """EXIF says that the picture is to be turned by 90 degrees."""
    _, jpeg = cv2.imencode(".jpg", photo(shape=(120, 100)), [cv2.IMWRITE_JPEG_QUALITY, 98])
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IHHHIIII", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    data = jpeg.tobytes()
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    Path("turned.jpg").write_bytes(turned)
    code, _, _ = command("turned.jpg", "--steps", "1")
    assert code == 0
    written = Path("turned-cloaked.png").read_bytes()
    assert decode(written, "it").shape == (100, 120, 3)
    assert b"eXIf" not in written
    assert b"Exif" not in written


def test_without_a_surrogate_or_a_detector_it_says_what_to_do(command: Command) -> None:
    without = [e for e in entries() if "gradient" not in e.component.traits]
    code, _, err = command("photo.png", given=without)
    assert code == 2
    assert "No classifier that gives gradients is ready" in err
    blind = [e for e in entries() if e.kind.name != "detector" or e.name == "whole"]
    code, _, err = command("photo.png", given=blind)
    assert code == 2
    assert "No default detector is ready" in err
    code, _, _ = command("photo.png", "--detector", "whole", "--steps", "1", given=blind)
    assert code == 0


@pytest.mark.heavy
@pytest.mark.timeout(400)  # TensorFlow takes a minute to load on a busy machine
@pytest.mark.filterwarnings("ignore")
def test_the_shipped_networks_misread_a_photo(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "cloak", str(shared / "data" / "photos" / "single_face.jpg"),
                "-o", str(tmp_path / "out.png"), "--surrogates", "emopy,mobilenetv2",
                "--classifiers", "emopy,emopy-onnx,mobilenetv2,mobilenetv2-int8",
                "--detector", "opencv-haar", "--steps", "8", "--json",
            ]
        )  # fmt: skip
    assert ended.value.code == 0
    told = json.loads(capfd.readouterr().out)
    assert told["summary"]["surrogate"]["after"] == {"changed": 2, "of": 2}
    assert told["summary"]["same network"]["after"] == {"changed": 2, "of": 2}
    assert told["summary"]["surrogate"]["control"] == {"changed": 0, "of": 2}
    assert told["picture"]["largest"] <= 8
    assert told["picture"]["psnr_faces"] > 29

"""The Face service over the wire, with everything that goes wrong there; no cloud is needed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("azure.ai.vision.face", reason="needs fxbench[azure]")
pytest.importorskip("azure.identity", reason="needs fxbench[azure]")

from azure_server import (
    IDENTITY_SECRET,
    KEY,
    PLACES,
    TOKEN,
    Answer,
    FaceServer,
    Fault,
    find_bright_spots,
    find_one_in_the_middle,
    serving,
)
from vendor_server import Cut, Slow, certify

from fxbench.cli import main
from fxbench.component import Component
from fxbench.errors import UnavailableError
from fxbench.registry import discover
from fxbench.schemes import SCHEMES

Image = np.ndarray

BUSY = Answer(429, "429", "Rate limit is exceeded. Try again later.", retry_after="0.02")
BROKEN = Answer(500, "InternalServerError", "Oops.", retry_after="0.02")
DOWN = Answer(503, "ServiceUnavailable", "Soon.", retry_after="0.02")
LOST = Answer(504, "GatewayTimeout", "Nothing came.", retry_after="0.02")
TOO_SMALL = Answer(400, "InvalidImageSize", "Image size is too small.")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certify(tmp_path_factory.mktemp("tls") / "face.pem")


@pytest.fixture
def server(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaceServer]:
    """A service, and a person whose environment knows it."""
    for name in ("AZURE_TOKEN_CREDENTIALS", "AZURE_CLIENT_SECRET", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(certificate) as running:
        monkeypatch.setenv("AZURE_FACE_ENDPOINT", running.url)
        monkeypatch.setenv("AZURE_FACE_KEY", KEY)
        yield running


def analyzer(**options: Any) -> Any:
    """What the plugin makes for the environment as it is."""
    quick = {"timeout": 5.0, "retries": 2, "per_minute": 60_000, "concurrency": 1}
    return component("detector", "azure").factory.analyzer(**(quick | options))


@cache
def component(kind: str, name: str) -> Component:
    return discover().get(kind, name).component


def picture(number: int, spots: tuple[tuple[int, int, int, int], ...] = ()) -> Image:
    """A picture of its own with a face or, by the rectangles given, with some."""
    image = np.zeros((200, 260, 3), np.uint8)
    image[:4, :, 1] = np.arange(260) % (number + 3)
    for x, y, width, height in spots or ((40 + number, 50, 60, 80),):
        image[y : y + height, x : x + width] = 255
    return image


PICTURES = tuple(picture(number) for number in range(6))


def by_image(analysis: Any, count: int) -> list[str]:
    """For each image the faces that were found, or the failure."""
    told = [str((analysis.boxes.frame == index).sum()) for index in range(count)]
    for index, reason in analysis.failures:
        assert told[index] == "0"
        told[index] = reason
    return told


def test_the_components_give_what_the_sdk_gives(server: FaceServer) -> None:
    from azure.ai.vision.face import FaceClient
    from azure.core.credentials import AzureKeyCredential

    image = picture(0, ((30, 40, 50, 60), (120, 90, 90, 70)))
    analysis = analyzer().analyze((image,))
    sent = server.asked[0].body
    client = FaceClient(server.url, AzureKeyCredential(KEY))
    faces = client.detect(
        sent,
        detection_model="detection_03",
        recognition_model="recognition_04",
        return_face_id=False,
        return_face_landmarks=True,
    )
    assert len(faces) == len(analysis.boxes) == 2
    for face in faces:
        box = face.face_rectangle
        theirs = [box.left, box.top, box.left + box.width, box.top + box.height]
        row = int(np.abs(analysis.boxes.xyxy - theirs).sum(axis=1).argmin())
        assert analysis.boxes.xyxy[row] == pytest.approx(theirs, abs=1)
        marks = face.face_landmarks
        for name, ours in zip(SCHEMES["azure-27"], analysis.points.xy[row], strict=True):
            mark = getattr(marks, _their_name(name))
            assert ours == pytest.approx([mark.x, mark.y], abs=1), name
    assert analysis.boxes.score.tolist() == [1.0, 1.0]
    assert (cv2.imdecode(np.frombuffer(sent, np.uint8), cv2.IMREAD_COLOR_RGB) == image).all()


def _their_name(ours: str) -> str:
    """The SDK's attribute for a point of ours, by what the names mean."""
    from fxbench_azure.service import POINTS

    theirs = {point: name for name, point in POINTS.items()}[ours]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in theirs)


@pytest.mark.parametrize("size", [(48, 48), (30, 200), (100, 120), (128, 128)])
def test_boxes_and_points_come_back_to_the_pixels_of_the_image(
    server: FaceServer, size: tuple[int, int]
) -> None:
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    x, y, w, h = width // 4, height // 4, width // 2, height // 2
    image[y : y + h, x : x + w] = 255
    analysis = analyzer().analyze((image,))
    assert analysis.boxes.xyxy == pytest.approx(np.array([[x, y, x + w, y + h]]), abs=1)
    tip = SCHEMES["azure-27"].index("nose_tip")
    place = np.array(PLACES["noseTip"]) * (w, h) + (x, y)
    assert analysis.points.xy[0, tip] == pytest.approx(place, abs=1)
    assert server.complaints == []
    assert min(server.asked[0].image.shape[:2]) >= 128


def test_a_request_is_what_the_documentation_asks_for(server: FaceServer) -> None:
    analyzer().analyze(PICTURES[:1])
    (asked,) = server.asked
    assert asked.query == {
        "detectionModel": ["detection_03"],
        "recognitionModel": ["recognition_04"],
        "returnFaceId": ["false"],
        "returnFaceLandmarks": ["true"],
    }
    assert asked.headers["ocp-apim-subscription-key"] == KEY
    assert server.complaints == []


def test_a_picture_of_one_colour_is_large_enough(server: FaceServer) -> None:
    from fxbench_azure.service import at_least_one_kilobyte

    black = np.zeros((48, 48, 3), np.uint8)
    analysis = analyzer().analyze((black,))
    assert by_image(analysis, 1) == ["0"]
    assert server.complaints == []
    small = cv2.imencode(".png", black)[1].tobytes()
    large = at_least_one_kilobyte(small)
    assert len(small) < 1024 <= len(large)
    assert at_least_one_kilobyte(large) == large
    for flag in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        assert (cv2.imdecode(np.frombuffer(large, np.uint8), flag) == black).all()


def test_no_face_and_a_hundred(server: FaceServer) -> None:
    crowd = np.zeros((420, 420, 3), np.uint8)
    for row in range(10):
        for column in range(10):
            crowd[5 + 41 * row : 40 + 41 * row, 5 + 41 * column : 40 + 41 * column] = 255
    none = picture(1, ((0, 0, 0, 0),))
    analysis = analyzer().analyze((none, crowd))
    assert by_image(analysis, 2) == ["0", "100"]
    assert len({tuple(box) for box in analysis.boxes.xyxy.tolist()}) == 100
    assert np.isfinite(analysis.points.xy).all()


def test_a_face_without_landmarks_is_found_and_not_located(server: FaceServer) -> None:
    faces = [{"faceRectangle": find_bright_spots(PICTURES[0])[0]["faceRectangle"]}]
    server.faults = [Answer(200, text=json.dumps(faces))]
    analysis = analyzer().analyze(PICTURES[:1])
    assert len(analysis.boxes) == 1
    assert np.isnan(analysis.points.xy).all()


@pytest.mark.parametrize(
    ("faults", "sent", "uncertain"),
    [
        ([BUSY], 2, 0),
        ([Answer(429, "429", "No hint when.")], 2, 0),
        ([Answer(429, "429", "Odd hint.", retry_after="soon")], 2, 0),
        ([BROKEN, BUSY], 3, 0),
        ([Answer(500, text="<html>", content_type="text/html", retry_after="0.02")], 2, 0),
        ([DOWN], 2, 0),
        ([LOST], 2, 1),
        ([Cut(in_the_middle=False)], 2, 1),
        ([Cut(in_the_middle=True), Cut(in_the_middle=True)], 3, 2),
        ([Slow(1.5)], 2, 1),
        ([Slow(0.1)], 1, 0),
    ],
    ids=repr,
)
def test_what_passes_is_waited_for(
    server: FaceServer, faults: list[Fault], sent: int, uncertain: int
) -> None:
    server.faults = list(faults)
    cloud = analyzer(timeout=0.8)
    analysis = cloud.analyze(PICTURES[:1])
    assert by_image(analysis, 1) == ["1"]
    usage = cloud.usage.record()
    assert len(server.asked) == usage["sent"] == sent
    assert (usage["uncertain"], usage["answered"], usage["failed"]) == (uncertain, 1, 0)
    assert len({request.body for request in server.asked}) == 1
    assert usage["p50_ms"] < 1500


@pytest.mark.parametrize(
    ("fault", "reason", "sent", "uncertain", "unusable"),
    [
        (BUSY, "429, Rate limit is exceeded", 2, 0, 0),
        (BROKEN, "500, InternalServerError: Oops", 2, 0, 0),
        (LOST, "504, GatewayTimeout", 2, 2, 0),
        (Cut(in_the_middle=False), "no answer: ", 2, 2, 0),
        (Cut(in_the_middle=True), "no answer: ", 2, 2, 0),
        (Slow(0.8), "no answer: ", 2, 2, 0),
        (TOO_SMALL, "400, InvalidImageSize: Image size is too small", 1, 0, 0),
        (Answer(400, text="?", content_type="text/html"), "400, the service gave no", 1, 0, 0),
        (Answer(429, "429", "Wait.", retry_after="86400"), "429, Wait", 1, 0, 0),
        (Answer(307, location="https://127.0.0.1:9/"), "307, ", 1, 0, 0),
        (Answer(200, text='[{"faceRectangle": {"top'), "not an answer as documented", 1, 0, 1),
        (Answer(200, text="<html>", content_type="text/html"), "not an answer", 1, 0, 1),
        (Answer(200, text=""), "not an answer as documented", 1, 0, 1),
        (Answer(200, text='{"value": []}'), "not an answer as documented", 1, 0, 1),
        (Answer(200, text="[1]"), "not an answer as documented", 1, 0, 1),
        (Answer(200, text="{}"), "the answer is no list", 1, 0, 1),
        (Answer(200, text="null"), "the answer is no list", 1, 0, 1),
        (Answer(200, text="[{}]"), "the answer has a face without 'faceRectangle'", 1, 0, 1),
        (
            Answer(200, text='[{"faceRectangle": {"top": 1, "left": 1, "width": 5}}]'),
            "the answer has no number 'height'",
            1,
            0,
            1,
        ),
        (
            Answer(
                200,
                text='[{"faceRectangle": {"top": 1, "left": 1, "width": 5, "height": 5}, '
                '"faceLandmarks": {"pupilLeft": {"x": 1, "y": 2}}}]',
            ),
            "the answer has a face without the landmark 'pupilRight'",
            1,
            0,
            1,
        ),
    ],
    ids=repr,
)
def test_what_stays_is_a_failure_of_the_image(
    server: FaceServer, fault: Fault, reason: str, sent: int, uncertain: int, unusable: int
) -> None:
    server.always = fault
    cloud = analyzer(timeout=0.4, retries=1)
    told = by_image(cloud.analyze(PICTURES[:1]), 1)
    assert told[0].startswith(reason)
    usage = cloud.usage.record()
    assert len(server.asked) == usage["sent"] == sent
    assert (usage["uncertain"], usage["unusable"]) == (uncertain, unusable)
    assert (usage["answered"], usage["failed"]) == (0, 1)
    server.always = None
    assert by_image(cloud.analyze(PICTURES[:1]), 1) == ["1"]


def test_every_image_is_answered_once_or_fails_and_no_answer_is_asked_for_again(
    server: FaceServer,
) -> None:
    server.faults = [
        Cut(in_the_middle=True),
        BUSY,
        TOO_SMALL,
        Answer(200, text="[{"),
        DOWN,
        Slow(1.0),
    ]
    cloud = analyzer(timeout=0.6, concurrency=3, retries=6)
    first = by_image(cloud.analyze(PICTURES), len(PICTURES))
    failed = [index for index, told in enumerate(first) if told != "1"]
    assert len(failed) == 2
    assert cloud.usage.record()["answered"] == len(PICTURES) - 2
    assert cloud.usage.record()["uncertain"] == 2

    server.asked.clear()
    again = analyzer()
    assert by_image(again.analyze(PICTURES), len(PICTURES)) == ["1"] * len(PICTURES)
    assert len(server.asked) == 2
    usage = again.usage.record()
    assert usage["from_store"] == len(PICTURES) - 2

    server.asked.clear()
    third = analyzer()
    third.analyze(PICTURES)
    assert server.asked == []
    assert third.usage.record()["cost"] == 0


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Answer(401, "401", "Access denied due to invalid subscription key."), "AZURE_FACE_KEY"),
        (Answer(401, text="", content_type="text/plain"), "AZURE_FACE_KEY"),
        (Answer(403, "403", "Out of call volume quota.", retry_after="172800"), "quota"),
        (Answer(403, "403", "Out of call volume quota.", retry_after="0.02"), "quota"),
        (Answer(403, text="<html>", content_type="text/html"), "firewall"),
        (Answer(404, "404", "Resource not found"), "AZURE_FACE_ENDPOINT"),
    ],
    ids=repr,
)
def test_a_refusal_ends_it_after_one_request(server: FaceServer, fault: Answer, text: str) -> None:
    server.always = fault
    with pytest.raises(UnavailableError, match=text) as caught:
        analyzer().analyze(PICTURES)
    assert len(server.asked) == 1
    assert KEY not in str(caught.value)


def test_a_wrong_key_is_not_shown(server: FaceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "f" * 32
    monkeypatch.setenv("AZURE_FACE_KEY", wrong)
    server.always = Answer(401, "401", f"The key {wrong} is not known.")
    with pytest.raises(UnavailableError, match=r"The key \(key\) is not known") as caught:
        analyzer().analyze(PICTURES[:1])
    assert wrong not in str(caught.value)


def test_a_service_that_is_not_there(server: FaceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_FACE_ENDPOINT", "https://127.0.0.1:9")
    cloud = analyzer(retries=1)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 can't be reached"):
        cloud.analyze(PICTURES[:1])
    assert cloud.usage.record()["sent"] == 0


def test_a_certificate_that_nobody_vouches_for_gets_no_key(
    server: FaceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(UnavailableError, match="can't be reached"):
        analyzer(retries=0).analyze(PICTURES[:1])
    assert server.asked == []


def test_the_service_says_how_long_to_wait(server: FaceServer) -> None:
    server.faults = [Answer(429, "429", "Wait.", retry_after="0.6")]
    analyzer().analyze(PICTURES[:1])
    first, second = server.asked
    assert 0.6 <= second.at - first.at < 5


def test_no_more_requests_a_minute_than_agreed(
    server: FaceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fxbench_azure import sending

    waits: list[float] = []
    clock = SimpleNamespace(
        monotonic=lambda: 100.0, sleep=waits.append, perf_counter=time.perf_counter
    )
    monkeypatch.setattr(sending, "time", clock)
    server.faults = [BUSY]
    analyzer(per_minute=600, concurrency=4).analyze(PICTURES[:4])
    assert len(server.asked) == 5
    # Each is sent 0.1 s after the one before, whatever picture it is about; a repeated one too.
    assert sorted(waits) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_sdk_prints_nothing_into_our_output(server: FaceServer) -> None:
    server.faults = [Cut(in_the_middle=True)]
    code = (
        "import numpy as np\n"
        "from fxbench_azure.account import find\n"
        "from fxbench_azure.service import FaceService\n"
        "service = FaceService(find(), timeout=5, retries=2, per_minute=6000)\n"
        "import cv2\n"
        "png = cv2.imencode('.png', np.zeros((64, 64, 3), np.uint8))[1].tobytes()\n"
        "print(service.ask(png).uncertain)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_requests_are_under_way_at_once(server: FaceServer) -> None:
    server.always = Slow(0.5)
    started = time.monotonic()
    analysis = analyzer(concurrency=6).analyze(PICTURES)
    assert by_image(analysis, 6) == ["1"] * 6
    assert time.monotonic() - started < 2.5


def test_azure_identity_signs_in_where_there_is_no_key(
    server: FaceServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AZURE_FACE_KEY")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_SECRET)
    caplog.set_level(logging.DEBUG)
    cloud = analyzer()
    assert by_image(cloud.analyze(PICTURES[:3]), 3) == ["1"] * 3
    assert server.tokens == 1
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert not any("ocp-apim-subscription-key" in asked.headers for asked in server.asked)
    assert TOKEN not in caplog.text
    assert IDENTITY_SECRET not in caplog.text


def test_a_login_that_fails_sends_nothing(
    server: FaceServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AZURE_FACE_KEY")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    cloud = analyzer()
    with pytest.raises(UnavailableError, match="can't sign in"):
        cloud.analyze(PICTURES[:1])
    assert server.asked == []
    assert cloud.usage.record()["sent"] == 0
    assert capfd.readouterr().err == ""


def test_the_key_is_in_no_log_and_no_file(
    server: FaceServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults = [BUSY, Cut(in_the_middle=True), TOO_SMALL, Answer(200, text="[{")]
    cloud = analyzer()
    cloud.analyze(PICTURES)
    assert "Ocp-Apim-Subscription-Key" in caplog.text  # the SDK did log, and blacked it out
    assert KEY not in caplog.text
    assert KEY not in "".join(capfd.readouterr())
    assert KEY not in json.dumps(cloud.usage.record())
    assert KEY not in repr(cloud.__dict__)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_no_identity_of_a_face_or_a_request_is_kept(server: FaceServer, tmp_path: Path) -> None:
    faces = [
        {"faceId": "c5c24a82-6845-4031-9d5d-978df9175426", **find_bright_spots(PICTURES[0])[0]}
    ]
    server.faults = [Answer(200, text=json.dumps(faces))]
    analyzer().analyze(PICTURES[:1])
    (kept,) = (tmp_path / "cache").rglob("*.json")
    record = json.loads(kept.read_text())
    assert [set(face) for face in record["answer"]] == [{"faceRectangle", "faceLandmarks"}]
    assert "faceId" not in kept.read_text()


@pytest.mark.parametrize(
    ("environment", "mend"),
    [
        ({}, "Set AZURE_FACE_ENDPOINT"),
        ({"AZURE_FACE_KEY": KEY}, "Set AZURE_FACE_ENDPOINT"),
        ({"AZURE_FACE_ENDPOINT": "https://x.cognitiveservices.azure.com/"}, "Set AZURE_FACE_KEY"),
        ({"AZURE_FACE_ENDPOINT": "https://x.example", "AZURE_FACE_KEY": KEY}, None),
        ({"AZURE_FACE_ENDPOINT": "https://x.example", "IDENTITY_ENDPOINT": "http://y"}, None),
        ({"AZURE_FACE_ENDPOINT": "http://x.example", "AZURE_FACE_KEY": KEY}, "with https"),
        ({"AZURE_FACE_ENDPOINT": "x.example", "AZURE_FACE_KEY": KEY}, "with https"),
        ({"AZURE_FACE_ENDPOINT": "https://me:pw@x.example", "AZURE_FACE_KEY": KEY}, "without name"),
        ({"AZURE_FACE_ENDPOINT": "https://x:y", "AZURE_FACE_KEY": KEY}, "must be an address"),
        ({"AZURE_FACE_ENDPOINT": "https://x.example", "AZURE_FACE_KEY": f"{KEY}\n2"}, "copy the"),
        ({"AZURE_FACE_ENDPOINT": "https://x.example", "AZURE_FACE_KEY": "pässword"}, "copy the"),
    ],
)
def test_what_lacks_is_told_without_showing_the_key(
    environment: dict[str, str],
    mend: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _no_azure(monkeypatch, tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = component("detector", "azure").credentials()
    assert (said is None) == (mend is None)
    if mend is not None:
        assert mend in said
        assert environment.get("AZURE_FACE_KEY", KEY) not in said
        with pytest.raises(UnavailableError) as caught:
            analyzer()
        assert environment.get("AZURE_FACE_KEY", KEY) not in str(caught.value)


def test_a_login_of_the_command_line_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_azure(monkeypatch, tmp_path)
    monkeypatch.setenv("AZURE_FACE_ENDPOINT", "https://x.example")
    credentials = component("landmarker", "azure-27").credentials
    assert credentials() is not None
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "msal_token_cache.json").write_text("{}")
    assert credentials() is None


def _no_azure(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("AZURE_", "AZD_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


def test_looking_for_credentials_imports_nothing_of_azure() -> None:
    code = (
        "import sys\n"
        "from fxbench.availability import availability\n"
        "from fxbench.options import resolve\n"
        "from fxbench.registry import discover\n"
        "entry = discover().get('detector', 'azure')\n"
        "options = resolve([entry.component], [])\n"
        "print(availability(entry, options).state)\n"
        "print(*[name for name in ('azure.core', 'requests', 'numpy') if name in sys.modules])\n"
    )
    environment = {
        "AZURE_FACE_ENDPOINT": "https://x.example",
        "AZURE_FACE_KEY": KEY,
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines() == ["ready", ""]


def test_the_scheme_names_each_point_after_the_subjects_side() -> None:
    from fxbench_azure.service import POINTS

    assert list(POINTS) == list(PLACES)
    assert len(set(POINTS.values())) == 27
    for theirs, ours in POINTS.items():
        for side, own in (("Left", "right"), ("Right", "left")):
            assert (side in theirs) == (own in ours.split("_")), theirs
    # Their left is the picture's, as in the answer that the reference of Detect shows.
    assert PLACES["pupilLeft"][0] < PLACES["pupilRight"][0]
    shared = set(POINTS.values()) & set(SCHEMES["300w-68"])
    assert len(shared) == 15


def test_the_options_are_the_analyzers(server: FaceServer) -> None:
    from fxbench.options import resolve

    components = [
        discover().get(*n).component for n in (("detector", "azure"), ("landmarker", "azure-27"))
    ]
    options = resolve(components, ["azure.retries=1"])
    assert [options.of(one)["retries"] for one in components] == [1, 1]
    assert not any(option.affects_results for option in components[0].options)


@pytest.fixture
def fxbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Any, str]]:
    """Call the command line: exit code and all that it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, "".join(capfd.readouterr())

    return call


RUN = (
    "run",
    "--datasets=mini",
    "--limit=6",
    "--detectors=azure",
    "--landmarkers=azure-27",
    "--classifiers=prior",
    "--attacks=none",
    "--no-latency",
)


def test_a_run_asks_once_for_each_image_and_names_those_without_an_answer(
    server: FaceServer, fxbench: Callable[..., tuple[Any, str]], tmp_path: Path
) -> None:
    server.finds = find_one_in_the_middle
    code, said = fxbench(*RUN)
    assert (code, server.asked) == (2, [])
    assert "--max-cost" in said

    server.faults = [BUSY, TOO_SMALL, Cut(in_the_middle=True)]
    code, first = fxbench(*RUN, "--max-cost=1")
    assert code == 3
    assert len(server.asked) == 6 + 2
    assert "5/5" in first

    code, second = fxbench(*RUN, "--max-cost=1")
    assert code == 0
    assert len(server.asked) == 6 + 3
    assert "6/6" in second
    code, _ = fxbench(*RUN, "--max-cost=1")
    assert (code, len(server.asked)) == (0, 6 + 3)

    assert server.complaints == []
    assert KEY not in said + first + second
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_there_is_no_classifier_and_it_is_said_why(
    fxbench: Callable[..., tuple[Any, str]],
) -> None:
    for arguments in (
        ("show", "azure"),
        ("run", "--classifiers=azure", "--dry-run"),
        ("audit", "azure"),
    ):
        code, said = fxbench(*arguments)
        assert "Microsoft retired emotion recognition" in said, arguments
        assert code == (0 if arguments[0] == "show" else 2)

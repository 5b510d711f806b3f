"""The plugin of Amazon Rekognition, over the wire: a server here speaks the real protocol."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rekognition_server as aws
from fxbench_rekognition import REKOGNITION, credentials
from fxbench_rekognition.points import POINTS, SCHEME, in_order, register_scheme
from rekognition_server import Server, serving

from fxbench.availability import availability
from fxbench.cli import main
from fxbench.errors import UnavailableError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.loader import Loader
from fxbench.options import Options
from fxbench.protocols import Analyzer
from fxbench.registry import discover
from fxbench.schemes import SCHEMES, shared_points
from fxbench.testing import check
from fxbench.types import Boxes
from fxbench.views import Found, Located, Told


@pytest.fixture(autouse=True)
def _no_other_aws(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "home").mkdir()


@pytest.fixture
def server(monkeypatch):
    """The service, and an environment in which boto3 finds it by its own settings."""
    with serving() as running:
        for name, value in settings(running).items():
            monkeypatch.setenv(name, value)
        yield running
        assert running.problems == []


def settings(server: Server) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": aws.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": aws.SECRET_KEY,
        "AWS_SESSION_TOKEN": aws.TOKEN,
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_ENDPOINT_URL_REKOGNITION": server.url,
    }


def make(concurrency: int = 4, timeout: int = 30):
    return REKOGNITION.factory(concurrency=concurrency, timeout=timeout)


def picture(number: int, *boxes: tuple[int, int, int, int], blue: int = 0, side: int = 160):
    """Grey of its own shade, with red rectangles that the server takes for faces."""
    image = np.full((side, side, 3), 90, np.uint8)
    image[0, 0] = number % 256, number // 256, 0
    for x1, y1, x2, y2 in boxes or ((40, 32, 104, 96),):
        image[y1:y2, x1:x2] = 255, 0, blue
    return image


def pictures(count: int):
    return tuple(picture(number) for number in range(count))


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_one_call_gives_all_answers(server):
    analyzer = make()
    assert isinstance(analyzer, Analyzer)
    images = (
        picture(0, (40, 32, 104, 96), (110, 100, 150, 140), blue=80),
        picture(1, (0, 0, 0, 0)),
    )
    analysis = analyzer.analyze(images)
    assert server.requests.total() == 2
    assert analysis.boxes.frame.tolist() == [0, 0]
    np.testing.assert_allclose(
        analysis.boxes.xyxy, [[40, 32, 104, 96], [110, 100, 150, 140]], atol=1e-3
    )
    assert analysis.boxes.score == pytest.approx(0.995)
    assert analysis.failures == ()
    # Blue 80 is the third of AWS's emotions, ANGRY, with 90 of 90 + 7 * 5 percent.
    assert analysis.probabilities.argmax(axis=1).tolist() == [2, 2]
    assert analyzer.labels[2] == "anger"
    assert analysis.probabilities[0, 2] == pytest.approx(90 / 125)
    assert analysis.probabilities.sum(axis=1) == pytest.approx(1)
    assert analysis.points.scheme == SCHEME
    chin = list(POINTS).index("chinBottom")
    x, y = aws.landmark("chinBottom")
    assert analysis.points.xy[0, chin] == pytest.approx([40 + 64 * x, 32 + 64 * y], abs=1e-3)
    assert analyzer.usage.record()["cost"] == pytest.approx(0.002)


def test_nothing_to_analyse_sends_nothing(server):
    analysis = make().analyze(())
    assert len(analysis.boxes) == 0
    assert analysis.probabilities.shape == (0, 9)
    assert analysis.points.xy.shape == (0, 30, 2)
    assert not server.requests


def test_the_views(server):
    analyzer = make()
    images = (picture(0, blue=40), picture(1, (0, 0, 0, 0)))
    boxes = Found(analyzer).detect(images)
    assert boxes.frame.tolist() == [0]
    assert Located(analyzer).scheme == SCHEME
    other = Boxes.from_lists([[(44, 34, 106, 98, 1.0), (120, 120, 150, 150, 1.0)], []])
    points = Located(analyzer).locate(images, other)
    assert np.isfinite(points.xy[0]).all()
    assert np.isnan(points.xy[1]).all()
    classifier = Told(analyzer)
    told = classifier.tell(images, other)
    assert told[0].argmax() == 1
    assert told[1].tolist() == [0.0] * 8 + [1.0]
    size = classifier.face.size
    faces = np.stack([picture(2, (30, 30, 150, 150), blue=160, side=size)] * 2)
    assert classifier.predict(faces).argmax(axis=1).tolist() == [4, 4]
    # Twice the same face, and the images above once for all the views.
    assert server.requests.total() == 3


def test_one_analyzer_behind_the_components_of_a_run(server):
    loader, registry = Loader(Options({})), discover()
    detector = loader.get(registry.get("detector", "rekognition"))
    landmarker = loader.get(registry.get("landmarker", "rekognition-30"))
    classifier = loader.get(registry.get("classifier", "rekognition"))
    images = pictures(2)
    with loader.memory.sharing():
        boxes = detector.detect(images)
        landmarker.locate(images, boxes)
        classifier.tell(images, boxes)
    usage = loader.analyzers["fxbench_rekognition", "rekognition"].analyzer.usage.record()
    assert (usage["images"], usage["sent"], usage["from_store"]) == (2, 2, 0)
    assert server.requests.total() == 2


def test_emotions_in_awss_own_order():
    from fxbench_rekognition.service import EMOTIONS as theirs

    labels = dict(theirs)
    assert labels["CALM"] == "neutral"
    assert labels["CONFUSED"] is labels["UNKNOWN"] is None
    assert set(filter(None, labels.values())) == set(EMOTIONS) - {"contempt"}
    modelled = aws.OPERATION.output_shape.members["FaceDetails"].member.members["Emotions"].member
    assert set(modelled.members["Type"].enum) == set(labels)
    assert list(labels)[-1] == "UNKNOWN"


def test_a_face_without_any_emotion_is_unknown(server):
    def odd(image):
        faces = aws.faces_in(image)
        faces[0]["Emotions"] = [{"Type": "HAPPY", "Confidence": 0.0}]
        faces[1]["Emotions"] = []
        return faces

    server.faces = odd
    image = picture(0, (40, 32, 104, 96), (110, 100, 150, 140))
    assert make().analyze((image,)).probabilities.tolist() == [[0.0] * 8 + [1.0]] * 2


def test_the_scheme_is_awss_model_with_the_subjects_sides():
    register_scheme()
    assert tuple(POINTS) == aws.TYPES
    assert len(SCHEMES[SCHEME]) == 30
    located = {name: aws.landmark(name) for name in aws.TYPES}
    xy = dict(zip(SCHEMES[SCHEME], in_order(located), strict=True))
    # The subject's right is the picture's left.
    assert xy["right_eye_centre"][0] < xy["left_eye_centre"][0]
    assert xy["right_eye_outer_corner"][0] < xy["right_eye_inner_corner"][0]
    assert xy["left_eye_inner_corner"][0] < xy["left_eye_outer_corner"][0]
    assert xy["mouth_right_corner"][0] < xy["mouth_left_corner"][0]
    ours, theirs = shared_points(SCHEME, "300w-68")
    assert len(ours) == len(theirs) == 18


def test_a_brow_is_read_along_the_line_of_the_eyes():
    """As published: in answers of 2020 the highest and the last point have each other's names."""
    located = {name: aws.landmark(name) for name in aws.TYPES}
    located |= {"eyeLeft": (0.3920, 0.4968), "eyeRight": (0.6155, 0.5006)}
    located |= {
        "leftEyeBrowLeft": (0.3098, 0.4374),
        "leftEyeBrowRight": (0.3731, 0.4101),
        "leftEyeBrowUp": (0.4371, 0.4247),
        "rightEyeBrowLeft": (0.5654, 0.4267),
        "rightEyeBrowRight": (0.6315, 0.4141),
        "rightEyeBrowUp": (0.6989, 0.4435),
    }
    swapped = in_order(located)
    for brow in ("leftEyeBrow", "rightEyeBrow"):
        up, right = f"{brow}Up", f"{brow}Right"
        located[up], located[right] = located[right], located[up]
    assert np.array_equal(swapped, in_order(located))
    middle = swapped[list(POINTS.values()).index("right_brow_middle")]
    assert middle == pytest.approx([0.3731, 0.4101])
    assert np.isnan(in_order({"nose": (0.5, 0.5)})).all()


def test_what_is_sent_is_what_the_service_takes(server):
    """Small ones enlarged and padded, large ones reduced: the server refuses all others."""
    small = np.full((48, 48, 3), 90, np.uint8)
    small[12:36, 9:39] = 255, 0, 0
    strip = np.full((9, 700, 3), 90, np.uint8)
    wide = np.full((1000, 5000, 3), 90, np.uint8)
    wide[300:700, 2000:2400] = 255, 0, 0
    noise = np.random.default_rng(0).integers(0, 180, (1500, 1500, 3), np.uint8)
    noise[100:400, 500:900] = 255, 0, 0
    analyzer = make()
    analysis = analyzer.analyze((small, strip, wide, noise))
    assert analysis.failures == ()
    assert analysis.boxes.frame.tolist() == [0, 2, 3]
    expected = [[9, 12, 39, 36], [2000, 300, 2400, 700], [500, 100, 900, 400]]
    for row, tolerance in enumerate((0.6, 3, 3)):
        np.testing.assert_allclose(analysis.boxes.xyxy[row], expected[row], atol=tolerance)
    record = analyzer.usage.record()
    assert (record["resized"], record["reduced"]) == (2, 2)


@pytest.mark.parametrize(
    ("fault", "uncertain"),
    [
        (aws.throttled, 0),
        (aws.error(400, "ProvisionedThroughputExceededException"), 0),
        (aws.internal, 0),
        (aws.says(b"<html>bad gateway</html>", 502), 1),
        (aws.cut_before, 1),
        (aws.cut_body, 1),
        (aws.slow(5), 1),
    ],
    ids=["throttling", "throughput", "500", "502", "cut before", "cut in the middle", "slow"],
)
def test_a_fault_that_passes_is_tried_again(server, fault, uncertain):
    server.faults.append(fault)
    analyzer = make(concurrency=1, timeout=2)
    analysis = analyzer.analyze((picture(0),))
    assert len(analysis.boxes) == 1
    assert analysis.failures == ()
    assert list(server.requests.values()) == [2]
    record = analyzer.usage.record()
    assert (record["sent"], record["retried"], record["answered"]) == (2, 1, 1)
    assert record["uncertain"] == uncertain
    assert record["cost"] == pytest.approx(0.001)
    assert record["cost_at_most"] == pytest.approx(0.001 * (1 + uncertain))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b"[]",
        b"not JSON",
        b"",
        b'{"FaceDetails": 5}',
        b'{"FaceDetails": [{}]}',
        b'{"FaceDetails": [{"BoundingBox": {"Left": "a"}}]}',
        b'{"FaceDetails": "\xff\xfe"}',
    ],
)
def test_malformed_json_is_a_failure_and_not_an_image_without_faces(server, body):
    server.faults.append(aws.says(body))
    analyzer = make(concurrency=1)
    analysis = analyzer.analyze((picture(0), picture(1)))
    assert analysis.boxes.frame.tolist() == [1]
    ((index, reason),) = analysis.failures
    assert index == 0
    assert "answer" in reason
    record = analyzer.usage.record()
    assert (record["failed"], record["unusable"], record["answered"]) == (1, 1, 1)
    assert record["cost_at_most"] == pytest.approx(0.002)
    # It was not kept, so it is asked again; the other is not.
    assert make().analyze((picture(0), picture(1))).failures == ()
    assert sorted(server.requests.values()) == [1, 2]


def test_a_fault_that_stays_is_a_failure_of_its_image_alone(server, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    bad = picture(7).tobytes()

    def always(handler, body):
        return aws.decoded(body).tobytes() == bad and aws.internal(handler, body)

    server.always = always
    analyzer = make()
    analysis = analyzer.analyze((picture(0), picture(7), picture(1)))
    assert analysis.boxes.frame.tolist() == [0, 2]
    ((index, reason),) = analysis.failures
    assert index == 1
    assert "InternalServerError" in reason
    record = analyzer.usage.record()
    assert (record["sent"], record["failed"], record["answered"]) == (4, 1, 2)


def test_an_image_that_the_service_refuses_is_not_tried_again(server):
    server.faults.append(aws.error(400, "InvalidImageFormatException", "Request has invalid image"))
    analyzer = make(concurrency=1)
    analysis = analyzer.analyze((picture(0), picture(1)))
    assert analysis.failures == ((0, "InvalidImageFormatException: Request has invalid image"),)
    assert server.requests.total() == 2


def test_a_hundred_faces(server):
    boxes = [(x, y, x + 12, y + 12) for x in range(0, 200, 20) for y in range(0, 200, 20)]
    analysis = make().analyze((picture(0, *boxes, side=200),))
    assert len(analysis.boxes) == 100
    assert analysis.probabilities.shape == (100, 9)
    assert np.isfinite(analysis.points.xy).all()


def test_what_was_answered_is_never_asked_again(server):
    images = (*pictures(6), picture(3))
    first = make().analyze(images)
    assert server.requests.total() == 6
    analyzer = make()
    second = analyzer.analyze(images)
    assert server.requests.total() == 6
    np.testing.assert_array_equal(first.boxes.xyxy, second.boxes.xyxy)
    np.testing.assert_array_equal(first.points.xy, second.points.xy)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    record = analyzer.usage.record()
    assert (record["images"], record["from_store"], record["cost"]) == (7, 7, 0)


def test_a_damaged_answer_is_asked_again(server, tmp_path):
    analyzer = make()
    analyzer.analyze(pictures(2))
    for path, cut in zip(sorted(tmp_path.rglob("answers/*/*/*.json")), (0.5, None), strict=True):
        text = path.read_text()
        if cut:
            path.write_text(text[: int(len(text) * cut)])
        else:
            path.write_text(text.replace("0.4", "0.3"))
    analysis = make().analyze(pictures(2))
    assert len(analysis.boxes) == 2
    assert sorted(server.requests.values()) == [2, 2]
    assert analysis.boxes.xyxy[0] == pytest.approx([40, 32, 104, 96], abs=1e-3)


def test_another_endpoint_is_another_service(server, monkeypatch):
    make().analyze(pictures(1))
    with serving() as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", other.url)
        make().analyze(pictures(1))
        assert other.requests.total() == 1


_SCRIPT = """
import sys
import numpy as np
from test_rekognition import make, pictures
analyzer = make(concurrency=int(sys.argv[1]))
print("ready", flush=True)
analyzer.analyze(pictures(int(sys.argv[2])))
"""


def run_until_killed(server, tmp_path, *, after: int, count: int) -> None:
    """Analyse in another process and kill it once the server has answered `after` requests."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, "2", str(count)], env=environment, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while server.served.total() < after and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    assert server.served.total() >= after


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_process_asks_again_only_what_it_had_no_answer_for(server, tmp_path):
    server.always = aws.slow(0.05)
    run_until_killed(server, tmp_path, after=4, count=12)
    kept = {path.stem for path in tmp_path.rglob("answers/*/*/*.json")}
    open_notes = [
        path for path in tmp_path.rglob("*.asked") if json.loads(path.read_text())["open"]
    ]
    assert 2 <= len(kept) < 12
    assert 1 <= len(open_notes) <= 2
    # A note that stayed although the answer is there tells nothing.
    interrupted = sum(path.stem not in kept for path in open_notes)
    before = dict(server.requests)
    analyzer = make()
    analysis = analyzer.analyze(pictures(12))
    assert analysis.boxes.frame.tolist() == list(range(12))
    record = analyzer.usage.record()
    assert record["from_store"] == len(kept)
    assert record["answered"] == 12 - len(kept)
    assert record["interrupted"] == record["uncertain"] == interrupted
    # What had an answer was not sent again.
    again = [name for name, count in server.requests.items() if count > before.get(name, 0)]
    assert len(again) == 12 - len(kept)
    assert {path.stem for path in tmp_path.rglob("*.asked")} <= kept


def whole_picture(image):
    """One face in the middle of any picture, its emotion by its pixels."""
    return [aws.face_detail((0.22, 0.22, 0.56, 0.56), int(image.sum()) % 9)]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on_without_asking_again(server, tmp_path):
    """`fxbench run` as a person gives it: killed in the middle, given again, and once more."""
    server.faces = whole_picture
    command = [sys.executable, "-m", "fxbench", "run", "--limit=12", "--max-cost=1"]
    command += ["--detectors=rekognition", "--classifiers=rekognition,prior", "--attacks=none"]
    command += ["--landmarkers=rekognition-30", "--set=rekognition.concurrency=2"]
    command += [f"--results={tmp_path / 'results'}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server.always = aws.slow(0.1)
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while server.served.total() < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    server.always = None
    kept = len(list(tmp_path.rglob("answers/*/*/*.json")))
    assert 2 <= kept < 12
    before = server.requests.total()
    said = b""
    for _ in range(2):
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
        # Detector, landmarker and classifier: one request for each image without an answer.
        assert server.requests.total() == before + 12 - kept
    assert len(server.requests) == 12
    (run,) = (tmp_path / "results").glob("*/run.json")
    usage = json.loads(run.read_text())["services"]["rekognition"]
    assert usage["failed"] == 0
    assert usage["answered"] == usage["sent"] == 12 - kept
    for secret in (*aws.SECRETS, aws.REQUEST_ID):
        assert secret.encode() not in said + everything_below(tmp_path)


def test_two_at_once_ask_once(server):
    """The same picture, many times in one call and in two analyzers of one store."""
    server.always = aws.slow(0.1)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(make().analyze, (picture(0),) * 4) for _ in range(2)]
        assert [len(job.result().boxes) for job in jobs] == [4, 4]
    assert server.requests.total() == 1


def test_requests_go_out_at_the_same_time(server):
    server.always = aws.slow(0.2)
    make(concurrency=3).analyze(pictures(6))
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/somebody is not authorized to perform: "
            "rekognition:DetectFaces",
        ),
        (400, "ExpiredTokenException", "The security token included in the request is expired"),
        (400, "UnrecognizedClientException", "The security token is invalid."),
        (403, "SomethingNewException", "forbidden"),
    ],
)
def test_what_concerns_all_stops_at_once(server, status, code, message):
    server.always = aws.error(status, code, message)
    analyzer = make(concurrency=1)
    with pytest.raises(UnavailableError) as caught:
        analyzer.analyze(pictures(30))
    assert code in str(caught.value)
    assert "rekognition:DetectFaces" in str(caught.value)
    assert "123456789012" not in str(caught.value)
    assert server.requests.total() == 1
    server.always = None
    assert make().analyze(pictures(2)).failures == ()


def test_a_wrong_secret_is_refused_by_its_signature(monkeypatch):
    with serving() as server:
        for name, value in settings(server).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with pytest.raises(UnavailableError, match="InvalidSignatureException"):
            make().analyze(pictures(1))
        assert server.problems == ["The request signature does not match."]


def test_a_service_that_is_down_is_not_asked_for_ever(server, monkeypatch):
    import fxbench.cloud.analyzer as module

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(module, "GIVE_UP", 3)
    server.always = aws.internal
    analyzer = make(concurrency=1)
    with pytest.raises(UnavailableError, match=r"3 images in a row.*InternalServerError"):
        analyzer.analyze(pictures(30))
    assert server.requests.total() == 3


def test_nobody_listens(server, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:9")
    analyzer = make()
    ((_, reason),) = analyzer.analyze(pictures(1)).failures
    assert "127.0.0.1:9" in reason
    record = analyzer.usage.record()
    # The request was not sent, so it can't have been charged.
    assert (record["sent"], record["uncertain"], record["failed"]) == (1, 0, 1)


def test_no_secret_is_written_or_said(server, caplog, capfd, tmp_path):
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "boto3", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    server.faults.extend([aws.internal, aws.cut_body, aws.says(b"{}"), aws.throttled])
    analyzer = make()
    analysis = analyzer.analyze(pictures(5))
    leaking = f"mismatch for {aws.ACCESS_KEY}\n\nx-amz-security-token:{aws.TOKEN}"
    server.always = aws.error(400, "InvalidSignatureException", leaking)
    with pytest.raises(UnavailableError) as caught:
        make().analyze((picture(99),))
    out, err = capfd.readouterr()
    said = "\n".join(
        [
            caplog.text,
            out,
            err,
            str(caught.value),
            repr(analysis.failures),
            json.dumps(analyzer.usage.record()),
            *(str(record.__dict__) for record in caplog.records),
        ]
    )
    stored = everything_below(tmp_path)
    assert b"FaceDetails" not in stored
    assert b"BoundingBox" in stored
    for secret in (*aws.SECRETS, "Signature=", aws.REQUEST_ID, "123456789012"):
        assert secret not in said
        assert secret.encode() not in stored
    for secret in aws.SECRETS:
        assert base64.b64encode(secret.encode()) not in stored


def test_bad_options_are_named(server):
    with pytest.raises(UsageError, match="concurrency 0"):
        make(concurrency=0)
    with pytest.raises(UsageError, match="timeout 0"):
        REKOGNITION.factory(concurrency=1, timeout=0)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("detector", "rekognition"), ("landmarker", "rekognition-30"), ("classifier", "rekognition")],
)
def test_they_conform(server, kind, name):
    server.faces = whole_picture
    report = check(discover().get(kind, name))
    assert report.ok, report.text()
    assert server.served.total()


# Credentials


def state(name: str = "rekognition", kind: str = "detector"):
    entry = discover().get(kind, name)
    return availability(entry, Options({}))


def test_without_credentials_all_three_say_what_to_do():
    for kind, name in (
        ("detector", "rekognition"),
        ("landmarker", "rekognition-30"),
        ("classifier", "rekognition"),
    ):
        found = state(name, kind)
        assert found.state == "needs credentials"
        assert "aws configure" in found.mend
    with pytest.raises(UnavailableError, match="aws configure"):
        make()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


KEYS = f"aws_access_key_id = {aws.ACCESS_KEY}\naws_secret_access_key = {aws.SECRET_KEY}\n"


@pytest.mark.parametrize(
    ("environment", "credentials_file", "config_file"),
    [
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "", "[default]\nregion = x\n"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, f"[default]\n{KEYS}", ""),
        ({"AWS_REGION": "eu-west-1"}, f"[default]\n{KEYS}", ""),
        ({}, f"[default]\n{KEYS}region = eu-west-1\n", ""),
        ({"AWS_PROFILE": "work"}, f"[work]\n{KEYS}", "[profile work]\nregion = eu-west-1\n"),
        ({"AWS_PROFILE": "work"}, "", f"[profile work]\nregion = eu-west-1\n{KEYS}"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x", "AWS_DEFAULT_REGION": "x"}, "", ""),
        (
            {
                "AWS_WEB_IDENTITY_TOKEN_FILE": "x",
                "AWS_ROLE_ARN": "y",
                "AWS_DEFAULT_REGION": "eu-west-1",
            },
            "",
            "",
        ),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_where_credentials_are_found(
    tmp_path, monkeypatch, environment, credentials_file, config_file, moved
):
    folder = tmp_path / "elsewhere" if moved else tmp_path / "home" / ".aws"
    if moved:
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    write(folder / "credentials", credentials_file)
    write(folder / "config", config_file)
    assert credentials.what_to_do() is not None or environment == {}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert credentials.what_to_do() is None


def test_what_lacks_is_told_apart(tmp_path, monkeypatch):
    write(tmp_path / "home" / ".aws" / "credentials", f"[default]\n{KEYS}")
    assert "AWS_DEFAULT_REGION" in credentials.what_to_do()
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert "AWS_ACCESS_KEY_ID" in credentials.what_to_do()
    write(tmp_path / "home" / ".aws" / "credentials", "[default\nbroken")
    assert "AWS_ACCESS_KEY_ID" in credentials.what_to_do()


def test_a_machine_of_aws_may_have_a_role(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(credentials, "_VENDOR", write(tmp_path / "vendor", "Amazon EC2\n"))
    assert credentials.what_to_do() is not None
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    assert credentials.what_to_do() is None


def test_region_and_keys_of_a_profile_are_used(server, tmp_path, monkeypatch):
    for name in settings(server):
        monkeypatch.delenv(name)
    keys = f"{KEYS}aws_session_token = {aws.TOKEN}\n"
    write(tmp_path / "home" / ".aws" / "credentials", f"[work]\n{keys}")
    config = f"[profile work]\nregion = {aws.REGION}\nservices = here\n"
    config += f"[services here]\nrekognition =\n  endpoint_url = {server.url}\n"
    write(tmp_path / "home" / ".aws" / "config", config)
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert len(make().analyze(pictures(1)).boxes) == 1


def test_an_unknown_profile_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(UnavailableError, match="nowhere"):
        make()


def test_listing_imports_no_boto3():
    code = (
        "import sys; from fxbench.registry import discover; from fxbench.availability import *\n"
        "from fxbench.options import Options\n"
        "for entry in discover().entries:\n"
        "    if entry.plugin.name == 'rekognition': availability(entry, Options({}))\n"
        "assert not {'boto3', 'botocore', 'numpy', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show_says_what_leaves_the_machine_and_who_may_keep_it(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["show", "rekognition"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Each image as a PNG file" in shown
    assert "AWS may store it" in shown
    assert "opt-out policy" in shown
    assert "0.001" in shown

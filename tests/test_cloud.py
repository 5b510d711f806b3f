"""What every cloud service shares: fitting pictures, keeping answers, counting calls."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from fxbench.cli import main
from fxbench.cloud.analyzer import CloudAnalyzer
from fxbench.cloud.answers import AnswerStore, default_folder
from fxbench.cloud.fitting import fit
from fxbench.cloud.service import Faces, RefusedError, Reply, Service, ServiceError, number
from fxbench.cloud.usage import Usage
from fxbench.errors import PluginError, SchemaError, StoreError, UnavailableError, UsageError
from fxbench.protocols import Analyzer
from fxbench.service_table import service_table
from fxbench.tabular import to_text


class Echo:
    """A service that finds one face in the middle of a picture, and fails when it is told to."""

    name = "echo"
    version = "1"
    where = "here"
    smallest = 80
    largest = 1000
    most_bytes = 200_000
    price: float | None = 0.002
    scheme: str | None = None
    labels: tuple[str | None, ...] | None = ("happiness", None)
    face_size = 96

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[bytes] = []
        self.lock = threading.Lock()

    def ask(self, png: bytes) -> Reply:
        with self.lock:
            self.asked.append(png)
            error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return Reply([{"x": 0.25, "size": 0.5, "happy": 0.75}], seconds=0.01)

    def read(self, answer, width, height):
        if not isinstance(answer, list):
            raise ServiceError("no list")
        xyxy = np.array(
            [
                np.array([f["x"], f["x"], f["x"] + f["size"], f["x"] + f["size"]])
                * [width, height, width, height]
                for f in answer
            ],
            np.float64,
        ).reshape(-1, 4)
        happy = np.array([number(f, "happy") for f in answer])
        return Faces(xyxy, np.ones(len(answer)), None, np.column_stack([happy, 1 - happy]))


def picture(number: int = 0, width: int = 200, height: int = 160):
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def analyzer(service: Service, folder: Path, concurrency: int = 1) -> CloudAnalyzer:
    return CloudAnalyzer(service, AnswerStore(folder), concurrency)


def test_the_pieces_are_what_they_say(tmp_path):
    assert isinstance(Echo(), Service)
    made = analyzer(Echo(), tmp_path)
    assert isinstance(made, Analyzer)
    assert (made.scheme, made.labels, made.face_size) == (None, ("happiness", None), 96)


def test_an_answer_in_pixels_of_the_image(tmp_path):
    analysis = analyzer(Echo(), tmp_path).analyze((picture(),))
    assert analysis.boxes.xyxy.tolist() == [[50, 40, 150, 120]]
    assert analysis.probabilities.tolist() == [[0.75, 0.25]]
    assert analysis.points is None


@pytest.mark.parametrize(
    ("width", "height"),
    [(48, 48), (3, 3), (1, 300), (500, 90), (128, 128), (640, 480), (3000, 2000), (3000, 20)],
)
def test_every_picture_fits_and_finds_back(width, height):
    """Whatever its size: the corners of what is sent are those of the picture."""
    service = Echo()
    image = picture(1, width, height)
    fitted = fit(image, service)
    sent_height, sent_width = fitted.image.shape[:2]
    assert min(sent_height, sent_width) >= service.smallest
    assert max(sent_height, sent_width) <= service.largest
    assert len(fitted.png) <= service.most_bytes
    decoded = cv2.imdecode(np.frombuffer(fitted.png, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded[..., ::-1], fitted.image)
    assert fitted.png[24] == 8  # bits, in the PNG's header
    left, top = fitted.offset
    ends = [[left, top], [left + width * fitted.scale[0], top + height * fitted.scale[1]]]
    np.testing.assert_allclose(fitted.restore(np.array(ends)), [[0, 0], [width, height]], atol=1e-9)
    # What is not the picture is black.
    outside = np.ones(fitted.image.shape[:2], bool)
    right, bottom = (int(np.ceil(v)) + 1 for v in ends[1])
    outside[max(0, top - 1) : bottom, max(0, left - 1) : right] = False
    assert not fitted.image[outside].any()
    assert fitted.reduced == (width > 1000)
    assert fitted.resized == (min(width, height) < 128)


def test_a_picture_that_fits_is_sent_as_it_is():
    image = picture(0, 300, 200)
    fitted = fit(image, Echo())
    assert np.array_equal(fitted.image, image)
    assert (fitted.scale, fitted.offset) == ((1.0, 1.0), (0, 0))


def test_a_file_too_large_is_made_smaller():
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    fitted = fit(noise, Echo())
    assert len(fitted.png) <= Echo.most_bytes
    assert fitted.reduced
    assert fitted.image.shape[0] / fitted.image.shape[1] == pytest.approx(700 / 900, abs=0.01)
    assert len(fitted.png) > Echo.most_bytes / 3


def test_the_same_picture_is_asked_about_once(tmp_path):
    service = Echo()
    made = analyzer(service, tmp_path)
    made.analyze((picture(0), picture(1), picture(0)))
    made.analyze((picture(1),))
    analyzer(service, tmp_path).analyze((picture(0),))
    assert len(service.asked) == 2
    assert made.usage.record()["from_store"] == 2


@pytest.mark.parametrize("change", ["name", "version", "where"])
def test_another_service_version_or_host_is_asked_anew(tmp_path, change):
    service = Echo()
    analyzer(service, tmp_path).analyze((picture(),))
    setattr(service, change, "other")
    analyzer(service, tmp_path).analyze((picture(),))
    assert len(service.asked) == 2


def test_a_failure_is_of_its_image_alone_and_is_not_kept(tmp_path):
    service = Echo(ServiceError("no such\nthing", attempts=3, uncertain=1))
    made = analyzer(service, tmp_path)
    analysis = made.analyze((picture(0), picture(1)))
    assert analysis.failures == ((0, "no such thing"),)
    assert analysis.boxes.frame.tolist() == [1]
    record = made.usage.record()
    assert (record["sent"], record["retried"], record["uncertain"]) == (4, 2, 1)
    assert record["failed"] + record["answered"] + record["from_store"] == record["images"]
    again = analyzer(service, tmp_path)
    assert again.analyze((picture(0), picture(1))).failures == ()
    assert len(service.asked) == 3
    # What was uncertain is remembered beside the answer, and not counted twice.
    assert again.usage.record()["uncertain"] == 0
    assert again.usage.record()["uncertain_before"] == 1
    later = analyzer(service, tmp_path)
    later.analyze((picture(0), picture(1)))
    assert later.usage.record()["uncertain_before"] == 1


class Killed(BaseException):
    """Stands for the end of the process: no code of ours runs after it."""


def test_a_process_that_ends_in_a_call_leaves_a_note(tmp_path):
    service = Echo(Killed(), Killed())
    for _ in range(2):
        with pytest.raises(Killed):
            analyzer(service, tmp_path).analyze((picture(),))
    assert AnswerStore(tmp_path).holding().open == 1
    made = analyzer(service, tmp_path)
    assert len(made.analyze((picture(),)).boxes) == 1
    record = made.usage.record()
    assert (record["uncertain"], record["interrupted"]) == (1, 1)
    assert record["uncertain_before"] == 1
    assert (record["cost"], record["cost_at_most"]) == (0.002, 0.004)
    (kept,) = tmp_path.rglob("*.json")
    assert json.loads(kept.read_text())["uncertain"] == 2
    assert AnswerStore(tmp_path).holding().open == 0
    assert not list(tmp_path.rglob("*.asked"))


def test_a_note_beside_an_answer_tells_nothing(tmp_path):
    """A process that ends between writing the one and deleting the other leaves both."""
    service = Echo()
    analyzer(service, tmp_path).analyze((picture(),))
    (kept,) = tmp_path.rglob("*.json")
    kept.with_suffix(".asked").write_text('{"schema": 1, "uncertain": 0, "open": true}')
    assert AnswerStore(tmp_path).holding().open == 0
    made = analyzer(service, tmp_path)
    made.analyze((picture(),))
    record = made.usage.record()
    assert (record["from_store"], record["uncertain"]) == (1, 0)
    assert len(service.asked) == 1


def test_a_note_that_can_not_be_read_counts(tmp_path):
    service = Echo(Killed())
    with pytest.raises(Killed):
        analyzer(service, tmp_path).analyze((picture(),))
    (note,) = tmp_path.rglob("*.asked")
    note.write_bytes(b"")
    made = analyzer(service, tmp_path)
    made.analyze((picture(),))
    assert made.usage.record()["interrupted"] == 1


def test_what_is_refused_stops_all_and_keeps_what_was_answered(tmp_path):
    refusal = RefusedError("Access denied. Ask somebody.", attempts=1)
    service = Echo()
    made = analyzer(service, tmp_path)
    made.analyze((picture(0),))
    service.errors = [refusal]
    with pytest.raises(UnavailableError, match="Ask somebody"):
        made.analyze(tuple(picture(i) for i in range(20)))
    assert len(service.asked) == 2
    assert len(made.analyze(tuple(picture(i) for i in range(20))).boxes) == 20
    assert len(service.asked) == 21


def test_many_failures_in_a_row_stop_across_calls(tmp_path, monkeypatch):
    monkeypatch.setattr("fxbench.cloud.analyzer.GIVE_UP", 4)
    service = Echo(*[ServiceError("down", 1)] * 3)
    made = analyzer(service, tmp_path)
    assert len(made.analyze((picture(0), picture(1), picture(2))).failures) == 3
    made.analyze((picture(0),))
    service.errors = [ServiceError("down", 1)] * 5
    assert len(made.analyze((picture(1), picture(2))).failures) == 2
    with pytest.raises(UnavailableError, match="4 images in a row"):
        made.analyze((picture(3), picture(4), picture(5)))
    assert len(service.asked) == 8


def test_an_answer_that_can_not_be_read_is_no_answer(tmp_path):
    service = Echo()
    service.ask = lambda png: Reply({"error": "odd"}, attempts=2)
    made = analyzer(service, tmp_path)
    assert made.analyze((picture(),)).failures == ((0, "no list"),)
    record = made.usage.record()
    assert (record["unusable"], record["sent"], record["answered"]) == (1, 2, 0)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": 1}', b"\xff\xfe\x00"])
def test_a_damaged_answer_is_asked_again(tmp_path, damage):
    service = Echo()
    analyzer(service, tmp_path).analyze((picture(),))
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert len(analyzer(service, tmp_path).analyze((picture(),)).boxes) == 1
    assert len(service.asked) == 2
    path.write_bytes(whole.replace(b"0.75", b"0.76"))
    analyzer(service, tmp_path).analyze((picture(),))
    assert len(service.asked) == 3


def test_an_answer_of_a_newer_fxbench_is_left_alone(tmp_path):
    service = Echo()
    analyzer(service, tmp_path).analyze((picture(),))
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes().replace(b'"schema": 1', b'"schema": 2'))
    with pytest.raises(SchemaError, match="update fxbench"):
        analyzer(service, tmp_path).analyze((picture(),))
    assert len(service.asked) == 1


def test_nothing_is_sent_that_can_not_be_kept(tmp_path):
    (tmp_path / "file").write_text("in the way")
    service = Echo()
    with pytest.raises(StoreError):
        analyzer(service, tmp_path / "file").analyze((picture(0), picture(1)))
    assert service.asked == []


def test_a_kept_answer_names_no_host_and_no_image(tmp_path):
    service = Echo()
    service.where = "secret-resource.example"
    analyzer(service, tmp_path).analyze((picture(),))
    (path,) = tmp_path.rglob("*.json")
    record = json.loads(path.read_text())
    assert "secret-resource" not in path.read_text()
    assert record["version"] == "1"
    assert (record["width"], record["height"]) == (200, 160)


def test_promises_are_checked(tmp_path):
    service = Echo()
    service.scheme = "300w-68"
    with pytest.raises(PluginError, match=r"declares '300w-68', but its faces have no points"):
        analyzer(service, tmp_path).analyze((picture(),))
    service.labels = ("happiness",)
    with pytest.raises(PluginError, match="must be None"):
        analyzer(service, tmp_path)
    with pytest.raises(UsageError, match="from 1 to 64"):
        analyzer(Echo(), tmp_path, concurrency=65)


def test_faces_outside_are_left_out_and_the_surest_comes_first(tmp_path):
    service = Echo()
    faces = Faces(
        np.array([[0, 0, 20, 20], [-50, -50, -10, -10], [10, 10, 60, 60.0]]),
        np.array([0.5, 0.9, 0.8]),
        None,
        np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]),
    )
    service.read = lambda answer, width, height: faces
    analysis = analyzer(service, tmp_path).analyze((picture(),))
    assert analysis.boxes.xyxy.tolist() == [[10, 10, 60, 60], [0, 0, 20, 20]]
    assert analysis.probabilities[:, 0] == pytest.approx([0.3, 0.1])


def test_numbers_of_answers():
    assert number({"a": 1}, "a") == 1.0
    for record in ({}, {"a": None}, {"a": "1"}, {"a": True}, {"a": float("nan")}, None):
        with pytest.raises(ServiceError, match="no number 'a'"):
            number(record, "a")


def test_usage_adds_up():
    usage = Usage(0.5)
    for seconds in (0.1, 0.2, 0.3):
        usage.looked_at(resized=True, reduced=False)
        usage.got(Reply(None, 2, 1, seconds))
    usage.lacks(ServiceError("no", 3, 0, 1))
    record = usage.record()
    assert (record["sent"], record["retried"], record["uncertain"]) == (9, 5, 3)
    assert record["p50_ms"] == pytest.approx(200)
    assert (record["cost"], record["cost_at_most"]) == (1.5, 3.5)
    json.dumps(record)
    nothing = Usage().record()
    assert (nothing["p50_ms"], nothing["cost"]) == (None, None)


def test_the_table_of_services():
    assert service_table({}).rows == ()
    assert service_table({"services": {"echo": Usage(0.5).record()}}).rows == ()
    usage = Usage(0.001)
    usage.looked_at(resized=True, reduced=False)
    usage.got(Reply(None, 1, 0, 0.25))
    table = service_table({"services": {"echo": usage.record()}})
    text = to_text(table)
    assert "echo" in text
    assert "250.0" in text
    assert "uncertain" not in text
    assert "1 images were enlarged" in text
    usage.left_over(1, 0)
    usage.lacks(ServiceError("cut", 2, 2))
    table = service_table({"services": {"echo": usage.record()}})
    text = to_text(table)
    assert "uncertain" in text
    assert "0.004" in text
    assert "3 requests ended so that nobody knows" in text
    assert "1 of them by a process that ended first" in " ".join(text.split())
    assert "1 images got no answer; cells.jsonl in the run's folder lists them" in text
    silent = [{"row": 3, "id": "b.png", "reason": "too dark"}]
    table = service_table({"services": {"echo": usage.record()}}, [{"unanswered": silent}])
    assert any(note.endswith("such as b.png: too dark") for note in table.notes)


@pytest.fixture
def clean(tmp_path, monkeypatch, capsys):
    """Call `fxbench clean` in an empty folder: exit code and output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["clean", *arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out + err

    return call


def test_clean_keeps_what_was_paid_for_unless_it_is_told(clean):
    analyzer(Echo(), default_folder()).analyze((picture(0), picture(1)))
    shown = json.loads(clean("--json")[1])
    assert shown["answers"] == 2
    assert shown["answers_bytes"] > 500
    assert json.loads(clean("--all", "--yes", "--json")[1])["freed_bytes"] == 0
    assert json.loads(clean("--json")[1])["answers"] == 2
    code, said = clean("--answers")
    assert code == 2
    assert "give --yes" in said
    freed = json.loads(clean("--answers", "--yes", "--json")[1])
    assert freed["freed_bytes"] == shown["answers_bytes"]
    assert json.loads(clean("--json")[1])["answers"] == 0


def test_clean_tells_of_paid_answers_and_open_calls(clean):
    service = Echo()
    analyzer(service, default_folder()).analyze((picture(0),))
    service.errors = [Killed()]
    with pytest.raises(Killed):
        analyzer(service, default_folder()).analyze((picture(1),))
    text = clean()[1]
    assert "1 answers of cloud services" in text
    assert "1 of echo" in text
    assert "--answers frees them" in text
    assert "1 images were sent, perhaps" in text

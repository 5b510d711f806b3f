"""The transcriber `watson`, against a server that speaks IBM's interface."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spoken import RATE, grey, silence, write_film, write_wav
from vendor_server import Cut, Slow, certify
from watson_server import KEY, TOKEN, Answer, Fault, SpeechServer, serving

from fxbench.availability import availability
from fxbench.cli import main
from fxbench.errors import UnavailableError, UsageError
from fxbench.options import resolve
from fxbench.registry import Entry, discover
from fxbench.testing import check

pytest.importorskip("ibm_watson", reason="needs pip install 'fxbench[watson]'")

BUSY = Answer(429, "Too many requests", retry_after="0.02")
BROKEN = Answer(500, "Oops", retry_after="0.02")
LOST = Answer(504, "gateway", retry_after="0.02")
WORDS = [("word5", 0.5, 1.0, 0.75), ("word10", 2.0, 3.0, 0.75)]


def sound() -> np.ndarray:
    """Three and a half seconds, loud from 0.5 to 1 and from 2 to 3."""
    samples = np.zeros(56_000, np.float32)
    samples[8_000:16_000] = samples[32_000:48_000] = 0.5
    return samples


def words(found: Any) -> list[tuple[str, float, float, float | None]]:
    return [(word.text, word.begin_s, word.end_s, word.probability) for word in found]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certify(tmp_path_factory.mktemp("tls") / "speech.pem")


@pytest.fixture
def server(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SpeechServer]:
    """A service, and a person whose environment knows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IBM_CREDENTIALS_FILE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr("fxbench_watson.sending._FIRST_WAIT", 0.01)
    with serving(certificate) as running:
        monkeypatch.setenv("SPEECH_TO_TEXT_URL", running.url)
        monkeypatch.setenv("SPEECH_TO_TEXT_APIKEY", KEY)
        monkeypatch.setenv("SPEECH_TO_TEXT_AUTH_URL", running.url.partition("/instances")[0])
        yield running
        assert running.complaints == []


def watson(**options: Any) -> Any:
    """What the plugin makes for the environment as it is."""
    quick = {"model": "en-US_Multimedia", "timeout": 5.0, "retries": 2}
    return entry().component.factory(**(quick | options))


def entry() -> Entry:
    return discover().get("transcriber", "watson")


def test_words_come_with_their_times_and_are_asked_for_once(server: SpeechServer) -> None:
    first = watson()
    assert words(first.transcribe(sound())) == WORDS
    assert words(first.transcribe(sound())) == WORDS
    again = watson()
    assert words(again.transcribe(sound())) == WORDS
    assert (len(server.asked), server.tokens) == (1, 1)
    (asked,) = server.asked
    np.testing.assert_allclose(asked.samples / 32767, sound(), atol=1e-4)
    assert asked.query == {
        "model": ["en-US_Multimedia"],
        "timestamps": ["true"],
        "word_confidence": ["true"],
    }
    usage = again.usage.record()
    assert (usage["sent"], usage["from_store"], usage["cost"]) == (0, 1, 0.0)
    assert first.usage.record()["cost"] == pytest.approx(0.02)


def test_silence_is_sent_to_nobody(server: SpeechServer) -> None:
    assert watson().transcribe(np.zeros(16_000, np.float32)) == ()
    assert watson().transcribe(np.zeros(0, np.float32)) == ()
    assert server.asked == []


def test_another_model_is_asked_anew(server: SpeechServer) -> None:
    watson().transcribe(sound())
    watson(model="de-DE").transcribe(sound())
    assert [asked.query["model"] for asked in server.asked] == [["en-US_Multimedia"], ["de-DE"]]


def test_what_is_kept_tells_no_secret(server: SpeechServer, tmp_path: Path) -> None:
    watson().transcribe(sound())
    (kept,) = (tmp_path / "cache" / "answers" / "watson").glob("*/*.json")
    text = kept.read_text(encoding="utf-8")
    assert set(json.loads(text)["answer"]) == {"results"}
    for secret in (KEY, TOKEN, "127.0.0.1", "transaction-of-the-test"):
        assert secret not in text


@pytest.mark.parametrize(
    ("faults", "sent", "uncertain"),
    [
        ([BUSY], 2, 0),
        ([Answer(429, "No hint when.")], 2, 0),
        ([Answer(429, "Odd hint.", retry_after="soon")], 2, 0),
        ([Answer(503, "A date.", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")], 2, 0),
        ([BROKEN, BUSY], 3, 0),
        ([LOST], 2, 1),
        ([Cut(in_the_middle=False)], 2, 1),
        ([Cut(in_the_middle=True), Cut(in_the_middle=True)], 3, 2),
        ([Slow(1.2)], 2, 1),
        ([Slow(0.1)], 1, 0),
    ],
    ids=repr,
)
def test_what_passes_is_waited_for(
    server: SpeechServer, faults: list[Fault], sent: int, uncertain: int
) -> None:
    server.faults = list(faults)
    cloud = watson(timeout=0.7)
    assert words(cloud.transcribe(sound())) == WORDS
    usage = cloud.usage.record()
    assert len(server.asked) == usage["sent"] == sent
    assert (usage["uncertain"], usage["answered"], usage["failed"]) == (uncertain, 1, 0)
    assert len({asked.body for asked in server.asked}) == 1


STAMP = '{"results": [{"alternatives": [{"timestamps": [["a", %s]]}]}]}'


@pytest.mark.parametrize(
    ("fault", "reason", "sent", "uncertain", "unusable"),
    [
        (BUSY, "429, Too many requests", 2, 0, 0),
        (LOST, "504, gateway", 2, 2, 0),
        (Cut(in_the_middle=False), "no answer: ", 2, 2, 0),
        (Cut(in_the_middle=True), "no answer: ", 2, 2, 0),
        (Answer(400, "the sound is odd"), "400, the sound is odd", 1, 0, 0),
        (Answer(429, "Wait.", retry_after="86400"), "429, Wait", 1, 0, 0),
        (Answer(307, location="https://127.0.0.1:9/"), "307, ", 1, 0, 0),
        (Answer(200, text='{"results": [{'), "not an answer as documented", 1, 0, 1),
        (Answer(200, text="<html>", content_type="text/html"), "the answer has no list", 1, 0, 1),
        (Answer(200, text=""), "the answer has no list of results", 1, 0, 1),
        (Answer(200, text="[]"), "the answer has no list of results", 1, 0, 1),
        (Answer(200, text='{"results": 3}'), "the answer has no list of results", 1, 0, 1),
        (Answer(200, text='{"results": [{}]}'), "the answer has a result without", 1, 0, 1),
        (Answer(200, text=STAMP % '"b", 1'), "the answer has a timestamp", 1, 0, 1),
        (Answer(200, text=STAMP % "1"), "the answer has a timestamp", 1, 0, 1),
        (Answer(200, text=STAMP % "-3, 1"), "the answer has a word that is none", 1, 0, 1),
        (Answer(200, text=STAMP % "NaN, 1"), "the answer has a word that is none", 1, 0, 1),
    ],
    ids=repr,
)
def test_what_stays_is_told_and_can_be_asked_for_again(
    server: SpeechServer, fault: Fault, reason: str, sent: int, uncertain: int, unusable: int
) -> None:
    server.always = fault
    cloud = watson(timeout=0.5, retries=1)
    with pytest.raises(UnavailableError) as told:
        cloud.transcribe(sound())
    assert f"watson gave no answer: {reason}" in str(told.value)
    assert "what was answered is kept" in str(told.value)
    usage = cloud.usage.record()
    assert len(server.asked) == usage["sent"] == sent
    assert (usage["uncertain"], usage["unusable"], usage["failed"]) == (uncertain, unusable, 1)
    server.always = None
    assert words(cloud.transcribe(sound())) == WORDS
    assert cloud.usage.record()["uncertain_before"] == uncertain


@pytest.mark.parametrize(
    ("variables", "options", "reason"),
    [
        ({"SPEECH_TO_TEXT_APIKEY": "wrong"}, {}, "IBM Cloud gave no token: 400, Provided API key"),
        ({"SPEECH_TO_TEXT_URL": "https://127.0.0.1:9"}, {}, "can't be reached"),
        ({}, {"model": "xx-XX"}, "There is no model xx-XX at 127.0.0.1"),
    ],
)
def test_what_concerns_every_sound_says_what_to_do(
    server: SpeechServer,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: dict[str, Any],
    reason: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match=reason) as told:
        watson(**options).transcribe(sound())
    assert KEY not in str(told.value)
    server.complaints.clear()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: SpeechServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watson()
    made.transcribe(sound())
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(UnavailableError, match="can't be reached"):
        made.transcribe(sound() * np.float32(0.5))
    assert made.usage.record()["sent"] == 1


@pytest.mark.parametrize(
    ("variables", "lacks"),
    [
        ({"SPEECH_TO_TEXT_URL": ""}, "Set SPEECH_TO_TEXT_APIKEY and SPEECH_TO_TEXT_URL"),
        ({"SPEECH_TO_TEXT_APIKEY": " "}, "Set SPEECH_TO_TEXT_APIKEY and SPEECH_TO_TEXT_URL"),
        ({"SPEECH_TO_TEXT_URL": "http://127.0.0.1"}, "with https"),
        ({"SPEECH_TO_TEXT_URL": "https://user:word@host"}, "without name, password"),
        ({"SPEECH_TO_TEXT_APIKEY": "two words"}, "copy the key again"),
    ],
)
def test_lacking_credentials_are_named_without_the_sdk(
    server: SpeechServer, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], lacks: str
) -> None:
    watsons = entry()
    assert availability(watsons, resolve([watsons.component])).state == "ready"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    state = availability(watsons, resolve([watsons.component]))
    assert state.state == "needs credentials"
    assert lacks in state.mend
    assert "word" not in state.mend or "password" in state.mend


def test_a_credentials_file_goes_first(
    server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"SPEECH_TO_TEXT_{name}={value}" for name, value in _told(server).items()]
    file = tmp_path / "ibm-credentials.env"
    file.write_text("\n".join(lines), encoding="utf-8")
    for name in ("URL", "APIKEY", "AUTH_URL"):
        monkeypatch.setenv(f"SPEECH_TO_TEXT_{name}", "https://127.0.0.1:9")
    assert words(watson().transcribe(sound())) == WORDS


def _told(server: SpeechServer) -> dict[str, str]:
    host = server.url.partition("/instances")[0]
    return {"URL": server.url, "APIKEY": KEY, "AUTH_URL": host}


def test_options_out_of_range_are_refused(server: SpeechServer) -> None:
    for options in ({"timeout": 0.0}, {"retries": -1}, {"model": " "}):
        with pytest.raises(UsageError, match=r"watson\.model must name a model"):
            watson(**options)


def test_it_conforms(server: SpeechServer) -> None:
    report = check(entry(), options={"timeout": 5.0})
    assert report.ok, report.text()


@pytest.fixture
def fxbench(server: SpeechServer, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Call the command line: exit code, standard output and standard error."""

    def call(*arguments: object) -> Any:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capfd.readouterr()

    return call


def test_sound_is_sent_only_when_that_is_allowed(
    fxbench: Callable[..., Any], server: SpeechServer, tmp_path: Path
) -> None:
    loud = (np.sin(np.arange(2 * RATE) / 20) * 9000).astype(np.int16)
    video = write_wav(tmp_path / "talk.wav", np.concatenate((silence(1), loud, silence(1))))
    asked = ("speech", video, "-o", tmp_path / "out", "--transcriber", "watson", "--json")
    code, _, error = fxbench(*asked)
    assert code == 2
    assert "sends 0.1 minutes of sound to watson, in 1 part at most, and costs about 0.020 USD" in (
        error
    )
    assert "--max-cost 0.020" in error
    assert fxbench(*asked, "--max-cost", "0.01")[0] == 2
    assert server.asked == []
    code, output, error = fxbench(*asked, "--max-cost", "0.02")
    assert code == 0, error
    record = json.loads(output)
    (word,) = record["words"]
    assert (word["begin_s"], word["end_s"]) == (pytest.approx(1.0, 0.15), pytest.approx(3.0, 0.15))
    assert record["service"]["cost_at_most"] == pytest.approx(0.02)
    assert len(server.asked) == 1


def test_what_is_agreed_to_is_what_is_sent_where_a_track_has_gaps(
    fxbench: Callable[..., Any], server: SpeechServer, tmp_path: Path
) -> None:
    av = pytest.importorskip("av", reason="needs pip install 'fxbench[speech]'")
    video = tmp_path / "gaps.mkv"
    with av.open(str(video), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for second in (0, 3, 6):
            loud = (np.sin(np.arange(RATE) / 20) * 9000 + second).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(loud[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, second * RATE
            frame.time_base = Fraction(1, RATE)
            file.mux(stream.encode(frame))
    asked = ("speech", video, "-o", tmp_path / "out", "--transcriber", "watson", "--no-plot")
    code, _, error = fxbench(*asked, "--max-cost", "0.02")
    assert code == 2
    assert "minutes of sound to watson, in 3 parts at most" in error
    assert server.asked == []
    code, _, error = fxbench(*asked, "--max-cost", "0.06")
    assert code == 0, error
    assert len(server.asked) == 3


def test_a_video_without_sound_costs_nothing(
    fxbench: Callable[..., Any], server: SpeechServer, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="needs pip install 'fxbench[speech]'")
    mute = write_film(tmp_path / "mute.mp4", None, grey(5))
    asked = ("speech", mute, "-o", tmp_path / "out", "--transcriber", "watson", "--no-plot")
    code, _, error = fxbench(*asked)
    assert code == 3
    assert "it has no audio track" in error
    assert server.asked == []

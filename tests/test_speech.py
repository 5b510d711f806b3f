"""What is said in videos: sound, words, utterances, emotions, and faces beside them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spoken import RATE, grey, silence, speak, write_film, write_wav

from fxbench import availability
from fxbench.cli import main
from fxbench.errors import DataError, ImageError, PluginError, UnavailableError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.speech import Listener, Said, Utterance, Word, said
from fxbench.speech.analysed import table_of
from fxbench.speech.audio import AudioTrack
from fxbench.speech.beside import Shown, beside, faces_in
from fxbench.speech.utterances import LONGEST_UTTERANCE_S, expressed, utterances
from fxbench.speech.words import tokens
from fxbench.testing import load

pytest.importorskip("av", reason="needs pip install 'fxbench[speech]'")

HERE = 16_000


def tone(seconds: float, rate: int = RATE, loudness: float = 0.4) -> np.ndarray:
    time_s = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 220 * time_s) * loudness * 32767).astype(np.int16)


class Loud:
    """Hears a word in each loud stretch: its text is how many tenths of a second it lasts."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def transcribe(self, samples: np.ndarray) -> tuple[Word, ...]:
        self.heard.append(len(samples))
        tenth = HERE // 10
        count = len(samples) // tenth
        loud = np.abs(samples[: count * tenth]).reshape(count, tenth).max(axis=1, initial=0) > 0.05
        edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
        return tuple(
            Word(f"w{last - first}", first / 10, last / 10, 0.5)
            for first, last in edges.reshape(-1, 2).tolist()
        )


class Lexicon:
    """Reads the words `joy`, `grief` and `trust`."""

    labels = ("happiness", "sadness", None)

    def read(self, texts: tuple[tuple[str, ...], ...]) -> np.ndarray:
        rows = np.full((len(texts), 3), np.nan, np.float32)
        for row, text in zip(rows, texts, strict=True):
            counts = [text.count(word) for word in ("joy", "grief", "trust")]
            if any(counts):
                row[:] = np.array(counts) / sum(counts)
        return rows


# The sound.


def whole(track: AudioTrack) -> tuple[float, np.ndarray]:
    """Where the sound begins, and all of it: its parts must follow each other without a gap."""
    parts = list(track.parts())
    for before, after in pairwise(parts):
        assert after.begin_s == pytest.approx(before.end_s, abs=1e-6)
    return parts[0].begin_s, np.concatenate([part.samples for part in parts])


def test_sound_is_one_channel_of_16_khz(tmp_path: Path) -> None:
    stereo = np.stack((tone(2.0), tone(2.0)), axis=1)
    begin_s, samples = whole(AudioTrack(write_wav(tmp_path / "a.wav", stereo)))
    assert begin_s == 0
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(2 * HERE, abs=60)
    assert np.abs(samples).max() == pytest.approx(0.4, abs=0.02)
    # A second of it: the place of the highest frequency is in Hz.
    assert np.abs(np.fft.rfft(samples[8000:24_000])).argmax() == 220


def test_sound_keeps_the_clock_of_the_pictures(tmp_path: Path) -> None:
    loud = np.concatenate((silence(0.5), tone(1.0), silence(0.5)))
    for late in (0.0, 1.5):
        film = write_film(tmp_path / f"{late}.mp4", loud, grey(100), sound_from_s=late)
        (word,) = said(film, Loud()).words
        assert word.begin_s == pytest.approx(0.5 + late, abs=0.11)
        assert word.end_s == pytest.approx(1.5 + late, abs=0.11)


def test_long_sound_comes_in_parts_that_end_in_pauses(tmp_path: Path) -> None:
    pieces = []
    for _ in range(15):
        pieces += [tone(8.6, 8000), np.zeros(3200, np.int16)]
    film = write_wav(tmp_path / "long.wav", np.concatenate(pieces), 8000)
    listener = Loud()
    told: list[tuple[float, float | None]] = []
    heard = said(film, listener, progress=lambda *at: told.append(at))
    assert max(listener.heard) <= 60 * HERE
    assert len(listener.heard) >= 3
    assert len(heard.words) == 15
    for number, word in enumerate(heard.words):
        assert word.begin_s == pytest.approx(9.0 * number, abs=0.15)
    assert told[-1][0] == pytest.approx(135, abs=0.1)
    assert told[-1][1] == pytest.approx(135, abs=0.1)


def test_no_more_is_listened_to_than_was_wanted(tmp_path: Path) -> None:
    film = write_wav(tmp_path / "a.wav", tone(5.0))
    heard = said(film, Loud(), most_s=2.0)
    assert heard.seconds == pytest.approx(2.0, abs=0.01)
    assert heard.fault == "only its first 2 seconds were listened to"


def test_a_video_without_sound_has_no_words_and_says_so(tmp_path: Path) -> None:
    heard = said(write_film(tmp_path / "mute.mp4", None, grey(10)), Loud())
    assert (heard.words, heard.utterances, heard.seconds) == ((), (), 0.0)
    assert heard.fault == "it has no audio track"


def test_a_video_that_is_cut_short_is_heard_up_to_there(tmp_path: Path) -> None:
    import av

    film = tmp_path / "whole.mkv"
    with av.open(str(film), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in range(0, 4 * RATE, 1024):
            frame = av.AudioFrame.from_ndarray(tone(4.0)[None, start : start + 1024], "s16", "mono")
            frame.sample_rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    heard = said(cut, Loud())
    assert heard.words[0].begin_s == pytest.approx(0, abs=0.1)
    assert 1.0 < heard.seconds < 3.0


def cut_in_half(film: Path) -> Path:
    cut = film.with_name(f"cut-{film.name}")
    cut.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    return cut


def noise(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(count)]


def test_a_track_that_ends_sooner_than_it_says_is_a_fault(tmp_path: Path) -> None:
    cut = cut_in_half(write_film(tmp_path / "film.mp4", tone(6.0), noise(150)))
    heard = said(cut, Loud())
    assert 1.0 < heard.seconds < 4.5
    assert heard.fault.startswith(f"its sound ends after {heard.seconds:.1f} of 6.")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.mp4", b"no video at all" * 20, "is no video"),
        ("a.mp4", b"", "is an empty file"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(400), "can't be opened"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "is no video"),
        ("a.txt", b"ffconcat version 1.0\nfile /etc/passwd\n", "is no video"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImageError, match=reason):
        said(path, Loud())
    with pytest.raises(ImageError, match="is missing"):
        said(tmp_path / "missing.mp4", Loud())


def test_without_pyav_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_wav(tmp_path / "a.wav", tone(1.0))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UnavailableError, match=r"pip install 'fxbench\[speech\]'"):
        AudioTrack(film)


# Words.


@pytest.mark.parametrize(
    "wrong",
    [("", 0, 1), ("a", -1, 1), ("a", 2, 1), ("a", float("nan"), 1), ("a", 0, 1, 1.5)],
)
def test_a_word_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(PluginError, match=r"A word must have|The word 'a'"):
        Word(*wrong)


def test_tokens_are_words_in_lower_case_without_punctuation() -> None:
    assert tokens("What a JOY, isn\u2019t it? 4-2 naïve_x!") == (
        *("what", "a", "joy", "isn't", "it", "4", "2", "naïve", "x"),
    )


def test_what_is_said_survives_its_record() -> None:
    words = (Word("joy", 0.0, 0.5, 0.25), Word("grief", 2.0, 2.5))
    spoken = expressed(utterances(words), Lexicon())
    whole = Said(words, spoken, 3.0, "loud", "lexicon", "cut short")
    record = json.loads(json.dumps(whole.record(), allow_nan=False))
    assert Said.of(record) == whole


class Wrong:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def transcribe(self, samples: np.ndarray) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([Word("a", 0, 1)], "must return a tuple of Word, not list"),
        (("a",), "must return a tuple of Word"),
        ((Word("b", 0.5, 0.6), Word("a", 0.0, 0.1)), "in the order of their beginnings"),
        ((Word("a", 0, 1000),), "in a sound of 1.00 s"),
        (ValueError("oops"), "wrong failed at 0.0 s: ValueError: oops"),
    ],
)
def test_a_transcriber_that_answers_wrong_is_named(
    tmp_path: Path, answer: Any, reason: str
) -> None:
    film = write_wav(tmp_path / "a.wav", tone(1.0))
    with pytest.raises(PluginError, match=reason):
        said(film, Wrong(answer), names=("wrong", ""))


# Utterances and their emotions.


def at(*times: float, text: str = "a") -> list[Word]:
    """Words of 0.2 s."""
    return [Word(text, time, time + 0.2) for time in times]


def grouped(words: list[Word], **how: float) -> list[int]:
    return [len(one.words) for one in utterances(words, **how)]


def test_a_pause_ends_an_utterance() -> None:
    assert grouped(at(0, 0.3, 0.9, 1.7, 2.0)) == [3, 2]
    assert grouped(at(0, 0.3, 0.9, 1.7, 2.0), pause_s=0.3) == [2, 1, 2]
    assert grouped([]) == []


def test_a_sentence_ends_an_utterance() -> None:
    words = [Word("joy.", 0, 0.2), Word("Then", 0.25, 0.4), Word("grief", 0.4, 0.5)]
    assert grouped(words) == [1, 2]


def test_a_long_utterance_is_parted_at_its_longest_pauses() -> None:
    times = np.arange(60) * 0.3
    times[20:] += 0.2
    parts = utterances(at(*times))
    assert len(parts[0].words) == 20
    assert sum(len(part.words) for part in parts) == 60
    assert all(part.end_s - part.begin_s <= LONGEST_UTTERANCE_S for part in parts)


def test_an_utterance_is_labelled_as_what_most_of_it_expresses() -> None:
    def read(text: str) -> Utterance:
        words = [Word(word, 0.1 * i, 0.1 * i + 0.1) for i, word in enumerate(text.split())]
        return expressed(utterances(words), Lexicon())[0]

    joy = read("What JOY joy and grief")
    assert joy.labelled == ("happiness",)
    assert joy.shares is not None
    shares = dict(zip(EMOTIONS, joy.shares, strict=True))
    assert shares["happiness"] == pytest.approx(2 / 3)
    assert (shares["neutral"], shares["contempt"]) == (None, None)
    assert read("grief joy").labelled == ("happiness", "sadness")
    assert read("trust trust grief").labelled == ("other",)
    assert read("trust grief").labelled == ("sadness",)
    assert read("trust grief").other == pytest.approx(0.5)
    table = read("the table")
    assert (table.shares, table.labelled, table.other) == (None, (), 0.0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (np.zeros((1, 3)), "float32"),
        ([[1, 0, 0]], "not list"),
        (np.zeros((2, 3), np.float32), r"expected is \(1, 3\)"),
        (np.array([[0.5, 0.2, 0.1]], np.float32), "sum to 1"),
        (np.array([[1.5, -0.5, 0]], np.float32), "not negative"),
        (np.array([[1, np.nan, 0]], np.float32), "whole row of NaN"),
    ],
)
def test_a_text_emotion_that_answers_wrong_is_named(answer: Any, reason: str) -> None:
    reader = Lexicon()
    reader.read = lambda texts: answer  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=reason):
        expressed(utterances(at(0)), reader, "wrong")


# Faces beside words.


def face(emotion: str, first_s: float, last_s: float, track: int = 0, **lacks: bool) -> Shown:
    time_s = np.arange(first_s, last_s, 0.1)
    probabilities = np.full((len(time_s), 8), 0.02, np.float32)
    if emotion in EMOTIONS:
        probabilities[:, EMOTIONS.index(emotion)] = 0.8
    for name in lacks:
        probabilities[:, EMOTIONS.index(name)] = np.nan
    other = np.full(len(time_s), 0.9 if emotion == "other" else 0.0, np.float32)
    return Shown("finder", "teller", track, time_s, probabilities, other)


def talk(*texts: str) -> Said:
    """An utterance of a second every two seconds."""
    words = []
    for number, text in enumerate(texts):
        parts = text.split()
        words += [
            Word(word, 2 * number + i / len(parts), 2 * number + (i + 1) / len(parts))
            for i, word in enumerate(parts)
        ]
    return Said(tuple(words), expressed(utterances(words), Lexicon()), 2.0 * len(texts))


@pytest.mark.parametrize(
    ("text", "shown", "verdict"),
    [
        ("such joy here", "happiness", "agree"),
        ("joy and grief", "sadness", "agree"),
        ("such joy here", "sadness", "differ"),
        ("such joy here", "neutral", "words only"),
        ("such joy here", "anger", "words only"),
        ("such joy here", "other", "words only"),
        ("the table", "anger", "face only"),
        ("the table", "neutral", "neither"),
        ("trust trust", "sadness", "face only"),
        ("trust trust", "other", "neither"),
    ],
)
def test_verdicts(text: str, shown: str, verdict: str) -> None:
    # A second utterance tells what the lexicon has labels for.
    sides = beside(talk(text, "joy"), (face(shown, 0, 1),))
    assert [(side.utterance, side.shown, side.verdict) for side in sides] == [(0, shown, verdict)]
    assert sides[0].probability == pytest.approx(0.9 if shown == "other" else 0.8)


def test_words_that_a_classifier_has_no_label_for_are_no_disagreement() -> None:
    (side,) = beside(talk("such joy here"), (face("sadness", 0, 1, happiness=True),))
    assert side.verdict == "words only"


def test_everybody_who_is_seen_meanwhile_stands_beside_an_utterance() -> None:
    faces = (face("happiness", 0, 1), face("sadness", 0.5, 3, 1), face("fear", 0.9, 0.99, 2))
    sides = beside(talk("such joy here", "the table"), faces)
    assert [(side.utterance, side.track) for side in sides] == [(0, 0), (0, 1), (1, 1)]
    assert [side.frames for side in sides] == pytest.approx([10, 5, 10], abs=1)


def table(**columns: Any) -> pa.Table:
    rows: dict[str, Any] = {
        "file": ["a/talk.mp4"] * 4,
        "detector": ["finder"] * 4,
        "time_s": [0.2, 0.1, 0.3, 0.4],
        "track": [0, 0, 1, None],
    }
    for emotion in EMOTIONS:
        rows[f"teller.{emotion}"] = [0.9 if emotion == "anger" else 0.0] * 4
    rows["teller.contempt"] = [None] * 4
    rows["teller.other"] = [0.1, 0.1, 0.1, None]
    return pa.table(rows | columns)


def test_faces_come_from_a_table_too(tmp_path: Path) -> None:
    one, other = faces_in(table(), "here")
    assert (one.detector, one.classifier, one.track, other.track) == ("finder", "teller", 0, 1)
    assert one.time_s.tolist() == [0.1, 0.2]
    assert np.isnan(one.probabilities[:, 7]).all()
    assert other.probabilities[0, EMOTIONS.index("anger")] == pytest.approx(0.9)
    file = tmp_path / "deep" / "faces.parquet"
    file.parent.mkdir()
    pq.write_table(table(), file)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "deep" / "x.parquet")
    (tmp_path / ".parts").mkdir()
    pq.write_table(table(), tmp_path / ".parts" / "faces.parquet")
    for path in (file, tmp_path):
        assert table_of(path, Path("elsewhere/talk.mp4")).num_rows == 4
    with pytest.raises(DataError, match=r"holds no faces of other\.mp4"):
        table_of(tmp_path, Path("other.mp4"))
    with pytest.raises(DataError, match=r"it has no teller\.fear"):
        faces_in(table().drop_columns(["teller.fear"]), "here")
    with pytest.raises(DataError, match="answers of a classifier"):
        faces_in(table().select(["detector", "time_s", "track"]), "here")
    file.write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match="can't be read as a Parquet file"):
        table_of(file, Path("talk.mp4"))


# The components.


def test_nrclex_counts_as_its_own_function_does() -> None:
    nrclex = pytest.importorskip("nrclex", reason="needs pip install 'fxbench[speech]'")
    reader = load("text-emotion", "nrclex")
    text = tokens("I am so happy to see this wonderful murder, and abandon all hope.")
    own = nrclex.NRCLex()
    own.load_token_list(list(text))
    names = ("joy", "surprise", "sadness", "anger", "disgust", "fear", "anticipation", "trust")
    ours = dict(zip(names, reader.read((text,))[0].tolist(), strict=True))
    kept = {n: s for n, s in own.affect_frequencies.items() if n in ours}
    for name, share in kept.items():
        assert ours[name] == pytest.approx(share / sum(kept.values()), abs=1e-6)


@pytest.mark.parametrize("voice", ["en-us", "en-gb"])
def test_pocketsphinx_hears_sentences_when_they_are_said(tmp_path: Path, voice: str) -> None:
    pytest.importorskip("pocketsphinx", reason="needs pip install 'fxbench[speech]'")
    sentences = ("I love my mother.", "She was angry and afraid.", "My father is dead.")
    pieces, spans, now = [silence(0.7)], [], 0.7
    for sentence in sentences:
        sound = speak(sentence, voice=voice)
        loud = np.flatnonzero(np.abs(sound.astype(int)) > 500)
        spans.append((now + loud[0] / RATE, now + loud[-1] / RATE))
        pieces += [sound, silence(1.2)]
        now += len(sound) / RATE + 1.2
    film = write_film(tmp_path / "talk.mp4", np.concatenate(pieces), grey(round(now * 25)))
    listener = Listener.load("pocketsphinx", "nrclex")
    heard = listener.said(film)
    assert listener.names == ("pocketsphinx", "nrclex")
    assert heard.seconds == pytest.approx(now, abs=0.1)
    assert len(heard.words) >= 6
    # Each utterance lies within a sentence, and in each sentence something is heard.
    for one in heard.utterances:
        assert any(a - 0.3 < one.begin_s and one.end_s < b + 0.3 for a, b in spans), one
    for a, b in spans:
        assert any(a - 0.3 < word.begin_s < b for word in heard.words)


def test_where_no_transcriber_is_there_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fxbench.availability._importable", lambda module: False)
    with pytest.raises(UnavailableError) as refused:
        Listener.load()
    assert str(refused.value).endswith(" For pocketsphinx: pip install 'fxbench[speech]'")


def test_the_command_says_what_it_does_without(
    fxbench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_wav(tmp_path / "a.wav", tone(1.0))
    known = availability._importable
    monkeypatch.setattr(availability, "_importable", lambda name: name != "nrclex" and known(name))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, output, error = fxbench("speech", video, "-o", "out", "--json")
    assert code == 0
    assert json.loads(output)["text_emotion"] == ""
    assert "No emotions are told, as no text emotion is ready" in error
    assert "pip install 'fxbench[plots]'" in error
    assert not (tmp_path / "out" / "a-speech.png").exists()


def test_a_text_emotion_can_be_left_out(tmp_path: Path) -> None:
    listener = Listener.load("pocketsphinx", "none")
    assert (listener.text_emotion, listener.names) == (None, ("pocketsphinx", ""))
    with pytest.raises(UsageError, match="did you mean 'pocketsphinx'"):
        Listener.load("pocketsphink")


# The command.


@pytest.fixture
def fxbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Any, str, str]]:
    """Call the command line: exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capfd.readouterr()

    return call


def test_faces_of_a_video_that_is_cut_short_are_seen_up_to_there(tmp_path: Path) -> None:
    from fxbench.analysis.engine import Cast, Engine
    from fxbench.speech.beside import faces_of

    film = write_film(tmp_path / "film.mp4", None, noise(40))
    engine = Engine.load(Cast(("full-frame",), ("emopy-onnx",)))
    (whole,) = faces_of(film, engine)
    assert (whole.track, len(whole.time_s)) == (0, 40)
    told: list[str] = []
    (part,) = faces_of(cut_in_half(film), engine, cut_short=told.append)
    assert 0 < len(part.time_s) < 40
    assert part.time_s.tolist() == whole.time_s[: len(part.time_s)].tolist()
    assert len(told) == 1


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A video in which two sentences are said."""
    pieces = (silence(0.5), speak("I love my mother."), silence(1), speak("My father is dead."))
    sound = np.concatenate(pieces)
    return write_film(tmp_path / "talk <b>.mp4", sound, grey(round(len(sound) / RATE * 25)))


def test_the_command_writes_what_was_said(
    fxbench: Callable[..., Any], film: Path, tmp_path: Path
) -> None:
    code, output, error = fxbench("speech", film, "-o", "out")
    assert code == 0, error
    assert "words as they were heard" in output
    made = {path.name.removeprefix("talk <b>-") for path in (tmp_path / "out").iterdir()}
    assert made == {
        *("words.csv", "utterances.csv"),
        *("speech.jsonl", "speech.vtt", "speech.eaf", "speech.png"),
    }
    folder = tmp_path / "out"
    with (folder / "talk <b>-words.csv").open(encoding="utf-8") as file:
        words = list(csv.DictReader(file))
    assert list(words[0]) == ["utterance", "word", "begin_s", "end_s", "probability"]
    with (folder / "talk <b>-utterances.csv").open(encoding="utf-8") as file:
        spoken = list(csv.DictReader(file))
    assert [row["utterance"] for row in spoken] == [str(n) for n in range(len(spoken))]
    assert set(EMOTIONS) < set(spoken[0])
    lines = (folder / "talk <b>-speech.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["video"] + ["utterance"] * len(spoken)
    assert sum(len(json.loads(line).get("words", ())) for line in lines) == len(words)
    track = (folder / "talk <b>-speech.vtt").read_text(encoding="utf-8")
    assert track.startswith("WEBVTT\n")
    assert track.count("-->") == len(spoken)
    tiers = {
        tier.get("TIER_ID"): [value.text for value in tier.iter("ANNOTATION_VALUE")]
        for tier in ET.parse(folder / "talk <b>-speech.eaf").getroot().iter("TIER")
    }
    assert tiers["utterances"] == [row["text"] for row in spoken]
    assert tiers["words"] == [row["word"] for row in words]


def test_the_command_puts_faces_beside_words(
    fxbench: Callable[..., Any], film: Path, tmp_path: Path
) -> None:
    look = ("--detectors", "full-frame", "--classifiers", "emopy-onnx", "--json")
    code, output, error = fxbench("speech", film, "-o", "out", "--no-plot", *look)
    assert code == 0, error
    record = json.loads(output)
    assert (record["transcriber"], record["text_emotion"]) == ("pocketsphinx", "nrclex")
    assert {side["track"] for side in record["beside"]} == {0}
    assert {side["utterance"] for side in record["beside"]} == set(range(len(record["utterances"])))
    assert record["service"] is None
    assert [Path(name).suffix for name in record["files"]] == [
        *(".csv", ".csv", ".jsonl", ".vtt", ".eaf", ".csv"),
    ]
    with (tmp_path / "out" / "talk <b>-beside.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == [side["verdict"] for side in record["beside"]]


def test_the_command_takes_faces_from_an_analysis(
    fxbench: Callable[..., Any], film: Path, tmp_path: Path
) -> None:
    times = {"file": [film.name] * 4, "time_s": [0.9, 1.0, 1.1, 1.2], "track": [3] * 4}
    pq.write_table(table(**times, **{"teller.other": [0.1] * 4}), tmp_path / "faces.parquet")
    asked = ("speech", film, "-o", "out", "--no-plot", "--json", "--faces-from")
    code, output, error = fxbench(*asked, tmp_path / "faces.parquet")
    assert code == 0, error
    (side,) = json.loads(output)["beside"]
    assert (side["track"], side["shown"], side["frames"]) == (3, "anger", 4)


def test_the_command_refuses_what_it_must(
    fxbench: Callable[..., Any], film: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("this is no video")
    out = ("-o", "out", "--no-plot")
    for arguments, reason in (
        (("text.mp4", *out), "text.mp4 is no video"),
        (("missing.mp4", *out), "missing.mp4 is missing"),
        ((film, *out, "--transcriber", "nobody"), "Unknown transcriber 'nobody'"),
        ((film, *out, "--text-emotion", "nobody"), "Unknown text-emotion 'nobody'"),
        ((film, *out, "--faces", "--faces-from", film), "give one or the other"),
        ((film, *out, "--faces-from", film), "can't be read as a Parquet file"),
        ((film, *out, "--set", "pocketsphinx.vad=9"), "pocketsphinx.vad is 9"),
    ):
        code, _, error = fxbench("speech", *arguments)
        assert (code, reason in " ".join(error.split())) == (2, True), error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert fxbench("speech", film, *out)[0] == 0
    code, _, error = fxbench("speech", film, *out)
    assert (code, "is there already" in error, "--force" in error) == (2, True, True)
    assert fxbench("speech", film, *out, "--force")[0] == 0


def test_a_video_without_sound_ends_with_code_3(
    fxbench: Callable[..., Any], tmp_path: Path
) -> None:
    write_film(tmp_path / "mute.mp4", None, grey(10))
    code, output, error = fxbench("speech", "mute.mp4", "-o", "out", "--json")
    assert code == 3
    assert "mute.mp4: it has no audio track." in error
    assert json.loads(output)["words"] == []


def test_a_file_that_is_named_like_markup_or_mathematics_is_text_in_what_is_written(
    fxbench: Callable[..., Any], tmp_path: Path
) -> None:
    film = write_film(tmp_path / "$x_{$<script>&.mp4", speak("I love my mother."), grey(50))
    code, _, error = fxbench("speech", film.name, "-o", "out")
    assert code == 0, error
    stem = film.name.removesuffix(".mp4")
    root = ET.parse(tmp_path / "out" / f"{stem}-speech.eaf").getroot()
    (media,) = root.iter("MEDIA_DESCRIPTOR")
    assert "<script>" not in media.get("MEDIA_URL", "<script>")
    assert (tmp_path / "out" / f"{stem}-speech.png").stat().st_size > 10_000

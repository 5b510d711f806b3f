"""Options: types, precedence, and one sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fxbench.component import Component, Option
from fxbench.errors import UsageError
from fxbench.names import unknown_name
from fxbench.options import has_user, redacted, resolve, shown

CNN = Component(
    "my-cnn",
    "",
    dict,
    options=(
        Option("size", "int", 48, ""),
        Option("rate", "float", 0.5, ""),
        Option("flip", "bool", False, ""),
        Option("mode", "str", "fast", "", choices=("fast", "good")),
        Option("path", "path", None, "", required=True),
        Option("api_key", "str", None, ""),
    ),
)
ANALYZER = Component("net", "", dict, options=(Option("threshold", "float", 0.5, ""),))


def values(*settings: str, **kwargs: object) -> dict[str, object]:
    return resolve([CNN], settings, **kwargs).of(CNN)  # type: ignore[arg-type]


def test_defaults_hold_where_nothing_is_set() -> None:
    assert values() == {
        "size": 48,
        "rate": 0.5,
        "flip": False,
        "mode": "fast",
        "path": None,
        "api_key": None,
    }
    assert [option.name for option in resolve([CNN]).missing(CNN)] == ["path"]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("my-cnn.size=64", "size", 64),
        ("my-cnn.rate=1e-3", "rate", 0.001),
        ("my-cnn.flip=Yes", "flip", True),
        ("my-cnn.flip=0", "flip", False),
        ("my-cnn.mode=good", "mode", "good"),
        ("my-cnn.path=a=b", "path", Path("a=b")),
        (" my-cnn.path=~", "path", Path.home()),
    ],
)
def test_a_text_becomes_a_value_of_the_option_s_type(text: str, name: str, value: object) -> None:
    assert values(text)[name] == value


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "fxbench.toml").write_text(
        '[options.my-cnn]\nsize = 1\nrate = 0.25\nflip = true\npath = "faces"\n'
    )
    environment = {"FXBENCH_OPT__MY_CNN__SIZE": "2", "FXBENCH_OPT__MY_CNN__RATE": "0.75"}
    got = values("my-cnn.size=3", environment=environment, folder=tmp_path)
    assert (got["size"], got["rate"], got["flip"]) == (3, 0.75, True)
    assert got["path"] == tmp_path / "faces", "a path in the file is relative to the file"


@pytest.mark.parametrize(
    ("settings", "environment", "toml", "message"),
    [
        (["my-cnn"], {}, "", "expected NAME.OPTION=VALUE"),
        (["size=3"], {}, "", "expected NAME.OPTION=VALUE"),
        (["my-cn.size=3"], {}, "", "Unknown component 'my-cn': did you mean 'my-cnn'"),
        (["my-cnn.sice=3"], {}, "", "did you mean 'size'"),
        (["my-cnn.size=big"], {}, "", "expected a whole number, but got 'big'"),
        (["my-cnn.rate=nan"], {}, "", "expected a number, but got 'nan'"),
        (["my-cnn.flip=maybe"], {}, "", "expected true or false, but got 'maybe'"),
        (["my-cnn.mode=best"], {}, "", "expected one of fast, good, but got 'best'"),
        (["my-cnn.path="], {}, "", "expected a path"),
        ([], {"FXBENCH_OPT__MY_CNN__SIZ": "1"}, "", "did you mean 'FXBENCH_OPT__MY_CNN__SIZE'"),
        ([], {"FXBENCH_OPT__MY_CNN__SIZE": "x"}, "", "expected a whole number"),
        ([], {}, "[options.my-cnn]\nsize = 'x'", "expected a whole number"),
        ([], {}, "[options.other]\nsize = 1", "Unknown component 'other'"),
        ([], {}, "options = 3", "sections such as"),
        ([], {}, "not toml", "is not valid TOML"),
    ],
)
def test_every_mistake_gets_a_sentence(
    tmp_path: Path, settings: list[str], environment: dict[str, str], toml: str, message: str
) -> None:
    (tmp_path / "fxbench.toml").write_text(toml)
    with pytest.raises(UsageError, match=message):
        resolve([CNN], settings, environment, tmp_path)


VIEW = Component("opencv-net", "", dict, options=ANALYZER.options, source=ANALYZER)


@pytest.mark.parametrize(
    ("settings", "environment", "toml"),
    [
        (["opencv-net.threshold=1"], {}, ""),
        ([], {"FXBENCH_OPT__OPENCV_NET__THRESHOLD": "1"}, ""),
        ([], {}, "[options.opencv-net]\nthreshold = 1"),
    ],
)
def test_options_of_a_view_are_said_to_be_its_analyzer_s(
    tmp_path: Path, settings: list[str], environment: dict[str, str], toml: str
) -> None:
    (tmp_path / "fxbench.toml").write_text(toml)
    message = "the options of opencv-net are set under net: --set net.threshold=…"
    with pytest.raises(UsageError, match=message):
        resolve([VIEW], settings, environment, tmp_path)
    assert resolve([VIEW], (), environment, tmp_path, lenient=True).of(VIEW) == {"threshold": 0.5}


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("nonsense", ["none", "eyes", "similarity"], "choose from eyes, none, similarity."),
        ("eys", ["none", "eyes", "similarity"], "did you mean 'eyes'?"),
        ("net", ["opencv-net", "haar"], "did you mean 'opencv-net'?"),
        ("hog", ["dlib-hog", "hogs", "haar"], "did you mean 'hogs' or 'dlib-hog'?"),
        ("x", [f"detector-{i}" for i in range(8)], "choose from detector-0, detector-1"),
        ("x", [], "there is none."),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones_or_all(
    name: str, known: list[str], message: str
) -> None:
    assert message in unknown_name("thing", name, known, "`list` shows all.")


def test_of_many_names_the_nearest_are_said() -> None:
    known = [f"{letter}{number}" for letter in "abc" for number in range(1000, 1010)]
    said = unknown_name("thing", "b77", known, "`list` shows all.")
    assert said.count(",") == 7
    assert said.startswith("Unknown thing 'b77': the nearest are b1007, ")
    assert said.endswith(". `list` shows all.")


def test_what_looks_like_a_secret_is_not_recorded() -> None:
    record = resolve([CNN], ["my-cnn.api_key=hunter2", "my-cnn.size=3"]).record(CNN)
    assert record["given"] == {"api_key": "(redacted)", "size": 3}
    assert "hunter2" not in str(record)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("ftp://me:p@ss:w?rd@host:21/x", "ftp://host:21/x"),
        ("https://host/x?signature=abc#token", "https://host/x"),
        ("simplecache::s3://key:secret@bucket/x", "simplecache::s3://bucket/x"),
        ("me:hush@host:8786", "host:8786"),
        ("tcp://host:8786", "tcp://host:8786"),
        ("nobody at 'tls://me:hush@host?a=b', it says", "nobody at 'tls://host', it says"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, expected: str) -> None:
    assert redacted(address) == expected


def test_an_option_that_holds_a_password_in_an_address_is_redacted() -> None:
    assert has_user("http://me:hush@host/x")
    assert not has_user("me@host")
    assert not has_user(7)
    assert shown("server", "http://me:hush@host/x") == "http://host/x"
    assert shown("server", "http://host/x?y=1") == "http://host/x?y=1"

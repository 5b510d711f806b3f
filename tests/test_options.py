"""Options: types, precedence, and one sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fxbench.component import Component, Option
from fxbench.errors import UsageError
from fxbench.options import resolve

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


def test_what_looks_like_a_secret_is_not_recorded() -> None:
    record = resolve([CNN], ["my-cnn.api_key=hunter2", "my-cnn.size=3"]).record(CNN)
    assert record["given"] == {"api_key": "(redacted)", "size": 3}
    assert "hunter2" not in str(record)

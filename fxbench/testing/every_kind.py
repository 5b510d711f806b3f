"""Rules for components of every kind."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

from fxbench import protocols, weights
from fxbench.component import Option
from fxbench.errors import FxbenchError
from fxbench.loader import lacking
from fxbench.testing.rules import NotTried, Refused, Rule, Trial

HEAVY = (
    "PIL",
    "cv2",
    "dlib",
    "jax",
    "keras",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scipy",
    "skimage",
    "sklearn",
    "tensorflow",
    "tf_keras",
    "torch",
)
"""What no plugin may load before one of its factories is called."""

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "path": (str, Path),
}

_PROBE = """
import importlib, json, sys
sys.path[:], name = json.loads(sys.argv[1])
before = set(sys.modules)
module = importlib.import_module(name)
for attribute in dir(module):
    hook = getattr(module, attribute)
    if hasattr(hook, "fxbench_impl"):
        for component in hook() or ():
            for file in getattr(component, "weights", ()):  # what is Retired has none
                file.locate()
print()
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def _light_import(trial: Trial) -> str:
    if trial.module is None:
        raise NotTried("It is not installed as a plugin, so there is no module to import.")
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, json.dumps([sys.path, trial.module])],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
        raise Refused(f"Importing {trial.module} by itself fails: {last[0]}")
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    heavy = sorted(loaded & set(HEAVY))
    if heavy:
        raise Refused(
            f"Importing {trial.module} or calling its hooks loads {', '.join(heavy)}: import "
            "them in the factory, or in a module that the factory imports."
        )
    return f"{trial.module} loads nothing heavy"


def _described(trial: Trial) -> None:
    summary = trial.component.summary
    if not isinstance(summary, str) or not summary.strip() or "\n" in summary.strip():
        raise Refused(f"The summary must be one sentence on one line, not {summary!r}.")


def _options_documented(trial: Trial) -> str:
    options = trial.component.options
    names = [option.name for option in options]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"The options {', '.join(twice)} are declared more than once.")
    for option in options:
        _check_option(option)
    return f"{len(options)} options"


def _check_option(option: Option) -> None:
    if option.type not in _TYPES:
        raise Refused(
            f"The option {option.name} has the type {option.type!r}: one of {', '.join(_TYPES)} "
            "is expected."
        )
    if not isinstance(option.help, str) or not option.help.strip():
        raise Refused(f"The option {option.name} has no help: one sentence is expected.")
    default = option.default
    if option.required:
        if default is not None:
            raise Refused(
                f"The option {option.name} is required and has the default {default!r}: "
                "a required option has the default None."
            )
        return
    if default is None:
        return
    right = isinstance(default, _TYPES[option.type])
    if isinstance(default, bool) and option.type != "bool":
        right = False
    if not right:
        raise Refused(
            f"The default {default!r} of the option {option.name} is no {option.type}, but "
            f"{type(default).__name__}."
        )
    if option.choices and default not in option.choices:
        raise Refused(
            f"The default {default!r} of the option {option.name} is none of its choices "
            f"({', '.join(option.choices)})."
        )


def _weights(trial: Trial) -> str:
    if not trial.component.weights:
        raise NotTried("It declares no weights.")
    try:
        record = weights.check(trial.component)
    except FxbenchError as error:
        raise Refused(str(error)) from error
    return ", ".join(f"{name}: {entry['state']}" for name, entry in record.items())


def _factory(trial: Trial) -> str:
    unset = [o.name for o in trial.component.options if o.required and trial.values[o.name] is None]
    if unset:
        raise Refused(f"It needs the options {', '.join(unset)}: give them to the kit.")
    factory = trial.component.factory
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        signature = None  # Some built-in callables have none.
    if signature is not None:
        try:
            signature.bind(**trial.values)
        except TypeError as error:
            raise Refused(f"The factory doesn't accept the options as keywords: {error}.") from None
    made = trial.make()
    wanted = getattr(protocols, trial.kind.protocol)
    if not isinstance(made, wanted):
        absent = ", ".join(lacking(made, wanted))
        raise Refused(
            f"It made a {type(made).__name__}, which is no {wanted.__name__}: it lacks {absent}."
        )
    trial.made = made
    return f"it made a {type(made).__name__}"


COMMON = (
    Rule(
        "light-import",
        "Import the plugin's module in a fresh interpreter and call its hooks.",
        _light_import,
        needs=(),
    ),
    Rule("described", "Read the summary.", _described, needs=()),
    Rule(
        "options-documented",
        "Read each option's help, type, default and choices.",
        _options_documented,
        needs=(),
    ),
    Rule("weights", "Find each weight file and compare its sha256.", _weights, needs=()),
    Rule(
        "factory",
        "Call the factory with the options and look at what it makes.",
        _factory,
        "print(dir(c))",
        needs=(),
    ),
)
"""Tried before the rules of a kind."""

"""One training from a dataset to a folder with weights, log, pictures and a model card."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxbench.availability import availability, require
from fxbench.errors import DataError, UsageError
from fxbench.faces import crops
from fxbench.files import write_atomic, write_json
from fxbench.labels import EMOTIONS
from fxbench.loader import Loader
from fxbench.metrics import classification
from fxbench.names import unknown_name
from fxbench.options import Options, resolve
from fxbench.protocols import Classifier, Dataset, Trainer
from fxbench.registry import Entry, Registry, discover
from fxbench.training.card import card
from fxbench.training.contract import Trained, TrainingData, Watcher, merit
from fxbench.training.data import training_data
from fxbench.types import Bool, Int64

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for.

    Attributes:
        name: of the trainer.
        dataset: to train on; None for the only one that has been told where its files are.
        train: the split to train on.
        valid: the split to judge by.
        recipe: fields of the trainer's recipe that are to have other values, as text.
        leave_out: a csv with a column `image` that names training images not to be used, and
            perhaps a column `split`.
        teacher: a classifier whose answers enter the targets.
        folder: where to write.
        resume: go on from the checkpoint there.
        command: how a person repeats it, for the model card.
    """

    name: str
    dataset: str | None = None
    train: str = "train"
    valid: str = "valid"
    recipe: Mapping[str, str] = dataclasses.field(default_factory=dict)
    leave_out: Path | None = None
    teacher: str | None = None
    folder: Path = Path()
    resume: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A training that can begin."""

    request: Request
    entry: Entry
    trainer: Trainer
    recipe: Any
    data: TrainingData


def prepare(
    request: Request,
    settings: tuple[str, ...] = (),
    registry: Registry | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Find the trainer, read the data and the teacher's answers.

    Raises:
        UsageError: an unknown name, split or field of the recipe, a wrong value, or a folder that
            holds a training already.
        UnavailableError: the trainer, the dataset or the teacher can't be used here.
        DataError: the dataset has nothing to train on.
    """
    registry = registry or discover()
    components = [entry.component for entry in registry.entries]
    options = resolve(components, settings, os.environ, Path())
    loader = Loader(options)
    entry = registry.get("trainer", request.name)
    source = _dataset(registry, options, request.dataset)
    for needed in (entry, source):
        require(needed, options)
    teacher = None
    if request.teacher is not None:
        teacher = registry.get("classifier", request.teacher)
        require(teacher, options)
        if teacher.component.sends:
            raise UsageError(
                f"{teacher.name} sends images to a service, each of them twice: take a teacher "
                "that runs here."
            )
    _check_folder(request)
    trainer: Trainer = loader.get(entry)
    recipe = changed(trainer.recipe, request.recipe)
    left_out = frozenset[str]()
    if request.leave_out is not None:
        left_out = _named(request.leave_out, request.train)
    dataset: Dataset = loader.get(source)
    data = training_data(
        dataset,
        trainer.face,
        name=source.name,
        train=request.train,
        valid=request.valid,
        left_out=left_out,
        report=report,
    )
    if teacher is not None:
        report(f"asking {teacher.name} about the training images")
        data = taught(data, loader.get(teacher), teacher.name, recipe.teacher_weight)
    return Prepared(request, entry, trainer, recipe, data)


def train(prepared: Prepared, watcher: Watcher) -> dict[str, Any]:
    """Train, and write what came out into the folder.

    Returns:
        The record that is written as `training.json`.

    Raises:
        FxbenchError: see :meth:`fxbench.protocols.Trainer.train`.
    """
    folder = prepared.request.folder
    folder.mkdir(parents=True, exist_ok=True)
    trained = prepared.trainer.train(
        prepared.data,
        prepared.recipe,
        folder,
        resume=prepared.request.resume,
        watcher=watcher,
    )
    record = _record(prepared, trained)
    write_json(folder / "training.json", record)
    write_atomic(folder / "log.csv", _log(trained.history))
    write_atomic(folder / "CARD.md", card(record).encode())
    counts = np.array(record["confusion"], np.int64)[:, : len(EMOTIONS)]
    from fxbench import plots

    plots.curves(trained.history, folder / "curves.png", f"{record['name']}: training")
    title = f"{record['name']} on {record['on']}"
    plots.confusion(counts, folder / "confusion.png", title=title)
    return record


def changed(recipe: Any, values: Mapping[str, str]) -> Any:
    """A recipe with other values for some of its fields.

    Raises:
        UsageError: a field that it doesn't have, or a value of another type.
    """
    fields = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    given: dict[str, Any] = {}
    for name, text in values.items():
        if name not in fields:
            raise UsageError(unknown_name("field of the recipe", name, fields))
        kind = type(fields[name])
        try:
            given[name] = _TRUTH[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"The recipe's {name} must be of the type {kind.__name__}, such as "
                f"{fields[name]}, not {text!r}."
            ) from error
    return dataclasses.replace(recipe, **given)


_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def taught(data: TrainingData, teacher: Classifier, name: str, weight: float) -> TrainingData:
    """Targets that are partly a teacher's answers, averaged over each face and its mirror image.

    Args:
        data: with the targets that the dataset gives.
        teacher: the classifier to learn from (Hinton et al., arXiv 1503.02531); its outputs
            without counterpart among the emotions are left out.
        name: of the teacher, for the record.
        weight: the share of its answers, from 0 to 1.

    Raises:
        DataError: the teacher has none of the emotions.
    """
    places = [i for i, label in enumerate(teacher.labels) if label is not None]
    if not places:
        raise DataError(f"The teacher {name} answers none of the eight emotions.")
    columns = [EMOTIONS.index(str(teacher.labels[i])) for i in places]
    soft = np.zeros_like(data.targets)
    for start in range(0, len(data.images), _BATCH):
        images = tuple(
            np.repeat(image[..., None], 3, axis=2) for image in data.images[start : start + _BATCH]
        )
        whole = np.array([(0, 0, i.shape[1], i.shape[0]) for i in images], np.float32)
        faces = crops(images, (np.arange(len(images), dtype=np.int64), whole), teacher.face)
        mirrored = np.ascontiguousarray(faces[:, :, ::-1])
        answers = (teacher.predict(faces) + teacher.predict(mirrored)) / 2
        for place, column in zip(places, columns, strict=True):
            soft[start : start + _BATCH, column] += answers[:, place]
    soft /= np.maximum(soft.sum(1, keepdims=True), 1e-6)
    targets = ((1 - weight) * data.targets + weight * soft).astype(np.float32)
    record = {**data.record, "teacher": name, "teacher_weight": weight}
    return dataclasses.replace(data, targets=targets, record=record)


def _dataset(registry: Registry, options: Options, name: str | None) -> Entry:
    """The dataset that was named, else the only one whose files somebody pointed at."""
    if name is not None:
        return registry.get("dataset", name)
    told = [
        entry
        for entry in registry.of_kind("dataset")
        if any(option.required for option in entry.component.options)
        and availability(entry, options).state == "ready"
    ]
    if len(told) == 1:
        return told[0]
    if told:
        names = ", ".join(entry.name for entry in told)
        raise UsageError(f"Several datasets are ready ({names}): choose one with --dataset.")
    raise UsageError(
        "There is no dataset to train on: say where one is, such as "
        "--set ferplus.path=~/data/ferplus."
    )


def _check_folder(request: Request) -> None:
    checkpoint = request.folder / "checkpoint.npz"
    if request.folder.exists() and not request.folder.is_dir():
        raise UsageError(f"{request.folder} is a file: name a folder to write into.")
    if checkpoint.is_file() and not request.resume:
        raise UsageError(
            f"{request.folder} holds a training already: give --resume to go on with it, or "
            "another folder with -o."
        )
    if request.resume and not checkpoint.is_file():
        raise DataError(
            f"There is no {checkpoint} to go on from: leave --resume out to begin anew."
        )


def _named(path: Path, split: str) -> frozenset[str]:
    """The images that a csv names, of one split where it has a column of that name."""
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read as a csv of images to leave out: {error}") from error
    if not rows or "image" not in rows[0]:
        raise DataError(
            f"{path} names no images to leave out: expected is a csv with a column `image`, and "
            "perhaps a column `split`."
        )
    return frozenset(str(row["image"]) for row in rows if row.get("split", split) == split)


def _record(prepared: Prepared, trained: Trained) -> dict[str, Any]:
    data = prepared.data
    answers = trained.answers.argmax(1).astype(np.int64)
    every = np.ones(len(answers), np.bool_)
    digest = hashlib.sha256(trained.weights.read_bytes()).hexdigest()
    best = max(trained.history, key=merit)
    return {
        "schema": 1,
        "name": prepared.entry.name,
        "summary": prepared.entry.component.summary,
        "file": trained.weights.name,
        "bytes": trained.weights.stat().st_size,
        "sha256": digest,
        "parameters": trained.parameters,
        "software": trained.software,
        "command": prepared.request.command,
        "on": f"{data.record['dataset']} {data.record['valid']}",
        "data": data.record,
        "recipe": dataclasses.asdict(prepared.recipe),
        "epochs": len(trained.history),
        "best_epoch": best["epoch"],
        "minutes": round(sum(line["seconds"] for line in trained.history) / 60, 1),
        "all": _scores(data.valid_labels, answers, every),
        "without_copies": _scores(data.valid_labels, answers, ~data.valid_copied),
        "confusion": classification.confusion_matrix(data.valid_labels, answers).tolist(),
        "history": trained.history,
    }


def _scores(labels: Int64, answers: Int64, counted: Bool) -> dict[str, Any]:
    counts = classification.confusion_matrix(labels[counted], answers[counted])
    return {
        "images": int(counted.sum()),
        "accuracy": classification.accuracy(counts),
        "macro_f1": classification.macro_f1(counts),
        "recall": classification.recall(counts),
    }


def _log(history: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()

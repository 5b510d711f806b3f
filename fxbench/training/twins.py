"""The command that a plugin's module `convert` is: it makes all that is shipped of a network."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from fxbench.cli.options import settings_option
from fxbench.errors import FxbenchError, UsageError, WeightsError
from fxbench.keras_network import KerasNetwork, tensorflow
from fxbench.loader import Loader, one_line
from fxbench.names import unknown_name
from fxbench.onnx_network import OnnxNetwork
from fxbench.options import resolve
from fxbench.protocols import Dataset
from fxbench.registry import discover
from fxbench.sources import evenly_spaced
from fxbench.training.convert import calibration_faces, whole_faces, write_twins
from fxbench.types import Float32, Int64
from fxbench.weights import shipped


def command(
    name: str, build: Callable[[], Any], folder: Path, *, first: int = 1, int8: bool = True
) -> Callable[[], None]:
    """The command line of a network.

    Args:
        name: of the classifier.
        build: see :class:`fxbench.keras_network.KerasNetwork`; it imports Keras itself.
        folder: where its files are put, unless the command says otherwise.
        first: see :func:`fxbench.training.convert.to_int8`.
        int8: whether there is a twin in 8 bits.
    """

    @click.command(help=f"Make the files of {name} that are shipped from trained weights.")
    @click.argument("weights", type=click.Path(path_type=Path, dir_okay=False, exists=True))
    @click.option("--dataset", default="ferplus", show_default=True)
    @click.option("--train", default="train", show_default=True, help="Calibrates 8 bits.")
    @click.option("--valid", default="valid", show_default=True, help="Measures the loss.")
    @click.option("--limit", type=click.IntRange(min=1), help="Measure on at most so many images.")
    @click.option(
        "--folder",
        "into",
        type=click.Path(path_type=Path, file_okay=False),
        default=folder,
        help="Where the files go: by default into the plugin.",
    )
    @settings_option
    def convert(
        weights: Path,
        dataset: str,
        train: str,
        valid: str,
        limit: int | None,
        into: Path,
        settings: tuple[str, ...],
    ) -> None:
        try:
            tensorflow(name)
            registry = discover()
            components = [entry.component for entry in registry.entries]
            options = resolve(components, settings, os.environ, Path())
            images: Dataset = Loader(options).get(registry.get("dataset", dataset))
            for split in (train, valid):
                if split not in images.splits:
                    raise UsageError(unknown_name(f"split of {dataset}", split, images.splits))
            model = _trained(build, weights)
            faces = None
            if int8:
                faces = calibration_faces(images, train, int(model.input_shape[1]))
            files = write_twins(name, model, weights, faces, into, first=first)
            record = compared(name, build, files, images, valid, limit)
        except FxbenchError as error:
            click.echo(f"Error: {error}", err=True)
            raise SystemExit(error.exit_code) from error
        click.echo(json.dumps(record, indent=1))

    run: Callable[[], None] = convert
    return run


def _trained(build: Callable[[], Any], weights: Path) -> Any:
    model = build()
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{weights} can't be loaded into {model.name}: a file of Model.save_weights of this "
            f"network is expected, NAME.weights.h5. {one_line(error)}"
        ) from error
    return model


def compared(
    name: str,
    build: Callable[[], Any],
    files: dict[str, Path],
    dataset: Dataset,
    split: str,
    limit: int | None = None,
) -> dict[str, Any]:
    """What the files of :func:`fxbench.training.convert.write_twins` answer on a split.

    Returns:
        For each file its sha256, bytes, accuracy on the whole images of the dataset's default
        protocol, share of answers that differ from Keras', and largest difference of a probability.
    """
    weights = {
        kind: shipped(path.parent, path.name, mend="Convert it again.")
        for kind, path in files.items()
    }
    networks: dict[str, Any] = {"keras": KerasNetwork(name, build, weights["keras"])}
    networks |= {kind: OnnxNetwork(name, weights[kind]) for kind in files if kind != "keras"}
    answers, labels = _answers(networks, dataset, split, limit)
    return {
        path.name: {
            "sha256": weights[kind].sha256,
            "bytes": path.stat().st_size,
            "images": len(labels),
            "accuracy": float((answers[kind].argmax(1) == labels).mean()),
            "answers_changed": float(
                (answers[kind].argmax(1) != answers["keras"].argmax(1)).mean()
            ),
            "largest_difference": float(np.abs(answers[kind] - answers["keras"]).max()),
        }
        for kind, path in files.items()
    }


def _answers(
    networks: dict[str, Any], dataset: Dataset, split: str, limit: int | None
) -> tuple[dict[str, Float32], Int64]:
    right = dataset.answers(split, dataset.protocols[0])
    right = right.take(np.flatnonzero(right.labels >= 0))
    if limit is not None:
        right = right.take(evenly_spaced(len(right.rows), limit))
    size = networks["keras"].face.size
    found: dict[str, list[Float32]] = {kind: [] for kind in networks}
    rows: list[int] = []
    for batch in dataset.batches(split, right.rows):
        faces = whole_faces(batch.frames.images, size)
        rows += batch.rows.tolist()
        for kind, network in networks.items():
            found[kind].append(network.predict(faces))
    labels = right.labels[np.searchsorted(right.rows, rows)]
    return {kind: np.concatenate(parts) for kind, parts in found.items()}, labels

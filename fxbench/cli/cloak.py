"""`fxbench cloak`."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import settings_option, threads_option
from fxbench.cli.run import ask_before_sending
from fxbench.cli.values import Dollars, Epsilons, Names, Whole
from fxbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from fxbench.cloak_effect import Answer, Difference, Told
    from fxbench.protocols import Detector
    from fxbench.types import Float32, UInt8

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("cloak")
@click.argument("image", type=_FILE)
@click.option(
    "-o",
    "--output",
    "cloaked",
    type=_FILE,
    help="The PNG to write; by default IMAGE's name with -cloaked, beside it.",
)
@click.option(
    "--epsilon",
    type=Epsilons(),
    default="8/255",
    show_default=True,
    help="The largest change of a pixel, of the range [0, 1].",
)
@click.option(
    "--steps",
    type=Whole(1, 1000),
    default=20,
    show_default=True,
    help="Iterations for each face.",
)
@click.option("--target-label", help="The emotion to be answered; by default any other than now.")
@click.option("--detector", help="Finds the faces; by default the first default one.")
@click.option(
    "--surrogates",
    type=Names(),
    help="Classifiers whose gradients make the cloak; by default all that give any.",
)
@click.option(
    "--classifiers",
    type=Names(),
    default="all",
    show_default=True,
    help="Classifiers that the effect is measured on; `all` are those that run here.",
)
@click.option("--seed", type=Whole(min=0), default=0, show_default=True, help="Of what is random.")
@settings_option
@threads_option
@click.option(
    "--max-cost",
    type=Dollars(),
    metavar="USD",
    help="Send faces to the cloud services that --classifiers names without asking, if it costs at "
    "most so much.",
)
@click.option(
    "--figure",
    "drawing",
    type=_FILE,
    help="Draw original, change and cloaked picture into this PNG.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all numbers.")
def command(
    *,
    image: Path,
    cloaked: Path | None,
    epsilon: tuple[float, ...],
    steps: int,
    target_label: str | None,
    detector: str | None,
    surrogates: tuple[str, ...] | None,
    classifiers: tuple[str, ...],
    seed: int,
    settings: tuple[str, ...],
    threads: int | None,
    max_cost: float | None,
    drawing: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Change the faces in IMAGE a little, so that classifiers misread their expressions.

    No pixel changes by more than --epsilon, and none outside the faces. The effect is measured on
    classifiers that the cloak was made with and on others, and so is how much the picture changed.
    What is not measured is not promised: docs/cloaking.md says what a cloak can't do. The PNG holds
    no metadata of IMAGE.

    \b
    Examples:
      fxbench cloak photo.jpg -o cloaked.png
      fxbench cloak photo.jpg --target-label neutral --epsilon 4/255
      fxbench cloak photo.jpg --surrogates emopy,mobilenetv2 --figure sheet.png
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench import cloak, cloak_cast, cloak_effect
    from fxbench.cli.terminal import Steps, messages, output
    from fxbench.loader import Loader
    from fxbench.options import resolve
    from fxbench.registry import discover

    if len(epsilon) != 1:
        raise UsageError(f"--epsilon takes one budget, not {len(epsilon)}.")
    target = None if target_label is None else cloak_cast.emotion(target_label)
    recipe = cloak.Recipe(epsilon=epsilon[0], steps=steps, target=target, seed=seed)
    image = image.expanduser()
    cloaked = (cloaked or image.with_name(f"{image.stem}-cloaked.png")).expanduser()
    drawing = None if drawing is None else drawing.expanduser()
    for file in (cloaked, *([] if drawing is None else [drawing])):
        _refuse(image, file, force=force)
    if drawing is not None and drawing.absolute() == cloaked.absolute():
        raise UsageError(
            f"Both pictures are to be written to {drawing}: name another with --figure."
        )
    if drawing is not None:
        from fxbench.plots import figure

        figure(1, 1)  # What is missing is said at once, not after everything is computed.
    picture = _read(image)
    registry = discover()
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    cast = cloak_cast.choose(
        registry, options, detector=detector, surrogates=surrogates, classifiers=classifiers
    )
    loader = Loader(options)
    with _quiet():
        boxes = _faces(loader.get(cast.detector), cast.detector.name, picture, image)
    ask_before_sending(cast.costs(len(boxes)), max_cost)
    with _quiet() as console, Steps(console) as progress:
        progress.at("Loading classifiers", 0.0)
        company = cloak_cast.gather(cast, loader.get, target)
        models = tuple(company.surrogates.values())
        areas = cloak.allowed(boxes, models, picture.shape[1], picture.shape[0])

        def at(face: int, step: int) -> None:
            done = (face + step / steps) / len(boxes)
            progress.at(f"Cloaking face {face + 1} of {len(boxes)}", 0.2 + 0.7 * done)

        result = cloak.cloaked(picture, boxes, models, recipe, at)
        progress.at("Asking classifiers", 0.9)
        told = cloak_effect.ask(
            picture, result, boxes, areas, company.detector, company.asked, target
        )
        changed = cloak_effect.difference(picture, result, areas)
    if target is not None and all(one.changed("after") is None for one in told):
        raise UsageError(
            f"No classifier that knows {target_label} says anything else of a face in {image}, so "
            "that nothing could be turned to it: nothing was written. Name another --target-label."
        )
    left_out = [*cast.left_out, *company.left_out]
    _write(cloaked, result)
    if drawing is not None:
        _draw(drawing, picture, result, areas, recipe.levels)
    if as_json:
        record = {
            "image": str(image),
            "output": str(cloaked),
            "figure": None if drawing is None else str(drawing),
            "width": picture.shape[1],
            "height": picture.shape[0],
            "epsilon": recipe.epsilon,
            "levels": recipe.levels,
            "steps": steps,
            "seed": seed,
            "target_label": target,
            "detector": cast.detector.name,
            "surrogates": list(company.surrogates),
            "left_out": left_out,
            "faces": [
                {"box": [round(float(v), 1) for v in box], "area": area}
                for box, area in zip(boxes, areas.tolist(), strict=True)
            ],
            **cloak_effect.record(told, changed),
        }
        click.echo(json.dumps(record, indent=1, allow_nan=False))
        return
    for line in left_out:
        messages().print(f"Left out: {line}", markup=False)
    _print(output(), told, changed, target)
    output().print(f"Written: {cloaked}", markup=False, soft_wrap=True)
    if drawing is not None:
        output().print(f"Drawn: {drawing}", markup=False, soft_wrap=True)


def _quiet() -> AbstractContextManager[Console]:
    """What libraries print goes to a file, unless --debug is given."""
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages

    if click.get_current_context().find_root().obj["debug"]:
        return nullcontext(messages())
    return chatter_to(default_folder() / "stderr.log")


def _refuse(image: Path, file: Path, *, force: bool) -> None:
    """Refuse to write a file.

    Raises:
        UsageError: it is no PNG, is IMAGE itself, or is there and --force is not given.
    """
    if file.suffix.lower() != ".png":
        raise UsageError(
            f"{file} is no .png: a PNG keeps every pixel, and a JPEG would change them after they "
            "were measured. What is left after JPEG is in the table."
        )
    if file.exists() and image.exists() and file.samefile(image):
        raise UsageError(f"{file} is the picture itself: name another file with -o.")
    if file.exists() and not force:
        raise UsageError(f"{file} is there already: name another, or write over it with --force.")


def _read(image: Path) -> UInt8:
    from fxbench.images import decode, read

    place = image.resolve()
    return decode(read(place, place.parent, str(image)), str(image))


def _faces(detector: Detector, name: str, picture: UInt8, image: Path) -> Float32:
    """The boxes of the faces, float32 (M, 4).

    Raises:
        UsageError: there is none.
    """
    boxes = detector.detect((picture,)).xyxy
    if not len(boxes):
        raise UsageError(
            f"{name} finds no face in {image}: name another with --detector, or full-frame, which "
            "takes the whole picture for a face."
        )
    return boxes


def _write(file: Path, picture: UInt8) -> None:
    import cv2

    from fxbench.files import write_atomic

    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        write_atomic(file, data.tobytes())
    except StoreError as error:
        raise UsageError(
            f"{file} can't be written ({error.__cause__}): name another with -o."
        ) from error


def _draw(file: Path, picture: UInt8, result: UInt8, areas: Any, levels: int) -> None:
    from fxbench.cloak_effect import sheet

    try:
        sheet(picture, result, areas, levels, file)
    except StoreError as error:
        raise UsageError(
            f"{file} can't be written ({error.__cause__}): name another with --figure."
        ) from error


def _print(console: Console, told: list[Told], changed: Difference, target: str | None) -> None:
    from rich.table import Table

    from fxbench.cloak_effect import CHANGES, JPEG_QUALITY, ROLES

    faces = max(one.face for one in told) + 1
    table = Table(title="What classifiers answer", title_justify="left", header_style="bold")
    for header in ("classifier", "role", *(["face"] if faces > 1 else []), "before", "cloaked"):
        table.add_column(header, no_wrap=True)
    for header in (f"as JPEG {JPEG_QUALITY}", "found again", "control"):
        table.add_column(header, no_wrap=True)
    for one in sorted(told, key=lambda one: (ROLES.index(one.role), one.classifier, one.face)):
        face = [str(one.face + 1)] if faces > 1 else []
        table.add_row(
            one.classifier,
            one.role,
            *face,
            _shown(one.before),
            *(_shown(one.answers[name], moved=one.changed(name)) for name in CHANGES),
        )
    console.print(table)
    for line in _sentences(told, changed, target):
        console.print(line, markup=False, soft_wrap=True)


def _shown(answer: Answer | None, *, moved: bool | None = None) -> Text:
    from rich.text import Text

    if answer is None:
        return Text("-", "dim")
    text = f"{answer.label or 'none'} {answer.probability:.2f}"
    return Text(text, {True: "green", False: "", None: "dim"}[moved])


def _how_many(told: list[Told], role: str) -> str:
    """So many classifiers, and networks where several are the same in other runtimes."""
    classifiers = len({one.classifier for one in told if one.role == role})
    networks = len({one.network for one in told if one.role == role})
    if networks == classifiers:
        return str(classifiers)
    return f"{classifiers}, of {networks} network{'s' if networks > 1 else ''}"


def _sentences(told: list[Told], changed: Difference, target: str | None) -> list[str]:
    from fxbench.cloak_effect import CHANGES, ROLES, SAME, SURROGATE, UNSEEN, counts

    what = "changed" if target is None else f"turned to {target}"
    who = {
        UNSEEN: "Classifiers that it was not made with",
        SAME: "The surrogates' networks in other runtimes",
        SURROGATE: "Classifiers that it was made with",
    }
    lines = []
    for role in ROLES:
        if role not in {one.role for one in told}:
            continue
        (moved, of), jpeg, again, control = (counts(told, role, name) for name in CHANGES)
        lines.append(
            f"{who[role]} ({_how_many(told, role)}): {moved} of {of} answers {what}; as JPEG "
            f"{jpeg[0]} of {jpeg[1]}, found again {again[0]} of {again[1]}; by the same change "
            f"upside down {control[0]} of {control[1]}."
        )
    if UNSEEN not in {one.role for one in told}:
        lines.append(
            "Nothing says whether it transfers: no classifier was asked that it was not made with."
        )
    if changed.psnr is None or changed.psnr_faces is None:
        return [*lines, "The picture did not change."]
    return [
        *lines,
        f"The picture: PSNR {changed.psnr:.1f} dB, SSIM {changed.ssim:.4f}; within the faces "
        f"{changed.psnr_faces:.1f} dB, {changed.ssim_faces:.3f}. Largest change: "
        f"{changed.largest} of 255.",
    ]

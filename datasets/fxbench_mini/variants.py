"""Clips like those of `mini`, with other settings: `python -m fxbench_mini.variants --help`.

For trying whether a spotter that was tuned on the shipped clips works on others, and how its score
falls off. The folders that are written are read by the dataset `clips`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import settings_option
from fxbench.errors import FxbenchError
from fxbench_mini.degrading import MANIFEST, SPLITS, Degradation
from fxbench_mini.variant_plans import FRAME_RATES, Script

if TYPE_CHECKING:
    from fxbench.cli.terminal import Steps
    from fxbench_mini.aam import AppearanceModel

_SHIPPED = Path(__file__).parent / "data" / "clips"

_folder = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write.",
)
_split = click.option(
    "--split",
    type=click.Choice(tuple(SPLITS)),
    default="test",
    show_default=True,
    help="Which people of the shipped clips: test is the half that nothing is tuned on.",
)
_degrading = (
    click.option("--noise", type=float, default=0.0, help="Noise that is added, grey levels."),
    click.option("--jpeg", type=int, help="Compress each frame with this JPEG quality."),
    click.option("--coarser", type=float, default=1.0, help="Coarsen MPEG-4's quantiser so much."),
    click.option("--every", type=int, default=1, help="Keep one frame of so many."),
)
_noise_seed = click.option(
    "--noise-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise."
)


def _with(options: tuple[Any, ...]) -> Callable[[Any], Any]:
    def wrap(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return wrap


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  python -m fxbench_mini.variants degrade --noise 10 -o noisy
  python -m fxbench_mini.variants fit --set ferplus.path=~/data/ferplus -o model.npz
  python -m fxbench_mini.variants draw --model model.npz --fps 50 --motion 2 -o moving
  python -m fxbench_mini.variants study --model model.npz -o study""",
)
def cli() -> None:
    """Make clips like those of `mini` with other settings, and see how spotting falls off."""


@cli.command()
@settings_option
@click.option("--from", "source", default="ferplus", show_default=True, help="The dataset.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="As of build-mini."
)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write, .npz.",
)
def fit(*, settings: tuple[str, ...], source: str, seed: int, path: Path) -> None:
    """Fit the model that faces are drawn with to FER+: some minutes, once.

    With the seed of the shipped dataset it is the same model. It is not shipped.
    """
    from fxbench.availability import require
    from fxbench.loader import Loader
    from fxbench.options import resolve
    from fxbench.registry import discover
    from fxbench_mini.build import fitted

    registry = discover()
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    entry = registry.get("dataset", source)
    require(entry, options)
    with _steps() as steps:
        model, _, _ = fitted(Loader(options).get(entry), seed=seed, report=steps.at)
    model.save(path)
    click.echo(f"The model is in {path}.")


@cli.command()
@_folder
@_split
@_with(_degrading)
@_noise_seed
def degrade(*, folder: Path, split: str, noise_seed: int, **how: Any) -> None:
    """Make the shipped clips worse: noise, compression, frames left out. This needs no model."""
    from fxbench_mini import degrading

    clips = degrading.shipped(_SHIPPED, split)
    made = {folder: (Degradation(**how), {"clips": "shipped", "split": split})}
    with _steps() as steps:
        degrading.write(clips, made, seed=noise_seed, count=15, report=steps.at)
    _done(folder)


@cli.command()
@click.option(
    "--model",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="What `fit` has written.",
)
@_folder
@click.option("--events", type=int, default=24, show_default=True, help="Clips with an expression.")
@click.option("--quiet", type=int, default=8, show_default=True, help="Clips without.")
@click.option(
    "--fps",
    type=click.Choice([str(rate) for rate in FRAME_RATES]),
    default="30",
    show_default=True,
    help="Frames per second.",
)
@click.option("--motion", type=float, default=1.0, show_default=True, help="Of heads: times usual.")
@click.option("--talk", is_flag=True, help="Mouths of clips without an expression talk.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Of people, expressions and movements; that of the shipped clips is 1.",
)
@_with(_degrading)
@_noise_seed
def draw(
    *,
    path: Path,
    folder: Path,
    events: int,
    quiet: int,
    fps: str,
    motion: float,
    talk: bool,
    seed: int,
    noise_seed: int,
    **how: Any,
) -> None:
    """Draw clips of other people, with other settings."""
    from fxbench_mini import degrading

    script = Script(events, quiet, int(fps), motion, talk, seed)
    made = {folder: (Degradation(**how), {"clips": "drawn", "script": asdict(script)})}
    with _steps() as steps:
        degrading.write(
            script.footage(_model(path)),
            made,
            seed=noise_seed,
            count=events + quiet,
            report=steps.at,
        )
    _done(folder)


@cli.command()
@_folder
@click.option(
    "--model",
    "path",
    type=click.Path(path_type=Path),
    help="What `fit` has written; without it, only the shipped clips are used.",
)
@_split
@click.option("--detector", default="dlib-hog", show_default=True)
@click.option("--landmarker", default="dlib-68", show_default=True)
@click.option("--spotters", default="landmark-motion,optical-flow", show_default=True)
@click.option(
    "--only",
    help="Change nothing else: some of noise, quantiser, jpeg, every, motion, fps, quiet, talk.",
)
@click.option("--seed", type=click.IntRange(min=0), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Of the libraries.")
@click.option("--clips-only", is_flag=True, help="Make the clips, and run nothing on them.")
@settings_option
def study(
    *,
    folder: Path,
    path: Path | None,
    split: str,
    detector: str,
    landmarker: str,
    spotters: str,
    only: str | None,
    seed: int,
    threads: int | None,
    clips_only: bool,
    settings: tuple[str, ...],
) -> None:
    """Measure how spotting falls off: a table (csv, Markdown) and a diagram in the folder."""
    from fxbench import tabular
    from fxbench.files import write_atomic
    from fxbench_mini import falloff

    names = only.split(",") if only else list(falloff.FACTORS)
    unknown = [name for name in names if name not in falloff.FACTORS]
    if unknown:
        raise click.UsageError(f"--only knows {', '.join(falloff.FACTORS)}, not {unknown[0]}.")
    every = falloff.of_shipped() + (falloff.of_drawn(seed) if path else ())
    conditions = [one for one in every if one.factor in names]
    chain = falloff.Chain(detector, landmarker, tuple(spotters.split(",")))
    with _steps() as steps:
        falloff.write(
            conditions,
            folder,
            shipped=_SHIPPED,
            split=split,
            model=_model(path) if path else None,
            seed=0,
            report=steps.at,
        )
        if clips_only:
            return
        rows = []
        for row in falloff.measure(
            conditions, folder, chain, settings=settings, threads=threads, report=steps.at
        ):
            rows.append(row)
            # After each condition, so that what is there can be looked at.
            write_atomic(folder / "falloff.csv", tabular.to_csv(rows).encode())
    made = falloff.table(rows)
    write_atomic(folder / "falloff.md", tabular.to_markdown(made).encode())
    falloff.draw(rows, folder / "falloff.png")
    click.echo(tabular.to_text(made))
    click.echo(f"falloff.csv, falloff.md and falloff.png are in {folder}.")


def _model(path: Path) -> AppearanceModel:
    from fxbench_mini.aam import AppearanceModel

    return AppearanceModel.load(path)


def _steps() -> Steps:
    from fxbench.cli.terminal import Steps, messages

    return Steps(messages())


def _done(folder: Path) -> None:
    count = sum(path.suffix == ".mp4" for path in folder.iterdir())
    click.echo(
        f"{count} clips and {MANIFEST} are in {folder}: "
        f"`fxbench run --datasets clips --set clips.path={folder}` runs on them."
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a mistake of the user ends in one sentence."""
    try:
        cli.main(arguments, prog_name="python -m fxbench_mini.variants", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FxbenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()

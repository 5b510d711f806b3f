"""The model card of a training, as Markdown, after Mitchell et al., FAT* 2019."""

from __future__ import annotations

from typing import Any

_LIMITS = """\
- The scores measure agreement with observers' labels, not what a person feels (Barrett et al.
  2019).
- The validation images chose the epoch whose weights are kept, so their score is a little too good.
- Nothing is known here about the age, gender or ethnicity of the persons in the images, so nothing
  is known about how the accuracy differs between groups. Don't use it to decide anything about a
  person.
- The weights inherit the terms of the images that they were trained on: {licence}."""


def card(record: dict[str, Any]) -> str:
    """The card.

    Args:
        record: what :func:`fxbench.training.session.train` writes as `training.json`.
    """
    data, recipe = record["data"], record["recipe"]
    best, count = record["best_epoch"], record["epochs"]
    teacher = ""
    if "teacher" in data:
        teacher = (
            f"\n- Teacher: `{data['teacher']}`; its answers, averaged over each face and its "
            f"mirror image, make {data['teacher_weight']:.0%} of the targets (Hinton et al. 2015)."
        )
    chosen = ""
    if recipe.get("adversarial_epsilon"):
        teacher += (
            f"\n- Adversarial training (Madry et al. 2018): in each step "
            f"{recipe['adversarial_share']:.0%} of the faces are changed by at most "
            f"{_steps_of_255(recipe['adversarial_epsilon'])} a pixel, so that the network errs."
        )
        best_line = record["history"][best - 1]
        chosen = (
            f", by the mean of its accuracy and of that under attack, "
            f"{best_line['valid_robust_accuracy']:.1%} (PGD of 5 steps on 500 of the images at "
            "most, in floating point: it chooses an epoch, and is no measure of robustness)"
        )
    settings = "\n".join(f"| {name} | {_shown(value)} |" for name, value in recipe.items())
    return f"""\
# Model card: `{record["name"]}`

{record["summary"]}

| | |
| --- | --- |
| file | `{record["file"]}`, {record["bytes"]:,} bytes |
| sha256 | `{record["sha256"]}` |
| parameters | {record["parameters"]:,} |
| output | neutral, happiness, surprise, sadness, anger, disgust, fear, contempt |
| trained with | {record["software"]}, {record["minutes"]:.0f} minutes |
| command | `{record["command"]}` |

## Training

- Data: `{data["dataset"]}` {data["train"]}, {data["images"]:,} images, their {data["targets"]} as
  targets (protocol `{data["protocol_of_targets"]}`). Left out are {data["left_out_as_copies"]:,}
  images that occur, pixel for pixel, in another split of the dataset, and
  {data["left_out_by_name"]:,} that a list names.{teacher}
- {count} epochs; the weights are the moving average after epoch {best}, which was best on
  `{data["dataset"]}` {data["valid"]}{chosen}.

| recipe | |
| --- | --- |
{settings}

## Result

`{data["dataset"]}` {data["valid"]}, protocol `{data["protocol"]}`, whole image:

| images | accuracy | 95 % interval (Wilson) | macro-F1 |
| --- | --- | --- | --- |
{_row("all", record["all"])}
{_row("without those that occur in " + data["train"], record["without_copies"])}

| emotion | images | recall | 95 % interval |
| --- | --- | --- | --- |
{_recall(record["all"]["recall"])}

## Limits of use

{_LIMITS.format(licence=data["licence"])}
"""


def _row(what: str, scores: dict[str, Any]) -> str:
    accuracy, f1 = scores["accuracy"], scores["macro_f1"]["value"]
    if accuracy["value"] is None:
        return f"| {what}: 0 | - | - | - |"
    return (
        f"| {what}: {scores['images']:,} | {accuracy['value']:.2%} | {accuracy['low']:.2%} to "
        f"{accuracy['high']:.2%} | {f1:.2%} |"
    )


def _recall(recall: dict[str, Any]) -> str:
    return "\n".join(
        f"| {emotion} | {one['n']:,} | {one['value']:.1%} | {one['low']:.1%} to {one['high']:.1%} |"
        for emotion, one in recall.items()
        if one["n"]
    )


def _steps_of_255(epsilon: float) -> str:
    steps = epsilon * 255
    return f"{round(steps)}/255" if abs(steps - round(steps)) < 1e-6 else f"{epsilon:g}"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()

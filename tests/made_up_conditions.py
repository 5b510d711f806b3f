"""Cells of a made-up run with attacks, transfer and corruptions."""

from __future__ import annotations

from typing import Any

from fxbench.metrics.intervals import proportion

COMMON = (
    *("gaussian-noise", "shot-noise", "impulse-noise", "defocus-blur", "glass-blur"),
    *("motion-blur", "zoom-blur", "snow", "frost", "fog", "brightness", "contrast"),
    *("elastic", "pixelate", "jpeg"),
)
EXTRAS = ("low-resolution", "sunglasses", "face-mask")
EPSILONS = (0.0, 2 / 255, 8 / 255)
IMAGES = 1000
RUN = {
    "datasets": {"ferplus": {"fingerprint": "ab" * 20}},
    "weights": {"classifier emopy-onnx": {"emopy.onnx": {"sha256": "cd" * 32, "state": "x"}}},
}


def estimate(value: float, n: int = IMAGES) -> dict[str, Any]:
    return dict(proportion(round(value * n), n))


def cell(classifier: str, accuracy: float, **more: Any) -> dict[str, Any]:
    """A cell of that end-to-end accuracy; `axes` and `metrics` are added to its own."""
    axes = {
        "dataset": "ferplus",
        "split": "valid",
        "protocol": "majority",
        "detector": "full-frame",
        "classifier": classifier,
        **more.pop("axes", {}),
    }
    score = estimate(accuracy, axes.get("subset", IMAGES))
    metrics = {"accuracy": score, "accuracy_end_to_end": score, **more.pop("metrics", {})}
    return {
        "schema": 1,
        "id": "-".join(map(str, axes.values())),
        "axes": axes,
        "status": "ok",
        "asked": True,
        "reason": None,
        "weights": "verified",
        "floor": classifier == "prior",
        "variant_of": "emopy" if classifier == "emopy-onnx" else None,
        "images": {"n": score["n"], "found": score["n"]},
        "metrics": metrics,
        "rank": None,
        "latency": None,
        "chunks": [],
        **more,
    }


def under(attack: str, epsilon: float, surrogate: str, norm: str = "linf", **more: Any) -> Any:
    """The axes of an attack."""
    return {
        "attack": attack,
        "norm": norm,
        "epsilon": epsilon,
        "surrogate": surrogate,
        **more,
    }


def attacked(
    classifier: str, accuracy: float, axes: dict[str, Any], transferred: bool = False, **more: Any
) -> dict[str, Any]:
    """A cell under attack."""
    success = round(1 - accuracy, 3)
    metrics = {"attack_success_rate": estimate(success, 640)}
    if transferred:
        metrics["transfer_success_both"] = estimate(success, 610)
        metrics["transfer_success_all"] = estimate(max(success - 0.05, 0), 550)
    return cell(classifier, accuracy, axes=axes, metrics=metrics, **more)


def robust(*points: tuple[str, float, float], attacks: tuple[str, ...]) -> list[dict[str, Any]]:
    """The records of 'robust at epsilon': norm, epsilon and share of each point."""
    return [
        {
            "norm": norm,
            "epsilon": epsilon,
            "attacks": list(attacks),
            "images": {name: 50 if name == "square" else IMAGES for name in attacks},
            "estimate": estimate(value),
        }
        for norm, epsilon, value in points
    ]


def diagnostic(status: str, check: str = "no-weaker", **more: Any) -> dict[str, Any]:
    return {
        "check": check,
        "what": "pgd-best linf 8/255",
        "against": "fgsm linf 8/255",
        "status": status,
        "n": 640,
        "stronger": 12,
        "weaker": 3,
        "p": 0.01,
        "p_holm": 0.03,
        "message": f"{status}: pgd-best breaks 600 of 640 images, fgsm 591",
        **more,
    }


def corrupted(
    classifier: str, accuracy: float, name: str, severity: int, **more: Any
) -> dict[str, Any]:
    """A cell of corrupted pictures."""
    axes = {"corruption": name, "severity": severity}
    if name not in COMMON and name != "low-resolution":
        axes["landmarker"] = "dlib-68"
    return cell(
        classifier,
        accuracy,
        axes=axes,
        common=name in COMMON,
        baseline=classifier == "emopy-onnx",
        **more,
    )


def attacks_of(
    classifier: str, clean: float, strength: float, transferred: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """A clean cell with its checks, and what attacks with its own gradients make of it.

    Those that are `transferred` were tried on other classifiers too.
    """
    names = ("fgsm", "pgd", "noise", "square")
    made = [
        cell(
            classifier,
            clean,
            robust=robust(
                ("linf", 2 / 255, clean - 2.2 * strength),
                ("linf", 8 / 255, max(clean - 6 * strength, 0)),
                ("l2", 2 / 255, clean - strength),
                attacks=names,
            ),
            diagnostics=[diagnostic("pass"), diagnostic("warn", "noise"), diagnostic("pass")],
        )
    ]
    for name, factor in (("fgsm", 1.5), ("pgd", 2.0), ("noise", 0.1)):
        for epsilon in EPSILONS:
            step = {0.0: 0.0, 2 / 255: 1.0, 8 / 255: 2.6}[epsilon]
            value = max(clean - factor * strength * step, 0.0)
            axes = under(name, epsilon, classifier)
            made.append(attacked(classifier, value, axes, transferred=name in transferred))
    made.append(
        attacked(
            classifier,
            clean - 2 * strength,
            under("square", 8 / 255, classifier, subset=50),
            attack={"queries": {"budget": 200, "median": 118.0, "max": 200, "total": 5500}},
        )
    )
    return made


def a_run() -> list[dict[str, Any]]:
    """Three classifiers and a floor: clean, under attack, transferred, corrupted."""
    own = {"emopy": (0.72, 0.11), "mobilenetv2": (0.76, 0.12)}
    cells: list[dict[str, Any]] = []
    for name, (clean, strength) in own.items():
        cells += attacks_of(name, clean, strength, ("pgd",))
    cells.append(cell("emopy-onnx", 0.72))
    cells.append(cell("prior", 0.37))
    for surrogate in own:
        for target, (clean, strength) in {**own, "emopy-onnx": (0.72, 0.11)}.items():
            if surrogate == target:
                continue
            same = (surrogate, target) == ("emopy", "emopy-onnx")
            for epsilon in (2 / 255, 8 / 255):
                worse = strength * (2 if same else 0.6) * (1 if epsilon < 0.01 else 2.4)
                axes = under("pgd", epsilon, surrogate)
                cells.append(attacked(target, max(clean - worse, 0), axes, transferred=True))
    for name, clean, slope in (
        ("emopy", 0.72, 0.05),
        ("mobilenetv2", 0.76, 0.06),
        ("emopy-onnx", 0.72, 0.05),
    ):
        for place, corruption in enumerate((*COMMON, *EXTRAS)):
            for severity in range(1, 6):
                value = clean - slope * severity * (0.4 + (place % 5) / 5)
                cells.append(corrupted(name, value, corruption, severity))
    return cells

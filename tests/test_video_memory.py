"""The memory of a run doesn't grow with the length of a video."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from fxbench_mini.dataset import FOLDER

CLIP = FOLDER / "clips" / "s04-1.mp4"
SPOTTERS = "all"

RUN = """
import resource, sys
from fxbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, end.code)
"""


def looped(source: Path, target: Path, times: int) -> int:
    """Write a clip several times over; how many frames that is."""
    frames = []
    reader = cv2.VideoCapture(str(source))
    fps, more = reader.get(cv2.CAP_PROP_FPS), True
    while more:
        more, image = reader.read()
        if more:
            frames.append(image)
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    for _ in range(times):
        for image in frames:
            writer.write(image)
    writer.release()
    return len(frames) * times


def peak(folder: Path, times: int) -> int:
    """Kilobytes of memory that a run takes at most on a clip that is looped."""
    clips = folder / f"clips-{times}"
    clips.mkdir()
    frames = looped(CLIP, clips / "clip.mp4", times)
    text = "file,emotion,onset,apex,offset,kind\nclip.mp4,happiness,,,,\n"
    (clips / "clips.csv").write_text(text, encoding="utf-8")
    names = ("--datasets", "clips", "--set", f"clips.path={clips}", "--classifiers", "emopy-onnx")
    more = ("--spotters", SPOTTERS, "--landmarkers", "dlib-68", "--detectors", "full-frame")
    where = ("--results", str(folder / f"results-{times}"), "--no-latency", "--threads", "1")
    environment = os.environ | {
        "FXBENCH_CACHE": str(folder / f"cache-{times}"),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, "run", *names, *more, *where],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    line = done.stdout.splitlines()[-1].split() if done.stdout else []
    assert line[:1] == ["PEAK"], done.stderr[-2000:]
    assert line[2] == "0", done.stdout[-2000:]
    assert f"{frames:,}" in done.stdout or str(frames) in done.stdout
    return int(line[1])


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has other units")
def test_a_longer_clip_keeps_no_pictures(tmp_path: Path) -> None:
    # From some hundred frames on as many batches wait for one another as ever will.
    short, long = (peak(tmp_path, times) for times in (4, 40))
    reader = cv2.VideoCapture(str(CLIP))
    frames = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) * (40 - 4)
    picture = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)) ** 2 * 3
    assert (long - short) * 1024 / frames < picture / 3

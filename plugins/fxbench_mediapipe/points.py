"""Which of MediaPipe's points are points of 300-W too."""

from __future__ import annotations

SIX = "mediapipe-6"
MESH = "mediapipe-478"

SIX_POINTS = (
    "right_eye_centre",
    "left_eye_centre",
    "nose_tip",
    "mouth_centre",
    "right_ear_tragion",
    "left_ear_tragion",
)
"""BlazeFace's points, in order (Bazarevsky et al. 2019, BlazeFace: sub-millisecond neural face
detection on mobile GPUs, arXiv:1907.05047, section 3.1): "eye centers, ear tragions, mouth center,
and nose tip". Tragion: the notch above the tragus."""

MESH_SIZE = 478
"""468 points of the face (Kartynnik, Ablavatski, Grishchenko & Grundmann 2019, Real-time facial
surface geometry from monocular video on mobile GPUs, arXiv:1907.06724) and five of each iris."""

SHARED: dict[int, str] = {
    33: "right_eye_outer_corner",
    160: "right_eye_upper_outer",
    158: "right_eye_upper_inner",
    133: "right_eye_inner_corner",
    153: "right_eye_lower_inner",
    144: "right_eye_lower_outer",
    362: "left_eye_inner_corner",
    385: "left_eye_upper_inner",
    387: "left_eye_upper_outer",
    263: "left_eye_outer_corner",
    373: "left_eye_lower_outer",
    380: "left_eye_lower_inner",
    168: "nose_root",
    4: "nose_tip",
    2: "nose_base",
    61: "mouth_right_corner",
    37: "upper_lip_right_peak",
    0: "upper_lip_top",
    267: "upper_lip_left_peak",
    291: "mouth_left_corner",
    17: "lower_lip_bottom",
    78: "mouth_right_inner_corner",
    13: "upper_lip_inner",
    308: "mouth_left_inner_corner",
    14: "lower_lip_inner",
    468: "right_pupil",
    473: "left_pupil",
}
"""The points of the mesh that mean one point of the face each, by the names of 300-W.

Corners, lids, lips and irises are those that `FaceLandmarksConnections` of MediaPipe's own
`face_landmarker.py` draws the eyes, the lips and the irises with; the eyes' six are the ones that
people compute the eye aspect ratio of Soukupová & Čech (2016) with. On dlib's example photos (43
faces) each lies within 0.05 of the distance of the eyes' outer corners of 300-W's point, in the
median. What 300-W draws along lines (jaw, brows, wings of the nose, sides of the lips) is not
listed: the mesh divides these otherwise."""


def mesh_points() -> tuple[str, ...]:
    """The names of the mesh's points, in order: `mesh_N` for those that have none."""
    return tuple(SHARED.get(number, f"mesh_{number}") for number in range(MESH_SIZE))

"""Parts as one frame saw them, to and from ``vision_msgs/Detection2DArray``.

One ``Detection2D`` a part and one a defect. They share the part's index as ``id``; the part's hypothesis is the class
``part`` (or ``part/cut`` where the picture's border cuts it) with the part's defect score, a defect's is its class.
"""

from __future__ import annotations

from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)

from perception.types import Box, PartView

WHOLE = "part"
CUT = "part/cut"


def _detection(
    header: Header, key: str, class_name: str, score: float, box: tuple[float, float, float, float, float]
) -> Detection2D:
    x_px, y_px, w_px, h_px, yaw_rad = box
    return Detection2D(
        header=header,
        id=key,
        results=[ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=class_name, score=float(score)))],
        bbox=BoundingBox2D(
            center=Pose2D(position=Point2D(x=float(x_px), y=float(y_px)), theta=float(yaw_rad)),
            size_x=float(w_px),
            size_y=float(h_px),
        ),
    )


def to_message(views: tuple[PartView, ...], header: Header) -> Detection2DArray:
    """Views of one frame as a message; the header is the image's."""
    detections: list[Detection2D] = []
    for index, view in enumerate(views):
        key = str(index)
        outline = (view.x_px, view.y_px, view.w_px, view.h_px, view.yaw_rad)
        detections.append(_detection(header, key, WHOLE if view.whole else CUT, view.score, outline))
        for box in view.defects:
            rectangle = (box.x_px, box.y_px, box.w_px, box.h_px, 0.0)
            detections.append(_detection(header, key, box.class_name, box.score, rectangle))
    return Detection2DArray(header=header, detections=detections)


def from_message(message: Detection2DArray) -> tuple[PartView, ...]:
    """The views that ``to_message`` packed."""
    outlines: dict[str, Detection2D] = {}
    defects: dict[str, list[Box]] = {}
    for detection in message.detections:
        hypothesis = detection.results[0].hypothesis
        if hypothesis.class_id in (WHOLE, CUT):
            outlines[detection.id] = detection
            continue
        center = detection.bbox.center.position
        defects.setdefault(detection.id, []).append(
            Box(
                x_px=center.x,
                y_px=center.y,
                w_px=detection.bbox.size_x,
                h_px=detection.bbox.size_y,
                class_name=hypothesis.class_id,
                score=hypothesis.score,
            )
        )
    return tuple(
        PartView(
            x_px=outline.bbox.center.position.x,
            y_px=outline.bbox.center.position.y,
            w_px=outline.bbox.size_x,
            h_px=outline.bbox.size_y,
            yaw_rad=outline.bbox.center.theta,
            whole=outline.results[0].hypothesis.class_id == WHOLE,
            score=outline.results[0].hypothesis.score,
            defects=tuple(defects.get(key, ())),
        )
        for key, outline in outlines.items()
    )

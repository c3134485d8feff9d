"""Makers of visualization_msgs markers from shapes (`core/display/markers.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from affect_perception.core.display.markers import Shape

# A billboard is a list of one point: RViz draws points as squares that face the viewer.
_TYPES = {
    'sphere': Marker.SPHERE,
    'billboard': Marker.POINTS,
    'box': Marker.CUBE,
    'text': Marker.TEXT_VIEW_FACING,
    'line': Marker.LINE_STRIP,
}


def marker_id(track_id: int) -> int:
    """Marker id (int32) of a track id (uint32): its lower 31 bits."""
    return track_id & 0x7FFFFFFF


def shapes_to_msg(
    shapes: Iterable[Shape], removed: Iterable[tuple[str, int]], header: Header, lifetime_s: float
) -> MarkerArray:
    """MarkerArray that adds `shapes` and deletes the keys `removed`, (part, track id), one by one.

    (DELETEALL would make the other markers flicker.)
    """
    lifetime = Duration(sec=int(lifetime_s), nanosec=int(lifetime_s % 1 * 1e9))
    markers = [shape_to_msg(shape, header, lifetime) for shape in shapes]
    markers += [Marker(header=header, ns=part, id=marker_id(i), action=Marker.DELETE) for part, i in removed]
    return MarkerArray(markers=markers)


def shape_to_msg(shape: Shape, header: Header, lifetime: Duration) -> Marker:
    """Marker of one shape."""
    marker = Marker(
        header=header,
        ns=shape.part,
        id=marker_id(shape.track_id),
        type=_TYPES[shape.kind],
        action=Marker.ADD,
        scale=Vector3(x=shape.size[0], y=shape.size[1], z=shape.size[2]),
        color=ColorRGBA(r=shape.colour[0], g=shape.colour[1], b=shape.colour[2], a=shape.colour[3]),
        lifetime=lifetime,
        text=shape.text,
    )
    position = marker.pose.position
    position.x, position.y, position.z = shape.position
    points = ((0.0, 0.0, 0.0),) if shape.kind == 'billboard' else shape.points
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points]
    return marker

"""Label files as annotation tools write them: ELAN documents and exports, CSV of other programs, MOTChallenge truth."""

from __future__ import annotations


def elan_document(slots: dict[str, int | None], tiers: str, media: str = '', more: str = '') -> str:
    """An ELAN document of time slots (name -> ms, or None for no time) and the XML of its tiers."""
    order = ''.join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"' + ('' if ms is None else f' TIME_VALUE="{ms}"') + '/>'
        for name, ms in slots.items()
    )
    media = media or '<MEDIA_DESCRIPTOR MEDIA_URL="file:///clip.mp4" MIME_TYPE="video/mp4"/>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT AUTHOR="kim" FORMAT="3.0">'
        f'<HEADER TIME_UNITS="milliseconds">{media}</HEADER><TIME_ORDER>{order}</TIME_ORDER>{tiers}{more}'
        '</ANNOTATION_DOCUMENT>'
    )


def alignable(name: str, begin: str, end: str, value: str, more: str = '') -> str:
    """An alignable annotation from slot `begin` to slot `end`."""
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" '
        f'TIME_SLOT_REF1="{begin}" TIME_SLOT_REF2="{end}"{more}>'
        f'<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>'
    )


def reference(name: str, parent: str, value: str, previous: str = '') -> str:
    """A reference annotation of `parent`, after the annotation `previous`."""
    before = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ''
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{parent}"{before}>'
        f'<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>'
    )


def tier(name: str, annotations: str, parent: str = '') -> str:
    """A tier, below `parent` where given."""
    above = f' PARENT_REF="{parent}"' if parent else ''
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="level"{above}>{annotations}</TIER>'


def openface_csv(rows: list[tuple[int, int, int, float, float]]) -> str:
    """OpenFace's CSV of (frame from 1, face_id, success, AU12_r, x of the face); faces are 40 px wide."""
    header = ['frame', 'face_id', 'timestamp', 'confidence', 'success', 'AU12_r']
    header += [f'{axis}_{i}' for axis in 'xy' for i in range(68)]
    lines = [', '.join(header)]
    for frame, face, success, au12, x in rows:
        marks = [f'{x + 40 * i / 67:.1f}' for i in range(68)] + [f'{20 + 40 * i / 67:.1f}' for i in range(68)]
        lines.append(', '.join([str(frame), str(face), '0.0', '0.98', str(success), f'{au12:.2f}', *marks]))
    return '\n'.join(lines) + '\n'


PYFEAT_COLUMNS = 'FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU12,anger,happiness,neutral,input,frame'

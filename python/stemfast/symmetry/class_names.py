"""Names for the classes of corner masks, from how the corners lie to each other.

On a cube the pairs of corners are an edge, a face diagonal or a body diagonal; the number of
each among the chosen corners tells the classes of up to four corners apart, but for mirror
images. On other cuboids an axis is added: along which edge, or in which face.
"""

from __future__ import annotations

from collections.abc import Sequence

# By the numbers of (edges, face diagonals, body diagonals) among the corners.
CUBE_CLASS_NAMES: dict[tuple[int, int, int], str] = {
    (1, 0, 0): "edge",
    (0, 1, 0): "face diagonal",
    (0, 0, 1): "body diagonal",
    (2, 1, 0): "three of a face",
    (1, 1, 1): "edge and far corner",
    (0, 3, 0): "three alternate",
    (4, 2, 0): "four of a face",
    (3, 3, 0): "corner and its neighbours",
    (0, 6, 0): "four alternate",
    (2, 2, 2): "two opposite edges",
    (3, 2, 1): "twisted chain",
    (2, 3, 1): "three of a face and far corner",
}

# What the axis of a class is, and the words for it: (a given axis, all axes of a kind).
_ALONG = {
    "edge": "{}",
    "edge and far corner": "{}",
    "two opposite edges": "{}",
    "twisted chain": "middle edge {}",
}
_FACE = {"face diagonal", "three of a face", "four of a face", "three of a face and far corner"}


def class_names(
    masks: Sequence[int], hands: Sequence[str], kind: str, unique_axis: int | None
) -> tuple[str, ...]:
    """A name for each mask.

    Parameters
    ----------
    masks : sequence of int
        One mask of each class.
    hands : sequence of str
        "left-handed", "right-handed" or "" for each.
    kind : {"cube", "two equal", "all different"}
        Which edges of the cuboid are equal.
    unique_axis : int or None
        The axis of the edge that differs from two equal ones.
    """
    names = []
    for mask, hand in zip(masks, hands, strict=True):
        name = _name(mask, kind, unique_axis)
        names.append(f"{name}, {hand}" if hand else name)
    return tuple(names)


def _name(mask: int, kind: str, unique_axis: int | None) -> str:
    corners = [corner for corner in range(8) if mask >> corner & 1]
    if len(corners) > 4:
        if len(corners) == 8:
            return "all corners"
        return "all but " + _name(255 ^ mask, kind, unique_axis)
    if len(corners) < 2:
        return ("none", "one corner")[len(corners)]
    base = CUBE_CLASS_NAMES[_pair_counts(corners)]
    if kind == "cube" or (base not in _ALONG and base not in _FACE):
        return base
    axis = _axis(base, corners)
    if base in _ALONG:
        where = _along(axis, unique_axis)
        joint = ", " if base == "twisted chain" else " "
        return base + joint + _ALONG[base].format(where)
    return _in_face(base, axis, unique_axis)


def _pair_counts(corners: Sequence[int]) -> tuple[int, int, int]:
    """Numbers of corner pairs that are edges, face diagonals and body diagonals."""
    steps = [(a ^ b).bit_count() for i, a in enumerate(corners) for b in corners[:i]]
    return steps.count(1), steps.count(2), steps.count(3)


def _axis(base: str, corners: Sequence[int]) -> int:
    """The axis that sets a class apart on a cuboid that is not a cube."""
    pairs = [a ^ b for i, a in enumerate(corners) for b in corners[:i]]
    edges = [pairs.count(1 << axis) for axis in range(3)]
    if base == "twisted chain":
        # Three edges in a row, one along each axis: the middle one has a neighbour at both ends.
        present = set(corners)
        for axis in range(3):
            for a in corners:
                b = a ^ 1 << axis
                if b in present and all(
                    any(end ^ 1 << k in present for k in range(3) if k != axis) for end in (a, b)
                ):
                    return axis
    if base in _ALONG:
        return edges.index(max(edges))
    # The face's normal: the one axis along which no edge, or no diagonal step, runs.
    diagonal = 7 ^ next(step for step in pairs if step.bit_count() == 2)
    if base == "face diagonal":
        return diagonal.bit_length() - 1
    return edges.index(0)


def _along(axis: int, unique_axis: int | None) -> str:
    if unique_axis is None or axis == unique_axis:
        return f"along {'xyz'[axis]}"
    return "along " + " or ".join("xyz"[k] for k in range(3) if k != unique_axis)


def _in_face(base: str, axis: int, unique_axis: int | None) -> str:
    """``base`` with the face named by its two axes: "three of an xy face"."""

    def face(normal: int) -> str:
        return "xyz".replace("xyz"[normal], "")

    if unique_axis is None or axis == unique_axis:
        faces = face(axis)
    else:
        faces = " or ".join(face(k) for k in reversed(range(3)) if k != unique_axis)
    article = "an" if faces.startswith("x") else "a"
    if base == "face diagonal":
        return f"face diagonal of {article} {faces} face"
    return base.replace("a face", f"{article} {faces} face")

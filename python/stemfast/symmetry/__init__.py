"""Symmetry: of corner masks under a cuboid's own rotations, and of whole solids.

Which corners of a cuboid are deformed is defined only up to the rotations that leave the
undeformed cuboid as it is. The labels of deformed cuboids are therefore orbits of 8-bit
corner masks: 23 classes for a cube, 43 for a = b ≠ c, 76 for a ≠ b ≠ c; when mirror images
are not told apart, 22, 34 and 46.

>>> from stemfast import symmetry
>>> cube = symmetry.cuboid_symmetry((20, 20, 20), tolerance_nm=0.1)
>>> cube.group, len(cube.classes), len(cube.classes_up_to_mirror)
('Oh', 23, 22)
>>> cube.class_name(0b10000001)
'body diagonal'
"""

from stemfast.symmetry.class_names import CUBE_CLASS_NAMES
from stemfast.symmetry.corner_masks import (
    CORNER_SIGNS,
    CuboidSymmetry,
    corner_permutation,
    cuboid_symmetry,
    mask_corners,
)
from stemfast.symmetry.point_group import rotation_quaternions, schoenflies, solid_operations

__all__ = [
    "CORNER_SIGNS",
    "CUBE_CLASS_NAMES",
    "CuboidSymmetry",
    "corner_permutation",
    "cuboid_symmetry",
    "mask_corners",
    "rotation_quaternions",
    "schoenflies",
    "solid_operations",
]

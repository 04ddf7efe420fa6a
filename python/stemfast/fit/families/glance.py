"""First poses and sizes of a family in an image: templates of all poses, compared at a glance.

The thickness that an image's brightness tells is brought to volume 1 and to a grid about its centre
of mass, and compared with members of volume 1 at poses all over. A pose turned by an element of the
family's group looks the same, so that the poses needed are fewer by the size of the group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.families.shape_family import Placed, ShapeFamily
from stemfast.fit.templates import seen_thickness
from stemfast.microscope import Microscope

__all__ = [
    "Glance",
    "candidates",
    "equivalent_quaternions",
    "glance",
    "posed",
    "turned_apart",
]

Float: TypeAlias = NDArray[np.float64]

_SIDE, _REACH = 18, 1.4  # pixels across, and half of that, in ∛volume
_BLUR_PX = 0.6
_POSES, _LEAST, _MOST = 6000, 100, 800  # over the size of the group
_TEMPLATES = 2500  # of a family, about
_LOOKED_AT = 60
_APART = math.radians(14.0)


@dataclass(frozen=True, eq=False)
class Glance:
    """An image as templates see it.

    Attributes
    ----------
    thickness : (n,) float32
        On the grid, in ∛volume.
    volume_nm3 : float
    centre_nm : (2,) float64
    """

    thickness: NDArray[np.float32]
    volume_nm3: float
    centre_nm: Float

    @property
    def size_nm(self) -> float:
        """∛volume [nm]."""
        return float(np.cbrt(self.volume_nm3))

    @property
    def reach_nm(self) -> float:
        """Farthest place along x or y from the centre where the particle is seen [nm]."""
        x, y, step = _grid()
        on = self.thickness.reshape(x.shape) > 0.05 * self.thickness.max()
        farthest = float(max(np.abs(x[on]).max(), np.abs(y[on]).max()) + 1.5 * step)
        return farthest * self.size_nm


def _grid() -> tuple[Float, Float, float]:
    """Points x and y of the templates, and their distance, in ∛volume."""
    step = 2.0 * _REACH / _SIDE
    along = (np.arange(_SIDE) - 0.5 * (_SIDE - 1)) * step
    x, y = np.meshgrid(along, along)
    return x, y, step


def glance(image: ArrayLike, microscope: Microscope, material: str) -> Glance:
    """The particle of an image, brought to volume 1.

    Parameters
    ----------
    image : (rows, columns) array_like
    microscope : Microscope
    material : str

    Raises
    ------
    ValueError
        If no particle stands out of the image.
    """
    from scipy import ndimage

    thickness, x, y = seen_thickness(image, microscope, material)
    pixel = microscope.scan.pixel_size_nm
    total = float(thickness.sum())
    if total <= 0:
        raise ValueError("no particle stands out of the image")
    centre = np.array([thickness.sum(axis=0) @ x, thickness.sum(axis=1) @ y]) / total
    volume = total * pixel**2
    size = float(np.cbrt(volume))
    grid_x, grid_y, step = _grid()
    own = microscope.probe.sigma_nm / pixel
    wanted = math.sqrt(max((_BLUR_PX * step * size / pixel) ** 2 - own**2, 0.0))
    smooth = ndimage.gaussian_filter(thickness, wanted) if wanted > 0 else thickness
    places = [
        (centre[1] + grid_y * size - y[0]) / pixel,
        (centre[0] + grid_x * size - x[0]) / pixel,
    ]
    seen = ndimage.map_coordinates(smooth, places, order=1, mode="constant")
    return Glance(np.asarray(seen.ravel() / size, np.float32), volume, centre)


@dataclass(frozen=True, eq=False)
class _Templates:
    quaternions: Float  # (n, 4)
    sizes: Float  # (n, P), of volume 1
    thickness: NDArray[np.float32]  # (n, pixels)
    squares: NDArray[np.float32]


#: Of each family for as long as it lives.
_KEPT: WeakKeyDictionary[ShapeFamily, _Templates] = WeakKeyDictionary()


def _templates(family: ShapeFamily) -> _Templates:
    if family not in _KEPT:
        _KEPT[family] = _made(family, family.shapes())
    return _KEPT[family]


def _made(family: ShapeFamily, shapes: Float) -> _Templates:
    from scipy import ndimage

    from stemfast.orientation import random

    most = max(_LEAST, min(_MOST, _TEMPLATES // len(shapes)))
    number = int(np.clip(_POSES / len(family.group), _LEAST, most))
    poses = random(number, seed=0).as_quat()
    x, y, _ = _grid()
    maps = np.empty((len(shapes) * number, _SIDE, _SIDE), np.float32)
    for k, sizes in enumerate(shapes):
        for j, pose in enumerate(poses):
            maps[k * number + j] = family.thickness(Placed(sizes, pose, np.zeros(2)), x, y)
    smooth = ndimage.gaussian_filter(maps, (0.0, _BLUR_PX, _BLUR_PX))
    flat = smooth.reshape(len(maps), -1)
    return _Templates(
        np.tile(poses, (len(shapes), 1)),
        np.repeat(shapes, number, axis=0),
        flat,
        np.einsum("ij,ij->i", flat, flat),
    )


def candidates(family: ShapeFamily, seen: Glance, most: int) -> list[Placed]:
    """Members like an image, the most alike first, apart from each other.

    Parameters
    ----------
    family : ShapeFamily
    seen : Glance
    most : int
        How many.
    """
    return _best(family, _templates(family), seen, most)


def _best(family: ShapeFamily, templates: _Templates, seen: Glance, most: int) -> list[Placed]:
    misfit = templates.squares - 2.0 * (templates.thickness @ seen.thickness)
    best = np.argsort(misfit)[:_LOOKED_AT]
    size = seen.size_nm
    chosen: list[Placed] = []
    for k in best.tolist():
        at = Placed(templates.sizes[k] * size, templates.quaternions[k], seen.centre_nm)
        if all(_differ(family, at, other) for other in chosen):
            chosen.append(at)
        if len(chosen) == most:
            break
    return chosen


def posed(family: ShapeFamily, sizes_nm: Float, seen: Glance, most: int) -> list[Placed]:
    """The same of one member at poses all over.

    Parameters
    ----------
    family : ShapeFamily
    sizes_nm : (P,) float64
        Of the member.
    seen : Glance
    most : int
        How many.
    """
    size = seen.size_nm
    templates = _made(family, sizes_nm[None] / size)
    return _best(family, templates, seen, most)


def _differ(family: ShapeFamily, one: Placed, other: Placed) -> bool:
    apart = np.abs(one.sizes_nm - other.sizes_nm).max() / np.abs(other.sizes_nm).max()
    return bool(apart > 0.15) or turned_apart(family, one.quaternion, other.quaternion) > _APART


def turned_apart(family: ShapeFamily, one: Float, other: Float) -> float:
    """Least angle [rad] between poses (x, y, z, w) that look alike, mirrored ones included."""
    alike = equivalent_quaternions(family, other)
    return float(2.0 * np.arccos(np.clip(np.abs(alike @ one), 0.0, 1.0)).min())


def equivalent_quaternions(family: ShapeFamily, quaternion: Float) -> Float:
    """Poses (G, 4) with the same image: R h of rotations h, and σ R h of reflections h."""
    from scipy.spatial.transform import Rotation

    matrix = Rotation.from_quat(quaternion).as_matrix()
    turned = matrix @ family.group
    turned[np.linalg.det(family.group) < 0, 2] *= -1.0
    return np.asarray(Rotation.from_matrix(turned).as_quat())

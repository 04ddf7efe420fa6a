"""Ground truth of simulated images, computed on access."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import index, output_array, require_memory
from stemfast.atomic import replacing
from stemfast.image.files import writable
from stemfast.materials import Material
from stemfast.materials import get as get_material
from stemfast.microscope import Microscope
from stemfast.particles import Particle
from stemfast.particles.specimen import Specimen
from stemfast.simulation.acquisition import Acquisition, Float32
from stemfast.simulation.batch import Float, Int, Shown

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

FILM = "film"
"""Name of the carbon film among the materials of a thickness map."""


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Everything that is true of simulated images.

    Nothing is worked out before it is asked for, and then once; what comes back is read-only. Maps
    have the shape of the images: (rows, columns) of a single image, with an axis of n images
    before and, where the images have one, an axis of frames between. `truth[i]` is the truth of
    image i alone, for the price of one image.

    Attributes
    ----------
    thickness_nm : dict of str to float32 array
        Clean thickness of each material [nm], by the material's name, without the probe's blur; of
        frames added up, the mean. The film, where there is one, is called "film". Costs one
        thickness map for each material and 4 bytes a pixel.
    expected_electrons : float32 array
        Mean number of electrons in each pixel before noise, with film, contrast and probe. Costs
        somewhat less than the images did and 4 bytes a pixel.
    time_s : float64 array
        When each pixel is scanned, from the start of the first frame [s]. This and the following
        two have an axis of frames also where those are added up; the three are worked out together
        and cost 56 bytes a pixel.
    beam_nm : (..., rows, columns, 2) float64
        x and y of the beam from the centre of the scan [nm].
    turn : (..., rows, columns, 4) float64
        How the particles have turned since their given orientation: quaternion (x, y, z, w). At
        pixel (i, j) particle k has the pose ``Rotation.from_quat(turn[i, j]) * orientations[k]``.
    image_of_particle : (k,) int64
        Which image each particle is in; the next four are about the same particles, in order.
    particles : tuple of k Particle
        The particles themselves.
    positions_nm : (k, 3) float64
        x, y, z of each particle's origin [nm].
    quaternions : (k, 4) float64
        Orientation of each particle: at mid-frame if it spins, as given if it follows a path.
    orientations : Rotation of length k
        The same as SciPy's rotation.
    microscopes : tuple of n Microscope
        The microscope of each image.
    seed, first_index : int
        Seed, and index of the first image in its series.
    n_images, frames : int
        Number of images, and of frames of each.

    Examples
    --------
    >>> import stemfast as sf
    >>> ball = sf.Sphere(radius=9, material="Pt")
    >>> truth = sf.simulate(ball, seed=1, first_index=5, return_truth=True).truth
    >>> truth
    Truth of 1 image, seed 1, index 5: Pt, film
    >>> round(float(truth.thickness_nm["Pt"].max()), 1), float(truth.thickness_nm["film"][0, 0])
    (18.0, 5.0)
    >>> truth.beam_nm[0, 0].round(3).tolist()
    [-22.225, -22.225]
    """

    _taken: Acquisition
    _shown: tuple[Shown, ...]
    _scopes: tuple[Microscope, ...]
    _frames_axis: tuple[int, ...]
    _summed: bool
    _materials: dict[str, Material] = field(init=False)

    def __post_init__(self) -> None:
        # Found once for all images, so that every image of a series has the same materials.
        distinct = dict.fromkeys(get_material(m) for m in self._taken.batch.materials)
        named: dict[str, Material] = {}
        for material in distinct:
            named[_free_name(material.name, named)] = material
        object.__setattr__(self, "_materials", named)

    @property
    def seed(self) -> int:
        """Seed of the random numbers."""
        return self._taken.seed

    @property
    def first_index(self) -> int:
        """Index of the first image in the series of its seed."""
        return self._taken.first_index

    @property
    def n_images(self) -> int:
        """Number of images, all frames of one together."""
        return self._taken.n_series

    @property
    def frames(self) -> int:
        """Number of frames of each image."""
        return self._taken.frames

    @property
    def microscopes(self) -> tuple[Microscope, ...]:
        """The microscope of each image."""
        return self._scopes * self.n_images if len(self._scopes) == 1 else self._scopes

    @property
    def _single(self) -> bool:
        return self._taken.batch.single

    def __len__(self) -> int:
        return self.n_images

    def __repr__(self) -> str:
        first, n = self.first_index, self.n_images
        which = f"index {first}" if n == 1 else f"indices {first} to {first + n - 1}"
        names = ", ".join([*self._materials, *([FILM] if self._has_film else [])])
        return f"Truth of {n} image{'s' if n > 1 else ''}, seed {self.seed}, {which}: {names}"

    def __getitem__(self, image: int) -> Truth:
        """Return the truth of one image alone.

        Raises
        ------
        TypeError, IndexError
            If `image` is not a whole number from 0 to n - 1.
        """
        number = image_number(image, self.n_images)
        part = object.__new__(Truth)
        one = {
            "_taken": self._taken.part(number),
            "_shown": self._shown[number : number + 1] if len(self._shown) > 1 else self._shown,
            "_scopes": self._scopes[number : number + 1] if len(self._scopes) > 1 else self._scopes,
            "_frames_axis": self._frames_axis,
            "_summed": self._summed,
            "_materials": self._materials,
        }
        for name, value in one.items():
            object.__setattr__(part, name, value)
        return part

    @cached_property
    def thickness_nm(self) -> dict[str, Float32]:
        """Clean thickness of each material [nm], by name, the film's among them."""
        listed = [get_material(m) for m in self._taken.batch.materials]
        maps: dict[str, Float32] = {}
        for name, material in self._materials.items():
            stack = self._new_stack()
            self._taken.thickness(np.array([one == material for one in listed]), stack)
            maps[name] = self._like_images(stack, np.mean)
        if self._has_film:
            stack = self._new_stack()
            self._taken.film_depth(stack)
            paths = [scope.mean_free_path_nm(scope.film.material) for scope in self._scopes]
            every = np.repeat(paths, self.frames if len(paths) > 1 else len(stack))
            stack *= every[:, None, None].astype(np.float32)
            maps[FILM] = self._like_images(stack, np.mean)
        return maps

    @cached_property
    def expected_electrons(self) -> Float32:
        """Mean number of electrons in each pixel before noise."""
        stack = self._new_stack()
        self._taken.expected_electrons(stack)
        return self._like_images(stack, np.sum)

    @property
    def time_s(self) -> Float:
        """Time of each pixel [s]."""
        return self._path[0]

    @property
    def beam_nm(self) -> Float:
        """Position of the beam at each pixel: x, y [nm]."""
        return self._path[1]

    @property
    def turn(self) -> Float:
        """Rotation of the particles up to each pixel: quaternions (x, y, z, w)."""
        return self._path[2]

    @property
    def image_of_particle(self) -> Int:
        """Image index of each particle."""
        return self._taken.batch.image_of_body[self._first_bodies] // self.frames

    @property
    def particles(self) -> tuple[Particle, ...]:
        """The particles of all images."""
        groups = [s.particles if isinstance(s, Specimen) else (s,) for s in self._shown]
        if len(groups) == 1:
            groups *= self.n_images
        return tuple(particle for group in groups for particle in group)

    @property
    def positions_nm(self) -> Float:
        """x, y, z of each particle's origin [nm]."""
        return self._taken.batch.position[self._first_bodies]

    @property
    def quaternions(self) -> Float:
        """Orientation of each particle as a quaternion (x, y, z, w)."""
        return self._taken.batch.orientation[self._first_bodies]

    @property
    def orientations(self) -> Rotation:
        """Orientation of each particle."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.quaternions)

    def save(self, path: str | Path) -> Path:
        """Write it all to a ``.npz`` file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            The file; its folder must exist.

        Returns
        -------
        Path
            The file written. It holds ``thickness_nm_NAME`` for each material, the other arrays
            by their names here, and ``about``: microscopes and particles as JSON.

        Raises
        ------
        ValueError
            If the name does not end in ``.npz``, or the file cannot be written there.

        Examples
        --------
        >>> import stemfast as sf, tempfile
        >>> truth = sf.simulate(sf.Sphere(5), seed=1, return_truth=True).truth
        >>> file = truth.save(tempfile.mkdtemp() + "/truth.npz")
        >>> float(np.load(file)["thickness_nm_film"][0, 0])
        5.0
        """
        target = writable(path, (".npz",))
        names = ["expected_electrons", "time_s", "beam_nm", "turn"]
        names += ["image_of_particle", "positions_nm", "quaternions", "seed", "first_index"]
        arrays = {name: getattr(self, name) for name in names}
        arrays |= {f"thickness_nm_{name}": t for name, t in self.thickness_nm.items()}
        with replacing(target) as partial, partial.open("wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(self.about())), **arrays)
        return target

    def about(self) -> dict[str, Any]:
        """Return what is not an array, fit for JSON."""
        return {
            "seed": str(self.seed),  # 64 bits are more than JSON's readers keep of a number
            "first_index": self.first_index,
            "frames": self.frames,
            "microscopes": [scope.model_dump(mode="json") for scope in self._scopes],
            "shown": [
                [repr(p) for p in (s.particles if isinstance(s, Specimen) else (s,))]
                for s in self._shown
            ],
        }

    @property
    def _has_film(self) -> bool:
        return any(scope.film.thickness_nm > 0 for scope in self._scopes)

    @cached_property
    def _first_bodies(self) -> Int:
        """The first body of each particle, in the first frame of each image."""
        image, particle = self._taken.batch.image_of_body, self._taken.batch.particle
        new = np.ones(len(image), bool)
        new[1:] = (np.diff(image) != 0) | (np.diff(particle) != 0)
        return np.flatnonzero(new & (image % self.frames == 0))

    @cached_property
    def _path(self) -> tuple[Float, Float, Float]:
        n_pixels = self._taken.batch.n_images * self._taken.field[0] * self._taken.field[1]
        require_memory(56 * n_pixels, f"the path of {n_pixels} pixels")
        leading = (() if self._single else (self.n_images,)) + self._frames_axis
        time, beam, turn = (
            _read_only(a.reshape(*leading, *a.shape[1:])) for a in self._taken.path()
        )
        return time, beam, turn

    def _new_stack(self) -> Float32:
        shape = (self._taken.batch.n_images, *self._taken.field)
        return output_array(None, shape, np.dtype(np.float32))

    def _like_images(self, stack: Float32, added_by: Any) -> Float32:
        stack = stack.reshape(-1, *self._frames_axis, *self._taken.field)
        if self._summed:
            stack = added_by(stack, axis=1)
        return _read_only(stack[0] if self._single else stack)


def _free_name(name: str, taken: dict[str, Material]) -> str:
    number, free = 1, name
    while free in taken or free == FILM:
        number += 1
        free = f"{name} ({number})"
    return free


def image_number(value: int, n: int, name: str = "image") -> int:
    """Return the number of an image or frame out of n.

    Raises
    ------
    TypeError, IndexError
        If it is not a whole number from 0 to n - 1.

    Examples
    --------
    >>> image_number(2, 3)
    2
    """
    number = index(name, value, minimum=-(2**63))
    if not 0 <= number < n:
        raise IndexError(f"{name} must be from 0 to {n - 1}, got {number}")
    return number


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array

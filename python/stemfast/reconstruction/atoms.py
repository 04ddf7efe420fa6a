"""A particle known atom by atom, and the images that a microscope would take of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import positive_number, seed_value
from stemfast.materials import ELEMENTS
from stemfast.microscope import Microscope
from stemfast.scattering import cross_section_nm2, scattering_curve
from stemfast.simulation.voxels import project_volume

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Atoms", "read_xyz"]

Float: TypeAlias = NDArray[np.float64]
Float32: TypeAlias = NDArray[np.float32]

_LEAST_NM, _MOST_NM = 0.2, 0.45  # between neighbours in a metal
_REACH = 3.5  # standard deviations of an atom's Gaussian that are drawn


@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms of one particle, about the middle of their box.

    Attributes
    ----------
    elements : tuple of str
        Symbol of each.
    positions_nm : (n, 3) float64
        x, y, z [nm].
    """

    elements: tuple[str, ...] = field(repr=False)
    positions_nm: Float = field(repr=False)

    def __post_init__(self) -> None:
        places = np.array(self.positions_nm, np.float64)
        if places.ndim != 2 or places.shape[1] != 3 or not len(places):
            raise ValueError(f"positions_nm has shape {places.shape}, expected (n, 3)")
        if not np.isfinite(places).all():
            raise ValueError("positions_nm holds NaN or infinity, expected finite numbers of nm")
        if len(self.elements) != len(places):
            raise ValueError(f"elements: got {len(self.elements)}, expected one of {len(places)}")
        unknown = sorted(set(self.elements) - set(ELEMENTS))
        if unknown:
            raise ValueError(f"elements: got {unknown[0]!r}, expected symbols such as 'Pt'")
        object.__setattr__(self, "positions_nm", places - 0.5 * (places.min(0) + places.max(0)))

    @classmethod
    def from_ase(cls, atoms: Any) -> Atoms:
        """Atoms of ASE's `Atoms`, whose positions are in Å; its cell plays no part.

        Raises
        ------
        TypeError
            If it is not ASE's `Atoms`.
        ValueError
            If there are none, or an element is unknown here.

        Examples
        --------
        >>> from types import SimpleNamespace  # as ASE's Atoms hold them
        >>> pair = SimpleNamespace(symbols=["Pt", "Pt"], positions=[[0, 0, 0], [0, 0, 2.8]])
        >>> round(Atoms.from_ase(pair).spacing_nm(), 3)
        0.28
        """
        if not (hasattr(atoms, "symbols") and hasattr(atoms, "positions")):
            raise TypeError(f"atoms is {type(atoms).__name__}, expected ase.Atoms")
        places = 0.1 * np.asarray(atoms.positions, np.float64)
        return cls(tuple(str(symbol) for symbol in atoms.symbols), places)

    def __len__(self) -> int:
        return len(self.elements)

    def spacing_nm(self) -> float:
        """Median distance of an atom from its nearest neighbour [nm]."""
        from scipy.spatial import KDTree

        if len(self) < 2:
            raise ValueError("one atom has no neighbour, expected at least two")
        distances, _ = KDTree(self.positions_nm).query(self.positions_nm, k=2)
        return float(np.median(distances[:, 1]))

    def hull_volume_nm3(self, grown_nm: float | None = None) -> float:
        """Volume of the convex hull of the atoms' centres, its faces moved outwards [nm^3].

        Parameters
        ----------
        grown_nm : float, optional
            How far each face is moved; by default half the distance of two neighbours.

        Notes
        -----
        To second order in the distance d, the hull grows by its area times d and d² times half the
        sum over its edges of length times 2·tan(half the angle between their faces' normals); what
        the vertices add is of third order and left out.

        Examples
        --------
        >>> corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
        >>> round(Atoms(("Pt",) * 8, corners).hull_volume_nm3(0.01), 4)  # 1.02³ = 1.0612
        1.0612
        """
        from scipy.spatial import ConvexHull

        far = 0.5 * self.spacing_nm() if grown_nm is None else grown_nm
        hull = ConvexHull(self.positions_nm)
        normals = hull.equations[:, :3]
        rim = 0.0
        for one, neighbours in enumerate(hull.neighbors):
            for other in neighbours:
                if other > one:
                    shared = np.intersect1d(hull.simplices[one], hull.simplices[other])
                    length = float(np.linalg.norm(np.subtract(*hull.points[shared])))
                    cosine = float(np.clip(normals[one] @ normals[other], -1.0, 1.0))
                    rim += length * np.tan(0.5 * np.arccos(cosine))
        return float(hull.volume + hull.area * far + rim * far**2)

    def depth_volume(
        self, microscope: Microscope, *, voxel_size_nm: float, sigma_nm: float = 0.1
    ) -> Float32:
        """Scattering density: inverse mean free path [1/nm], (z, y, x).

        Each atom is a small Gaussian whose integral is its cross-section for the microscope's
        detector, so that heavy elements count for more, as they do in an image.

        Parameters
        ----------
        microscope : Microscope
            Its energy and collection angles count.
        voxel_size_nm : float
            Side of a voxel [nm].
        sigma_nm : float
            Standard deviation of an atom's Gaussian [nm].
        """
        voxel = positive_number("voxel_size_nm", voxel_size_nm)
        sigma = positive_number("sigma_nm", sigma_nm)
        collection = microscope.collection
        sections = {e: cross_section_nm2(ELEMENTS[e][0], collection) for e in set(self.elements)}
        weights = np.array([sections[e] for e in self.elements]) / voxel**3
        reach = int(np.ceil(_REACH * sigma / voxel)) + 1
        half = np.ceil(np.abs(self.positions_nm).max(axis=0) / voxel).astype(int) + reach + 1
        sides = 2 * half + 1
        place = self.positions_nm / voxel + half  # x, y, z [voxels]
        nearest = np.round(place).astype(int)
        offsets = np.arange(-reach, reach + 1)
        # Weights of each atom along x, y and z; each sums to one, so no mass is lost.
        away = nearest[:, :, None] + offsets - place[:, :, None]
        along = np.exp(-0.5 * (away * voxel / sigma) ** 2)
        along /= along.sum(axis=2, keepdims=True)
        x, y, z = (nearest[:, axis, None] + offsets for axis in range(3))
        cells = (z[:, :, None] * sides[1] + y[:, None, :])[..., None] * sides[0] + x[:, None, None]
        shares = np.einsum("n,nk,nj,ni->nkji", weights, along[:, 2], along[:, 1], along[:, 0])
        volume = np.bincount(cells.ravel(), shares.ravel(), int(sides.prod()))
        return volume.reshape(sides[::-1]).astype(np.float32)

    def images(
        self,
        orientations: Rotation,
        microscope: Microscope,
        *,
        seed: int,
        sigma_nm: float = 0.1,
        oversample: int = 1,
    ) -> NDArray[np.float32]:
        """Images of the atoms through the whole microscope, (n, rows, columns).

        Projected, scattered, blurred, counted and read out as `stemfast.simulate` does it, with a
        smooth film; the electrons are drawn by NumPy.

        Parameters
        ----------
        orientations : Rotation
            n poses.
        microscope : Microscope
            What takes them.
        seed : int
            Of the counts.
        sigma_nm : float
            Standard deviation of an atom's Gaussian [nm].
        oversample : int
            Voxels along a pixel's side.
        """
        from scipy.ndimage import gaussian_filter

        scan, detector, film = microscope.scan, microscope.detector, microscope.film
        voxel = scan.pixel_size_nm / oversample
        volume = self.depth_volume(microscope, voxel_size_nm=voxel, sigma_nm=sigma_nm)
        rows, columns = scan.shape
        shape = (rows * oversample, columns * oversample)
        depth = project_volume(volume, orientations, voxel_size_nm=voxel, shape=shape)
        depth = depth.reshape(-1, rows, oversample, columns, oversample).mean(axis=(2, 4))
        depth = depth + film.thickness_nm / microscope.mean_free_path_nm(film.material)
        sigma_px = microscope.probe.sigma_nm / scan.pixel_size_nm
        # The atoms' own curve: it depends on their elements, not on how dense they are.
        count = sorted(Counter(self.elements).items())
        mixture = tuple((ELEMENTS[element][0], float(n)) for element, n in count)
        curve = scattering_curve(mixture, microscope.collection)
        rng = np.random.default_rng(seed_value(seed))
        taken = []
        for one in depth:
            fraction = gaussian_filter(curve.fraction(one.astype(np.float64)), sigma_px)
            counts = rng.poisson(microscope.electrons_per_pixel * fraction)
            values = detector.gain * counts + detector.offset
            taken.append(values + rng.normal(0.0, detector.read_noise, one.shape))
        return np.asarray(taken, np.float32)


def read_xyz(path: str | Path) -> Atoms:
    r"""Read atoms from an XYZ file: a number, a comment, then symbol and x, y, z [Å] of each.

    Raises
    ------
    ValueError
        If the file is not one, naming the line.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "two.xyz"
    >>> _ = file.write_text("2\n\nPt 0 0 0\nPd 0 0 2.8\n")
    >>> atoms = read_xyz(file)
    >>> atoms.elements, round(atoms.spacing_nm(), 3)
    (('Pt', 'Pd'), 0.28)
    """
    file = Path(path)
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    head = lines[0].split() if lines else []
    if len(head) != 1 or not head[0].isdecimal() or int(head[0]) < 1:
        raise ValueError(f"{file}: line 1 is {lines[:1]}, expected the number of atoms")
    wanted = int(head[0])
    rows = [(k, line.split()) for k, line in enumerate(lines[2 : 2 + wanted], start=3)]
    if len(rows) < wanted:
        raise ValueError(f"{file}: {len(rows)} atoms, expected {wanted} as line 1 says")
    symbols, places = _columns(file, rows)
    try:
        atoms = Atoms(symbols, places)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if len(atoms) > 1 and not _LEAST_NM <= (spacing := atoms.spacing_nm()) <= _MOST_NM:
        warnings.warn(
            f"{file}: neighbours are {10 * spacing:.3g} Å apart, metals' are 2 to 4 Å: "
            "are the positions in Å, as an XYZ file has them?",
            stacklevel=2,
        )
    return atoms


def _columns(file: Path, rows: Sequence[tuple[int, list[str]]]) -> tuple[tuple[str, ...], Float]:
    places = []
    for number, words in rows:
        try:
            x, y, z = (float(word) for word in words[1:4])
        except ValueError:
            raise ValueError(
                f"{file}: line {number} is {' '.join(words)!r}, expected a symbol and x y z"
            ) from None
        places.append((x, y, z))
    return tuple(words[0] for _, words in rows), 0.1 * np.array(places)

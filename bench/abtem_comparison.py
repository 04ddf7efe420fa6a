"""stemfast's contrast against abTEM's multislice: amorphous slabs, one atom, images.

    pip install ".[abtem]"
    python bench/abtem_comparison.py atom slabs thin
    python bench/abtem_comparison.py image --seeds 4
    python bench/abtem_comparison.py table figure

Each step keeps its arrays in docs/abtem/*.npz. `table` prints the numbers of docs/abtem.md and
`figure` draws docs/images/abtem.png, both from those arrays alone. On one core of a busy 2-core
container (AMD EPYC) `atom` took 25 s, `slabs` a minute for each of its 44, `image` 12 minutes; on
one of an Intel Xeon `thin` took 4 minutes.

The specimen is amorphous so that there is no channelling, which stemfast knows nothing about: atoms
at the material's density, pushed apart until none are nearer than a random packing allows.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import materials, units
from stemfast.scattering import Collection, scattered_fraction

Array = NDArray[np.float64]

ENERGY_KEV: Final = 200.0
DETECTOR_MRAD: Final = (60.0, 200.0)
#: What slabs are seen with: two dark fields and a bright one.
DETECTORS_MRAD: Final = ((60.0, 200.0), (90.0, 200.0), (0.0, 30.0))
CONVERGENCE_MRAD: Final = 20.0
#: Grid step [nm] of the images: the band limit, two thirds of λ/2 over it, is just beyond 200 mrad.
SAMPLING_NM: Final = 0.0041
#: Grid step [nm] of the slabs, with which one atom scatters within 1 % of its limit.
FINE_NM: Final = 0.001
SLAB_NM: Final = 40.0
SLAB_WIDTH_NM: Final = 1.2
SLICE_NM: Final = 0.25
STEP_NM: Final = 1.0
POSITIONS: Final = 4
#: Elements, energies [keV] and arrangements of the atoms.
SLABS: Final = (
    *((element, 200, seed) for element in ("C", "Si", "Cu", "Ag", "Au") for seed in range(4)),
    *((e, energy, seed) for e in ("C", "Cu", "Au") for energy in (80, 300) for seed in range(4)),
)
#: More arrangements where four leave it in doubt: few atoms scatter in some nanometres.
THIN: Final = tuple(
    (e, energy, seed) for e, energy in (("Si", 200), ("C", 300)) for seed in range(10, 18)
)
THIN_NM: Final = 6.0
#: Averaged over all positions the signal depends on the moduli in the aperture only, not on the
#: phases, so the probe may be spread over the whole cell and few positions will do.
DEFOCUS_NM: Final = 60.0

CUBOID_NM: Final = (3.6, 3.0, 2.6)
POSE: Final = (0.45, -0.35, 0.25)  # rotation vector [rad]
IMAGE_CELL_NM: Final = 4.92
IMAGE_PIXELS: Final = 16
IMAGE_PIXEL_NM: Final = 0.3
#: The aperture of a diffraction-limited probe 0.5 nm wide, stemfast's usual one.
IMAGE_CONVERGENCE_MRAD: Final = 2.6

ELEMENTS: Final = ("C", "Si", "Cu", "Ag", "Au")

RESULTS: Final = Path(__file__).resolve().parents[1] / "docs" / "abtem"


def abtem_quietly() -> Any:
    """Import abTEM, one thread, no progress bars."""
    import abtem

    abtem.config.set({"diagnostics.progress_bar": False, "fftw.threads": 1, "dask.lazy": False})
    return abtem


def per_nm3(element: str) -> float:
    """Number density [1/nm³], as stemfast has it."""
    ((_, number),) = materials.get(element).atoms
    return number


def amorphous(
    box_nm: tuple[float, float, float], seed: int, element: str = "Au", closest: float = 0.97
) -> Array:
    """Atoms (n, 3) [nm] at an element's density in a periodic box.

    Neighbours nearer than `closest` times the cube root of the volume of an atom push each other
    apart until none are left; raises ``RuntimeError`` if 1,000 rounds are not enough.
    """
    density = per_nm3(element)
    distance_nm = closest * density ** (-1 / 3)
    box = np.asarray(box_nm)
    rng = np.random.default_rng(seed)
    atoms = rng.random((round(density * box.prod()), 3)) * box
    wanted = 1.04 * distance_nm  # aims beyond, so as to arrive
    for _ in range(1000):
        a, b = cKDTree(atoms, boxsize=box).query_pairs(wanted, output_type="ndarray").T
        apart = atoms[a] - atoms[b]
        apart -= box * np.round(apart / box)
        length = np.linalg.norm(apart, axis=1, keepdims=True)
        if not (length < distance_nm).any():
            return atoms
        push = 0.5 * (wanted - length) * apart / length
        for axis in range(3):
            shift = np.bincount(a, push[:, axis], len(atoms))
            atoms[:, axis] += shift - np.bincount(b, push[:, axis], len(atoms))
        atoms = np.mod(atoms, box)
        atoms[atoms == box] = 0.0
    raise RuntimeError(f"atoms nearer than {distance_nm} nm are left after 1,000 rounds")


def wave_in(
    energy_kev: float, convergence_mrad: float | None, defocus_nm: float, potential: Any
) -> Any:
    """abTEM's plane wave, or the probe of a cone of illumination."""
    abtem = abtem_quietly()
    if convergence_mrad is None:
        return abtem.PlaneWave(energy=1e3 * energy_kev)
    probe = abtem.Probe(
        energy=1e3 * energy_kev, semiangle_cutoff=convergence_mrad, defocus=10.0 * defocus_nm
    )
    probe.grid.match(potential)
    return probe


def multislice(
    atoms_nm: Array,
    box_nm: tuple[float, float, float],
    positions_nm: Array | None,
    *,
    element: str = "Au",
    energy_kev: float = ENERGY_KEV,
    convergence_mrad: float = CONVERGENCE_MRAD,
    defocus_nm: float = 0.0,
    sampling_nm: float = SAMPLING_NM,
    slice_nm: float = 0.3,
    step_nm: float | None = None,
    detectors_mrad: tuple[tuple[float, float], ...] = (DETECTOR_MRAD,),
) -> Array:
    """Fraction of the beam that abTEM finds in each annulus, (detectors, planes, positions).

    Planes are at 0, `step_nm`, 2 `step_nm` … in depth, or only the exit where that is None.
    Without positions the beam is a plane wave.
    """
    abtem = abtem_quietly()
    from ase import Atoms

    cell = 10.0 * np.asarray(box_nm)  # Å
    potential = abtem.Potential(
        Atoms([element] * len(atoms_nm), positions=10.0 * atoms_nm, cell=cell, pbc=True),
        gpts=tuple(next_fast_len(math.ceil(length / sampling_nm)) for length in box_nm[:2]),
        slice_thickness=10.0 * slice_nm,
        parametrization="lobato",
        exit_planes=None if step_nm is None else round(step_nm / slice_nm),
    )
    detectors = [abtem.AnnularDetector(*edges) for edges in detectors_mrad]

    def planes(measured: Any) -> Array:
        several = measured if isinstance(measured, (list, tuple)) else [measured]
        return np.stack([np.atleast_1d(np.asarray(one.array, float)).ravel() for one in several])

    if positions_nm is None:
        wave = wave_in(energy_kev, None, 0.0, potential)
        return planes(wave.multislice(potential, detectors=detectors, lazy=False))[..., None]
    wave = wave_in(energy_kev, convergence_mrad, defocus_nm, potential)
    found = [
        planes(wave.scan(potential, abtem.CustomScan(10.0 * one[None]), detectors, lazy=False))
        for one in positions_nm
    ]
    return np.stack(found, axis=-1)


def slab(element: str, energy_kev: float, seed: int, thickness_nm: float = SLAB_NM) -> list[Array]:
    """A slab by multislice: depths, and detectors' shares in a parallel beam and in a cone.

    Depths are those of as many atoms at the material's density as lie above the plane.
    """
    box = (SLAB_WIDTH_NM, SLAB_WIDTH_NM, thickness_nm)
    atoms = amorphous(box, seed, element)
    planes = np.arange(0.0, thickness_nm + STEP_NM / 2, STEP_NM)
    above = np.array([np.count_nonzero(atoms[:, 2] < plane) for plane in planes])
    where = np.random.default_rng((seed, 1)).random((POSITIONS, 2)) * SLAB_WIDTH_NM
    how: dict[str, Any] = {
        "element": element,
        "energy_kev": energy_kev,
        "sampling_nm": FINE_NM,
        "slice_nm": SLICE_NM,
        "step_nm": STEP_NM,
        "detectors_mrad": DETECTORS_MRAD,
    }
    parallel = multislice(atoms, box, None, **how).mean(axis=-1)
    cone = multislice(atoms, box, where, defocus_nm=DEFOCUS_NM, **how).mean(axis=-1)
    return [above / (per_nm3(element) * SLAB_WIDTH_NM**2), parallel, cone]


def rutherford_nm2(element: str) -> float:
    """Cross-section [nm²] of screened Rutherford in the first Born approximation.

    stemfast's own until the eikonal took its place: L. Reimer and H. Kohl, *Transmission Electron
    Microscopy*, 5th ed., Springer 2008, chapter 5.
    """
    z, _ = materials.ELEMENTS[element]
    k = 2.0 * math.pi / units.wavelength_nm(ENERGY_KEV)
    screening = z ** (1.0 / 3.0) / (k * units.BOHR_RADIUS_NM)
    inner, outer = (1e-3 * angle for angle in DETECTOR_MRAD)
    annulus = 1.0 / (inner**2 + screening**2) - 1.0 / (outer**2 + screening**2)
    amplitude = units.lorentz_factor(ENERGY_KEV) * z / (units.BOHR_RADIUS_NM * k**2)
    return 4.0 * math.pi * amplitude**2 * annulus


def born_nm2(element: str, parametrization: str) -> float:
    """Cross-section [nm²] from abTEM's scattering factors in the first Born approximation."""
    from abtem import parametrizations

    kinds = {
        "lobato": parametrizations.LobatoParametrization,
        "kirkland": parametrizations.KirklandParametrization,
    }
    theta = np.linspace(*DETECTOR_MRAD, 20_001) * 1e-3
    per_angstrom = theta / (10.0 * units.wavelength_nm(ENERGY_KEV))
    factor = kinds[parametrization]().scattering_factor(element)(per_angstrom**2)  # Å
    factor = 0.1 * factor * units.lorentz_factor(ENERGY_KEV)
    return float(np.trapezoid(factor**2 * 2.0 * np.pi * theta, theta))


def one_atom_nm2(element: str, sampling_nm: float = SAMPLING_NM) -> float:
    """Cross-section [nm²] of one atom in one slice of abTEM's, with the atom's whole phase shift.

    The mean over places of the atom between grid points.
    """
    box = (1.6, 1.6, 0.4)
    found = [
        multislice(
            np.array([[0.8 + x, 0.8 + y, 0.2]]), box, None,
            sampling_nm=sampling_nm, slice_nm=0.4, element=element,
        )[0, -1, 0]
        for x, y in np.random.default_rng(0).random((8, 2)) * sampling_nm
    ]  # fmt: skip
    return float(np.mean(found)) * box[0] * box[1]


def ours(element: str, energy_kev: float, detector: int, cone_mrad: float, depth: Array) -> Array:
    """Share of the beam that stemfast's integral puts into one of `DETECTORS_MRAD`."""
    inner, outer = DETECTORS_MRAD[detector]
    bright = inner == 0.0
    edges = (outer, math.inf) if bright else (inner, outer)
    collection = Collection(energy_kev, *edges, cone_mrad)
    scattered = scattered_fraction([(materials.get(element).atoms, depth)], collection)
    return np.asarray(1.0 - scattered if bright else scattered)


def unexplained(truth: Array, model: Array) -> float:
    """1 − R² of a model."""
    return float(np.sum((truth - model) ** 2) / np.sum((truth - truth.mean()) ** 2))


def run_atom() -> None:
    """One atom's cross-section: screened Rutherford, in Born's approximation, and beyond."""
    kept = {
        "rutherford_nm2": [rutherford_nm2(e) for e in ELEMENTS],
        "lobato_nm2": [born_nm2(e, "lobato") for e in ELEMENTS],
        "kirkland_nm2": [born_nm2(e, "kirkland") for e in ELEMENTS],
        "abtem_nm2": [
            [one_atom_nm2(e, SAMPLING_NM / finer) for finer in (1, 2, 4)] for e in ELEMENTS
        ],
    }
    np.savez(RESULTS / "atom.npz", elements=ELEMENTS, **kept)


def run_slabs(
    file: str = "slabs",
    which: Iterable[tuple[str, int, int]] = SLABS,
    thickness_nm: float = SLAB_NM,
) -> None:
    """Shares of the beam against thickness, by element, energy and arrangement."""
    kept: dict[str, Array] = {}
    for element, energy, seed in which:
        depth, parallel, cone = slab(element, energy, seed, thickness_nm)
        name = f"{element}_{energy}_{seed}"
        kept[f"{name}_thickness_nm"] = depth
        kept[f"{name}_parallel"], kept[f"{name}_cone"] = parallel, cone
    np.savez_compressed(RESULTS / f"{file}.npz", **kept)


def run_image(seeds: int) -> None:
    """Take 16 × 16 points of a tilted cuboid, each seed another arrangement of the atoms."""
    half = (IMAGE_PIXELS - 1) / 2
    axis = (np.arange(IMAGE_PIXELS) - half) * IMAGE_PIXEL_NM + IMAGE_CELL_NM / 2
    where = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], axis=-1)  # x runs fastest
    edges, images, counts = np.asarray(CUBOID_NM), [], []
    for seed in range(seeds):
        block = amorphous(tuple(edges + 0.5), seed + 100, closest=0.973) - edges / 2 - 0.25
        inside = block[(np.abs(block) <= edges / 2).all(axis=1)]
        atoms = Rotation.from_rotvec(POSE).apply(inside)
        depth = float(np.ptp(atoms[:, 2])) + 0.2
        box = (IMAGE_CELL_NM, IMAGE_CELL_NM, depth)
        centre = (0.0, 0.0, (atoms[:, 2].max() + atoms[:, 2].min()) / 2)
        image = multislice(
            atoms - centre + np.asarray(box) / 2, box, where, slice_nm=0.3,
            convergence_mrad=IMAGE_CONVERGENCE_MRAD,
        )[0, -1].reshape(IMAGE_PIXELS, IMAGE_PIXELS)  # fmt: skip
        images.append(image)
        counts.append(len(inside))
        np.savez(RESULTS / "image.npz", images=images, atoms=counts)


def stemfast_image(fwhm_nm: float, finer: int = 1) -> Array:
    """Return the same picture by stemfast, as a fraction of the beam, at a dose without noise."""
    n = IMAGE_PIXELS * finer
    microscope = sf.Microscope(
        scan=sf.Scan(shape=(n, n), pixel_size_nm=IMAGE_PIXEL_NM / finer, dwell_us=1000.0),
        beam=sf.Beam(
            energy_kev=ENERGY_KEV, current_pa=1000.0, convergence_mrad=IMAGE_CONVERGENCE_MRAD
        ),
        probe=sf.Probe(fwhm_nm=fwhm_nm),
        haadf=sf.Haadf(inner_mrad=DETECTOR_MRAD[0], outer_mrad=DETECTOR_MRAD[1]),
        film=sf.Film(thickness_nm=0.0),
        detector=sf.Detector(bits=None),
    )
    cuboid = sf.Cuboid(CUBOID_NM, material="Au")
    image = sf.simulate(cuboid, Rotation.from_rotvec(POSE), microscope, seed=0, n_threads=1)
    return np.asarray(image, float) / microscope.electrons_per_pixel


def main() -> None:
    """Run the steps asked for, in the order given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = ("atom", "slabs", "thin", "image", "table", "figure")
    parser.add_argument("steps", nargs="+", choices=steps)
    parser.add_argument("--seeds", type=int, default=4, help="arrangements of the atoms of `image`")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for step in arguments.steps:
        start = time.perf_counter()
        if step in ("table", "figure"):
            import abtem_figure

            {"table": abtem_figure.print_all, "figure": abtem_figure.draw}[step]()
        elif step == "image":
            run_image(arguments.seeds)
        elif step == "thin":
            run_slabs("thin", THIN, THIN_NM)
        else:
            {"atom": run_atom, "slabs": run_slabs}[step]()
        print(f"{step}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

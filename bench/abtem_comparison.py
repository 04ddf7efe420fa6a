"""stemfast's contrast against abTEM's multislice: amorphous gold, 200 keV, 60–200 mrad.

    pip install '.[abtem]'
    python bench/abtem_comparison.py atom slab checks
    python bench/abtem_comparison.py image --seeds 4
    python bench/abtem_comparison.py figure

Each step keeps its arrays in docs/abtem/*.npz, and `figure` draws from those alone: it prints
the numbers and makes docs/images/abtem.png. On one core of a busy 2-core container (AMD EPYC)
`atom` took 25 s, `slab` 6 minutes, `checks` 2 and `image` 12. What came out: docs/abtem.md.

The specimen is amorphous so that there is no channelling, which stemfast knows nothing about:
atoms at gold's density, pushed apart until none are nearer than 0.25 nm.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import materials, units

Array = NDArray[np.float64]

ENERGY_KEV: Final = 200.0
DETECTOR_MRAD: Final = (60.0, 200.0)
CONVERGENCE_MRAD: Final = 20.0
#: Grid step [nm]: the band limit, two thirds of λ/2 over the step, lies just beyond 200 mrad.
SAMPLING_NM: Final = 0.0041
SLAB_NM: Final = 40.0
SLAB_WIDTH_NM: Final = 2.4
STEP_NM: Final = 0.5
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


def gold_per_nm3() -> float:
    """Number density of gold [1/nm³], as stemfast has it."""
    gold = materials.get("Au")
    return gold.density_g_cm3 / gold.molar_mass_g_mol * units.AVOGADRO_PER_MOL * 1e-21


def amorphous(box_nm: tuple[float, float, float], seed: int, distance_nm: float = 0.25) -> Array:
    """Atoms (n, 3) [nm] at gold's density in a periodic box, no two nearer than `distance_nm`.

    Neighbours that are too near push each other apart until none are left; raises
    ``RuntimeError`` if 1,000 rounds are not enough.
    """
    box = np.asarray(box_nm)
    rng = np.random.default_rng(seed)
    atoms = rng.random((round(gold_per_nm3() * box.prod()), 3)) * box
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


def multislice(
    atoms_nm: Array,
    box_nm: tuple[float, float, float],
    positions_nm: Array | None,
    *,
    convergence_mrad: float = CONVERGENCE_MRAD,
    defocus_nm: float = 0.0,
    sampling_nm: float = SAMPLING_NM,
    slice_nm: float = 0.1,
    step_nm: float | None = None,
    parametrization: str = "lobato",
    element: str = "Au",
) -> Array:
    """Fraction of the beam that abTEM finds in the annulus, (planes, positions).

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
        parametrization=parametrization,
        exit_planes=None if step_nm is None else round(step_nm / slice_nm),
    )
    detector = abtem.AnnularDetector(*DETECTOR_MRAD)
    if positions_nm is None:
        wave = abtem.PlaneWave(energy=1e3 * ENERGY_KEV)
        measured = wave.multislice(potential, detectors=detector, lazy=False)
        return np.atleast_2d(np.asarray(measured.array, float)).T
    potential = potential.build(lazy=False)
    probe = abtem.Probe(
        energy=1e3 * ENERGY_KEV, semiangle_cutoff=convergence_mrad, defocus=10.0 * defocus_nm
    )
    probe.grid.match(potential)
    found = []
    for few in np.array_split(10.0 * positions_nm, math.ceil(len(positions_nm) / 4)):
        measured = probe.scan(potential, abtem.CustomScan(few), detector, lazy=False)
        found.append(np.atleast_2d(np.asarray(measured.array, float)))
    return np.concatenate(found, axis=1)


def slab(
    thickness_nm: float, seed: int, positions: int, distance_nm: float = 0.25, **how: Any
) -> Array:
    """Scattered fraction of an amorphous slab, the mean over positions, plane by plane."""
    box = (SLAB_WIDTH_NM, SLAB_WIDTH_NM, thickness_nm)
    atoms = amorphous(box, seed, distance_nm)
    if not positions:
        return multislice(atoms, box, None, **how).mean(axis=1)
    where = np.random.default_rng((seed, 1)).random((positions, 2)) * SLAB_WIDTH_NM
    return multislice(atoms, box, where, **{"defocus_nm": DEFOCUS_NM, **how}).mean(axis=1)


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
        )[-1, 0]
        for x, y in np.random.default_rng(0).random((8, 2)) * sampling_nm
    ]  # fmt: skip
    return float(np.mean(found)) * box[0] * box[1]


def ours_mean_free_path_nm() -> float:
    """Λ [nm] of gold as stemfast has it."""
    return materials.get("Au").mean_free_path_nm(ENERGY_KEV, *DETECTOR_MRAD)


def unexplained(truth: Array, model: Array) -> float:
    """1 − R² of a model."""
    return float(np.sum((truth - model) ** 2) / np.sum((truth - truth.mean()) ** 2))


def best_mean_free_path_nm(thickness_nm: Array, fraction: Array) -> float:
    """Λ [nm] whose 1 − exp(−t/Λ) has the least squared error."""
    from scipy.optimize import minimize_scalar

    def error(path: float) -> float:
        return float(np.sum((fraction + np.expm1(-thickness_nm / path)) ** 2))

    return float(minimize_scalar(error, bounds=(5.0, 500.0), method="bounded").x)


def run_atom() -> None:
    """One atom's cross-section: as stemfast has it, in Born's approximation, and beyond."""
    kept = {
        "rutherford_nm2": [
            materials.cross_section_nm2(materials.ELEMENTS[e][0], ENERGY_KEV, *DETECTOR_MRAD)
            for e in ELEMENTS
        ],
        "lobato_nm2": [born_nm2(e, "lobato") for e in ELEMENTS],
        "kirkland_nm2": [born_nm2(e, "kirkland") for e in ELEMENTS],
        "abtem_nm2": [
            [one_atom_nm2(e, SAMPLING_NM / finer) for finer in (1, 2, 4)] for e in ELEMENTS
        ],
    }
    np.savez(RESULTS / "atom.npz", elements=ELEMENTS, **kept)


def run_slab(seeds: int) -> None:
    """Scattered fraction against thickness, in a convergent beam and in a parallel one."""
    planes = np.arange(0.0, SLAB_NM + STEP_NM / 2, STEP_NM)
    convergent = [slab(SLAB_NM, s, 16, step_nm=STEP_NM) for s in range(seeds)]
    parallel = [slab(SLAB_NM, s, 0, step_nm=STEP_NM) for s in range(seeds)]
    np.savez(RESULTS / "slab.npz", thickness_nm=planes, convergent=convergent, parallel=parallel)


#: What is varied, and how; everything else stays as in `run_slab`.
CHECKS: Final[dict[str, dict[str, Any]]] = {
    "as in the comparison": {},
    "slices of 0.05 nm": {"slice_nm": 0.05},
    "slices of 0.3 nm": {"slice_nm": 0.3, "step_nm": None},
    "grid step of 0.003 nm": {"sampling_nm": 0.003},
    "grid step of 0.002 nm": {"sampling_nm": 0.002},
    "Kirkland's factors": {"parametrization": "kirkland"},
    "atoms no nearer than 0.20 nm": {"distance_nm": 0.20},
    "probe in focus, 64 positions": {"defocus_nm": 0.0, "positions": 64},
    "10 mrad": {"convergence_mrad": 10.0},
    "30 mrad": {"convergence_mrad": 30.0},
}


def run_checks() -> None:
    """How much the answer at 5 nm depends on choices that should not matter, and some that do."""
    values = [
        slab(5.0, 7, **{"positions": 16, "step_nm": 5.0, **change})[-1]
        for change in CHECKS.values()
    ]
    np.savez(RESULTS / "checks.npz", names=list(CHECKS), fraction_at_5_nm=values)


def run_image(seeds: int) -> None:
    """Take 16 × 16 points of a tilted cuboid, each seed another arrangement of the atoms."""
    half = (IMAGE_PIXELS - 1) / 2
    axis = (np.arange(IMAGE_PIXELS) - half) * IMAGE_PIXEL_NM + IMAGE_CELL_NM / 2
    where = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], axis=-1)  # x runs fastest
    edges, images, counts = np.asarray(CUBOID_NM), [], []
    for seed in range(seeds):
        block = amorphous(tuple(edges + 0.5), seed + 100) - edges / 2 - 0.25
        inside = block[(np.abs(block) <= edges / 2).all(axis=1)]
        atoms = Rotation.from_rotvec(POSE).apply(inside)
        depth = float(np.ptp(atoms[:, 2])) + 0.2
        box = (IMAGE_CELL_NM, IMAGE_CELL_NM, depth)
        centre = (0.0, 0.0, (atoms[:, 2].max() + atoms[:, 2].min()) / 2)
        image = multislice(
            atoms - centre + np.asarray(box) / 2, box, where, slice_nm=0.3,
            convergence_mrad=IMAGE_CONVERGENCE_MRAD,
        )[-1].reshape(IMAGE_PIXELS, IMAGE_PIXELS)  # fmt: skip
        images.append(image)
        counts.append(len(inside))
        np.savez(RESULTS / "image.npz", images=images, atoms=counts)


def stemfast_image(fwhm_nm: float, finer: int = 1) -> Array:
    """Return the same picture by stemfast, as a fraction of the beam, at a dose without noise."""
    n = IMAGE_PIXELS * finer
    microscope = sf.Microscope(
        scan=sf.Scan(shape=(n, n), pixel_size_nm=IMAGE_PIXEL_NM / finer, dwell_us=1000.0),
        beam=sf.Beam(energy_kev=ENERGY_KEV, current_pa=1000.0),
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
    steps = ("atom", "slab", "checks", "image", "figure")
    parser.add_argument("steps", nargs="+", choices=steps)
    parser.add_argument("--seeds", type=int, default=2, help="arrangements of the atoms")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for step in arguments.steps:
        start = time.perf_counter()
        if step == "figure":
            import abtem_figure

            abtem_figure.draw()
        elif step in ("slab", "image"):
            {"slab": run_slab, "image": run_image}[step](arguments.seeds)
        else:
            {"atom": run_atom, "checks": run_checks}[step]()
        print(f"{step}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

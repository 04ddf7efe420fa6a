"""Running time of each stage of an image on this machine, for `stemfast info --bench`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemfast import _core, orientation
from stemfast.arguments import index
from stemfast.microscope import Film, Microscope, Probe
from stemfast.particles import Particle
from stemfast.simulation.contrast import curve_records
from stemfast.simulation.simulate import simulate, thickness


@dataclass(frozen=True)
class StageTimes:
    """Best times of a race between an image and its stages, on one core.

    Attributes
    ----------
    stages_us : dict of str to float
        What each stage adds to an image [us]; "rest" is what they do not account for.
    image_us : float
        All stages together [us].
    all_cores_us : float
        The same with all cores the process may use [us].
    """

    stages_us: dict[str, float]
    image_us: float
    all_cores_us: float


def measure(
    microscope: Microscope, particle: Particle, *, images: int = 64, seconds: float = 3.0
) -> StageTimes:
    """Race an image against its stages.

    Stages that can run alone do; blur and roughness are what an image costs with them less what
    it costs without.

    Parameters
    ----------
    microscope : Microscope
        How the images are taken.
    particle : Particle
        What they show, in random poses.
    images : int
        Images in a batch.
    seconds : float
        How long to race [s].

    Returns
    -------
    StageTimes

    Examples
    --------
    >>> import stemfast as sf
    >>> found = measure(sf.Microscope(), sf.Cuboid((9, 8, 7)), images=2, seconds=0.01)
    >>> list(found.stages_us)
    ['chords', 'film', 'contrast', 'blur', 'Poisson', 'read-out', 'rest']
    """
    n = index("images", images, minimum=1)
    poses = orientation.random(n, seed=1)
    field = microscope.scan.shape
    expected = simulate(
        particle, poses[0], microscope, seed=1, return_truth=True, saturation="ignore"
    ).truth.expected_electrons
    mean = expected.ravel()
    depth = (mean / np.float32(max(microscope.electrons_per_pixel, 1e-30))).clip(0, 1)
    counts = _core.poisson(mean, seed=1, index=0)
    curve = curve_records([microscope.scattering_curve(*particle.volumes)])
    images_out = np.empty((n, *field), microscope.detector.dtype)
    maps = np.empty((n, *field), np.float32)
    detector = microscope.detector
    electronics: dict[str, Any] = {
        "gain": detector.gain,
        "offset": detector.offset,
        "read_noise": detector.read_noise,
        "dtype": detector.dtype,
    }

    def chain(scope: Microscope, n_threads: int = 1) -> Callable[[], object]:
        return lambda: simulate(
            particle,
            poses,
            scope,
            seed=1,
            n_threads=n_threads,
            out=images_out,
            saturation="ignore",
        )

    def of_each(stage: Callable[[int], object]) -> Callable[[], object]:
        return lambda: [stage(i) for i in range(n)]

    def read_out(i: int) -> Any:
        return _core.read_out(counts, **electronics, seed=1, index=i)

    smooth = Film(thickness_nm=microscope.film.thickness_nm, material=microscope.film.material)
    best = _race(
        {
            "image": chain(microscope),
            "all cores": chain(microscope, 0),
            "no film": chain(microscope.replace(film=smooth)),
            "no blur": chain(microscope.replace(probe=Probe(fwhm_nm=0))),
            "chords": lambda: thickness(
                particle, poses, microscope.scan, seed=1, n_threads=1, out=maps
            ),
            "contrast": of_each(lambda i: _core.scattered_fraction(depth, curve)),
            "Poisson": of_each(lambda i: _core.poisson(mean, seed=1, index=i)),
            "read-out": of_each(read_out),
        },
        seconds,
    )
    per_image = {name: value / n * 1e6 for name, value in best.items()}
    image = per_image["image"]
    stages = {
        "chords": per_image["chords"],
        "film": max(image - per_image["no film"], 0.0),
        "contrast": per_image["contrast"],
        "blur": max(image - per_image["no blur"], 0.0),
        "Poisson": per_image["Poisson"],
        "read-out": per_image["read-out"],
    }
    stages["rest"] = image - sum(stages.values())
    return StageTimes(stages, image, per_image["all cores"])


def _race(runners: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Best time of each [s]; they take turns, since a machine's speed drifts."""
    best = dict.fromkeys(runners, float("inf"))
    end = time.perf_counter() + seconds
    for run in runners.values():
        run()  # touches memory
    while time.perf_counter() < end or float("inf") in best.values():
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best

"""Behaviour of a network on images off its training distribution.

Each case takes test scenes of the network's own recipe and changes one thing: the film, the
detector, the dose, the probe, or the particle. Where the classes still mean something, the answers
are compared with the truth; in every case it is counted how many images the network would name,
and how many it finds unlike anything learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset import splits
from stemfast.framing import framed
from stemfast.micrograph.families import holds, names_of
from stemfast.models.predict import softmax
from stemfast.pretrained.novelty import features_and_logits

if TYPE_CHECKING:
    from stemfast.particles import Particle
    from stemfast.pretrained.classifier import TrainedClassifier
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["Behaviour", "cases", "measure", "of_portraits", "table"]

Images = NDArray[Any]

#: Share of its class that an image must have to be named, as in `stemfast classify`.
NAMED = 0.8


@dataclass(frozen=True)
class Behaviour:
    """Answers of a network to the images of one case; shares are of all images.

    Attributes
    ----------
    case : str
        What is different.
    images : int
        How many.
    right : float or None
        Share of right answers; None where no class is right.
    confidence : float
        Mean probability of the answer.
    named : float
        Share whose answer has a probability of at least 0.8.
    unlike : float
        Share that looks unlike anything learnt.
    kept : float
        Share that is named and not unlike.
    right_of_kept : float or None
        Share of right answers among these; None where no class is right or none is kept.
    """

    case: str
    images: int
    right: float | None
    confidence: float
    named: float
    unlike: float
    kept: float
    right_of_kept: float | None


def measure(
    trained: TrainedClassifier, case: str, images: Images, labels: NDArray[np.int64] | None
) -> Behaviour:
    """Let a network read the images of one case.

    A network that knows families of shapes names these, too, where no shape reaches the share.

    Parameters
    ----------
    trained : TrainedClassifier
        With its :attr:`~TrainedClassifier.novelty_model`.
    case : str
        Its name.
    images : ndarray, (N, H, W)
    labels : ndarray, (N,), or None
        The truth, where a class is right.

    Raises
    ------
    ValueError
        If the network does not know what it learnt from looks like.
    """
    if trained.novelty_model is None:
        raise ValueError("the network has no novelty: add it with examples/add_novelty.py")
    if trained.reads_portraits:
        side = trained.model.config.image_shape[0]
        images = np.stack([framed(image, side) for image in images])
    features, logits = features_and_logits(trained.model, images)
    chances = softmax(logits, trained.temperature)
    unlike = trained.novelty_model.novelty(features, images) > 1.0
    said = names_of(trained.class_names, chances, NAMED)
    named = np.array([chance for _, chance in said]) >= NAMED
    kept = named & ~unlike
    right = holding = None
    if labels is not None:
        truth = [trained.class_names[label] for label in labels]
        likeliest = [trained.class_names[k] for k in chances.argmax(axis=1)]
        right = _agree(likeliest, truth, portraits=trained.reads_portraits)
        holding = _agree([name for name, _ in said], truth, portraits=trained.reads_portraits)
    return Behaviour(
        case=case,
        images=len(images),
        right=None if right is None else float(right.mean()),
        confidence=float(chances.max(axis=1).mean()),
        named=float(named.mean()),
        unlike=float(unlike.mean()),
        kept=float(kept.mean()),
        right_of_kept=None if holding is None or not kept.any() else float(holding[kept].mean()),
    )


def _agree(names: list[str], truth: list[str], *, portraits: bool) -> NDArray[np.bool_]:
    """True where a name holds the truth; axes of the recipe's "spheres" differ by up to 1.2."""
    return np.array(
        [
            holds(name, shape) or (portraits and shape == "sphere" and holds(name, "ellipsoid"))
            for name, shape in zip(names, truth, strict=True)
        ]
    )


#: Shapes and scenes that the recipe `shapes` does not hold, and the class of portraits they are of.
OF_PORTRAITS = {
    "shape: octahedron": "octahedron",
    "shape: icosahedron": "icosahedron",
    "shape: decahedron": "decahedron",
    "two cubes, face to face": "cuboid",
    "film without a particle": "other",
    "white noise": "other",
}


def of_portraits(
    class_names: tuple[str, ...], case: str, labels: NDArray[np.int64] | None, images: int
) -> NDArray[np.int64] | None:
    """Labels of a case of the recipe `shapes` in the classes of a network of portraits.

    Parameters
    ----------
    class_names : tuple of str
        Of the network.
    case : str
    labels : (N,) int64 or None
        In the classes of the recipe.
    images : int
        N.
    """
    if labels is not None:
        own = np.array([class_names.index(n) for n in ("tetrahedron", "cuboid", "sphere")])
        return np.asarray(own[labels])
    name = OF_PORTRAITS.get(case)
    return None if name is None else np.full(images, class_names.index(name))


def cases(
    recipe: Recipe, *, seed: int, images: int, n_threads: int = 0
) -> Iterator[tuple[str, Images, NDArray[np.int64] | None]]:
    """Name, images and labels (None where no class is right) of each case.

    Parameters
    ----------
    recipe : Recipe
        What the network learnt from.
    seed : int
        Seed of its training; the scenes are from the test split.
    images : int
        Images of each case.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    """
    first = splits.first_index("test")
    for name, other in _recipes(recipe):
        scenes = other.sample(seed, first, first + images)
        yield name, scenes.simulate(n_threads), scenes.labels
    scenes = recipe.sample(seed, first, first + images)
    for name, make in _solids(recipe.name).items():
        particles = [make(float(size)) for size in scenes.columns["diameter_nm"]]
        yield f"shape: {name}", _with(scenes, particles, n_threads), None
    yield "two cubes, face to face", _touching(scenes, n_threads), None
    far = np.array([1e3 * recipe.field_nm, 0.0, 0.0])
    empty = _with(scenes, [_cube(1.0)] * images, n_threads, far)
    # A network refuses an image of one grey value; of so few counts there are some.
    varied = empty.min(axis=(1, 2)) < empty.max(axis=(1, 2))
    yield "film without a particle", empty[varied], None
    draw = np.random.default_rng(seed)
    white = draw.poisson(100.0, (images, *recipe.image_shape))
    yield "white noise", white.astype(np.uint16), None


def _recipes(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """The recipe, and the recipe with other images or corners."""
    from stemfast import recipes

    own = recipe.imaging

    def imaging(**changes: float) -> Recipe:
        return recipe.replace(imaging={key: (value, value) for key, value in changes.items()})

    yield "as learnt", recipe
    film, rough = own.film_nm[1], own.film_roughness[1]
    yield f"film {3 * film:g} nm (3 × the thickest)", imaging(film_nm=3 * film)
    yield (
        f"film {3 * film:g} nm, twice as rough",
        imaging(film_nm=3 * film, film_roughness=2 * rough),
    )
    low, high = own.signal_e_px
    yield f"dose {low / 3:.3g} e⁻/px (a third of the lowest)", imaging(signal_e_px=low / 3)
    yield f"dose {3 * high:.3g} e⁻/px (3 × the highest)", imaging(signal_e_px=3 * high)
    noise = 3 * max(own.read_noise_e[1], 1.0)
    yield f"read noise {noise:g} e⁻ (3 × the highest)", imaging(read_noise_e=noise)
    yield "excess noise factor 2 (highest 1)", imaging(excess_noise_factor=2.0)
    sharp, blunt = own.probe_fwhm_nm
    yield f"probe {sharp / 2:g} nm (half the sharpest)", imaging(probe_fwhm_nm=sharp / 2)
    yield f"probe {1.5 * blunt:g} nm (1.5 × the widest)", imaging(probe_fwhm_nm=1.5 * blunt)
    yield f"probe {2 * blunt:g} nm (2 × the widest)", imaging(probe_fwhm_nm=2 * blunt)
    yield "row jitter 300 pm", imaging(row_jitter_pm=300.0)
    hard = {"conditions": "hard", "image_px": recipe.image_px, "spin": recipe.spin}
    yield "`hard` conditions", recipes.get(recipe.name, **hard)
    if "displaced_share" in type(recipe.particle_settings).model_fields:
        yield "corners displaced, not cut", recipe.replace(particle={"displaced_share": 1.0})


def _solids(name: str) -> dict[str, Callable[[float], Particle]]:
    """Shapes that a recipe does not hold, by the diameter of the sphere of their volume."""
    import stemfast as sf

    unseen: dict[str, Callable[[float], Particle]] = {
        "octahedron": lambda size: sf.Octahedron(_edge(sf.Octahedron(1.0), size)),
        "icosahedron": lambda size: sf.Icosahedron(_edge(sf.Icosahedron(1.0), size)),
        "decahedron": lambda size: sf.Decahedron(_edge(sf.Decahedron(1.0), size)),
        "hexagonal prism": lambda size: sf.HexagonalPrism(
            _edge(sf.HexagonalPrism(1.0, 1.0), size), _edge(sf.HexagonalPrism(1.0, 1.0), size)
        ),
    }
    if name == "shapes":
        return unseen | {"cube with four displaced corners": _displaced}
    return unseen | {
        "tetrahedron": lambda size: sf.Tetrahedron(_edge(sf.Tetrahedron(1.0), size)),
        "sphere": lambda size: sf.Sphere(size / 2.0),
    }


def _edge(unit: Particle, diameter_nm: float) -> float:
    """Factor that gives a particle the volume of a sphere of this diameter."""
    return float((math.pi / 6.0 * diameter_nm**3 / unit.volume) ** (1.0 / 3.0))


def _cube(diameter_nm: float, **corners: Any) -> Particle:
    import stemfast as sf

    edge = (math.pi / 6.0) ** (1.0 / 3.0) * diameter_nm
    return sf.Cuboid(edges=(edge, edge, edge), **corners)


def _displaced(diameter_nm: float) -> Particle:
    import stemfast as sf

    inwards = sf.Displacement(nm=0.25 * diameter_nm)
    return _cube(diameter_nm, corners=dict.fromkeys((0, 3, 5, 6), inwards))


def _with(
    scenes: Scenes,
    particles: list[Any],
    n_threads: int,
    away_nm: NDArray[np.float64] | float = 0.0,
) -> Images:
    """The images of scenes with other particles (or specimens) in them."""
    from scipy.spatial.transform import Rotation

    import stemfast as sf

    turns = Rotation.from_quat(scenes.orientations[:, 0])
    places = scenes.positions_nm[:, 0] + away_nm
    specimens = [
        particle
        if isinstance(particle, sf.Specimen)
        else sf.Specimen([particle], [place], Rotation.concatenate([turn]))
        for particle, place, turn in zip(particles, places, turns, strict=True)
    ]
    images: Images = sf.simulate(
        specimens,
        microscope=[scenes.imaging.microscope(i) for i in range(len(scenes))],
        seed=scenes.seed,
        first_index=scenes.start,
        saturation="ignore",
        n_threads=n_threads,
    )
    return images


def _touching(scenes: Scenes, n_threads: int) -> Images:
    """Two equal cubes of half the volume, in the scene's pose, that share a face."""
    from scipy.spatial.transform import Rotation

    import stemfast as sf

    pairs = []
    turns = Rotation.from_quat(scenes.orientations[:, 0])
    for size, turn in zip(scenes.columns["diameter_nm"], turns, strict=True):
        half = float(size) / 2.0 ** (1.0 / 3.0)
        edge = (math.pi / 6.0) ** (1.0 / 3.0) * half
        beside = turn.apply([0.5 * edge, 0.0, 0.0])
        pairs.append(sf.Specimen([_cube(half)] * 2, [-beside, beside], turn))
    return _with(scenes, pairs, n_threads)


def table(found: list[Behaviour]) -> str:
    """Markdown, one row per case, shares in per cent."""
    head = ["case", "right", "mean probability", "named", "unlike", "left", "right of these"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for one in found:
        cells = [one.right, one.confidence, one.named, one.unlike, one.kept, one.right_of_kept]
        shown = " | ".join("–" if cell is None else f"{100 * cell:.1f} %" for cell in cells)
        lines.append(f"| {one.case} | {shown} |")
    return "\n".join(lines)

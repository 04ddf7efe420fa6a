"""Trained networks that reconstruct a cuboid from several images, on disk and in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike, NDArray

from stemfast.models import Classifier, ClassifierConfig
from stemfast.models.corner_evidence import mirrors, symmetry
from stemfast.models.predict import check_images, compiled
from stemfast.models.reconstructor import Answer, GroundTruthConfig, GroundTruthNetwork, Views
from stemfast.models.view_reader import ViewReader
from stemfast.pretrained.store import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    architecture,
    as_told,
    card_html,
    filled,
    is_format,
    read_arrays,
    read_config,
    summary,
    write_network,
)
from stemfast.simulation.motion import frame_spins

__all__ = ["GroundTruthAnswer", "TrainedReconstructor", "is_model", "load", "save"]

FORMAT = "stemfast ground-truth network"
FORMAT_VERSION = 2
_KEYS = {"trunk": dict, "sets": dict, "weights_sha256": str, "card": dict}
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class GroundTruthAnswer:
    """Estimate of one particle: corners, edges, volume and severities.

    Attributes
    ----------
    orbit : ndarray, (76,)
        Probability of each class of deformed corners, in the order of
        ``stemfast.symmetry.cuboid_symmetry((3, 2, 1), tolerance_nm=0).classes``. Mirror images
        are classes of their own; images at unknown poses cannot tell them apart.
    number : ndarray, (9,)
        Probability of 0 … 8 deformed corners.
    edges_nm, edges_sd_nm : ndarray, (3,)
        Edges, longest first, and their standard deviations [nm].
    volume_nm3, volume_sd_nm3 : float
        Volume and its standard deviation [nm³].
    severity, severity_sd : ndarray, (8,)
        Of each corner of the most likely class's mask, in the frame of the sorted edges; 0 where
        a corner is whole.
    share : ndarray, (K,)
        Weight of each image in the estimate; adds up to 1.
    """

    orbit: Floats
    number: Floats
    edges_nm: Floats
    edges_sd_nm: Floats
    volume_nm3: float
    volume_sd_nm3: float
    severity: Floats
    severity_sd: Floats
    share: Floats

    def __repr__(self) -> str:
        """Most likely class with its probability, edges and volume with their errors."""
        edges = ", ".join(
            f"{edge:.2f} ± {sd:.2f}"
            for edge, sd in zip(self.edges_nm, self.edges_sd_nm, strict=True)
        )
        return (
            f"GroundTruthAnswer: {self.class_name} ({100 * self.orbit.max():.1f} %)\n"
            f"  edges {edges} nm, volume {self.volume_nm3:.0f} ± {self.volume_sd_nm3:.0f} nm³\n"
            f"  from {len(self.share)} images"
        )

    @property
    def mask(self) -> int:
        """Canonical mask of the most likely class: corner c in the frame of the sorted edges."""
        return int(symmetry().classes[self.orbit.argmax()])

    @property
    def count(self) -> int:
        """Most likely number of deformed corners."""
        return int(self.number.argmax())

    @property
    def class_name(self) -> str:
        """The most likely class in words."""
        return symmetry().class_names[int(self.orbit.argmax())]

    @property
    def orbit_up_to_mirror(self) -> Floats:
        """Probability (46,) of each class when mirror images count as the same."""
        own = symmetry()
        which = own.class_index(own.classes, mirror=True)
        folded = np.bincount(which, weights=self.orbit, minlength=len(own.classes_up_to_mirror))
        return folded.astype(np.float64)

    @property
    def handedness(self) -> float:
        """Probability of the partner that was answered, given that it is it or its mirror image.

        1 for a particle that is its own mirror image.
        """
        answer = int(self.orbit.argmax())
        partner = int(mirrors()[answer])
        if partner == answer:
            return 1.0
        return float(self.orbit[answer] / (self.orbit[answer] + self.orbit[partner]))


@compiled
def _estimate(network: GroundTruthNetwork, views: Views) -> Answer:
    return network(views)


@dataclass(frozen=True, repr=False)
class TrainedReconstructor:
    """Ground-truth network with its model card.

    Attributes
    ----------
    model : GroundTruthNetwork
        The network.
    card : dict
        How it was made: recipe, seed, figures. Only for reading.
    """

    model: GroundTruthNetwork
    card: dict[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return card_html(repr(self))

    def __repr__(self) -> str:
        """Name, task, image size, pixel size and accuracy."""
        height, width = self.image_shape
        spin = "known spins are used" if self.knows_spin else "for particles at rest"
        lines = [f"1 to 16 images of {height} × {width} px of one cuboid; {spin}"]
        figures = self.card.get("test", {})
        chosen = [key for key in figures if key.endswith("known tilts: orbit of 76")]

        def best() -> str:
            name = max(chosen, key=lambda key: int(key.split()[0]))
            entry = figures[name]
            return f"{name}, {100 * entry['share']:.1f} % of {entry['of']:,} test particles"

        lines += as_told(best)
        return summary("TrainedReconstructor", self.card, *lines)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of the images it reads [px]."""
        shape: tuple[int, int] = self.model.encoder.trunk.config.image_shape  # type: ignore[attr-defined]
        return shape

    @property
    def knows_spin(self) -> bool:
        """True if it uses a known spin."""
        return getattr(self.model.encoder, "spin_look", None) is not None

    def predict(
        self,
        images: ArrayLike,
        pixel_size_nm: ArrayLike,
        *,
        turns: Any = None,
        spin: Any = None,
    ) -> GroundTruthAnswer:
        """Estimate of one particle from K images of it.

        Parameters
        ----------
        images : (K, H, W) array_like
            1 … 16 images of the same particle, in any order and unit.
        pixel_size_nm : float or (K,) array_like
            Pixel size of all images, or of each [nm].
        turns : Rotation, optional
            K rotations: how the particle was turned in each image since any one pose that they
            share, in the axes of the image (x right, y down, z along the beam): the tilts of a
            goniometer. Without, poses are unknown.
        spin : (3,) or (K, 3) array_like, optional
            Known rotation of the particle during the frame of all images, or of each: a vector
            along its axis, in the axes of the image, as long as the angle from the first row's
            scan to the last one's [degrees]; a constant angular velocity [rad/s] times the time of
            the frame [s], in degrees. None in the place of an image's vector, or of all: not
            known. A network that learnt from particles at rest alone refuses it.

        Raises
        ------
        ValueError, TypeError
            If there is no image or more than 16, or an argument does not fit them.
        """
        views = self._views(images, pixel_size_nm, turns, spin)
        values: Any = (np.asarray(x[0], np.float64) for x in _estimate(self.model, views))
        answer = Answer(*values)
        # Padding is no image and has no share.
        return as_answer(answer._replace(share=answer.share[np.asarray(views.there[0])]))

    def _views(self, images: Any, pixel_size_nm: Any, turns: Any, spin: Any) -> Views:
        array = check_images(images, self.image_shape)
        count = len(array)
        if not 1 <= count <= 16:
            raise ValueError(f"images holds {count} images, expected 1 to 16 of one particle")
        pixel = np.asarray(pixel_size_nm, np.float64)
        if pixel.shape not in ((), (count,)) or not (np.isfinite(pixel) & (pixel > 0)).all():
            raise ValueError(
                f"pixel_size_nm is {pixel_size_nm}, expected a positive number of nm, or {count}"
            )
        spins, spun = self._spins(spin, count)
        turn, known = np.zeros((count, 3, 3)), turns is not None
        if known:
            turn = np.asarray(turns.as_matrix() if hasattr(turns, "as_matrix") else turns, float)
            if turn.shape != (count, 3, 3) or not np.isfinite(turn).all():
                raise ValueError(
                    f"turns has shape {turn.shape[:-2] or 'of one rotation'}, expected "
                    f"{count} rotations, one for each image"
                )
            # Since their mean, so that it does not matter which image comes first.
            from scipy.spatial.transform import Rotation

            turn = turn @ Rotation.from_matrix(turn).mean().as_matrix().T
        views = _padded(array, np.broadcast_to(pixel, (count,)), turn, known)
        return views._replace(
            spin=views.spin.at[0, :count].set(np.radians(spins)),
            spin_known=views.spin_known.at[0, :count].set(spun),
        )

    def _spins(self, spin: Any, count: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Rotation vectors (K, 3) [degrees], zero where not known, and whether they are."""
        nothing = np.zeros((count, 3)), np.zeros(count, bool)
        if spin is None:
            return nothing
        if not self.knows_spin:
            raise ValueError(
                "spin is given, but this network learnt from particles at rest: leave it out"
            )
        found, known = nothing
        for i, vector in enumerate(frame_spins(spin, count)):
            if vector is not None:
                found[i], known[i] = vector, True
        return found, known


def _padded(array: NDArray[Any], pixel: Floats, turn: Floats, known: bool) -> Views:
    """One set, filled up to 1, 2, 4, 8 or 16 images, so that few shapes are compiled."""
    count = len(array)
    size = 1 << (count - 1).bit_length()

    def filled(entry: Any, dtype: Any) -> jax.Array:
        whole = np.zeros((1, size, *np.shape(entry)[1:]), dtype)
        whole[0, :count] = entry
        return jnp.asarray(whole)

    return Views(
        images=filled(array, np.float32),
        there=filled(np.ones(count), bool),
        pixel_size_nm=filled(pixel, np.float32),
        turn=filled(turn, np.float32),
        turn_known=filled(np.full(count, known), bool),
        spin=filled(np.zeros((count, 3)), np.float32),
        spin_known=filled(np.zeros(count), bool),
    )


def as_answer(answer: Answer) -> GroundTruthAnswer:
    """The answer for one particle in units, from arrays without a batch."""

    def chances(logits: Floats) -> Floats:
        raised = np.exp(logits - logits.max())
        return np.asarray(raised / raised.sum())

    edges, volume = np.exp(answer.log_edges), float(np.exp(answer.log_volume))
    return GroundTruthAnswer(
        orbit=chances(np.asarray(answer.orbit)),
        number=chances(np.asarray(answer.number)),
        edges_nm=np.asarray(edges),
        edges_sd_nm=np.asarray(edges * np.exp(np.clip(answer.log_edges_sd, -6, 3))),
        volume_nm3=volume,
        volume_sd_nm3=volume * float(np.exp(np.clip(answer.log_volume_sd, -6, 3))),
        severity=np.asarray(answer.severity),
        severity_sd=np.exp(np.clip(np.asarray(answer.severity_sd), -6, 3)),
        share=np.asarray(answer.share),
    )


def is_model(directory: str | Path) -> bool:
    """True if a folder holds a ground-truth network."""
    return is_format(Path(directory), FORMAT)


def save(directory: str | Path, trained: TrainedReconstructor) -> None:
    """Write a trained network, each of its two files whole or not at all."""
    network: Any = trained.model
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "trunk": network.encoder.trunk.config.model_dump(mode="json"),
        "sets": network.sets.config.model_dump(mode="json"),
        "spin": trained.knows_spin,
        "card": trained.card,
    }
    write_network(directory, network, config)


def load(directory: str | Path) -> TrainedReconstructor:
    """Read a network that :func:`save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is none in `directory`.
    ValueError
        If the files are damaged or do not belong together.
    """
    folder = Path(directory)
    config = read_config(
        folder, keys=_KEYS, kind="ground-truth network", form=FORMAT, version=FORMAT_VERSION
    )
    arrays = read_arrays(folder, WEIGHTS_FILE, config["weights_sha256"])
    convolutions = architecture(folder, config, "trunk", ClassifierConfig)
    sets = architecture(folder, config, "sets", GroundTruthConfig)
    spin = config.get("spin", False)  # networks of earlier versions do not say
    if not isinstance(spin, bool):
        raise ValueError(f"{folder / CONFIG_FILE} has {spin!r} as 'spin', expected a boolean")

    def make(rngs: nnx.Rngs) -> GroundTruthNetwork:
        reader = ViewReader(Classifier(convolutions, rngs=rngs), spin=spin, rngs=rngs)
        return GroundTruthNetwork(reader, sets, rngs=rngs)

    return TrainedReconstructor(filled(make, arrays, folder), config["card"])

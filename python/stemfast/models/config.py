"""Architecture of a classifier as validated settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stemfast.symmetry.corner_questions import CornerQuestion, classes

__all__ = ["READER_PX", "ClassifierConfig", "Variant"]

#: Side of the images that corners are looked for in [px]; smaller ones get a margin.
READER_PX = 128
SMALLEST_SIDE = 16  # px; below it the last stage would see a single pixel
SYMMETRIES = 8

#: What the network is built from: plain convolutions, convolutions that share their weights over
#: the eight in-plane symmetries, and either of them behind second derivatives of the image.
Variant = Literal["plain", "hessian", "p4m", "hessian-p4m"]


class ClassifierConfig(BaseModel):
    """Architecture of a :class:`Classifier`.

    Attributes
    ----------
    n_classes : int
        Number of classes, at least 2.
    image_shape : tuple of int
        (H, W) of the input [px], each at least 16; any other size is refused by the network.
    variant : str
        ``"plain"``; ``"hessian"``: the stem sees second derivatives at several scales;
        ``"p4m"``: the answer does not depend on the eight in-plane symmetries, square images
        only; ``"hessian-p4m"``: both.
    widths : tuple of int
        Channels of each residual stage, multiples of 4 (of 8 for p4m, where an eighth of them have
        weights of their own); every stage after the first halves the image.
    blocks : int
        Residual blocks in each stage, at most 64.
    stem_stride : int
        2, 4 or 8: how much smaller than the image the first stage is.
    scales_px : tuple of float
        First widths σ of the Gaussians of the Hessian stem [px], 0.5 to 8; they are learnt.
    binning : int
        1, 2 or 4: so many pixels along each axis are averaged first. An image of 256 px binned by 2
        costs no more than one of 128 px, with the noise of four times the dose.
    corner_maps : tuple of int
        Stages (0 is the first) that also say where they see whole and deformed corners, a help
        in training: :meth:`Classifier.read`.
    poses : int
        1, 2, 4 or 8: orientations of the image that the network reads once it is trained, of the
        eight that quarter turns and mirrors give; the mean of their logits is the answer. 8 is for
        square images.
    question : str, optional
        Question about the deformed corners of a cuboid: ``"deformed"``, ``"count"``,
        ``"pairs-cube"``, ``"pairs-cuboid"`` or ``"corners"``. Then the network finds the eight
        corners, looks at each, and answers by what it sees there
        (:class:`stemfast.models.CornerClassifier`).

    Examples
    --------
    >>> ClassifierConfig(n_classes=3, image_shape=(48, 48)).widths
    (16, 32, 64)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_classes: int = Field(ge=2)
    image_shape: tuple[int, int]
    variant: Variant = "plain"
    widths: tuple[int, ...] = Field(default=(16, 32, 64), min_length=1, max_length=16)
    blocks: int = Field(default=1, ge=1, le=64)
    stem_stride: Literal[2, 4, 8] = 2
    scales_px: tuple[float, ...] = Field(default=(1.0, 1.8, 3.0), min_length=1)
    corner_maps: tuple[int, ...] = ()
    binning: Literal[1, 2, 4] = 1
    poses: Literal[1, 2, 4, 8] = 1
    question: CornerQuestion | None = None

    def trunk(self) -> ClassifierConfig:
        """The convolutions of a network that finds corners."""
        shape = (READER_PX, READER_PX)
        changes = {"question": None, "image_shape": shape, "binning": 1, "n_classes": 9, "poses": 1}
        return self.model_copy(update=changes)

    @property
    def hessian(self) -> bool:
        """True if the stem sees second derivatives."""
        return self.variant.startswith("hessian")

    @property
    def symmetric(self) -> bool:
        """True if weights are shared over the eight in-plane symmetries."""
        return self.variant.endswith("p4m")

    @property
    def total_stride(self) -> int:
        """Factor by which the last stage is smaller than the binned image."""
        return self.stem_stride << (len(self.widths) - 1)

    @field_validator("image_shape")
    @classmethod
    def _large_enough(cls, shape: tuple[int, int]) -> tuple[int, int]:
        if min(shape) < SMALLEST_SIDE:
            raise ValueError(f"image_shape is {shape}, expected at least 16 px on each side")
        return shape

    @field_validator("scales_px")
    @classmethod
    def _scales_in_range(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.5 <= scale <= 8.0 for scale in scales):
            raise ValueError(f"scales_px is {scales}, expected numbers of 0.5 … 8 px")
        return scales

    @model_validator(mode="after")
    def _fits_together(self) -> ClassifierConfig:
        unit = SYMMETRIES if self.symmetric else 4
        if any(width < unit or width % unit for width in self.widths):
            raise ValueError(f"widths is {self.widths}, expected positive multiples of {unit}")
        if self.symmetric and self.image_shape[0] != self.image_shape[1]:
            raise ValueError(
                f"image_shape is {self.image_shape}: {self.variant} turns images by quarters and "
                "needs square ones"
            )
        if self.poses == SYMMETRIES and self.image_shape[0] != self.image_shape[1]:
            raise ValueError(
                f"poses is {self.poses} for images of {self.image_shape} px, expected 1, 2 or 4 "
                "where images are not square"
            )
        if self.symmetric and self.poses > 1:
            raise ValueError(
                f"poses is {self.poses} for a {self.variant} network, expected 1: its answer is "
                "the same for all of them"
            )
        if any(
            side % self.binning or side // self.binning < SMALLEST_SIDE for side in self.image_shape
        ):
            raise ValueError(
                f"binning is {self.binning} for images of {self.image_shape} px, expected one that "
                f"divides their sides and leaves {SMALLEST_SIDE} px of each"
            )
        if any(not 0 <= stage < len(self.widths) for stage in self.corner_maps):
            raise ValueError(
                f"corner_maps is {self.corner_maps}, expected stages of 0 … {len(self.widths) - 1}"
            )
        if self.question is not None:
            self._can_find_corners(self.question)
        return self

    def _can_find_corners(self, question: CornerQuestion) -> None:
        if self.symmetric or not self.corner_maps:
            raise ValueError(
                f"question is {question!r} for a {self.variant} network with corner_maps "
                f"{self.corner_maps}, expected one that is not p4m, with corner maps"
            )
        if max(self.image_shape) > READER_PX * self.binning:
            raise ValueError(
                f"question is {question!r} for images of {self.image_shape} px and binning "
                f"{self.binning}, expected at most {READER_PX} px after binning"
            )
        known = int(classes(question).max()) + 1
        if self.n_classes != known:
            raise ValueError(f"n_classes is {self.n_classes}, expected {known} for {question!r}")

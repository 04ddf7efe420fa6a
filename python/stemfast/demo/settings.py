"""Size of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from stemfast.microscope import Settings

__all__ = ["DemoSettings"]

Count = Annotated[int, Field(ge=1)]


class DemoSettings(Settings):
    """Sizes of :func:`stemfast.demo.run`.

    Parameters
    ----------
    train_per_class, validation_per_class, test_per_class : int
        Images of each class: to learn from (as many as the student project had), to calibrate the
        probabilities with, and to judge by.
    shapes_epochs, deformed_epochs : int
        Passes over the training images. Corners take longer to learn than shapes.
    batch_size : int
        Images in one training step.
    batch_fields : int
        Simulated fields of the batch that is reported.
    micrograph : Path
        A real micrograph, used if it is there.
    catalysts : Path
        A folder of real micrographs, reported too if it is there.
    """

    train_per_class: Count = 1000
    validation_per_class: Count = 200
    test_per_class: Count = 500
    shapes_epochs: Count = 15
    deformed_epochs: Count = 80
    batch_size: Count = 64
    batch_fields: Count = 4
    micrograph: Path = Path("../shared/data/jeol_haadf_nanoparticles.dm4")
    catalysts: Path = Path("../shared/data/real/catalysts")

    def splits(self, n_classes: int) -> dict[str, tuple[int, int]]:
        """Disjoint ranges of scene indices that hold these numbers of each class.

        Examples
        --------
        >>> DemoSettings().splits(3)["test"]
        (3600, 5100)
        """
        train = n_classes * self.train_per_class
        validation = train + n_classes * self.validation_per_class
        test = validation + n_classes * self.test_per_class
        return {"train": (0, train), "validation": (train, validation), "test": (validation, test)}

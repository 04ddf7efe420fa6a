"""Shapes of found particles, fifteen kinds of them and none, in micrographs of any pixel size.

Command:   stemfast train open-shapes
"""

from stemfast.training.experiment import ModelSettings
from stemfast.training.portraits.experiment import PortraitExperiment

EXPERIMENT = PortraitExperiment(
    name="open-shapes",
    model=ModelSettings(widths=(32, 64, 128), blocks=2),
    images=800_000,
    validation_images=6000,
)

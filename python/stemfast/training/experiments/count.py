"""How many of the eight corners of a cuboid are deformed, 0 … 8.

Command:  stemfast train count --minutes 60
Machine:  two CPU cores
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="count",
    recipe="count",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=1.0,
    images=700_000,
)

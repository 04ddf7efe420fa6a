"""Whether a cuboid has any deformed corner at all.

Command:  stemfast train deformed --minutes 60
Machine:  two CPU cores
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="deformed",
    recipe="deformed",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=1.0,
    start_from="count",
    learning_rate=1e-3,
    images=120_000,
)

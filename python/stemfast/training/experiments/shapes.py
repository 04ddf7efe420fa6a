"""Tetrahedron, cuboid or sphere.

Command:  stemfast train shapes --minutes 15
Machine:  two CPU cores
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="shapes",
    recipe="shapes",
    model=ModelSettings(widths=(32, 64, 96), blocks=1),
    images=150_000,
)

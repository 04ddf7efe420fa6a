"""Features of a particle that a person would name: corners, edges, sizes, volume.

The steps are one file each: `isolate` (particle and film), `outline` (polygon or ellipse), `edges`
(where its sides truly are), `creases`, `wireframe` and `corners` (the projected 3-D edges and
corners), `volume`, `measure`; `describe` goes through them,
`features` from an image to a table.

Examples
--------
>>> import stemfast as sf
>>> from scipy.spatial.transform import Rotation
>>> from stemfast import describing
>>> pose = Rotation.from_euler("xy", [35, 30], degrees=True)
>>> image = sf.simulate(sf.Cuboid(edges=(18, 18, 18)), pose, seed=1)
>>> describing.describe(image, pixel_size_nm=0.35).n_vertices
6
"""

from __future__ import annotations

from stemfast.describing.describe import describe, describe_found, describe_many
from stemfast.describing.description import Description, column_names
from stemfast.describing.features import Features, features
from stemfast.describing.picture import draw_features
from stemfast.describing.table import write_table
from stemfast.micrograph.calibrated_thickness import Calibration
from stemfast.micrograph.files.feature_error import FeatureError

__all__ = [
    "Calibration",
    "Description",
    "FeatureError",
    "Features",
    "column_names",
    "describe",
    "describe_found",
    "describe_many",
    "draw_features",
    "features",
    "write_table",
]

"""Teach trained networks to say when an image is unlike all that they learnt from.

    python examples/add_novelty.py FOLDER ...

Networks of `stemfast train` know it from the start; those of earlier versions do not. Their
validation images are simulated again, which takes some ten seconds; weights, calibration and card
stay as they are.
"""

import sys

from stemfast.training.learnt_range import add_to

if len(sys.argv) < 2:
    sys.exit(__doc__)
for folder in sys.argv[1:]:
    known = add_to(folder)
    size = sum(array.nbytes for array in known.arrays().values())
    print(f"{folder}: {size} bytes more")

"""The quick median is NumPy's."""

import numpy as np
import pytest

from stemfast.image.median import median


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 17, 400, 1001])
def test_median_is_that_of_numpy_to_the_last_bit(n, dtype):
    rng = np.random.default_rng(n)
    for _ in range(20):
        values = (rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)).astype(dtype)
        assert median(values) == float(np.median(values))

"""Layers of networks in the core, against the same sums written out in NumPy and against Flax."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import _core


def fitted(values, fit):
    """An input in the rows and columns of the output."""
    if fit == "doubled":
        return values.repeat(2, axis=0).repeat(2, axis=2)
    if fit == "halved":
        rows, channels, columns = values.shape
        cells = values.reshape(rows // 2, 2, channels, columns // 2, 2)
        return cells.max(axis=(1, 4))
    return values


def convolved(terms, bias, rectified):
    """The layer as its definition says, tap by tap in float64."""
    total = np.asarray(bias, np.float64)[None, :, None]
    for inputs, kernel in terms:
        x = np.concatenate([fitted(values, fit) for values, fit in inputs], axis=1)
        rows, _, columns = x.shape
        reach = kernel.shape[0] // 2
        x = np.pad(x.astype(np.float64), ((reach, reach), (0, 0), (reach, reach)))
        for i in range(kernel.shape[0]):
            for j in range(kernel.shape[1]):
                part = x[i : i + rows, :, j : j + columns]
                total = total + np.einsum("rcx,cf->rfx", part, kernel[i, j].astype(np.float64))
    return np.maximum(total, 0.0) if rectified else total


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer(terms, bias, shape, **settings):
    out = np.full(shape, np.nan, np.float32)
    _core.convolve(terms, bias, out, **settings)
    return out


@pytest.mark.parametrize("columns", [2, 6, 34, 70])
@pytest.mark.parametrize("rectified", [True, False])
def test_a_layer_is_the_sum_of_its_taps(columns, rectified):
    rows = 18
    fine, coarse = numbers(1, 2 * rows, 3, 2 * columns), numbers(2, rows // 2, 5, columns // 2)
    own = numbers(3, rows, 4, columns)
    terms = [
        ([(own, "same"), (coarse, "doubled")], numbers(4, 3, 3, 9, 11)),
        ([(fine, "halved")], numbers(5, 1, 1, 3, 11)),
        ([(own, "same")], numbers(6, 5, 5, 4, 11)),
    ]
    bias = numbers(7, 11)
    slow = convolved(terms, bias, rectified)
    for n_threads in (1, 3):
        found = layer(terms, bias, slow.shape, rectified=rectified, n_threads=n_threads)
        np.testing.assert_allclose(found, slow, rtol=1e-5, atol=2e-5)
    assert (slow == 0.0).any() == rectified


def test_threads_change_no_bit():
    terms, bias = [([(numbers(1, 50, 7, 41), "same")], numbers(2, 3, 3, 7, 5))], numbers(3, 5)
    one = layer(terms, bias, (50, 5, 41), rectified=False)
    assert np.array_equal(one, layer(terms, bias, (50, 5, 41), rectified=False, n_threads=4))


def test_wrong_layers_are_refused():
    x, kernel, bias = numbers(1, 6, 2, 8), numbers(2, 3, 3, 2, 4), numbers(3, 4)
    out = np.empty((6, 4, 8), np.float32)

    def run(terms, bias=bias, out=out):
        _core.convolve(terms, bias, out, rectified=False)

    run([([(x, "same")], kernel)])
    with pytest.raises(ValueError, match="expected a term"):
        run([])
    with pytest.raises(ValueError, match="fit must be 'same'"):
        run([([(x, "tripled")], kernel)])
    with pytest.raises(ValueError, match="even rows and columns"):
        run([([(numbers(1, 5, 2, 8), "halved")], kernel)])
    with pytest.raises(ValueError, match="inputs of different size"):
        run([([(x, "same"), (x, "doubled")], kernel)])
    with pytest.raises(ValueError, match="kernel has shape"):
        run([([(x, "same")], numbers(2, 3, 3, 3, 4))])
    with pytest.raises(ValueError, match="square of odd side"):
        run([([(x, "same")], numbers(2, 2, 2, 2, 4))])
    with pytest.raises(ValueError, match="out has shape"):
        run([([(x, "same")], kernel)], out=np.empty((6, 4, 9), np.float32))


def test_the_network_is_that_which_flax_evaluates():
    nnx = pytest.importorskip("flax.nnx")
    import jax

    from stemfast.finding.network.reading import reader_of
    from stemfast.models.finder import Finder, FinderConfig

    finder = Finder(FinderConfig(widths=(6, 9, 12), head=7), rngs=nnx.Rngs(5))
    reader = reader_of(finder)
    for seed, shape in ((1, (48, 64)), (2, (16, 8)), (3, (48, 64))):
        tile = numbers(seed, *shape, 2)
        right, found = finder(tile[None]), reader(tile)
        for name in ("middle", "foreground", "boundary"):
            share = np.asarray(jax.nn.sigmoid(getattr(right, name)[0]))
            np.testing.assert_allclose(getattr(found, name), share, atol=2e-6)
        row, column = np.nonzero(found.middle > 0.4)
        assert len(row) > 10
        distance = np.asarray(right.distance)[0][row, column]
        np.testing.assert_allclose(found.distance[row, column], distance, rtol=2e-6, atol=2e-5)


def test_weights_are_read_without_jax_as_with_it():
    pytest.importorskip("flax.nnx")
    from stemfast.pretrained.finder import finder_weights
    from stemfast.pretrained.shipped import folder, load_pretrained
    from stemfast.pretrained.store import flat

    config, weights = finder_weights(folder("finder"))
    model = load_pretrained("finder").model
    assert config == model.config
    right = flat(model)
    assert set(weights) == set(right)
    assert all(np.array_equal(weights[name], right[name]) for name in right)

"""Baselines of the networks: boosted trees on features, and two layers on pixels.

Both answer the same question on the same images as any network: trained on scenes 0 … of the seed,
chosen on scenes from 2**40, judged on scenes from 2**41.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import index, seed_value
from stemfast.dataset.splits import first_index
from stemfast.dataset.streaming.in_order import in_order, worker_processes
from stemfast.evaluation.metrics import Evaluation, evaluate

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["NAMES", "boosted_features", "both", "feature_table", "two_layers"]

Floats = NDArray[np.float64]

#: What the two are called in records.
NAMES = ("boosted features", "two layers")

_CHUNK = 500
#: Columns that are a length or an area [nm, nm²]: trees cannot divide, so they also get shares.
_LENGTHS = ("_nm",)
_ABSOLUTE = ("equivalent_diameter_nm", "centroid_x_nm", "centroid_y_nm")
_SIDE_PX = 32


def both(
    recipe: Recipe,
    n_train: int,
    n_test: int,
    seed: int = 0,
    *,
    say: Callable[[str, Evaluation, float], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of both baselines, by name, for JSON.

    Parameters
    ----------
    recipe : Recipe
        Where images and labels come from.
    n_train, n_test : int
        Numbers of images, at least two for each class.
    seed : int
        Of the scenes.
    say : callable, optional
        Called as ``say(name, evaluation, seconds)`` after each.

    Returns
    -------
    dict of str to dict
        For each of :data:`NAMES` what ``Evaluation.to_dict`` says, ``within_one`` (None unless
        classes are numbers) and ``seconds``, simulation and judging counted [s].

    Raises
    ------
    TypeError, ValueError
        If an argument is none or out of range; before any work.
    """
    from stemfast.evaluation.judge import ORDINAL

    _check(recipe, n_train, n_test, seed)
    found: dict[str, dict[str, Any]] = {}
    methods: tuple[Callable[..., Evaluation], ...] = (boosted_features, two_layers)
    for name, learn in zip(NAMES, methods, strict=True):
        began = time.perf_counter()
        judged = learn(recipe, n_train, n_test, seed)
        seconds = time.perf_counter() - began
        away = np.abs(np.subtract.outer(*[np.arange(len(judged.confusion))] * 2))
        near = float(judged.confusion[away <= 1].sum() / judged.n_images)
        found[name] = {
            **judged.to_dict(),
            "within_one": near if recipe.name in ORDINAL else None,
            "seconds": seconds,
        }
        if say is not None:
            say(name, judged, seconds)
    return found


def boosted_features(
    recipe: Recipe,
    n_train: int,
    n_test: int,
    seed: int,
    *,
    n_workers: int = 1,
    max_iter: int = 300,
) -> Evaluation:
    """Gradient-boosted trees on what `stemfast.describing.describe` says of each image.

    The features know the pixel size and nothing else of how the image was taken, like a network. An
    image that cannot be described has no features, which the trees can make use of.

    Parameters
    ----------
    recipe : Recipe
        Where images and labels come from. Of several views each is described.
    n_train, n_test : int
        Numbers of images, at least two for each class.
    seed : int
        Of the scenes.
    n_workers : int
        Processes that describe images; each starts Python anew, so one is best for a few hundred.
    max_iter : int
        Most rounds of boosting; fewer where a tenth of the training images says so.

    Returns
    -------
    Evaluation
        On the test images.

    Raises
    ------
    TypeError, ValueError
        If an argument is none or out of range.

    Examples
    --------
    >>> from stemfast import recipes
    >>> judged = boosted_features(recipes.get("shapes"), 60, 30, seed=1, max_iter=20)
    >>> judged.n_images, judged.accuracy > 0.6
    (30, True)
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    _check(recipe, n_train, n_test, seed)
    train, labels = feature_table(recipe, seed, "train", n_train, n_workers=n_workers)
    test, truth = feature_table(recipe, seed, "test", n_test, n_workers=n_workers)
    # A column that never varies, such as a ninth side, says nothing, and trees refuse empty ones.
    low, high = (
        reduce(train, axis=0, initial=start, where=~np.isnan(train))
        for reduce, start in ((np.min, np.inf), (np.max, -np.inf))
    )
    varies = high > low
    trees = HistGradientBoostingClassifier(
        max_iter=index("max_iter", max_iter, minimum=1),
        learning_rate=0.08,
        l2_regularization=1.0,
        early_stopping=n_train >= 2000,
        random_state=0,
    )
    trees.fit(train[:, varies], labels)
    return evaluate(trees.predict_proba(test[:, varies]), truth, recipe.class_names)


def feature_table(
    recipe: Recipe, seed: int, split: str, n: int, *, n_workers: int = 1
) -> tuple[Floats, NDArray[np.int64]]:
    """Describe the first n images of a split.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    split : {"train", "validation", "test"}
    n : int
    n_workers : int
        Processes.

    Returns
    -------
    features : ndarray, shape (n, columns)
        NaN where there is no value.
    labels : ndarray of int64, shape (n,)
    """
    first = first_index(split)
    jobs = [(recipe, seed, a, min(a + _CHUNK, first + n)) for a in range(first, first + n, _CHUNK)]
    if index("n_workers", n_workers, minimum=1, maximum=1024) == 1:
        parts = [_describe_scenes(job) for job in jobs]
    else:
        with worker_processes(n_workers) as pool:
            parts = list(in_order(pool, _describe_scenes, iter(jobs), 4 * n_workers))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _describe_scenes(job: tuple[Recipe, int, int, int]) -> tuple[Floats, NDArray[np.int64]]:
    from stemfast.describing import describe_many

    recipe, seed, start, stop = job
    scenes = recipe.sample(seed, start, stop)
    images = scenes.simulate(n_threads=1)
    views = images.reshape(len(images), -1, *images.shape[-2:])
    columns = [
        _columns(describe_many(views[:, k], recipe.pixel_size_nm)) for k in range(views.shape[1])
    ]
    return np.hstack(columns), scenes.labels


def _columns(table: dict[str, NDArray[Any]]) -> Floats:
    """The table's numbers, and its lengths as shares of the diameter."""
    diameter = table["equivalent_diameter_nm"]
    columns = []
    for name, values in table.items():
        if name in ("flags", "volume_nm3"):
            continue
        columns.append(values.astype(np.float64))
        if name.endswith(_LENGTHS) and name not in _ABSOLUTE:
            columns.append(values / diameter)
    return np.column_stack(columns)


def two_layers(
    recipe: Recipe,
    n_train: int,
    n_test: int,
    seed: int,
    *,
    hidden: int = 256,
    epochs: int = 30,
) -> Evaluation:
    """The plain network: pixels, one hidden layer, classes.

    Images are averaged down to 32 px a side and standardised each on its own; with several views
    their pixels stand side by side. The epoch that does best on validation images, a tenth as many
    as for training, is the one that is judged.

    Parameters
    ----------
    recipe : Recipe
    n_train, n_test : int
        Numbers of images, at least two for each class.
    seed : int
        Of the scenes.
    hidden : int
        Units of the hidden layer.
    epochs : int
        Passes through the training images.

    Returns
    -------
    Evaluation
        On the test images.

    Raises
    ------
    TypeError, ValueError
        If an argument is none or out of range.

    Examples
    --------
    >>> from stemfast import recipes
    >>> two_layers(recipes.get("shapes"), 60, 30, seed=1, hidden=16, epochs=3).n_images
    30
    """
    from sklearn.neural_network import MLPClassifier

    _check(recipe, n_train, n_test, seed)
    images, labels = _pixels(recipe, seed, "train", n_train)
    n_validation = max(n_train // 10, 2 * len(recipe.class_names))
    held, held_labels = _pixels(recipe, seed, "validation", n_validation)
    network = MLPClassifier(
        (index("hidden", hidden, minimum=1),), batch_size=min(128, n_train), random_state=0
    )
    classes = np.arange(len(recipe.class_names))
    best, best_score = network, -1.0
    for _ in range(index("epochs", epochs, minimum=1)):
        network.partial_fit(images, labels, classes=classes)
        score = float(network.score(held, held_labels))
        if score > best_score:
            best, best_score = copy.deepcopy(network), score
    test, truth = _pixels(recipe, seed, "test", n_test)
    return evaluate(best.predict_proba(test), truth, recipe.class_names)


def _pixels(
    recipe: Recipe, seed: int, split: str, n: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    parts, labels = [], []
    for scenes in _chunks(recipe, seed, split, n):
        images = scenes.simulate()
        parts.append(_small(images.reshape(len(images), -1, *images.shape[-2:])))
        labels.append(scenes.labels)
    return np.concatenate(parts), np.concatenate(labels)


def _chunks(recipe: Recipe, seed: int, split: str, n: int) -> Iterator[Any]:
    first = first_index(split)
    for start in range(first, first + n, _CHUNK):
        yield recipe.sample(seed, start, min(start + _CHUNK, first + n))


def _small(views: NDArray[Any]) -> NDArray[np.float32]:
    """Mean over blocks to about 32 px a side, each image standardised, as (n, pixels)."""
    n, k, rows, cols = views.shape
    block = max(1, min(rows, cols) // _SIDE_PX)
    kept = views[:, :, : rows // block * block, : cols // block * block].astype(np.float32)
    small = kept.reshape(n, k, rows // block, block, cols // block, block).mean(axis=(3, 5))
    small -= small.mean(axis=(2, 3), keepdims=True)
    small /= np.maximum(small.std(axis=(2, 3), keepdims=True), 1e-6)
    pixels: NDArray[np.float32] = small.reshape(n, -1)
    return pixels


def _check(recipe: Recipe, n_train: int, n_test: int, seed: int) -> None:
    least = 2 * len(recipe.class_names)
    index("n_train", n_train, minimum=least)
    index("n_test", n_test, minimum=least)
    seed_value(seed)

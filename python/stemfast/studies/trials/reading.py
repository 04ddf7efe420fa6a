"""Test images read one by one, here or on a cluster, but for those that a record holds already."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from stemfast.fit.tasks import check_recipe
from stemfast.studies.record import Entry, Record

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["read_each", "read_test_images"]

E = TypeVar("E", bound=Entry)


def read_test_images(
    read: Callable[[Recipe, Scenes], E],
    recipe: Recipe,
    n: int,
    *,
    seed: int,
    record: Record[E] | None,
    report: Callable[[E, int], None] | None,
    dask: str | None = None,
    complete: Callable[[Scenes, E], E] = lambda _, entry: entry,
    **settings: Any,
) -> tuple[E, ...]:
    """Read test images of a recipe, but for those that a record holds already.

    Parameters
    ----------
    read : callable
        Called as ``read(recipe, scenes)`` with one scene of the recipe.
    recipe : Recipe
        One of `stemfast.fit.tasks.TASKS`.
    n : int
        Images, from the first of the test split on.
    seed : int
        Of the scenes.
    record : Record or None
        Where to write each image down.
    report : callable or None
        Called as ``report(entry, done)`` for each image.
    dask : str, optional
        Address of a Dask cluster that `read` is called on, as for
        :func:`stemfast.dataset.cluster.write_with_dask`. The images are the same, in the record
        they stand as they are done.
    complete : callable
        Called here as ``complete(scenes, entry)`` before an entry is written down.
    **settings
        What else the run is of, fit for JSON.

    Raises
    ------
    ValueError
        If there is no model for the recipe, or the record is of another run.
    ChildProcessError
        If several workers died of an image.
    """
    from stemfast.arguments import index as whole_number
    from stemfast.arguments import seed_value
    from stemfast.dataset.splits import first_index

    check_recipe(recipe)
    seed, count = seed_value(seed), whole_number("n", n, minimum=1)
    settings |= {"task": recipe.name, "seed": seed, "recipe": recipe.model_dump(mode="json")}
    done = {} if record is None else record.resume(settings)
    first = first_index("test")
    indices = range(first, first + count)
    return read_each(
        _read_one,
        list(indices),
        lambda i: (read, recipe, seed, i),
        done=done,
        record=record,
        report=report,
        dask=dask,
        complete=lambda i, entry: complete(recipe.sample(seed, i, i + 1), entry),
    )


def read_each(
    make: Callable[..., E],
    keys: Sequence[int],
    arguments: Callable[[int], tuple[Any, ...]],
    *,
    done: dict[int, E],
    record: Record[E] | None,
    report: Callable[[E, int], None] | None,
    dask: str | None = None,
    complete: Callable[[int, E], E] = lambda _, entry: entry,
) -> tuple[E, ...]:
    """Make the entries that a record does not hold, here or on a cluster.

    Parameters
    ----------
    make : callable
        Makes an entry.
    keys : sequence of int
        Of the entries that are wanted.
    arguments : callable
        Gives the arguments of `make` for a key. Called here, shortly before they are needed.
    done : dict
        Entries that are there already, by key; the new ones join them.
    record, report, dask
        As for `read_test_images`.
    complete : callable
        Called here as ``complete(key, entry)`` before an entry is written down.

    Returns
    -------
    tuple
        In the order of the keys.
    """
    left = [key for key in keys if key not in done]
    told = 0

    def tell(entry: E) -> None:
        nonlocal told
        told += 1
        if report is not None:
            report(entry, told)

    for key in keys:
        if key in done:
            tell(done[key])
    with closing(_made(make, ((key, arguments(key)) for key in left), dask)) as entries:
        for key, entry in entries:
            done[key] = complete(key, entry)
            if record is not None:
                record.append(done[key])
            tell(done[key])
    return tuple(done[key] for key in keys)


def _made(
    make: Callable[..., E], tasks: Iterable[tuple[int, tuple[Any, ...]]], dask: str | None
) -> Generator[tuple[int, E]]:
    """Entries with their keys, each when it is made."""
    if dask is None:
        for key, arguments in tasks:
            yield key, make(*arguments)
        return
    from stemfast.dataset.cluster import computed

    with closing(computed(dask, make, tasks)) as results:
        for key, result in results:
            yield key, result()


def _read_one(read: Callable[[Recipe, Scenes], E], recipe: Recipe, seed: int, i: int) -> E:
    return read(recipe, recipe.sample(seed, i, i + 1))

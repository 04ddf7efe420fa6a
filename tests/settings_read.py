"""Settings of an experiment that a run reads: none may be without effect in silence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import BaseModel

#: A value for each setting of an experiment that a tiny run need not have.
OTHER = {"symmetries": True, "test_images": 77}
CHECKS = ("_fits_together", "_without_effect", "<genexpr>")


@contextmanager
def reads_of(kind: type[BaseModel]) -> Iterator[set[str]]:
    """Names of the settings of `kind` that are read inside."""
    read: set[str] = set()

    def recorded(self: BaseModel, name: str) -> object:
        if name in kind.model_fields and sys._getframe(1).f_code.co_name not in CHECKS:
            read.add(name)
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__getattribute__", recorded, raising=False)
        yield read


def assert_read_or_refused(experiment: BaseModel, read: set[str]) -> None:
    """A setting that a run of `experiment` does not read is refused by name."""
    kind = type(experiment)
    for name in set(kind.model_fields) - read:
        assert name in OTHER, f"{name} is not read"
        with pytest.raises(ValueError, match=f"{name} is .* and has no effect"):
            kind.model_validate({**experiment.model_dump(), name: OTHER[name]})

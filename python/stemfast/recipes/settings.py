"""Types of recipes' settings: ranges, and errors that name the key and its neighbours."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = [
    "Group",
    "LogRange",
    "NotNegative",
    "PixelType",
    "Positive",
    "Range",
    "Share",
    "Whole",
    "explained",
    "known_keys",
    "nearest",
    "ordered",
    "unknown_key",
]


def ordered(limits: tuple[float, float]) -> tuple[float, float]:
    """Check that a range is not upside down."""
    if limits[0] > limits[1]:
        raise ValueError("expected (lowest, highest) with lowest <= highest")
    return limits


_Number = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Positive = Annotated[_Number, Field(gt=0)]
NotNegative = Annotated[_Number, Field(ge=0)]
#: A part of a whole.
Share = Annotated[_Number, Field(ge=0, le=1)]
#: (lowest, highest), both above 0, drawn evenly in the logarithm.
LogRange = Annotated[tuple[Positive, Positive], AfterValidator(ordered)]
#: (lowest, highest), 0 or more, drawn evenly.
Range = Annotated[tuple[NotNegative, NotNegative], AfterValidator(ordered)]

_TYPES = ("uint8", "uint16", "float32")


def _pixel_type(value: object) -> np.dtype[Any]:
    try:
        found = np.dtype(value)  # type: ignore[call-overload]
    except TypeError:
        found = None
    if value is None or found is None or found.name not in _TYPES:
        raise ValueError(f"expected one of {', '.join(_TYPES)}")
    kind: np.dtype[Any] = np.dtype(found.name)
    return kind


#: uint8, uint16 or float32.
PixelType = Annotated[
    np.dtype[Any],
    PlainValidator(_pixel_type),
    PlainSerializer(lambda value: value.name, return_type=str),
]


class Group(BaseModel):
    """Settings that belong together: frozen, and none unknown."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


_EXPECTED: dict[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_type": "a whole number",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "literal_error": "{expected}",
    "model_type": "a group of settings",
    "string_type": "a name",
    "too_short": "at least {min_length}",
    "tuple_type": "a list of values",
}
_OF_TWO = "two numbers, (lowest, highest)"


def explained(name: str, model: type[BaseModel], error: ValidationError) -> str:
    """Say what is wrong with a recipe's settings: which key, what came, what was expected."""
    return "; ".join(_explain(name, model, problem) for problem in error.errors())


def _explain(name: str, model: type[BaseModel], problem: ErrorDetails) -> str:
    place, kind, context = problem["loc"], problem["type"], problem.get("ctx", {})
    key = ".".join(str(step) for step in place if not isinstance(step, int))
    if kind == "extra_forbidden":
        return unknown_key(name, model, key)
    index = "".join(f"[{step}]" for step in place if isinstance(step, int))
    if (kind == "missing" and index) or kind == "too_long":
        return f"recipe {name}: {key} is {problem['input']!r}, expected {_OF_TWO}"
    if kind == "value_error":
        expected = str(context["error"]).removeprefix("expected ")
        if not place:
            return f"recipe {name}: {context['error']}"
    else:
        expected = _EXPECTED.get(kind, problem["msg"]).format(**context)
    return f"recipe {name}: {key}{index} is {problem['input']!r}, expected {expected}"


def known_keys(model: type[BaseModel]) -> Iterator[str]:
    """Names of all settings, those of a group with the group's name and a dot."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Group):
            yield from (f"{name}.{inner}" for inner in known_keys(info.annotation))
        else:
            yield name


def nearest(key: str, keys: list[str]) -> str | None:
    """The most similar of some dotted keys: in its last part first, then as a whole."""
    last = {known.rpartition(".")[2]: known for known in keys}
    near = difflib.get_close_matches(key.rpartition(".")[2], last, n=1, cutoff=0.6)
    if near:
        return last[near[0]]
    return next(iter(difflib.get_close_matches(key, keys, n=1, cutoff=0.4)), None)


def unknown_key(name: str, model: type[BaseModel], key: str) -> str:
    """Say that there is no such setting, and which there are."""
    keys = list(known_keys(model))
    near = nearest(key, keys)
    hint = f"did you mean {near!r}? " if near else ""
    return f"recipe {name} has no setting {key!r}; {hint}Its settings: {', '.join(keys)}"

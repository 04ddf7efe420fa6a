"""Weights and configuration of a trained network as files: float16, checked byte for byte.

The configuration holds the checksums of the other files and, since version 3 of the format, its
own: of the rest of it as canonical JSON. Networks of one version earlier are read without.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from stemfast import atomic
from stemfast.untrusted import json_object

if TYPE_CHECKING:
    import jax
    from flax import nnx

__all__ = [
    "CONFIG_FILE",
    "FORMAT",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "architecture",
    "as_told",
    "card_html",
    "compact",
    "filled",
    "flat",
    "is_format",
    "read_arrays",
    "read_config",
    "rounded_to_float16",
    "same_bytes",
    "sealed_text",
    "summary",
    "write_network",
]

Network = TypeVar("Network", bound="nnx.Module")
Settings = TypeVar("Settings", bound=BaseModel)

FORMAT = "stemfast classifier"
FORMAT_VERSION = 3
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
#: Pixels along a side, channels, blocks: nothing of a network counts more.
MOST_OF_ANYTHING = 2**16
_OWN_CHECKSUM = "config_sha256"
#: A list without lists or objects in it, as JSON with indents; its strings hold no line breaks.
_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
_BREAK = re.compile(r"\n\s*")
_SECTIONS = ("experiment", "test")
_IN_WORDS = {dict: "an object", list: "a list", str: "a text", float: "a number", bool: "a boolean"}


def summary(kind: str, card: dict[str, Any], *lines: str) -> str:
    """Representation of a trained network on a few lines, from its card.

    Parameters
    ----------
    kind : str
        Name of its class.
    card : dict
        As far as it is filled.
    *lines : str
        What to say besides the name and the pixel size.
    """
    experiment, recipe = card.get("experiment", {}), card.get("recipe", {})
    name = experiment.get("name", "unnamed")
    task = f", recipe {experiment['recipe']}" if "recipe" in experiment else ""
    pixel = as_told(
        lambda: (
            f"{recipe['field_nm'] / recipe['image_px']:.3g} nm a pixel, "
            f"{recipe['conditions']} conditions"
        )
    )
    return "\n".join([f"{kind} {name!r}{task}", *(f"  {line}" for line in [*lines, *pixel])])


def as_told(line: Callable[[], str]) -> list[str]:
    """A line from a card, or none where the card lacks what it needs.

    Examples
    --------
    >>> card = {"test": {"images": 100}}
    >>> as_told(lambda: f"{card['test']['accuracy']:.1f} %")
    []
    """
    try:
        return [line()]
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return []


def card_html(said: str) -> str:
    """A representation of several lines as a card for notebooks.

    Examples
    --------
    >>> card_html("Network")
    '<b>Network</b><ul></ul>'
    """
    head, *lines = (html.escape(line.strip()) for line in said.splitlines())
    return f"<b>{head}</b><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def flat(model: nnx.Module) -> dict[str, NDArray[Any]]:
    """Weights by dotted name, in the order of the names."""
    from flax import nnx

    found = {
        ".".join(str(part) for part in path): np.asarray(variable[...])
        for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Param))
    }
    return dict(sorted(found.items()))


def compact(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in 16 bits, where that loses nothing."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(array.dtype), array) else array


def rounded_to_float16(model: Network) -> Network:
    """Network with its weights rounded to float16, the type in which they are stored.

    It is rounded before it is calibrated and judged: the figures are those of the stored
    network.
    """
    import jax
    import jax.numpy as jnp
    from flax import nnx

    graph, state = nnx.split(model)

    def rounded(array: jax.Array) -> Any:
        if not jnp.issubdtype(array.dtype, jnp.floating):
            return array
        # By NumPy: XLA would compile two programs for every shape of a weight.
        with np.errstate(over="ignore"):
            half = np.asarray(array).astype(np.float16)
        return jax.device_put(half.astype(array.dtype), array.sharding if array.committed else None)

    made: Network = nnx.merge(graph, jax.tree.map(rounded, state))
    return made


def sealed_text(config: Mapping[str, Any]) -> str:
    """Text of a configuration file with the checksum of what it says.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which JSON has no word for.

    Examples
    --------
    >>> json.loads(sealed_text({"temperature": 1.5}))["config_sha256"][:8]
    '4f340e4e'
    """
    sealed = {**config, _OWN_CHECKSUM: _checksum(config)}
    text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # What ships is mostly lists of numbers: each on one line, they take a sixth less of the wheel.
    return _LIST.sub(lambda found: f"[{re.sub(_BREAK, ' ', found[1])}]", text)


def _checksum(config: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in config.items() if name != _OWN_CHECKSUM}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def write_network(
    directory: str | Path,
    model: nnx.Module,
    config: Mapping[str, Any],
    others: Mapping[str, bytes] | None = None,
) -> None:
    """Write a network's files, each whole or not at all, the configuration last.

    Parameters
    ----------
    directory : str or Path
        Made if missing. An older network in it is replaced.
    model : flax.nnx.Module
    config : mapping
        What the configuration says; the checksum of the weights is added, and its own.
    others : mapping of str to bytes, optional
        Further files by name; one that is empty is taken away.
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    content = to_bytes({name: compact(array) for name, array in flat(model).items()})
    checksum = hashlib.sha256(content).hexdigest()
    text = sealed_text({**config, "weights_sha256": checksum})  # refused before anything is written
    atomic.write_bytes(folder / WEIGHTS_FILE, content)
    for name, own in (others or {}).items():
        if own:
            atomic.write_bytes(folder / name, own)
        else:
            (folder / name).unlink(missing_ok=True)
    atomic.write_text(folder / CONFIG_FILE, text)


def is_format(folder: Path, form: str) -> bool:
    """True if a folder's configuration says that it is of this format."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return False
    try:
        return json_object(path).get("format") == form
    except ValueError:
        return False


def read_config(
    folder: Path,
    *,
    keys: Mapping[str, type],
    kind: str = "trained network",
    form: str = FORMAT,
    version: int = FORMAT_VERSION,
) -> dict[str, Any]:
    """The configuration of a saved model, of this format and version.

    Parameters
    ----------
    folder : Path
    keys : mapping of str to type
        What it must hold, and of which type: dict, list, str, float or bool.
    kind, form, version
        What it is of. The version before `version` is read too: it has no checksum of its own.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged, of something else, or of another version, or lacks a key.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"directory {folder} holds no {CONFIG_FILE}: no {kind}")
    config = json_object(path)
    if config.get("format") != form:
        raise ValueError(f'{path} does not say "format": "{form}": not a {kind}')
    found = config.get("format_version")
    if isinstance(found, bool) or found not in (version - 1, version):
        raise ValueError(
            f"{path} has format_version {found}, this stemfast reads {version}: train the network "
            "again"
        )
    if (found == version or _OWN_CHECKSUM in config) and config.get(_OWN_CHECKSUM) != _checksum(
        config
    ):
        raise ValueError(
            f"{path} is not as it was written ({_OWN_CHECKSUM} differs): copy it anew, or train "
            "the network again"
        )
    for name, wanted in keys.items():
        if name not in config:
            raise ValueError(f"{path} has no {name!r}, expected {_IN_WORDS[wanted]}")
        value = config[name]
        kinds = (int, float) if wanted is float else (wanted,)
        if not isinstance(value, kinds) or (wanted is float and isinstance(value, bool)):
            raise ValueError(
                f"{path} has {type(value).__name__} as {name!r}, expected {_IN_WORDS[wanted]}"
            )
    card = config.get("card", {})
    for name in _SECTIONS:
        if not isinstance(card.get(name, {}), dict):
            raise ValueError(f"{path} has {card[name]!r:.60} as 'card.{name}', expected an object")
    return config


def architecture(
    folder: Path, config: Mapping[str, Any], key: str, kind: type[Settings]
) -> Settings:
    """The part of a configuration that describes a network.

    Raises
    ------
    ValueError
        If it is not one, or of a network without measure; names the file and the key.
    """
    where = f"{folder / CONFIG_FILE} has a wrong {key}"
    if sizes := [n for n in _whole_numbers(config[key]) if n > MOST_OF_ANYTHING]:
        raise ValueError(f"{where}: {sizes[0]}, expected at most {MOST_OF_ANYTHING} of anything")
    try:
        return kind.model_validate(config[key])
    except ValidationError as error:
        raise ValueError(f"{where}: {error}") from error


def _whole_numbers(tree: Any) -> Iterator[int]:
    if isinstance(tree, int):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _whole_numbers(part)


def same_bytes(folder: Path, name: str, digest: str | None) -> bytes:
    """A file's content, if it is the one that the configuration was written with."""
    if not (folder / name).is_file():
        raise FileNotFoundError(f"directory {folder} holds no {name}")
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"{folder / name} is not the file that {CONFIG_FILE} was written with "
            "(SHA-256 differs): train the network again or copy all its files anew"
        )
    return content


def read_arrays(folder: Path, name: str, digest: str | None) -> dict[str, NDArray[Any]]:
    """Arrays of a safetensors file, if it is the one that the configuration was written with.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is another file, or none of finite floating-point numbers.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    content = same_bytes(folder, name, digest)
    try:
        arrays: dict[str, NDArray[Any]] = from_bytes(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / name} is no safetensors file: {error}") from error
    for key, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{folder / name}: {key} holds {array.dtype}, expected finite numbers")
    return arrays


class _OneKey:
    """In place of :class:`flax.nnx.Rngs` where no number is drawn.

    Rngs counts the weights, and Flax asks each count of a network that is only traced for its
    sharding: JAX then looks through all that was traced before, for the message of an error that is
    not shown. That is two thirds of what reading the ground-truth network takes.
    """

    def __init__(self) -> None:
        import jax

        self._key = jax.random.key(0)

    def params(self) -> jax.Array:
        """The key of any weight."""
        return self._key


def filled(
    make: Callable[[nnx.Rngs], nnx.Module], weights: dict[str, NDArray[Any]], folder: Path
) -> Any:
    """A network with these weights; its first ones, which would cost seconds, are never drawn.

    Parameters
    ----------
    make : callable
        Makes the network of a source of random keys.
    weights : dict of str to ndarray
        All of its weights.
    folder : Path
        Where they are from, for messages.

    Raises
    ------
    ValueError
        If there is no such network, or the weights are not its own.
    """
    import jax
    from flax import nnx

    try:
        graph, state = nnx.split(nnx.eval_shape(lambda: make(cast(nnx.Rngs, _OneKey()))))
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"{folder / CONFIG_FILE} describes no network: {error}") from error
    empty = nnx.to_flat_state(state)
    names = [".".join(str(part) for part in path) for path, _ in empty]
    expected = {name: variable.shape for name, (_, variable) in zip(names, empty, strict=True)}
    if {name: array.shape for name, array in weights.items()} != expected:
        raise ValueError(f"the weights in {folder} do not fit the architecture in {CONFIG_FILE}")
    # Converted and placed by NumPy and JAX: jnp.asarray would compile a program for each shape.
    full = [
        (path, variable.replace(jax.device_put(weights[name].astype(variable.dtype))))
        for name, (path, variable) in zip(names, empty, strict=True)
    ]
    return nnx.merge(graph, nnx.from_flat_state(full))

"""Counter-based random numbers, keyed by seed, image and purpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def philox(counter: Sequence[Any], key: Sequence[int]) -> list[Any]:
    """Return one block of Philox 4x32-10, in Python's whole numbers or in arrays of uint64.

    J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.

    Examples
    --------
    >>> [hex(word) for word in philox([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = counter
    k0, k1 = key
    mask = 2**32 - 1
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & mask, (p >> 32) ^ d ^ k1, p & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return [a, b, c, d]


def uniforms(seed: int, image: int, stage: int, n: int) -> list[float]:
    """Return what `stemfast.draws.uniform` gives for one image.

    Examples
    --------
    >>> len(uniforms(seed=1, image=2, stage=0, n=3))
    3
    """
    mask, numbers = 2**32 - 1, []
    for block in range(math.ceil(n / 2)):
        counter = [block, (256 + stage) << 16, image & mask, image >> 32]
        words = philox(counter, [seed & mask, seed >> 32])
        for high, low in (words[:2], words[2:]):
            numbers.append(((high << 32 | low) >> 11) * 2.0**-53)
    return numbers[:n]


def haar_quaternion(seed: int, index: int) -> list[float]:
    """Return what `stemfast.orientation.random` gives for one index (Shoemake 1992).

    Examples
    --------
    >>> q = haar_quaternion(seed=1, index=0)
    >>> round(sum(c * c for c in q), 12)
    1.0
    """
    mask = 2**32 - 1
    key, where = [seed & mask, seed >> 32], [index & mask, index >> 32]
    words = [w for block in (0, 1) for w in philox([block, 3 << 16, *where], key)]
    split, a, b = (((words[i] << 32 | words[i + 1]) >> 11) * 2.0**-53 for i in (0, 2, 4))
    outer, inner = math.sqrt(1 - split), math.sqrt(split)
    a, b = 2 * math.pi * a, 2 * math.pi * b
    return [outer * math.sin(a), outer * math.cos(a), inner * math.sin(b), inner * math.cos(b)]

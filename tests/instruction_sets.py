"""Programs run under every instruction set that the core has kernels for and the CPU runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from stemfast import _core

_PRINTED = """
import json
from stemfast import _core
print(json.dumps([_core.info()["instruction_set"], digests]))
"""


def digests_of(program: str) -> dict[str, list[str]]:
    """What a program leaves in `digests`, by instruction set."""
    found = {}
    for name in _core.info()["runnable"]:
        done = subprocess.run(
            [sys.executable, "-c", program + _PRINTED],
            env={**os.environ, "STEMFAST_ISA": name, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        used, found[name] = json.loads(done.stdout)
        assert used == name
    return found

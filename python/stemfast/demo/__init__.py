"""The main job once through: simulate, train, look, and classify a real micrograph."""

from stemfast.demo.run import run
from stemfast.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run"]

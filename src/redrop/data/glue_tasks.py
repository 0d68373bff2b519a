"""The GLUE tasks by their names (Wang et al. 2019, arXiv 1804.07461), and the generated ones."""

from __future__ import annotations

from redrop.data import of_family
from redrop.data.glue import HELD_OUT, GlueTask

__all__ = ["HELD_OUT", "TASKS", "GlueTask"]

TASKS: dict[str, GlueTask] = {task.task: task for task in of_family("glue")}
"""Task, such as `cola` -> its data set."""

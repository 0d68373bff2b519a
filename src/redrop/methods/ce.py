"""Plain training: the task's own loss, one pass."""

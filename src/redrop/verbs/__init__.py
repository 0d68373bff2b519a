"""The verbs of the ``redrop`` command, each with its options: what the workflow's rules call."""

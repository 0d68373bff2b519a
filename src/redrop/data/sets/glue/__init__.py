"""Tasks of GLUE, and tasks like those."""

"""The tables: one function each, named in ``redrop.analysis.names``."""

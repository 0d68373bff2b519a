"""redrop: replicate two papers on dropout in Transformer language models, from raw data to verdicts."""

__version__ = "0.1.0"

"""Documents with summaries."""

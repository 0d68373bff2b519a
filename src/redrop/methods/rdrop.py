"""R-Drop (arXiv 2106.14448): the outputs of two dropout passes are kept consistent."""

WEIGHTS = ("gamma",)

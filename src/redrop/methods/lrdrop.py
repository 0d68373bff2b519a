"""LR-Drop (arXiv 2402.16361): also the hidden states and the attention of every layer are kept consistent."""

WEIGHTS = ("alpha", "beta", "gamma")

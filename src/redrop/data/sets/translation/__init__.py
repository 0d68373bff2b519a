"""Parallel texts."""

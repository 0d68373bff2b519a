"""Errors that a person can act on: each names the thing, the bad value and the next step."""


class RedropError(Exception):
    """Base of every error that redrop raises on purpose; the command line prints it without a traceback."""


class ConfigError(RedropError):
    """A configuration is refused: unknown key, value out of range, unknown name."""


class DataError(RedropError):
    """A data file is missing, cannot be reached, or is not what it should be."""


class RecordError(RedropError):
    """A file that a run left (spec, metrics, curve, checkpoint) is missing, damaged or of another run."""

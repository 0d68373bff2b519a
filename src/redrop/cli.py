"""The ``redrop`` command. The workflow's rules call its verbs; so can a person.

Heavy libraries are imported inside the verbs, so ``redrop --help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import codecs
import logging
import os
import sys
from collections.abc import Callable

from redrop import __version__
from redrop.errors import FULL, RedropError, storage_error
from redrop.verbs import look, obtain, present, train, use

PLAIN = {"−": "-", "–": "-", "—": "-", "×": "x", "±": "+-", "…": "...", "’": "'"}
"""What stands for a sign where a terminal cannot show it; for any other it is a question mark."""
EXIT_PIPE_CLOSED = 141
"""Who read the output stopped reading (`| head`): the status of a program that SIGPIPE ends."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="redrop", description=(__doc__ or "").split("\n")[0])
    top.add_argument("--version", action="version", version=f"redrop {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(name: str, function: Callable[[argparse.Namespace], None]) -> Callable[..., object]:
        made = verbs.add_parser(name, help=function.__doc__, description=function.__doc__)
        made.set_defaults(function=function)
        return made.add_argument

    for part in (obtain, train, present, look, use):
        part.add(verb)
    return top


def prepare_environment() -> None:
    """What a person's machine may have set stops no verb: figures need no screen, text any terminal."""
    os.environ["MPLBACKEND"] = "agg"  # a notebook's terminal names a backend that draws into the notebook
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in text), error.end


def main(argv: list[str] | None = None) -> None:
    """Run the command; an error that redrop foresaw is one line on standard error, exit status 1."""
    prepare_environment()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = parser().parse_args(argv)
    try:
        arguments.function(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_PIPE_CLOSED)
    except RedropError as error:
        sys.exit(f"redrop {arguments.verb}: {error}")
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        sys.exit(f"redrop {arguments.verb}: {storage_error(error)}")

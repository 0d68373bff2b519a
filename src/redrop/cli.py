"""The ``redrop`` command. The workflow's rules call its verbs; so can a person.

Heavy libraries are imported inside the verbs, so ``redrop --help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from redrop.errors import FULL, RedropError, storage_error
from redrop.verbs import look, obtain, present, train


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="redrop", description=__doc__.split("\n")[0])
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(name: str, function: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=function.__doc__, description=function.__doc__)
        made.set_defaults(function=function)
        return made

    for part in (obtain, train, present, look):
        part.add(verb)
    return top


def main(argv: list[str] | None = None) -> None:
    """Run the command; an error that redrop foresaw is one line on standard error, exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = parser().parse_args(argv)
    try:
        arguments.function(arguments)
    except RedropError as error:
        sys.exit(f"redrop {arguments.verb}: {error}")
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        sys.exit(f"redrop {arguments.verb}: {storage_error(error)}")

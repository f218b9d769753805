"""The command ``tumorscope``: where it starts, and how errors and interruptions end.

Owns the exit statuses: 0 for success, 1 when some of many inputs failed, 2 for a user's mistake, 130 after
Ctrl-C. ``predict`` is called straight away; every other verb through :mod:`tumorscope.cli.verbs`, whose Typer
(with pydantic behind it) takes longer to import than an answer takes to make.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tumorscope.cli.text import complain
from tumorscope.core.errors import TumorscopeError

__all__ = ["INTERRUPTED", "USER_MISTAKE", "main", "run"]

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
USER_MISTAKE = 2
NOBODY_READS = 1


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        What follows ``tumorscope``.

    Returns
    -------
    int
        The exit status.
    """
    try:
        if arguments[:1] == ["predict"]:
            from tumorscope.cli.predict import predict

            return predict(arguments[1:])
        from tumorscope.cli.verbs import call

        return call(arguments)
    except TumorscopeError as error:
        complain(str(error))
        return USER_MISTAKE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as in "tumorscope predict ... | head". Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS

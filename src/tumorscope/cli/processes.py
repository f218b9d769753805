"""A verb that runs in several processes speaks with one voice.

Owns who of them tells the user what, and that all end when one fails. How they are started and meet is in
:mod:`tumorscope.training.launch` and :mod:`tumorscope.training.devices`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec

import typer

from tumorscope.core.errors import ProcessLost
from tumorscope.training.launch import Place, find_place, launch

if TYPE_CHECKING:
    from tumorscope.training.devices import Group

__all__ = ["announce", "as_one", "is_quiet", "start_or_join"]

P = ParamSpec("P")

FOLLOWED = 1
INTERRUPTED = 130

_joined: list[Group] = []
"""The group of this process, once it has met the others."""


def announce(text: str) -> None:
    """Say something on standard error, once."""
    if not is_quiet():
        typer.echo(text, err=True)


def is_quiet() -> bool:
    """Whether another process speaks for this one."""
    place = find_place()
    return place is not None and place.rank != 0


def start_or_join(arguments: Sequence[str], devices: int | None, nodes: int | None) -> bool:
    """Run the command in several processes where that is asked for, or meet those that were started.

    Parameters
    ----------
    arguments
        The verb and what follows it.
    devices, nodes
        Processes a machine and machines as the user asked for them.

    Returns
    -------
    bool
        Whether the command was run, by others, and nothing is left to do.

    Raises
    ------
    typer.Exit
        If one of them has failed and said why.
    """
    place = find_place(devices, nodes)
    if place is None:
        if (devices or 1) * (nodes or 1) == 1:
            return False
        status = launch(arguments, devices or 1, nodes or 1)
        if status:
            raise typer.Exit(status)
        return True
    from tumorscope.training.devices import join

    _joined.append(join(place))
    return False


def as_one(verb: Callable[P, None]) -> Callable[P, None]:
    """Let the first process that fails say why, and the others end without a word.

    Before they have met, the first one of each machine speaks: most mistakes are the same for all.
    """

    @functools.wraps(verb)
    def call(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            verb(*arguments, **options)
            for group in _joined:
                group.part()
        except (Exception, KeyboardInterrupt) as error:
            place = find_place()
            if place is None:
                raise
            interrupted = isinstance(error, KeyboardInterrupt)
            if not _speaks(place) or (interrupted and place.launched):
                raise typer.Exit(INTERRUPTED if interrupted else FOLLOWED) from None
            if _is_lost_connection(error):
                if place.launched:  # whoever started it tells which one was lost
                    raise typer.Exit(FOLLOWED) from None
                raise ProcessLost(
                    "another process of the training is gone; look at what it said, "
                    "then go on with the same command and --resume"
                ) from error
            raise
        finally:
            _joined.clear()

    return call


def _speaks(place: Place) -> bool:
    if not _joined:
        return place.local_rank == 0
    return _joined[-1].is_first_to_fail()


def _is_lost_connection(error: BaseException) -> bool:
    """Whether an error is only that another process cannot be reached."""
    if type(error).__name__ in ("DistBackendError", "DistNetworkError"):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error).lower()

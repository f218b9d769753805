"""The table of verbs, each imported when it is called.

Owns the names and purposes that ``tumorscope --help`` lists, so that neither the help nor one verb pays for what
another needs. A verb module holds ``app``, a :class:`typer.Typer`, or else a function named as the verb;
``predict`` parses for itself, see :mod:`tumorscope.cli.main`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.version import __version__

__all__ = ["VERBS", "call"]

VERBS = {
    "predict": "Say what slices, volumes, folders or archives show.",
    "explain": "Draw where in a slice the evidence for an answer lies.",
    "info": "Print the model card of a bundle.",
    "serve": "Open the reading room: a page in the browser, and an API.",
    "train": "Train a classifier and export it as one bundle.",
    "study": "Train several recipes under the same protocols; compare them.",
    "search": "Search for the settings that do best on unseen patients.",
    "export": "Write the bundle of a finished run.",
    "ensemble": "Make one bundle of several, and measure their mean.",
    "evaluate": "Measure a model under a protocol.",
    "data": "Make and look after data sets.",
}

# Newer versions of Typer carry a click of their own, older ones use the package: this finds either.
_UsageError: Any = typer.BadParameter.__base__
_ClickException: type[Exception] = _UsageError.__base__


class _Verbs(TyperGroup):
    """A group that knows the name and the purpose of each verb, and imports one when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _load(name or ""), rest


app = typer.Typer(cls=_Verbs, add_completion=False, rich_markup_mode=None)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tumorscope {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read brain MRI slices: glioma, meningioma, pituitary tumour or no tumour.

    Research software, not a medical device: not for diagnosis or treatment decisions.

    \b
    Examples:
      tumorscope predict scan.jpg
      tumorscope predict study/ --format jsonl --output answers.jsonl
      tumorscope predict head.nii.gz --heatmaps pictures/
      tumorscope info
    """  # noqa: D301 - the backspace tells Typer to keep the lines below it as they are


def call(arguments: Sequence[str]) -> int:
    """Call a verb.

    Parameters
    ----------
    arguments
        The verb and what follows it; the help for none.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    InvalidConfiguration
        If an option or argument is wrong, in one line with the way to help.
    KeyboardInterrupt
        After Ctrl-C.
    """
    try:
        result = _group().main(
            args=list(arguments) or ["--help"],
            prog_name="tumorscope",
            standalone_mode=False,
            obj=tuple(arguments),  # for a verb that runs itself again in other processes
        )
    except _ClickException as error:
        return _explain(error)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    return result if isinstance(result, int) else 0


def _group() -> TyperGroup:
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        raise TypeError
    for name, purpose in VERBS.items():
        group.add_command(TyperCommand(name, help=purpose), name)
    return group


def _load(verb: str) -> Any:
    """Import a verb and make it a command. One style of help for all: plain text, nothing heavy to import."""
    module = import_module(f"tumorscope.cli.{verb}")
    verb_app = getattr(module, "app", None)
    if verb_app is None:
        verb_app = typer.Typer(add_completion=False)
        verb_app.command()(getattr(module, verb))
    verb_app.rich_markup_mode = None
    command = typer.main.get_command(verb_app)
    command.name = verb
    return command


def _explain(error: Any) -> int:
    """Turn click's complaint into this project's, or show the help that a bare group asks for."""
    text = str(error.format_message())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(text, err=True)
        return int(error.exit_code)
    text = " ".join(text.split())
    hint = "" if context is None else f"; see '{context.command_path} --help'"
    raise InvalidConfiguration(text.rstrip(".") + hint)

"""The command ``tumorscope``: its verbs, and how errors and interruptions end.

Owns the table of verbs and the exit statuses: 0 for success, 1 when some of many inputs failed, 2 for a user's
mistake, 130 after Ctrl-C. A verb's module is imported only when that verb is called, so that
``tumorscope --help`` and ``tumorscope predict`` never pay for what ``train`` needs.

A verb module holds ``app``, a :class:`typer.Typer`, or else a function named as the verb.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tumorscope import __version__
from tumorscope.cli.text import complain
from tumorscope.core.errors import TumorscopeError

__all__ = ["VERBS", "main", "run"]

VERBS = {
    "predict": "Say what slices, volumes, folders or archives show.",
    "info": "Print the model card of a bundle.",
    "train": "Train a classifier and export it as one bundle.",
    "export": "Write the bundle of a finished run.",
    "evaluate": "Measure a model under a protocol.",
    "data": "Make and look after data sets.",
}

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
USER_MISTAKE = 2

# Typer has brought its own copy of click since 0.20 and before that the package: this finds either.
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
    """  # noqa: D301 - the backspace tells Typer to keep the lines below as they are


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
        result = _group().main(
            args=list(arguments) or ["--help"], prog_name="tumorscope", standalone_mode=False
        )
        return result if isinstance(result, int) else 0
    except TumorscopeError as error:
        complain(str(error))
        return USER_MISTAKE
    except _ClickException as error:
        complain(_usage(error))
        return USER_MISTAKE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


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


def _usage(error: Any) -> str:
    """What a wrong option or argument was, in one line with the way to help."""
    text = str(error.format_message())
    context = getattr(error, "ctx", None)
    if context is None or "\n" in text:
        return text
    return f"{text.rstrip('.')}; see '{context.command_path} --help'"

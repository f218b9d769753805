"""``tumorscope data``: what makes and looks after data sets, one module a verb.

Owns the list of verbs below ``data``. Their modules import nothing heavy before they are called.
"""

from __future__ import annotations

import typer

from tumorscope.cli.data.audit import audit
from tumorscope.cli.data.fetch import fetch
from tumorscope.cli.data.index import index
from tumorscope.cli.data.join import join
from tumorscope.cli.data.merge import merge
from tumorscope.cli.data.phantom import phantom
from tumorscope.cli.data.split import split
from tumorscope.cli.data.trace import trace

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, name="data", help="Make and look after data sets.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Make and look after data sets."""


for _verb in (audit, fetch, index, join, merge, phantom, split, trace):
    app.command()(_verb)

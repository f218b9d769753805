"""``tumorscope predict``: what do these files show?

Owns the order of things and the exit status. Finding and reading files is ``reading``'s work, answering
``inference``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tumorscope.cli.answering import Tally, counted, sources_of
from tumorscope.cli.inputs import expanded
from tumorscope.cli.options import Options, parse
from tumorscope.cli.output import Format, format_of, opened, writer
from tumorscope.cli.progress import counter
from tumorscope.inference.classifier import Classifier, load
from tumorscope.inference.record import Answer
from tumorscope.inference.series import with_series
from tumorscope.reading.discover import Source

__all__ = ["predict"]


def predict(arguments: Sequence[str]) -> int:
    """Answer for everything the user named.

    Parameters
    ----------
    arguments
        What follows ``tumorscope predict``.

    Returns
    -------
    int
        0 when everything was answered, 1 when some inputs failed, 2 when nothing was answered.

    Raises
    ------
    TumorscopeError
        If an option is wrong or the model cannot be used; never on account of an input.
    """
    options = parse(arguments)
    form = format_of(options.form, options.output)
    tally = Tally()
    with ExitStack() as stack:
        # ONNX Runtime lets go of Python while it makes the graph ready: the files are found meanwhile.
        with ThreadPoolExecutor(1) as opener:
            opening = opener.submit(load, options.model, threads=options.threads, device=options.device)
            if options.model is not None or options.coverage is not None:
                # What the user chose may be wrong, which is said before anything is listed or waited for.
                opening.result().facts.coverage_key(options.coverage)
            sources, rename = sources_of(expanded(options.paths), stack)
        classifier = opening.result()
        stream = stack.enter_context(opened(options.output))
        show = len(sources) > 1 and not (form is Format.TABLE and stream.isatty())
        count = stack.enter_context(counter("answering", show=show))
        write = stack.enter_context(writer(form, stream))
        for answer in with_series(map(rename, _answers(classifier, counted(sources, count), options))):
            tally.add(answer)
            write(answer)
    return tally.status(listed=form is Format.TABLE)


def _answers(classifier: Classifier, inputs: Iterable[Source], options: Options) -> Iterator[Answer]:
    if options.heatmaps is None:
        return classifier.predict_iter(inputs, coverage=options.coverage, batch_size=options.batch_size)
    from tumorscope.cli.heatmaps import drawn

    pairs = classifier.explain_iter(inputs, coverage=options.coverage, batch_size=options.batch_size)
    return drawn(pairs, options.heatmaps)

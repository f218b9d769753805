"""What a run's split kept from training and from its folds, said beside the figures.

Owns the sentences; how many images it were stands in the run's folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.dataset.manifest import Part

__all__ = ["left_out_notes"]


def left_out_notes(run: Path) -> tuple[str, ...]:
    """A sentence for each part of the data set that the run had nothing to do with; none where it does not say.

    Raises
    ------
    InvalidConfiguration
        If the run's ``data.json`` is damaged.
    """
    record = run / "data.json"
    if not record.is_file():
        return ()
    try:
        counts = dict(json.loads(record.read_text(encoding="utf-8")).get("left_out", {}))
        return tuple(
            f"{count:,} image{' of the data set is' if count == 1 else 's of the data set are'} in no fold and in no "
            f"figure (part {part}): {Part(part).reason}."
            for part, count in sorted(counts.items())
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidConfiguration(f"{record} is damaged; train again") from error

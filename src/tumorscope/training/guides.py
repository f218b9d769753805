"""Which run shows where to look closer, and its network in the folder of a fit.

Owns the run that guides, and the file by which a fit can be read without it; which of its models takes part in which
fit is the rule of :mod:`tumorscope.training.forebears`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.training.config import TrainingConfig
from tumorscope.training.folder import WEIGHTS, RunFolder
from tumorscope.training.forebears import Forebears, name_of, open_runs

if TYPE_CHECKING:
    from tumorscope.models.network import SliceNetwork

__all__ = [
    "GUIDE",
    "READER_SHARE",
    "ZOOM",
    "Guide",
    "check_guide",
    "open_guide",
    "read_guide",
    "settings_under",
    "write_guide",
]

GUIDE = "guide.safetensors"
"""What the folder of a fit calls the weights of the network that shows it where to look."""

ZOOM = 2
"""How much closer a run with a guide looks where its settings do not say it."""

READER_SHARE = 0.67
"""Weight of the closer look in the answer, likewise; it is the more often right of the two (docs/research-log.md)."""


@dataclass(frozen=True, slots=True)
class Guide(Forebears):
    """A run that guides; made by :func:`open_guide`."""

    role: ClassVar[str] = "guide"

    @property
    def run(self) -> RunFolder:
        """The only one."""
        return self.runs[0]

    @property
    def settings(self) -> list[str]:
        """Defaults of a run that it guides."""
        return settings_under(self.run.config.image_size)

    def network(self, number: int | None) -> SliceNetwork:
        """The one that has not seen a fold; that of the final fit for ``None``.

        Raises
        ------
        MissingInput
            If there is none.
        """
        from tumorscope.training.fit import load_fitted

        if number is None:
            self.check_final()
        return load_fitted(self.run.config, self.run.fit(number))

    def check_final(self) -> None:
        """Make sure that there is a network for the final fit.

        Raises
        ------
        MissingInput
            If there is none.
        """
        if not (self.run.final / WEIGHTS).is_file():
            raise MissingInput(
                f"the guide {name_of(self.run)} has no final fit; train it without --folds first"
            )


def settings_under(image_size: int) -> list[str]:
    """Defaults of a run under a guide that takes so many pixels a side."""
    return [f"zoom={ZOOM}", f"image_size={ZOOM * image_size}", f"reader_share={READER_SHARE}"]


def open_guide(path: Path | None) -> Guide | None:
    """Open the folder of a finished run that is to guide, ``None`` where none is named.

    Raises
    ------
    MissingInput
        If it is no run, or has no finished fit.
    InvalidConfiguration
        If it is an ensemble, or has a guide itself.
    """
    if path is None:
        return None
    guide = Guide(open_runs([path], Guide.role))
    if guide.run.config.zoom > 1:
        raise InvalidConfiguration(f"the guide {path} has a guide itself; name one that sees whole slices")
    return guide


def check_guide(config: TrainingConfig, guide: Guide | None) -> None:
    """Make sure that there is a guide where the settings ask for one, for images of their size, and only there.

    Raises
    ------
    InvalidConfiguration
        If there is none, or it does not fit.
    """
    if guide is None:
        if config.zoom > 1:
            raise InvalidConfiguration(
                f"zoom is {config.zoom}, but no guide is named that shows where to look closer; name a finished run by "
                "'tumorscope train --guide RUN', or leave the setting out"
            )
        return
    if config.zoom == 1:
        raise InvalidConfiguration(
            "a guide is named, but zoom is 1, so nothing is looked at closely; set zoom=2"
        )
    if config.distillation.active:
        raise InvalidConfiguration(
            "--guide and --teacher do not go together: a teacher answers for whole slices, and a run with a guide "
            "learns from close-ups; name one of them"
        )
    size = guide.run.config.image_size
    if config.network_size != size:
        raise InvalidConfiguration(
            f"image_size is {config.image_size} and zoom {config.zoom}, so that the guide would get "
            f"{config.network_size} pixels, and it takes {size}; set image_size={size * config.zoom}"
        )


def write_guide(folder: Path, network: SliceNetwork, config: TrainingConfig) -> None:
    """Keep the network that guides in the folder of a fit.

    Parameters
    ----------
    folder
        Of the fit.
    network
        In any mode.
    config
        That it was trained by.
    """
    from tumorscope.recipes.registry import find_recipe
    from tumorscope.training.fit import write_weights

    made = {"architecture": find_recipe(config.recipe).architecture, "image_size": str(config.image_size)}
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(network, folder / GUIDE, made)


def read_guide(folder: Path) -> SliceNetwork:
    """Read it again, in evaluation mode on the CPU.

    Raises
    ------
    MissingInput
        If the folder lacks it.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    from tumorscope.models.network import build_network

    if not (folder / GUIDE).is_file():
        raise MissingInput(
            f"{folder} lacks {GUIDE}, the network that shows where to look closer; copy the whole folder of the run"
        )
    with safe_open(folder / GUIDE, framework="pt") as file:
        made = file.metadata()
    network = build_network(made["architecture"], int(made["image_size"]))
    network.load_state_dict(load_file(folder / GUIDE))
    return network.eval()

"""The blocks of a network, counted from its head down.

Owns what is a block: for a network of timm what it calls a stage of its features, for Tumorscope's own what it lists in
``feature_info`` in the same form. Knows nothing of what blocks are told apart for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from tumorscope.models.network import SliceNetwork

__all__ = ["NetworkBlock", "blocks_from_head"]

_HEAD = "head"


@dataclass(frozen=True, slots=True, eq=False)
class NetworkBlock:
    """Layers that are looked at as one.

    Parameters
    ----------
    name
        ``head``, or what the network calls the last layer of the block.
    modules
        All modules of it, each once, containers and parts alike.
    """

    name: str
    modules: tuple[nn.Module, ...]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights that belong to it and to no other block."""
        for module in self.modules:
            yield from module.parameters(recurse=False)


def blocks_from_head(network: SliceNetwork) -> tuple[NetworkBlock, ...]:
    """Divide a network into blocks, so that every weight is in exactly one.

    Parameters
    ----------
    network
        Any network of this package.

    Returns
    -------
    tuple of NetworkBlock
        First the head, all that is not of the backbone; then the backbone from the deepest block to the one that sees
        the image. What lies before the first stage counts with it, what lies behind the last stage with the last.
    """
    backbone = set(network.backbone.modules())
    head = tuple(module for module in network.modules() if module not in backbone)
    return NetworkBlock(_HEAD, head), *reversed(_blocks_of(network.backbone))


def _blocks_of(backbone: nn.Module) -> list[NetworkBlock]:
    """From the image inwards; modules come in the order in which they are registered, which is that of the pass."""
    modules = dict(backbone.named_modules())
    ends = sorted({(_last(modules, stage), stage) for stage in _stages(backbone) if stage in modules})
    names = [stage for _, stage in ends] or ["backbone"]
    members: list[list[nn.Module]] = [[] for _ in names]
    for position, module in enumerate(modules.values()):
        passed = sum(end < position for end, _ in ends)
        members[min(passed, len(names) - 1)].append(module)
    blocks = [NetworkBlock(name, tuple(of)) for name, of in zip(names, members, strict=True)]
    # A stage may be no more than a maximum over squares.
    return [block for block in blocks if any(True for _ in block.parameters())]


def _stages(backbone: Any) -> list[str]:
    """Names of the last layers of the stages of features; the parts of the backbone where it does not say."""
    listed = getattr(backbone, "feature_info", ())
    stages = [str(stage["module"]) for stage in getattr(listed, "info", listed) if stage.get("module")]
    return stages or [name for name, _ in backbone.named_children()]


def _last(modules: dict[str, nn.Module], stage: str) -> int:
    """Position of the last module inside a stage."""
    inside = (
        position for position, name in enumerate(modules) if name == stage or name.startswith(f"{stage}.")
    )
    return max(inside)

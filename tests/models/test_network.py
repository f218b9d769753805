"""One pass gives logits, the evidence they are made of, and an embedding: for every recipe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.models.backbone import BackboneNetwork, PooledNorm, make_backbone
from tumorscope.models.cnn import PathHead
from tumorscope.models.network import HEATMAP_STRIDE, SliceNetwork, build_network
from tumorscope.recipes.registry import RECIPES, find_recipe

SIZE = 64
OTHERS = ("timm:test_vit", "timm:test_byobnet", "timm:mobilenetv3_small_050", "timm:vit_tiny_patch16_224")
SHIPPED = "efficientnet-lite0"


def _stirred(network: SliceNetwork) -> SliceNetwork:
    """With a head that has something to say, as after training."""
    with torch.no_grad():
        network.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
        for layer in (getattr(network, "deep", None), network.fine):
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(50)
    return network.eval()


@pytest.fixture(scope="module", params=[*RECIPES, *OTHERS])
def network(request: pytest.FixtureRequest) -> SliceNetwork:
    torch.set_num_threads(1)  # small work; other threads would only wait for a busy machine
    torch.manual_seed(0)
    return _stirred(build_network(find_recipe(request.param).architecture, SIZE))


@pytest.fixture(scope="module")
def shipped() -> BackboneNetwork:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = _stirred(build_network(RECIPES[SHIPPED].architecture))
    assert isinstance(network, BackboneNetwork)
    return network


@pytest.mark.parametrize("count", [1, 3])
def test_evidence_summed_over_space_plus_bias_is_the_logit(network: SliceNetwork, count: int) -> None:
    images = torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(count))
    with torch.inference_mode():
        logits, evidence, embedding, look = network(images)
    side = network.cells
    assert logits.shape == (count, 4)
    assert evidence.shape == (count, 4, side, side)
    assert network.heatmap_stride <= HEATMAP_STRIDE
    assert network.heatmap_stride * network.cells == SIZE
    assert embedding.ndim == 2
    assert len(embedding) == len(look) == count
    assert torch.isfinite(look).all()
    assert torch.isfinite(embedding).all()
    assert evidence.abs().max() > 1e-4
    torch.testing.assert_close(evidence.sum(dim=(2, 3)) + network.bias, logits, atol=1e-4, rtol=0)


def test_the_answer_for_an_image_does_not_depend_on_its_batch(network: SliceNetwork) -> None:
    images = torch.rand(4, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together = network(images).logits
        alone = torch.cat([network(image[None]).logits for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-5


def test_the_gradient_reaches_every_weight(network: SliceNetwork) -> None:
    """So nothing is carried along, in files and in the optimiser, that has no part in the answer."""
    images = torch.rand(4, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    network.train()
    try:
        torch.manual_seed(0)
        loss = torch.nn.functional.cross_entropy(network(images).logits, torch.arange(4))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        still = [name for name, weight in network.named_parameters() if weight.grad is None]
    finally:
        network.eval()
        network.zero_grad()
    assert still == []


def test_features_pass_the_tap_that_training_listens_to(network: SliceNetwork) -> None:
    seen: list[torch.Tensor] = []
    handle = network.fine.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        evidence = network(torch.zeros(1, 1, SIZE, SIZE)).evidence
    handle.remove()
    assert [tuple(features.shape) for features in seen] == [
        (1, network.fine.in_channels, *evidence.shape[2:])
    ]


@pytest.mark.parametrize("size", [32, 96])
def test_the_recipe_that_ships_takes_other_sizes(shipped: BackboneNetwork, size: int) -> None:
    with torch.inference_mode():
        logits, evidence, _, _ = shipped(torch.rand(1, 1, size, size))
    assert evidence.shape[2] == size // 16
    torch.testing.assert_close(evidence.sum(dim=(2, 3)) + shipped.bias, logits, atol=1e-4, rtol=0)


def test_evidence_stays_at_the_place_of_what_it_rests_on(shipped: BackboneNetwork) -> None:
    """With fine evidence alone, a change in the top left corner does not reach the far one."""
    images = torch.rand(1, 1, 384, 384, generator=torch.Generator().manual_seed(1))
    marked = images.clone()
    marked[..., :16, :16] = 1 - marked[..., :16, :16]
    assert shipped.deep is not None
    deep = shipped.deep.weight.detach().clone()
    with torch.inference_mode():
        shipped.deep.weight.zero_()
        change = (shipped(marked).evidence - shipped(images).evidence).abs().sum(dim=1)[0]
        shipped.deep.weight.copy_(deep)
    assert change[0, 0] > 0
    assert int(change.flatten().argmax()) % change.shape[1] < 4
    assert int(change.flatten().argmax()) // change.shape[1] < 4
    assert change[-4:, -4:].max() == 0


class TestDecompositions:
    def test_fully_connected_layers_give_what_ordinary_ones_give(self) -> None:
        """The reference: the same weights in plain layers, whose gradient times input is the evidence."""
        torch.manual_seed(4)
        head = PathHead(channels=3, side=4, hidden=(20, 10), dropout=0.5).double().eval()
        plain = nn.Sequential(*(part for layer in head.hidden for part in (layer, nn.ReLU())), head.last)
        features = torch.rand(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
        evidence, embedding = head(features)
        logits = plain(features.flatten(1))
        torch.testing.assert_close(evidence.sum(dim=(2, 3)), logits)
        torch.testing.assert_close(embedding, plain[:-1](features.flatten(1)))
        for k in range(4):
            (slope,) = torch.autograd.grad(logits[:, k].sum(), features, retain_graph=True)
            torch.testing.assert_close(evidence[:, k], (slope * features).sum(dim=1))

    def test_while_learning_silenced_units_take_no_part_and_the_gradient_is_the_usual_one(self) -> None:
        torch.manual_seed(5)
        head = PathHead(channels=2, side=2, hidden=(6,), dropout=0.5).double().train()
        features = torch.rand(3, 2, 2, 2, dtype=torch.float64)
        torch.manual_seed(6)
        evidence, embedding = head(features)
        torch.manual_seed(6)
        kept = head.dropout(torch.ones(3, 6, dtype=torch.float64))
        usual = head.last(torch.relu(head.hidden[0](features.flatten(1))) * kept)
        torch.testing.assert_close(evidence.sum(dim=(2, 3)), usual)
        assert bool((embedding == 0).any())
        weights = list(head.parameters())
        ours = torch.autograd.grad(evidence.sum(dim=(2, 3)).square().sum(), weights)
        theirs = torch.autograd.grad(usual.square().sum(), weights)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)

    def test_normalising_what_will_be_pooled_is_normalising_the_pooled(self) -> None:
        torch.manual_seed(7)
        norm, reference = PooledNorm(12), nn.LayerNorm(12, eps=1e-6)
        with torch.no_grad():
            norm.weight.uniform_(0.5, 2)
            reference.weight.copy_(norm.weight)
        features = torch.randn(3, 12, 5, 5) * 4 + 2
        expected = reference(features.mean(dim=(2, 3)))
        torch.testing.assert_close(norm(features).mean(dim=(2, 3)), expected, atol=1e-5, rtol=1e-5)

    def test_convnext_with_timms_own_head_is_divided_over_places(self) -> None:
        """The whole of timm's network, classifier and all, against our head with its weights."""
        torch.manual_seed(8)
        theirs = make_backbone("test_convnext", SIZE)
        theirs.reset_classifier(4)
        ours = build_network("test_convnext", SIZE)
        assert isinstance(ours, BackboneNetwork)
        assert isinstance(ours.deep_norm, PooledNorm)
        assert ours.deep is not None
        state = theirs.state_dict()
        ours.backbone.load_state_dict({name: state[name] for name in ours.backbone.state_dict()})
        with torch.no_grad():
            theirs.head.norm.weight.uniform_(0.5, 2)
            ours.deep_norm.weight.copy_(theirs.head.norm.weight)
            ours.deep.weight.copy_(theirs.head.fc.weight[:, :, None, None])
            ours.fine.weight.zero_()  # type: ignore[operator]
            ours.bias.copy_(theirs.head.fc(theirs.head.norm.bias.view(1, -1, 1, 1).flatten(1))[0])
        images = torch.rand(2, 1, SIZE, SIZE)
        with torch.inference_mode():
            output = ours.eval()(images)
            expected = theirs.eval()(images * ours.factor - ours.offset)
        torch.testing.assert_close(output.logits, expected, atol=1e-4, rtol=1e-4)


class TestRefusals:
    def test_a_name_that_timm_does_not_have(self) -> None:
        with pytest.raises(InvalidConfiguration, match=r"no architecture 'resnet19'; did you mean resnet1"):
            build_network("resnet19", SIZE)

    def test_a_size_that_the_network_does_not_take(self) -> None:
        with pytest.raises(
            InvalidConfiguration, match=r"halonet26t takes no image of 96 pixels; .* --set image_size=256"
        ):
            build_network("halonet26t", 96)

    def test_features_that_are_no_map(self) -> None:
        class Odd(nn.Module):
            pretrained_cfg: dict[str, object] = {}  # noqa: RUF012 - as timm has it

        from tumorscope.models.features import plan_features

        with pytest.raises(InvalidConfiguration, match="odd does not give its features at several depths"):
            plan_features(Odd(), SIZE, "odd")

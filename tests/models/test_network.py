"""One pass gives logits, the evidence they are made of, and an embedding."""

from __future__ import annotations

import pytest
import torch

from tumorscope.models.network import HEATMAP_STRIDE, SliceNetwork, build_network
from tumorscope.recipes.registry import RECIPES


@pytest.fixture(scope="module", params=list(RECIPES))
def network(request: pytest.FixtureRequest) -> SliceNetwork:
    torch.set_num_threads(1)  # small work; other threads would only wait for a busy machine
    torch.manual_seed(0)
    result = build_network(RECIPES[request.param].architecture)
    with torch.no_grad():
        result.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
        for layer in (result.deep, result.fine):
            layer.weight.mul_(50)
    return result.eval()


@pytest.mark.parametrize("size", [32, 96, 160])
@pytest.mark.parametrize("count", [1, 3])
def test_evidence_summed_over_space_plus_bias_is_the_logit(
    network: SliceNetwork, size: int, count: int
) -> None:
    images = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(size))
    with torch.inference_mode():
        logits, evidence, embedding, look = network(images)
    assert logits.shape == (count, 4)
    assert evidence.shape == (count, 4, size // HEATMAP_STRIDE, size // HEATMAP_STRIDE)
    assert embedding.shape == (count, network.backbone.num_features)
    assert look.shape[0] == count
    assert torch.isfinite(look).all()
    assert evidence.abs().max() > 1e-3
    torch.testing.assert_close(evidence.sum(dim=(2, 3)) + network.bias, logits, atol=1e-4, rtol=0)


def test_evidence_stays_at_the_place_of_what_it_rests_on(network: SliceNetwork) -> None:
    """With fine evidence alone, a change in the top left corner does not reach the far one."""
    images = torch.rand(1, 1, 384, 384, generator=torch.Generator().manual_seed(1))
    marked = images.clone()
    marked[..., :16, :16] = 1 - marked[..., :16, :16]
    deep = network.deep.weight.detach().clone()
    with torch.inference_mode():
        network.deep.weight.zero_()
        change = (network(marked).evidence - network(images).evidence).abs().sum(dim=1)[0]
        network.deep.weight.copy_(deep)
    assert change[0, 0] > 0
    assert int(change.flatten().argmax()) % change.shape[1] < 4
    assert int(change.flatten().argmax()) // change.shape[1] < 4
    assert change[-4:, -4:].max() == 0


def test_the_answer_for_an_image_does_not_depend_on_its_batch(network: SliceNetwork) -> None:
    images = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together = network(images).logits
        alone = torch.cat([network(image[None]).logits for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-4


def test_the_gradient_reaches_every_weight(network: SliceNetwork) -> None:
    images = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    network.train()
    try:
        loss = torch.nn.functional.cross_entropy(network(images).logits, torch.arange(4))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        still = [
            name
            for name, weight in network.named_parameters()
            if weight.grad is None or not bool(weight.grad.abs().sum() > 0)
        ]
    finally:
        network.eval()
    assert still == []

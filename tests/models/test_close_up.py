"""The place of a close-up, and how two answers become one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.models.close_up import Aim, CloseUpNetwork, take
from tumorscope.models.network import NetworkOutput, SliceNetwork, build_network

HEALTHY = Diagnosis.NOTUMOR.position
TUMOURS = [place for place in range(4) if place != HEALTHY]


class Brightness(SliceNetwork):
    """Evidence for one class is how bright a cell is."""

    def __init__(self, diagnosis: Diagnosis, pixels: int, cells: int) -> None:
        super().__init__()
        self.place, self.cells, self.heatmap_stride = diagnosis.position, cells, pixels // cells
        self.bias = nn.Parameter(torch.tensor([3.0, 2.0, 1.0, 0.0]))

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        cells = nn.functional.avg_pool2d(image, self.heatmap_stride)
        evidence = torch.zeros(len(image), len(CLASS_ORDER), *cells.shape[-2:])
        evidence[:, self.place] = cells[:, 0]
        embedding = image.mean(dim=(2, 3))
        return self.answer(evidence, embedding, embedding + 1)


def seen(evidence: torch.Tensor) -> NetworkOutput:
    """An answer with that evidence and no bias."""
    nothing = torch.zeros(len(evidence), 1)
    return NetworkOutput(evidence.sum(dim=(2, 3)), evidence, nothing, nothing)


@given(st.integers(1, 14), st.integers(1, 10), st.integers(2, 4), st.integers(1, 16))
def test_a_close_up_lies_in_the_slice_and_holds_what_it_is_aimed_at(
    cells: int, reader_cells: int, zoom: int, cell: int
) -> None:
    pixels = reader_cells * cell
    aim = Aim(cells, reader_cells, zoom, pixels)
    for row in range(cells):
        evidence = torch.zeros(1, 4, cells, cells)
        evidence[0, TUMOURS[row % 3], row, cells - 1 - row] = 1
        starts = aim(seen(evidence))[0]
        assert starts.dtype == torch.int64
        for place, start in zip((row, cells - 1 - row), starts.tolist(), strict=True):
            assert 0 <= start <= pixels * (zoom - 1)
            assert start % cell == 0
            middle = (place + 0.5) * pixels * zoom / cells
            assert start <= middle <= start + pixels


def test_it_is_aimed_at_the_likeliest_tumour_and_away_from_health() -> None:
    aim = Aim(4, 4, 2, 8)
    evidence = torch.zeros(3, 4, 4, 4)
    evidence[0, TUMOURS[0], 0, 0] = 3
    evidence[0, TUMOURS[1], 3, 3] = 2  # not so likely
    evidence[1, TUMOURS[2], 0, 3] = 3
    evidence[1, HEALTHY, 0, 3] = 3  # as much speaks for health there
    evidence[1, TUMOURS[2], 3, 0] = 1
    evidence[2, HEALTHY] = 1  # a healthy slice: where least speaks for health
    evidence[2, HEALTHY, 3, 3] = 0
    assert aim(seen(evidence)).tolist() == [[0, 0], [8, 0], [8, 8]]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6))
def test_a_square_is_cut_out(row: int, column: int, pixels: int) -> None:
    images = torch.arange(2 * 144).view(2, 1, 12, 12)
    starts = torch.tensor([[row, column], [column, row]])
    cut = take(images, starts, pixels)
    assert torch.equal(cut[0, 0], images[0, 0, row : row + pixels, column : column + pixels])
    assert torch.equal(cut[1, 0], images[1, 0, column : column + pixels, row : row + pixels])


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_the_answer_is_the_weighted_mean_of_both_and_the_map_says_all_of_it(share: float) -> None:
    torch.manual_seed(0)
    guide = build_network("tf_efficientnet_lite0", 64).eval()
    reader = build_network("light-cnn", 64).eval()
    network = CloseUpNetwork(guide, reader, 2, 64, share).eval()
    image = torch.rand(3, 1, 128, 128)
    with torch.inference_mode():
        answer = network(image)
        small = guide(nn.functional.avg_pool2d(image, 2))
        near = reader(take(image, network.where(image), 64))
        torch.testing.assert_close(answer.logits, (1 - share) * small.logits + share * near.logits)
        torch.testing.assert_close(answer.evidence.sum(dim=(2, 3)) + network.bias, answer.logits)
        torch.testing.assert_close(answer.look, small.look)
        alone = network(image[1:2])
    torch.testing.assert_close(alone.logits, answer.logits[1:2])
    assert answer.evidence.shape[-1] * network.heatmap_stride == 128
    assert answer.embedding.shape[1] == small.embedding.shape[1] + near.embedding.shape[1]


def test_evidence_of_the_close_up_lies_where_it_was_taken() -> None:
    guide = Brightness(Diagnosis.GLIOMA, 16, 4)
    reader = Brightness(Diagnosis.PITUITARY, 16, 8)
    network = CloseUpNetwork(guide, reader, 2, 16, 0.5)
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 24:26, 4:6] = 1
    assert network.where(image).tolist() == [[16, 0]]
    evidence = network(image).evidence[0]
    pituitary = evidence[Diagnosis.PITUITARY.position]
    assert pituitary.shape == (16, 16)
    assert pituitary.argmax() == 12 * 16 + 2
    assert pituitary.count_nonzero() == 1
    # The cell of the guide is spread over four.
    assert evidence[Diagnosis.GLIOMA.position].count_nonzero() == 16
    assert network.bias.tolist() == [3, 2, 1, 0]


def test_cells_that_are_no_whole_pixels_are_refused() -> None:
    guide, reader = Brightness(Diagnosis.GLIOMA, 16, 4), Brightness(Diagnosis.GLIOMA, 16, 3)
    with pytest.raises(InvalidConfiguration, match="3 cells a side for 16 pixels"):
        CloseUpNetwork(guide, reader, 2, 16, 0.5)


def test_it_is_aimed_at_several_cells_that_agree_and_not_at_one_that_shouts() -> None:
    evidence = torch.zeros(1, 4, 8, 8)
    evidence[0, TUMOURS[0], 1, 1] = 1.0
    evidence[0, TUMOURS[0], 5:8, 5:8] = 0.6
    alone, together = Aim(8, 8, 4, 64)(seen(evidence)), Aim(8, 8, 4, 64)(seen(evidence * (evidence < 1)))
    assert torch.equal(alone, together)

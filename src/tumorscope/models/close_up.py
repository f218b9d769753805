"""A network that sees the whole slice first, and then a close-up of where it sees a tumour.

Owns where the close-up is taken, and how the two answers become one. The idea is that of recurrent attention (Mnih et
al., "Recurrent models of visual attention", NeurIPS 2014) with one glimpse, whose place is not learnt by trial but read
off a map of evidence that tumours' boxes have taught. Knows nothing of training.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.models.grid import shares, tents
from tumorscope.models.network import NetworkOutput, SliceNetwork

__all__ = ["Aim", "CloseUpNetwork", "take"]

_HEALTHY = Diagnosis.NOTUMOR.position
_AROUND = 2.0  # cells of the guide's map


class Aim(nn.Module):
    """Where the guide would look closer.

    A close-up shows one part in ``zoom`` of each side at full resolution. Its centre is the cell of the guide's map in
    and around which most speaks for its likeliest tumour and against health; it is moved as far as it must to lie in
    the slice.

    Parameters
    ----------
    cells
        Of the guide's map, a side.
    reader_cells
        Of the map over a close-up, a side.
    zoom
        Sides of a close-up in the side of the slice.
    pixels
        Side of a close-up, a multiple of ``reader_cells``.
    """

    def __init__(self, cells: int, reader_cells: int, zoom: int, pixels: int) -> None:
        super().__init__()
        # Close-ups begin where a cell of the reader's map does, so that the two maps lie on one grid.
        whole = reader_cells * zoom
        middle = (torch.arange(cells) + 0.5) * whole / cells
        first = torch.floor(middle - reader_cells / 2 + 0.5).clamp(0, whole - reader_cells)
        self.starts: torch.Tensor
        self.register_buffer("starts", first.long() * (pixels // reader_cells), persistent=False)
        # A tumour speaks in several neighbouring cells, a cell that errs alone.
        self.around: torch.Tensor
        self.register_buffer(
            "around", torch.from_numpy(tents(cells, cells, _AROUND)).float(), persistent=False
        )
        tumours = [place for place in range(len(CLASS_ORDER)) if place != _HEALTHY]
        self.tumours: torch.Tensor
        self.register_buffer("tumours", torch.tensor(tumours), persistent=False)

    def forward(self, seen: NetworkOutput) -> torch.Tensor:
        """Top and left pixel of each close-up, ``int64 [N, 2]``."""
        likeliest = self.tumours[seen.logits[:, self.tumours].argmax(dim=1)]
        side = seen.evidence.shape[-1]
        chosen = likeliest.view(-1, 1, 1, 1).expand(-1, 1, side, side)
        towards = seen.evidence.gather(1, chosen).squeeze(1) - seen.evidence[:, _HEALTHY]
        place = (self.around @ towards @ self.around.T).flatten(1).argmax(dim=1)
        return torch.stack((self.starts[place // side], self.starts[place % side]), dim=1)


def take(images: torch.Tensor, starts: torch.Tensor, pixels: int) -> torch.Tensor:
    """Cut a square out of each image.

    Parameters
    ----------
    images
        ``[N, 1, S, S]``.
    starts
        ``int64 [N, 2]``, top and left pixel.
    pixels
        Side of the squares.

    Returns
    -------
    torch.Tensor
        ``[N, 1, pixels, pixels]``.
    """
    along = torch.arange(pixels, device=starts.device)
    rows = (starts[:, :1] + along).view(-1, 1, pixels, 1).expand(-1, 1, pixels, images.shape[-1])
    columns = (starts[:, 1:] + along).view(-1, 1, 1, pixels).expand(-1, 1, pixels, pixels)
    return images.gather(2, rows).gather(3, columns)


class CloseUpNetwork(SliceNetwork):
    """Two finished networks that look one after the other; it is not trained itself.

    The guide sees the slice at a fraction of its resolution, the reader a close-up at the whole of it. The logits are
    a weighted mean of both, and so is the evidence: that of the reader lies where the close-up was taken, and nothing
    of it lies elsewhere. What an image looks like, by which a foreign one is told, is what the guide says of the whole.

    Parameters
    ----------
    guide
        Whose input has ``pixels`` a side.
    reader
        Whose input has ``pixels`` a side.
    zoom
        Sides of a close-up in the side of the slice; the input has ``zoom * pixels`` a side.
    pixels
        See above.
    share
        Weight of the reader in the mean, from 0 to 1.

    Raises
    ------
    InvalidConfiguration
        If the cells of the reader's map are not whole pixels.
    """

    def __init__(
        self, guide: SliceNetwork, reader: SliceNetwork, zoom: int, pixels: int, share: float
    ) -> None:
        super().__init__()
        self.guide, self.reader, self.zoom, self.pixels, self.share = guide, reader, zoom, pixels, share
        cells, reader_cells = guide.cells, reader.cells
        if pixels % reader_cells:
            raise InvalidConfiguration(
                f"the map of the network that looks closer has {reader_cells} cells a side for {pixels} pixels, which "
                "is no whole number of pixels each; choose another recipe or image_size"
            )
        self.aim = Aim(cells, reader_cells, zoom, pixels)
        self.cells, self.heatmap_stride = zoom * reader_cells, pixels // reader_cells
        # As far as where the guide stands alone: its evidence would be lost beside narrow peaks of the reader.
        self.reach = guide.reach * self.cells / cells
        bias = (1 - share) * guide.bias + share * reader.bias
        self.bias = nn.Parameter(bias.detach(), requires_grad=False)
        spread = torch.from_numpy(shares(cells, self.cells)).float()
        self.spread: torch.Tensor
        self.register_buffer("spread", spread, persistent=False)

    @torch.inference_mode()
    def where(self, image: torch.Tensor) -> torch.Tensor:
        """Top and left pixel of the close-ups of ``float32 [N, 1, S, S]``, ``int64 [N, 2]``."""
        starts: torch.Tensor = self.aim(self._seen(image))
        return starts

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Classify ``float32 [N, 1, S, S]`` in [0, 1]."""
        seen = self._seen(image)
        starts = self.aim(seen)
        read = self.reader(take(image, starts, self.pixels))
        whole = self.spread @ seen.evidence @ self.spread.T
        near = torch.arange(read.evidence.shape[-1], device=image.device)
        over = torch.arange(whole.shape[-1], device=image.device)
        first = starts // self.heatmap_stride
        down = (first[:, :1, None] + near[None, :, None] == over).to(whole.dtype).unsqueeze(1)
        across = (first[:, 1:, None] + near[None, :, None] == over).to(whole.dtype).unsqueeze(1)
        placed = down.transpose(2, 3) @ read.evidence @ across
        embedding = torch.cat((seen.embedding, read.embedding), dim=1)
        return self.answer((1 - self.share) * whole + self.share * placed, embedding, seen.look)

    def _seen(self, image: torch.Tensor) -> NetworkOutput:
        """What the guide says of the whole."""
        seen: NetworkOutput = self.guide(functional.avg_pool2d(image, self.zoom))
        return seen

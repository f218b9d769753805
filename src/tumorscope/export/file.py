"""What can be read off a graph's file and written into it.

Owns the stride of the heat-map and the card's way into the file. Free of torch.
"""

from __future__ import annotations

from tumorscope.core.card import CARD_KEY, ModelCard

__all__ = ["heatmap_stride", "with_card"]


def heatmap_stride(content: bytes, size: int) -> int:
    """Pixels of the input that a cell of the heat-map stands for.

    Parameters
    ----------
    content
        A serialized ``ModelProto``.
    size
        Side of the input in pixels.
    """
    import onnx

    outputs = {value.name: value for value in onnx.load_model_from_string(content).graph.output}
    side: int = outputs["heatmap"].type.tensor_type.shape.dim[3].dim_value
    return round(size / side)


def with_card(content: bytes, card: ModelCard) -> bytes:
    """The same graph with its card inside."""
    import onnx

    model = onnx.load_model_from_string(content)
    onnx.helper.set_model_props(model, {CARD_KEY: card.model_dump_json()})
    model.producer_name, model.producer_version = "tumorscope", card.version
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized

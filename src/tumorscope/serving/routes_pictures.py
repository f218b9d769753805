"""``/v1/predictions/{id}/...``: pixels, previews and heat-maps of kept slices.

Owns the headers that go with raw pixels. No ``from __future__ import annotations``, as in the other routes.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from tumorscope.core.labels import Diagnosis
from tumorscope.serving.pictures import heatmap_png, little_endian, preview_png
from tumorscope.serving.problems import ProblemError, responses
from tumorscope.serving.service import Service
from tumorscope.serving.store import KeptSlice

__all__ = ["router"]

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
_RAW: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "Unsigned 16-bit pixels."}
}


def router(service: Service) -> APIRouter:
    """Make the routes of one server."""
    routes = APIRouter(prefix="/v1/predictions/{id}", tags=["pictures"])

    def found(name: str, number: int) -> KeptSlice:
        slices = service.kept(name).slices
        if not 0 <= number < len(slices):
            raise ProblemError(404, f"These cases have {len(slices)} slices, numbered from 0.")
        return slices[number]

    # The preview comes first: "7.png" would otherwise be taken for a number that is none.
    @routes.get(
        "/slices/{n}.png",
        summary="A preview",
        response_class=Response,
        responses=_PNG | responses(404),
    )
    def preview(
        id: str,
        n: Annotated[int, Path(ge=0)],
        size: Annotated[int | None, Query(ge=16, le=4096, description="Longer side in pixels.")] = None,
    ) -> Response:
        """Give a slice through its own window, 8 bits."""
        return Response(preview_png(found(id, n), size), media_type="image/png")

    @routes.get("/slices/{n}", summary="Pixels", response_class=Response, responses=_RAW | responses(404))
    def pixels(id: str, n: Annotated[int, Path(ge=0)]) -> Response:
        """Give a slice's pixels as little-endian uint16, row by row: value = slope * pixel + intercept."""
        kept = found(id, n)
        gray = kept.gray
        headers = {
            "Tumorscope-Width": str(kept.answer.width),
            "Tumorscope-Height": str(kept.answer.height),
            "Tumorscope-Slope": repr(gray.slope),
            "Tumorscope-Intercept": repr(gray.intercept),
            "Tumorscope-Window-Center": repr(gray.window[0]),
            "Tumorscope-Window-Width": repr(gray.window[1]),
        }
        return Response(little_endian(kept), headers=headers, media_type="application/octet-stream")

    @routes.get(
        "/heatmap.png",
        summary="A heat-map",
        response_class=Response,
        responses=_PNG | responses(404),
    )
    def heatmap(
        id: str,
        slice: Annotated[int, Query(ge=0, description="Number of the slice in the set.")] = 0,
        diagnosis: Annotated[
            Diagnosis | None, Query(description="The class; the answer if left out.")
        ] = None,
    ) -> Response:
        """Give the evidence for a class as a transparent picture of the slice's size."""
        kept = found(id, slice)
        return Response(heatmap_png(kept, diagnosis or kept.prediction.diagnosis), media_type="image/png")

    return routes

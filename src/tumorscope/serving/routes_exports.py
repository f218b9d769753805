"""``report.pdf``, ``answers.csv`` and ``answers.json`` of kept cases.

No ``from __future__ import annotations``, as in the other routes.
"""

from fastapi import APIRouter
from starlette.responses import Response

from tumorscope.serving.exports import answers_csv, case_pdf
from tumorscope.serving.problems import ProblemError, responses
from tumorscope.serving.routes_predictions import document_of
from tumorscope.serving.service import Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Make the routes of one server."""
    routes = APIRouter(prefix="/v1/predictions/{id}", tags=["exports"])

    @routes.get(
        "/cases/{case}/report.pdf",
        summary="A page to print",
        response_class=Response,
        responses={200: {"content": {"application/pdf": {}}}, **responses(404, 501)},
    )
    def report(id: str, case: str) -> Response:
        """Give one page: image, overlay, probabilities, model, notice."""
        kept = service.kept(id)
        found = next((one for one in kept.cases if one.id == case), None)
        if found is None:
            raise ProblemError(404, f"These cases are named c1 to c{len(kept.cases)}; there is no such one.")
        content = case_pdf(kept, found, service.classifier.facts.label)
        return Response(content, headers=_attached("report.pdf"), media_type="application/pdf")

    @routes.get(
        "/answers.csv",
        summary="All answers as a table",
        response_class=Response,
        responses={200: {"content": {"text/csv": {}}}, **responses(404)},
    )
    def table(id: str) -> Response:
        """Give one row for each slice, series and failure."""
        content = answers_csv(document_of(service, service.kept(id)))
        return Response(content, headers=_attached("answers.csv"), media_type="text/csv; charset=utf-8")

    @routes.get(
        "/answers.json", summary="All answers as JSON", response_class=Response, responses=responses(404)
    )
    def document(id: str) -> Response:
        """Give the document of the set as a file."""
        content = document_of(service, service.kept(id)).model_dump_json(indent=2)
        return Response(content, headers=_attached("answers.json"), media_type="application/json")

    return routes


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}

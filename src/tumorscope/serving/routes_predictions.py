"""``/v1/predictions``: files in, answers out.

Owns the request body, its limits and the two forms of the answer. No ``from __future__ import annotations`` here:
FastAPI reads the annotations of these functions, which use the settings of one server.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from tumorscope.serving.jobs import Job
from tumorscope.serving.problems import ProblemError, responses
from tumorscope.serving.schemas import Accepted, Document
from tumorscope.serving.service import Service
from tumorscope.serving.store import KeptSet
from tumorscope.serving.uploads import Upload, printable_name

__all__ = ["document_of", "router"]

_LINES = "application/x-ndjson"
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "Images, DICOM, NIfTI or .mat files, zip archives; a file name may hold a path.",
                    }
                },
            }
        }
    },
}


def router(service: Service) -> APIRouter:
    """Make the routes of one server."""
    routes = APIRouter(prefix="/v1/predictions", tags=["predictions"])
    settings = service.settings

    @routes.post(
        "",
        summary="Answer for files",
        response_model=Document,
        responses={
            200: {"description": "All answers, or one line as each is ready.", "content": {_LINES: {}}},
            **responses(400, 406, 408, 413, 415, 429, 503),
        },
        openapi_extra={"requestBody": _BODY},
    )
    async def predict(
        request: Request,
        coverage: Annotated[
            str | None, Query(description="How often prediction sets hold the truth, such as 0.95.")
        ] = None,
        keep: Annotated[
            int, Query(ge=0, le=settings.longest_keep_seconds, description="Seconds to keep the cases.")
        ] = settings.keep_seconds,
    ) -> Response:
        """Say what slices, volumes, series and archives show.

        Answers come as one document, or with ``Accept: application/x-ndjson`` line by line. A file that cannot be read
        becomes a failure in it; the others are answered.
        """
        lines = _wants_lines(request.headers.get("accept", "*/*"))
        key = service.classifier.facts.coverage_key(coverage)
        with ExitStack() as stack:
            stack.enter_context(service.admitted())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tumorscope-")))
            uploads = await _received(request, folder, service)
            kept = service.store.open(keep)
            job = Job(service.parts, kept, uploads, key)
            task = asyncio.create_task(job.run())
            watch = asyncio.create_task(_cancel_when_gone(request, task))
            stack.callback(watch.cancel)
            stack.callback(_settle, service, kept, task)
            held = stack.pop_all()
        task.add_done_callback(lambda _task: held.close())
        if lines:
            return StreamingResponse(_streamed(service, job, task), media_type=_LINES)
        try:
            await task
        except asyncio.CancelledError:
            return Response(status_code=499)  # nobody is there to read it
        return Response(document_of(service, kept).model_dump_json(), media_type="application/json")

    @routes.get("/{id}", summary="The answers again", responses=responses(404, 409))
    def again(id: str) -> Document:
        """Give the document of a set of cases that is kept."""
        kept = service.kept(id)
        if not kept.finished:
            raise ProblemError(409, "These cases are still being answered; ask again.", {"Retry-After": "1"})
        return document_of(service, kept)

    @routes.delete("/{id}", status_code=204, summary="Forget the cases", responses=responses(404))
    @routes.post("/{id}/close", status_code=204, summary="The same", responses=responses(404))
    def forget(id: str) -> None:
        """Forget a set of cases: answers, pixels and heat-maps."""
        service.kept(id)
        service.store.forget(id)

    return routes


def document_of(service: Service, kept: KeptSet) -> Document:
    """All answers of a set."""
    return Document(
        id=kept.id,
        expires=_expires(kept),
        model=service.classifier.facts.label,
        cases=kept.cases,
        failures=kept.failures,
    )


def _expires(kept: KeptSet) -> datetime:
    return datetime.fromtimestamp(kept.expires, UTC)


def _wants_lines(accept: str) -> bool:
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if _LINES in kinds:
        return True
    if kinds.isdisjoint({"", "*/*", "application/*", "application/json"}):
        raise ProblemError(406, f"The answer comes as application/json or {_LINES}; accept one of these.")
    return False


async def _received(request: Request, folder: Path, service: Service) -> list[Upload]:
    """The files of the body, in a folder of their own."""
    settings = service.settings
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ProblemError(415, "Send the files as multipart/form-data, each in a field named 'files'.")
    try:
        async with asyncio.timeout(settings.upload_seconds):
            form = await request.form(max_files=settings.files, max_fields=16, max_part_size=4096)
    except TimeoutError:
        told = (
            f"The request took longer than {settings.upload_seconds:g} seconds to arrive; send fewer files."
        )
        raise ProblemError(408, told, {"Connection": "close"}) from None
    try:
        return await asyncio.to_thread(_saved, form, folder)
    finally:
        await form.close()


def _saved(form: FormData, folder: Path) -> list[Upload]:
    files = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
    if not files:
        raise ProblemError(422, "The request has no field 'files' with a file in it; send at least one.")
    uploads = []
    for number, part in enumerate(files):
        path = folder / f"{number:06d}"
        with path.open("xb") as stream:
            shutil.copyfileobj(part.file, stream, 1 << 20)
        uploads.append(Upload(printable_name(part.filename), path))
    return uploads


async def _cancel_when_gone(request: Request, task: "asyncio.Task[None]") -> None:
    """Nobody waits any longer: stop the work."""
    with suppress(Exception):
        while (await request.receive())["type"] != "http.disconnect":
            pass
    task.cancel()


async def _streamed(service: Service, job: Job, task: "asyncio.Task[None]") -> AsyncIterator[bytes]:
    first = Accepted(id=job.kept.id, expires=_expires(job.kept), model=service.classifier.facts.label)
    yield first.model_dump_json().encode() + b"\n"
    async for event in job.events():
        yield event.model_dump_json().encode() + b"\n"
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error  # breaks the answer off


def _settle(service: Service, kept: KeptSet, task: "asyncio.Task[None]") -> None:
    """The work is over: count it, and keep nothing of what nobody has waited for."""
    if task.cancelled() or task.exception() is not None:
        service.store.forget(kept.id)
    for one in kept.slices:
        service.metrics.slices.labels(one.answer.verdict.value).inc()
    service.metrics.failures.inc(len(kept.failures))

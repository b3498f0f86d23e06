"""``/v1/jobs``: files that take longer than a request may."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from flask import Blueprint, Response, g, request
from pydantic import BaseModel
from werkzeug.wsgi import wrap_file

from forecaster import check_model_name
from service.contract import CSV, JSON, Answer, Header, operation
from service.intake import frequency_of, intervals_of, invalid, read_options, too_many
from service.jobs.desk import JobDesk
from service.jobs.job import Job, description_of
from service.jobs.upload import body_pieces
from service.models.base import BASE
from service.problems import Problem
from service.schemas.jobs import JobDescription, JobList, JobOptions, JobPage, TrainedModel
from service.settings import Settings

__all__ = ["job_routes"]

_ID = re.compile(r"[0-9a-f]{32}")
ID = {"job_id": "The id of the job, as Location had it."}
TEXT = {"schema": {"type": "string"}}
CSV_FILE = TEXT | {"example": "unique_id,ds,y\nshop,2024-01-01,12\nshop,2024-01-02,15\n"}
_IDEMPOTENCY = re.compile(r"[ -~]{1,255}")
RETRY_SECONDS = "1"


def job_routes(desk: JobDesk, settings: Settings) -> Blueprint:
    """Return the routes of ``/v1/jobs``."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")
    _add_submit(routes, desk, settings)
    _add_looks(routes, desk)
    _add_ends(routes, desk)
    _add_files(routes, desk)
    return routes


def _add_submit(routes: Blueprint, desk: JobDesk, settings: Settings) -> None:
    @routes.post("")
    @operation(
        id="submitJob",
        summary="Hand in a file to forecast, or to train a model on",
        description="The body is the file, of any length up to the limit, as it is or packed with gzip; options come "
        "in the query string. The answer comes as soon as the file is safe on the disk, before it has been looked at: "
        "what is wrong with it is the `error` of the job. kind=train needs a key with the scope train too.",
        scope="forecast",
        body={CSV: CSV_FILE},
        query=JobOptions,
        headers={
            "Idempotency-Key": Header(
                "1 to 255 visible characters of the caller's: the same request sent again with them is answered with "
                "the job that the first one made.",
                {"pattern": f"^{_IDEMPOTENCY.pattern}$"},
            ),
            "Content-Encoding": Header("gzip, if the body is.", {"enum": ["identity", "gzip"]}),
        },
        answers={
            202: Answer(
                "The job waits.",
                {JSON: JobDescription},
                {"Location": "Where it is described.", "Retry-After": "Seconds after which to look there."},
            )
        },
        problems=(
            "malformed-body",
            "too-slow",
            "conflict",
            "too-large",
            "unsupported-media-type",
            "invalid-request",
            "too-many",
            "busy",
            "unavailable",
        ),
    )
    def submit() -> Response:
        """Take a file in."""
        options = read_options(JobOptions, request.args)
        _check_options(options, settings)
        idempotency = _idempotency_key()
        pieces = body_pieces(request, settings.max_job_bytes)
        job = desk.submit(g.caller.key_id, options, pieces, idempotency)
        g.fields |= {"job": job.id, "kind": job.kind}
        headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": RETRY_SECONDS}
        return _described(job, status=202, headers=headers)


def _add_looks(routes: Blueprint, desk: JobDesk) -> None:
    @routes.get("")
    @operation(
        id="listJobs",
        summary="List the jobs of the key that asks",
        description="Newest first; with the scope admin, the jobs of all keys.",
        scope="forecast",
        query=JobPage,
        answers={200: Answer("The jobs.", {JSON: JobList})},
        problems=("invalid-request", "unknown-job", "unavailable"),
    )
    def jobs() -> Response:
        """List jobs."""
        page = read_options(JobPage, request.args)
        with desk.queue() as queue:
            found = queue.page(_owner(), limit=page.limit + 1, before=page.before and _checked(page.before))
        shown = found[: page.limit]
        more = shown[-1].id if len(found) > page.limit else None
        return _json(JobList(jobs=[description_of(job) for job in shown], next=more))

    @routes.get("/<job_id>")
    @operation(
        id="getJob",
        summary="How far a job is",
        scope="forecast",
        path=ID,
        answers={
            200: Answer(
                "The job.", {JSON: JobDescription}, {"Retry-After": "While it is not finished: when to ask again."}
            )
        },
        problems=("unknown-job", "unavailable"),
    )
    def job(job_id: str) -> Response:
        """Describe a job."""
        return _described(_found(desk, job_id))


def _add_ends(routes: Blueprint, desk: JobDesk) -> None:
    @routes.post("/<job_id>/cancel")
    @operation(
        id="cancelJob",
        summary="End a job that waits or runs",
        description="It is cancelled at once; its process ends within a second or two. Cancelling it again changes "
        "nothing. A training that is at the point of adding its model may still do so.",
        scope="forecast",
        path=ID,
        answers={200: Answer("The job is cancelled.", {JSON: JobDescription})},
        problems=("unknown-job", "conflict", "unavailable"),
    )
    def cancel(job_id: str) -> Response:
        """Cancel a job."""
        with desk.queue() as queue:
            queue.find(_checked(job_id), _owner())
            if queue.cancel(job_id):
                desk.files.remove_upload(job_id)
            job = queue.find(job_id, _owner())
        if job.status != "cancelled":
            raise Problem("conflict", f"The job's status is {job.status}: it cannot be cancelled any more.")
        return _described(job)

    @routes.delete("/<job_id>")
    @operation(
        id="deleteJob",
        summary="Remove a finished job and its result",
        scope="forecast",
        path=ID,
        answers={204: Answer("It is gone.")},
        problems=("unknown-job", "conflict", "unavailable"),
    )
    def delete(job_id: str) -> Response:
        """Remove a job."""
        with desk.queue() as queue:
            job = queue.find(_checked(job_id), _owner())
            if not queue.delete(job_id):
                raise Problem(
                    "conflict", f"The job's status is {job.status}. Cancel it first, or wait until it is finished."
                )
            desk.files.remove(job_id)
        return Response(status=204)


def _add_files(routes: Blueprint, desk: JobDesk) -> None:
    @routes.get("/<job_id>/result")
    @operation(
        id="getJobResult",
        summary="What came of a job",
        scope="forecast",
        path=ID,
        answers={
            200: Answer(
                "Of a forecast its table, of a training the model's description.",
                {CSV: TEXT, JSON: TrainedModel},
                {"Content-Disposition": "A name for the file.", "Repr-Digest": "Its SHA-256 (RFC 9530)."},
            )
        },
        problems=("unknown-job", "conflict", "gone", "unavailable"),
    )
    def result(job_id: str) -> Response:
        """Send the result of a job."""
        return _file_of(desk, _found(desk, job_id), "file")

    @routes.get("/<job_id>/skipped")
    @operation(
        id="getSkippedSeries",
        summary="Series of a forecasting job that have no forecast, and why",
        scope="forecast",
        path=ID,
        answers={200: Answer("A table of unique_id and reason.", {CSV: TEXT}, {"Content-Disposition": "A name."})},
        problems=("unknown-job", "conflict", "gone", "unavailable"),
    )
    def skipped(job_id: str) -> Response:
        """Send the list of series without a forecast."""
        job = _found(desk, job_id)
        if job.kind != "forecast":
            raise Problem("conflict", "A training has no such list; its result holds what it had to say.")
        return _file_of(desk, job, "skipped")


def _check_options(options: JobOptions, settings: Settings) -> None:
    """Refuse what does not go together, before the file is read."""
    if options.kind == "train" and "train" not in g.caller.scopes:
        raise Problem("not-allowed", "kind=train needs a key with the scope train.")
    for name in sorted(options.meaningless & options.model_fields_set):
        raise invalid(name, f"nothing, since it is no option of kind={options.kind}", got="an option")
    if options.kind == "train":
        _check_training(options)
    if options.h is not None and options.h > settings.max_horizon:
        raise too_many("h", f"at most {settings.max_horizon}")
    frequency_of(options)
    intervals_of(options.level, options.quantiles)


def _check_training(options: JobOptions) -> None:
    if options.h is None:
        raise invalid("h", "the steps ahead that the model is trained for", got="nothing")
    if options.name is None:
        raise invalid("name", "what the model is to be called", got="nothing")
    check_model_name(options.name)
    if options.init == "base" and options.cell != "lstm":
        raise invalid("init", f"random, since base weights are those of LSTMs and not of a {options.cell}", got="base")
    if options.name == BASE:
        raise invalid("name", f"another name than {BASE}, which the base weights of the package have", got=BASE)


def _idempotency_key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None and not _IDEMPOTENCY.fullmatch(given):
        raise invalid("Idempotency-Key", "1 to 255 visible ASCII characters", got="something else")
    return given


def _owner() -> str | None:
    """Return whose jobs the caller may see; None for everybody's."""
    return None if "admin" in g.caller.scopes else str(g.caller.key_id)


def _found(desk: JobDesk, job_id: str) -> Job:
    with desk.queue() as queue:
        return queue.find(_checked(job_id), _owner())


def _checked(job_id: str) -> str:
    """Return what can be the id of a job: not every database takes every character."""
    if not _ID.fullmatch(job_id):
        raise Problem("unknown-job", "The id of a job is 32 digits and letters from a to f.")
    return job_id


def _described(job: Job, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    response = _json(description_of(job), status=status)
    if not job.is_finished:
        response.headers["Retry-After"] = RETRY_SECONDS
    response.headers.update(headers or {})
    return response


def _json(shape: BaseModel, *, status: int = 200) -> Response:
    return Response(shape.model_dump_json(), status=status, content_type=JSON)


def _file_of(desk: JobDesk, job: Job, which: str) -> Response:
    """Send a file of a job: opened once, so that nothing which removes it meanwhile cuts it short."""
    if job.result is None:
        if job.is_finished:
            raise Problem("conflict", f"The job's status is {job.status}: it has no result.")
        detail = f"The job's status is {job.status}. Ask again when it has succeeded."
        raise Problem("conflict", detail, headers={"Retry-After": RETRY_SECONDS})
    ending = {"file": job.result["file"], "skipped": Path(job.result["file"]).stem + ".skipped.csv"}[which]
    try:
        file = (desk.files.results / ending).open("rb")
    except FileNotFoundError:
        raise Problem("gone", "The result is no longer kept. Hand the file in again.") from None
    response = Response(wrap_file(request.environ, file), direct_passthrough=True)
    is_table = ending.endswith(".csv")
    response.content_type = f"{CSV}; charset=utf-8" if is_table else JSON
    response.content_length = file.seek(0, 2)
    file.seek(0)
    name = f"{which if which == 'skipped' else job.kind}-{job.id[:8]}{'.csv' if is_table else '.json'}"
    if which == "file":
        digest = base64.b64encode(bytes.fromhex(job.result["sha256"])).decode()
        response.headers["Repr-Digest"] = f"sha-256=:{digest}:"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

"""The routes, and the life of what they use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from sandbox import AsyncSandbox
from verifier.service import errors as problems
from verifier.service import models
from verifier.service.checks import Busy, Checker
from verifier.service.documents import describe, docs_page
from verifier.service.errors import HttpProblem
from verifier.service.execution import Executions
from verifier.service.fusion import add_fusion_routes
from verifier.service.gate import ICON, Gate, Traffic
from verifier.service.metrics import Metrics
from verifier.service.sessions import HeldSession, Sessions
from verifier.service.settings import ServiceSettings

STAND_BACK = 10
"""The `nice` of sessions: cells that hang must not keep the service, one process, from answering all others."""


class Service:
    """Everything behind the routes. It exists from the start of the application's lifespan to its end."""

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.checker = Checker(settings.workers, settings.check_seconds, metrics)
        self.box = AsyncSandbox(
            replace(settings.limits, nice=max(settings.limits.nice, STAND_BACK)),
            level=settings.isolation,
            warm=1,
            max_sessions=settings.max_sessions + settings.max_executions,
        )
        self.sessions = Sessions(self.box, settings, metrics)
        self.executions = Executions(self.box, settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be ready from here on; end all processes and sessions at the end."""
        await self.checker.open()
        expiry = asyncio.create_task(self.sessions.expire())
        try:
            yield
        finally:
            expiry.cancel()
            await self.box.close()
            await self.checker.close()

    async def check(self, request: dict[str, Any], wait: float | None = None) -> dict[str, Any]:
        """Have a worker answer; see ``worker.answer``.

        Raises:
            HttpProblem: 503 if no worker became free in time.
        """
        try:
            return await self.checker.check(request, self.settings.queue_seconds if wait is None else wait)
        except Busy as error:
            raise HttpProblem(503, "busy", str(error), retry_after=2) from error

    async def verify(self, item: models.VerifyBody, wait: float | None = None) -> dict[str, Any]:
        """Verify one answer; a check that fails within its limits is an ``unverifiable`` verdict."""
        started = time.perf_counter()
        reply = await self.check({"op": "verify", **item.model_dump()}, wait)
        return self._verdict(reply, started)

    async def verify_batch(self, items: list[Any]) -> list[dict[str, Any]]:
        """Verify many, in order; what is no ``VerifyBody`` is ``unverifiable``.

        Other callers' checks take their turns between those of a batch.
        """
        deadline = time.monotonic() + self.settings.batch_seconds
        verdicts: list[dict[str, Any]] = [{} for _ in items]
        queue = iter(enumerate(items))

        async def work() -> None:
            for index, item in queue:
                started = time.perf_counter()
                if not isinstance(item, models.VerifyBody):
                    verdicts[index] = self._verdict({"failed": models.why_refused(item)}, started)
                    continue
                try:
                    verdicts[index] = await self.verify(item, max(deadline - time.monotonic(), 0))
                except HttpProblem:
                    failed = {"failed": f"the batch's {self.settings.batch_seconds:g} s were used up"}
                    verdicts[index] = self._verdict(failed, started)

        await asyncio.gather(*(work() for _ in range(2 * self.settings.workers)))
        return verdicts

    async def verify_solution(self, body: models.SolutionBody) -> dict[str, Any]:
        """Check a whole solution, running its code again where asked to."""
        started = time.perf_counter()
        if body.blocks is None:
            read = await self.check({"op": "blocks", "text": body.text})
            if "failed" in read:
                return self._verdict(read, started, solution=True)
            blocks = read["blocks"]
        else:
            blocks = [block.model_dump() for block in body.blocks]
        outputs = await self._outputs(blocks) if body.execute else None
        request = {
            "op": "solution",
            "blocks": blocks,
            "outputs": outputs,
            "gold": body.gold,
            "rounding": body.rounding,
            "require": body.require,
        }
        return self._verdict(await self.check(request), started, solution=True)

    async def _outputs(self, blocks: list[dict[str, str]]) -> list[str]:
        """Run the code blocks in a fresh session; those not reached in time are missing at the end."""
        outputs: list[str] = []
        async with self.executions.session() as session:
            try:
                async with asyncio.timeout(self.settings.execute_seconds):
                    for code in (b["content"] for b in blocks if b["type"] == "code"):
                        result = await session.run(code)
                        self.metrics.cells.labels(result.status).inc()
                        outputs.append(result.output)
            except TimeoutError:
                self.metrics.cells.labels("timeout").inc()
        return outputs

    def _verdict(self, reply: dict[str, Any], started: float, solution: bool = False) -> dict[str, Any]:
        if "failed" in reply:
            reply = {
                "status": "unverifiable",
                "correct": False,
                "reason": reply["failed"],
                "prediction": None,
                "gold": None,
                "seconds": time.perf_counter() - started,
            }
            if solution:
                unknown = {
                    "clean": False,
                    "clean_reason": "not checked",
                    "reproduces": None,
                    "first_difference": None,
                }
                reply |= unknown | {"source": "none"}
        self.metrics.verdicts.labels(reply["status"]).inc()
        return reply


def build_app(settings: ServiceSettings) -> FastAPI:
    """Return the application. ``app.state.traffic`` is what ``server`` drains by."""
    metrics, traffic = Metrics(), Traffic()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = Service(settings, metrics)
        async with app.state.service.running(), app.state.mcp_running():
            yield

    app = FastAPI(
        title="scdpo",
        summary="Verify answers and solutions, and run Python in isolated sessions.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.traffic = traffic
    app.state.mcp_running = nullcontext
    app.add_middleware(Gate, settings=settings, metrics=metrics, traffic=traffic)
    problems.install(app)
    _add_verify_routes(app, settings)
    _add_session_routes(app, settings)
    add_fusion_routes(app)
    if settings.mcp:
        from verifier.service.mcp_tools import add_mcp_route  # the package `mcp` is an extra of its own

        add_mcp_route(app)
    _add_watch_routes(app, metrics, traffic)
    _add_page_routes(app, settings)
    describe(app, keyed=settings.key is not None, max_batch=settings.max_batch)
    return app


def _add_verify_routes(app: FastAPI, settings: ServiceSettings) -> None:
    def service() -> Service:
        found: Service = app.state.service
        return found

    @app.post("/v1/verify", tags=["verify"], response_model=models.VerdictReply)
    async def verify_answer(body: models.VerifyBody) -> dict[str, Any]:
        """Say whether an answer equals the gold answer."""
        return await service().verify(body)

    @app.post("/v1/verify/batch", tags=["verify"], response_model=models.BatchReply)
    async def verify_answers(body: models.BatchBody) -> dict[str, Any]:
        """Verify many answers. A bad item costs the others nothing; what is not reached in time is unverifiable."""
        if len(body.items) > settings.max_batch:
            raise problems.invalid_body([("#/items", f"a batch may have {settings.max_batch} items")])
        return {"verdicts": await service().verify_batch(body.items)}

    @app.post("/v1/verify/solution", tags=["verify"], response_model=models.SolutionReply)
    async def verify_whole_solution(body: models.SolutionBody) -> dict[str, Any]:
        """Check a solution's answer, whether it is clean, and whether its code gives the recorded outputs."""
        return await service().verify_solution(body)


def _add_session_routes(app: FastAPI, settings: ServiceSettings) -> None:
    def sessions() -> Sessions:
        service: Service = app.state.service
        return service.sessions

    def described(held: HeldSession) -> dict[str, Any]:
        session = held.session
        return {
            "id": held.id,
            "isolation": session.isolation,
            "origin": session.origin.kind,
            "idle_seconds": settings.session_idle_seconds,
        }

    @app.post("/v1/sessions", tags=["sessions"], status_code=201, response_model=models.SessionReply)
    async def open_session(body: models.SessionBody) -> dict[str, Any]:
        """Start an isolated Python session. Its id is its secret: whoever knows it can use it."""
        return described(await sessions().open())

    @app.post("/v1/sessions/{id}/cells", tags=["sessions"], response_model=models.CellReply)
    async def run_cell(id: str, body: models.CellBody) -> Any:
        """Run a cell; an error, a timeout or a death of the session is a result, not an HTTP error."""
        return await sessions().run(id, body.code)

    @app.post("/v1/sessions/{id}/fork", tags=["sessions"], status_code=201, response_model=models.ForkReply)
    async def fork_session(id: str, body: models.ForkBody) -> dict[str, Any]:
        """Make copies of a session: the same variables, random state and files; they go separate ways from here."""
        return {"sessions": [described(held) for held in await sessions().fork(id, body.count)]}

    @app.delete("/v1/sessions/{id}", tags=["sessions"], status_code=204)
    async def close_session(id: str) -> None:
        """End a session; a cell that it runs is cut off."""
        await sessions().close(id)


def _add_watch_routes(app: FastAPI, metrics: Metrics, traffic: Traffic) -> None:
    @app.get("/healthz", tags=["watch"], response_model=models.HealthReply)
    async def health() -> dict[str, Any]:
        """Say whether requests are taken: 200, or 503 while the service is being stopped."""
        if traffic.draining:
            raise HttpProblem(503, "draining", "the service is being stopped", retry_after=5)
        return {
            "status": "ok",
            "requests": traffic.in_flight,
            "sessions": len(app.state.service.sessions),
        }

    @app.get("/metrics", tags=["watch"], response_class=Response)
    async def prometheus() -> Response:
        """Counters in Prometheus's text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_page_routes(app: FastAPI, settings: ServiceSettings) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Show the API in a browser; nothing is loaded from elsewhere."""
        return HTMLResponse(docs_page(app.openapi()))

    @app.get(ICON, include_in_schema=False)
    async def icon() -> Response:
        """Answer the browser, which asks for it with each page, that there is none."""
        return Response(status_code=204)

    @app.get("/", include_in_schema=False)
    async def start() -> Response:
        """Show the run's report as it stands now, or the API's description where no run was named."""
        if settings.report is None:
            return RedirectResponse("/docs")
        return FileResponse(settings.report, media_type="text/html; charset=utf-8")

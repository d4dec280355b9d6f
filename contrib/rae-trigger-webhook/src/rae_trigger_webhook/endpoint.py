"""The endpoint of one trigger: requests for its path are checked, recorded as events, and answered."""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from loguru import logger

from rae_auto.api import TriggerContext
from rae_auto.api.trigger import EmitResult
from rae_auto.errors import BadRequest, SchedulerClosed
from rae_trigger_webhook.event import build_event
from rae_trigger_webhook.messages import ReadBody, RequestHead, RequestRefused, Response, refuse_for_now
from rae_trigger_webhook.options import SignatureScheme, WebhookOptions
from rae_trigger_webhook.origins import check_origin
from rae_trigger_webhook.rate_limit import TokenBucket
from rae_trigger_webhook.secrets import read_secret
from rae_trigger_webhook.signing import has_body_signature, has_standard_signature, has_token

EMIT_TIMEOUT_SECONDS = 10.0
"""Time after which a request is answered although its event is not durable yet."""

MAX_PENDING_EVENTS = 256
"""Events that wait until they are durable; further requests are refused."""

REFUSAL_LOG_INTERVAL_SECONDS = 60.0
"""Time between log lines about refused requests."""

MAX_KEY_CHARACTERS = 255


class InvalidProof(Exception):
    """A request doesn't prove that its sender has the token or secret; the text is for the log alone."""


class Endpoint:
    """The path of a trigger, while the trigger watches."""

    def __init__(self, options: WebhookOptions, context: TriggerContext) -> None:
        self._options, self._context = options, context
        self.job, self.hosts = context.job, options.hosts
        self._accepted_rate = TokenBucket(options.rate)
        self._pending: dict[str, asyncio.Task[EmitResult]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last_logged_at = float("-inf")
        self._unlogged_refusals = 0

    async def check_secret(self) -> None:
        """Check that the token or secret can be read. Errors: ValueError."""
        await self._read_secret()

    async def wait_for_failure(self) -> None:
        """Wait for an error of the daemon while it records an event, and raise it."""
        await self._failure

    async def close(self) -> None:
        """Abandon events that are not durable, because none was acknowledged to its client."""
        self._failure.cancel()
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def respond(self, head: RequestHead, read_body: ReadBody) -> Response:
        """Return the response to a request. Errors: RequestRefused, InvalidProof."""
        try:
            check_origin(head, self.hosts)
            body = await self._read_authentic_body(head, read_body)
            if wait := self._accepted_rate.try_take(self._now()):
                raise refuse_for_now(wait)
            return await self._record(self._event_key(head, body), build_event(head, body, self._options.headers))
        except InvalidProof as problem:
            self._log_refusal(head, HTTPStatus.NOT_FOUND, problem)
            raise
        except RequestRefused as refusal:
            self._log_refusal(head, refusal.response.status, refusal.__cause__ or refusal)
            raise

    # Authentication

    async def _read_authentic_body(self, head: RequestHead, read_body: ReadBody) -> bytes:
        """Return the body of a request that may start the job. A token is checked before the body is read."""
        options = self._options
        secret = await self._read_secret_for_request()
        if options.token is not None and not has_token(secret, options.token_header, head):
            raise InvalidProof("invalid token")
        body = await self._read_body(head, read_body)
        if options.secret is not None and not self._is_signed(secret, head, body):
            raise InvalidProof("invalid signature")
        # Last, or it would show to anyone which paths there are.
        if head.method not in options.methods:
            methods = ", ".join(options.methods)
            raise RequestRefused(HTTPStatus.METHOD_NOT_ALLOWED, f"method not allowed; use {methods}", Allow=methods)
        return body

    async def _read_body(self, head: RequestHead, read_body: ReadBody) -> bytes:
        limit = self._options.max_body
        length = head.single("content-length")
        if length is not None and int(length) > limit:
            raise self._too_large(limit)
        try:
            return await read_body(limit)
        except RequestRefused as refusal:
            if refusal.response.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise self._too_large(limit) from None
            raise

    def _too_large(self, limit: int) -> Exception:
        """Return the refusal of a body that is too large; one that is not read can't prove who sent it."""
        text = f"the body is larger than {limit} bytes"
        if self._options.secret is not None:
            return InvalidProof(text)
        return RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)

    def _is_signed(self, secret: bytes, head: RequestHead, body: bytes) -> bool:
        if self._options.scheme is SignatureScheme.BODY:
            return has_body_signature(secret, self._options.signature_header, head, body)
        return has_standard_signature(secret, head, body, self._context.timer.now().wall, self._options.max_age)

    async def _read_secret(self) -> bytes:
        if self._options.token is not None:
            return await read_secret("token", self._options.token)
        assert self._options.secret is not None
        return await read_secret("secret", self._options.secret)

    async def _read_secret_for_request(self) -> bytes:
        try:
            return await self._read_secret()
        except ValueError as error:
            # The log gets the cause; the sender must not learn it.
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE, "requests cannot be checked at the moment; try again later"
            ) from error

    # Events

    def _event_key(self, head: RequestHead, body: bytes) -> str:
        """Return the identity of a request: of a signed one only what is signed, unless the options say otherwise."""
        options = self._options
        name = options.idempotency_header
        if options.secret is not None and options.scheme is SignatureScheme.STANDARD:
            name = "webhook-id"
        elif options.secret is not None and name is None:
            return f"sha256:{hashlib.sha256(body).hexdigest()}"
        key = head.single(name or "Idempotency-Key")
        if key is None and (name or "idempotency-key").lower() not in head.headers:
            # Requests without an identity are all different.
            return uuid.uuid4().hex
        if not key or len(key) > MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
            raise RequestRefused(
                HTTPStatus.BAD_REQUEST,
                f"invalid header {name or 'Idempotency-Key'}; use 1 to {MAX_KEY_CHARACTERS} printable ASCII characters",
            )
        return key

    async def _record(self, key: str, event: Mapping[str, Any]) -> Response:
        """Emit the event and wait for a while until it is durable; a repeated request joins the wait of the first."""
        task = self._pending.get(key)
        if task is None:
            if len(self._pending) >= MAX_PENDING_EVENTS:
                raise _not_durable_yet()
            task = self._pending[key] = asyncio.get_running_loop().create_task(self._emit(key, event))
            task.add_done_callback(lambda done: self._handle_emitted(key, done))
        await asyncio.wait({task}, timeout=EMIT_TIMEOUT_SECONDS)
        if not task.done():
            raise _not_durable_yet()
        return self._to_response(task)

    async def _emit(self, key: str, event: Mapping[str, Any]) -> EmitResult:
        return await self._context.emit(key, event)

    def _handle_emitted(self, key: str, task: "asyncio.Task[EmitResult]") -> None:
        del self._pending[key]
        error = None if task.cancelled() else task.exception()
        # A bad request and the end of the daemon are not failures of this source.
        if error is not None and not isinstance(error, BadRequest | SchedulerClosed) and not self._failure.done():
            self._failure.set_exception(error)

    def _to_response(self, task: "asyncio.Task[EmitResult]") -> Response:
        try:
            result = task.result()
        except BadRequest as error:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, str(error)) from None
        except (SchedulerClosed, asyncio.CancelledError):
            raise _not_durable_yet() from None
        except Exception:
            raise RequestRefused(
                HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed; see the log of the daemon"
            ) from None
        if result.reason is not None:
            return Response(HTTPStatus.CONFLICT, {"reason": result.reason.code})
        return Response(HTTPStatus.ACCEPTED, {"run_id": result.run})

    # Log

    def _now(self) -> float:
        return self._context.timer.now().mono

    def _log_refusal(self, head: RequestHead, status: HTTPStatus, cause: BaseException) -> None:
        now = self._now()
        if now - self._last_logged_at < REFUSAL_LOG_INTERVAL_SECONDS:
            self._unlogged_refusals += 1
            return
        count = self._unlogged_refusals
        more = f" ({count} more since the last such line)" if count else ""
        self._last_logged_at, self._unlogged_refusals = now, 0
        text = 'trigger "{}" refused a request from {} with status {}: {}{}'
        logger.bind(job=self.job).warning(text, self._context.trigger, head.remote, int(status), cause, more)


def _not_durable_yet() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the request is not recorded yet; send it again with the same identity, it starts one run at most",
        Retry_After="10",
    )

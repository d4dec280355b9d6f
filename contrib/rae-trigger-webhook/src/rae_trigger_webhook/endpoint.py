"""What becomes of the requests for one path: they are checked, told to the daemon, and answered."""

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
from rae_trigger_webhook.content import event_of
from rae_trigger_webhook.limits import Bucket
from rae_trigger_webhook.messages import Head, ReadBody, Refused, Response
from rae_trigger_webhook.origins import check_origin
from rae_trigger_webhook.secrets import resolved
from rae_trigger_webhook.signing import bears, signs_body, signs_standard
from rae_trigger_webhook.trigger import Scheme, WebhookTrigger

ANSWER_WITHIN = 10.0
"""Seconds after which a request is answered though what it told isn't durable yet."""

MOST_PENDING = 256
"""Requests that wait until they are durable; more are sent away."""

COMPLAIN = 60.0
"""Seconds between log lines on requests that were refused."""

_LONGEST_KEY = 255


class Endpoint:
    """The path of a trigger, as long as it watches."""

    def __init__(self, options: WebhookTrigger, watch: TriggerContext) -> None:
        self._options, self._watch = options, watch
        self.job, self.hosts = watch.job, options.hosts
        self._taken, self._refused = Bucket(options.rate), Bucket(options.rate)
        self._pending: dict[str, asyncio.Task[EmitResult]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._complained_at = float("-inf")
        self._unsaid = 0

    async def check(self) -> None:
        """Errors: ValueError, where the token or secret can't be had."""
        await self._secret()

    async def failed(self) -> None:
        """Wait for an error of the daemon's, and raise it."""
        await self._failure

    async def close(self) -> None:
        """Wait for nothing any more. What is not durable was not promised to anybody."""
        self._failure.cancel()
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def answer(self, head: Head, read_body: ReadBody) -> Response:
        """The answer to a request. Errors: Refused."""
        try:
            check_origin(head, self.hosts)
            body = await self._authentic_body(head, read_body)
            if wait := self._taken.take(self._now()):
                raise _too_many(wait)
            return await self._told(self._key(head, body), event_of(head, body, self._options.headers))
        except Refused as refused:
            self._complain(head, refused)
            raise

    # Who may

    async def _authentic_body(self, head: Head, read_body: ReadBody) -> bytes:
        """The body of a request that may start the job. A token is checked before anything more is read."""
        options = self._options
        if head.method not in options.methods:
            taken = ", ".join(options.methods)
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"the methods taken are {taken}", Allow=taken)
        secret = await self._secret_now()
        if options.token is not None and not bears(secret, options.token_header, head):
            raise self._stranger()
        body = await self._body(head, read_body)
        if options.secret is not None and not self._is_signed(secret, head, body):
            raise self._stranger()
        return body

    async def _body(self, head: Head, read_body: ReadBody) -> bytes:
        limit = self._options.max_body
        length = head.one("content-length")
        if length is not None and int(length) > limit:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {limit} bytes")
        return await read_body(limit)

    def _is_signed(self, secret: bytes, head: Head, body: bytes) -> bool:
        if self._options.scheme is Scheme.BODY:
            return signs_body(secret, self._options.signature_header, head, body)
        return signs_standard(secret, head, body, self._watch.timer.now().wall, self._options.max_age)

    def _stranger(self) -> Refused:
        """One answer, whatever it is that is wrong; and who guesses must take their time."""
        if wait := self._refused.take(self._now()):
            return _too_many(wait)
        scheme = "Bearer" if self._options.secret is None else "HMAC"
        return Refused(HTTPStatus.UNAUTHORIZED, "this request may not start anything", WWW_Authenticate=scheme)

    async def _secret(self) -> bytes:
        if self._options.token is not None:
            return await resolved("token", self._options.token)
        assert self._options.secret is not None
        return await resolved("secret", self._options.secret)

    async def _secret_now(self) -> bytes:
        try:
            return await self._secret()
        except ValueError as error:
            # Its sender need not know, the log must.
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "requests can't be checked at present") from error

    # What for

    def _key(self, head: Head, body: bytes) -> str:
        """What identifies the request: of a signed one only what is signed, unless the options say otherwise."""
        options = self._options
        name = options.idempotency_header
        if options.secret is not None and options.scheme is Scheme.STANDARD:
            name = "webhook-id"
        elif options.secret is not None and name is None:
            return f"sha256:{hashlib.sha256(body).hexdigest()}"
        key = head.one(name or "Idempotency-Key")
        if key is None and (name or "idempotency-key").lower() not in head.headers:
            # Without a name two requests are two.
            return uuid.uuid4().hex
        if not key or len(key) > _LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise Refused(HTTPStatus.BAD_REQUEST, f"its identity must be 1 to {_LONGEST_KEY} printable characters")
        return key

    async def _told(self, key: str, event: Mapping[str, Any]) -> Response:
        """Tell the daemon, and wait for a time until that is durable; who asks again meanwhile waits with the first."""
        task = self._pending.get(key)
        if task is None:
            if len(self._pending) >= MOST_PENDING:
                raise _not_yet()
            task = self._pending[key] = asyncio.get_running_loop().create_task(self._emit(key, event))
            task.add_done_callback(lambda done: self._over(key, done))
        await asyncio.wait({task}, timeout=ANSWER_WITHIN)
        if not task.done():
            raise _not_yet()
        return self._answer_to(task)

    async def _emit(self, key: str, event: Mapping[str, Any]) -> EmitResult:
        return await self._watch.emit(key, event)

    def _over(self, key: str, task: "asyncio.Task[EmitResult]") -> None:
        del self._pending[key]
        error = None if task.cancelled() else task.exception()
        # What a client sent and the end of the daemon are no failures of this source.
        if error is not None and not isinstance(error, BadRequest | SchedulerClosed) and not self._failure.done():
            self._failure.set_exception(error)

    def _answer_to(self, task: "asyncio.Task[EmitResult]") -> Response:
        try:
            told = task.result()
        except BadRequest as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        except (SchedulerClosed, asyncio.CancelledError):
            raise _not_yet() from None
        except Exception:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "this failed; the daemon's log says why") from None
        if told.reason is not None:
            return Response(HTTPStatus.CONFLICT, {"reason": told.reason.code})
        return Response(HTTPStatus.ACCEPTED, {"run_id": told.run})

    # Inside

    def _now(self) -> float:
        return self._watch.timer.now().mono

    def _complain(self, head: Head, refused: Refused) -> None:
        now = self._now()
        if now - self._complained_at < COMPLAIN:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more since the last such line)" if self._unsaid else ""
        self._complained_at, self._unsaid = now, 0
        why = refused.__cause__ or refused
        status = int(refused.answer.status)
        text = "trigger {} refused a request from {} with {}: {}{}"
        logger.bind(job=self.job).warning(text, self._watch.trigger, head.remote, status, why, more)


def _too_many(wait: float) -> Refused:
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", Retry_After=str(int(wait) + 1))


def _not_yet() -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not durable yet; ask again with the same identity, it is decided once",
        Retry_After="10",
    )

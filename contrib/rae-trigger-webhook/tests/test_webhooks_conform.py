"""A webhook is a source like any other: with a token, and with either kind of signature."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from rae_trigger_webhook import WebhookTrigger

from rae_auto.testing.sources import Listener, RealTimer, SourceConformance

SECRET = "fedcba9876543210fedcba9876543210"


class _Suite(SourceConformance):
    @pytest.fixture(autouse=True)
    def _client(self, client: Any) -> None:
        self.client = client

    def timer(self) -> RealTimer:
        return RealTimer()

    async def ready(self, listener: Listener) -> None:
        await self.client.opened()


class TestWithAToken(_Suite):
    @pytest.fixture
    def plugin(self, hook: Callable[..., WebhookTrigger]) -> WebhookTrigger:
        return hook()

    async def provoke(self, listener: Listener, number: int) -> None:
        await self.client.send(Idempotency_Key=f"key-{number}")


class TestWithAStandardSignature(_Suite):
    @pytest.fixture
    def plugin(self, hook: Callable[..., WebhookTrigger]) -> WebhookTrigger:
        return hook(secret=SECRET)

    async def provoke(self, listener: Listener, number: int) -> None:
        identity, time = f"key-{number}", str(int(listener.timer.now().wall.timestamp()))
        signed = f"{identity}.{time}.{{}}".encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)).decode()
        await self.client.send(
            body=b"{}", webhook_id=identity, webhook_timestamp=time, webhook_signature=f"v1,{signature}"
        )


class TestWithASignedBody(_Suite):
    @pytest.fixture
    def plugin(self, hook: Callable[..., WebhookTrigger]) -> WebhookTrigger:
        return hook(secret=SECRET, scheme="body")

    async def provoke(self, listener: Listener, number: int) -> None:
        body = f'{{"number": {number}}}'.encode()
        signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
        await self.client.send(body=body, X_Hub_Signature_256=f"sha256={signature}")

"""The MQTT trigger keeps the contract of sources."""

import asyncio
from typing import Any

import pytest
from rae_trigger_mqtt import MqttTrigger

from rae_auto.testing.sources import Listener, RealTimer, SourceConformance


class TestMqttTrigger(SourceConformance):
    @pytest.fixture
    def plugin(self, trigger: MqttTrigger) -> MqttTrigger:
        return trigger

    @pytest.fixture(autouse=True)
    def _broker(self, broker: Any, subscriptions: Any) -> None:
        self.broker, self.subscriptions = broker, subscriptions

    def timer(self) -> RealTimer:
        return RealTimer()

    async def ready(self, listener: Listener) -> None:
        await self.subscriptions.next()

    async def provoke(self, listener: Listener, number: int) -> None:
        await asyncio.to_thread(self.broker.publish, "home/front/door", f"open {number}")

"""Webhooks in a real scheduler: what they are answered with is what is on record."""

import asyncio
from typing import Any

import pytest
from rae_auto import Job, Overlap, Scheduler, TriggerRef
from rae_auto.api import Kind, Plugin
from rae_auto.errors import StoreError
from rae_auto.registry import Registry
from rae_auto.testing.memory_store import MemoryStore
from rae_trigger_webhook import WebhookTrigger, endpoint

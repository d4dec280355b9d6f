"""Webhook trigger: starts jobs when an HTTP request comes in. Start reading at `trigger.py`."""

from rae_auto.hookspecs import hookimpl
from rae_trigger_webhook.trigger import WebhookTrigger

__all__ = ["RAE_API", "WebhookTrigger", "rae_triggers"]

RAE_API = 1


@hookimpl
def rae_triggers() -> list[type[WebhookTrigger]]:
    """Return the webhook trigger."""
    return [WebhookTrigger]

"""The webhook trigger: start reading here. Its options are in `options`, its requests in `endpoint`."""

from typing import ClassVar

from attrs import frozen

from rae_auto.api import TriggerContext
from rae_trigger_webhook.options import WebhookOptions


@frozen(kw_only=True)
class WebhookTrigger(WebhookOptions):
    """Fires when an HTTP request comes in that holds the token or is signed with the secret."""

    type: ClassVar[str] = "webhook"

    async def watch(self, context: TriggerContext) -> None:
        """Serve requests until cancelled. Errors: ValueError, OSError."""
        # Late, because a command that only reads the configuration needs no HTTP.
        from rae_trigger_webhook.endpoint import Endpoint  # lazy: start-up
        from rae_trigger_webhook.server import serve_endpoint  # lazy: start-up

        endpoint = Endpoint(self, context)
        async with serve_endpoint(self.host, self.port, self.path, endpoint):
            await endpoint.check_secret()
            await endpoint.wait_for_failure()

"""The trigger: its options, what is wrong with them, and its watch."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, le

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.units import Size, parse_duration, parse_size
from rae_trigger_webhook.secrets import check_secret, is_reference

LARGEST = 1 << 20
"""Bytes of `max_body` at most: each event is kept in the store."""

NEVER_SHOWN = frozenset({"authorization", "cookie", "proxy-authorization", "webhook-signature"})
"""Headers that no event holds."""


class Method(StrEnum):
    """The methods that an endpoint can take."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    GET = "GET"


class Scheme(StrEnum):
    """What a signature covers."""

    STANDARD = "standard"
    """The request's id, its time and its body: https://www.standardwebhooks.com"""

    BODY = "body"
    """The body alone, as forges sign it."""


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable() or set(value) & set(" ?#"):
        raise ValueError('must be the path of a URL, such as "/deploy"')
    return value


def _host(value: object) -> str:
    try:
        return str(ip_address(str(value)))
    except ValueError:
        raise ValueError('must be an address of this machine, such as "127.0.0.1" or "::1"') from None


@frozen(kw_only=True)
class WebhookTrigger(SourceTrigger):
    """Fires when an HTTP request comes in that knows the token, or is signed with the secret."""

    type: ClassVar[str] = "webhook"

    path: str = field(converter=_path, metadata={"help": "path of the URL, another for each job on a port"})
    token: str | None = field(
        default=None, repr=False, metadata={"help": "what a request must bear: `${file:PATH}` or `${env:NAME}`"}
    )
    secret: str | None = field(
        default=None, repr=False, metadata={"help": "what requests are signed with: `${file:PATH}` or `${env:NAME}`"}
    )
    scheme: Scheme = field(default=Scheme.STANDARD, converter=Scheme, metadata={"help": "what is signed"})
    host: str = field(default="127.0.0.1", converter=_host, metadata={"help": "address to listen on"})
    port: int = field(default=8787, validator=[ge(1), le(65535)], metadata={"help": "port to listen on"})
    hosts: tuple[str, ...] = field(default=(), metadata={"help": "names by which a proxy calls this machine"})
    methods: tuple[Method, ...] = field(default=(Method.POST,), metadata={"help": "methods that are taken"})
    max_body: Size = field(
        default=Size(64 << 10), converter=parse_size, metadata={"help": "size of a body that is taken, at most 1MB"}
    )
    rate: int = field(default=60, validator=[ge(1), le(1_000_000)], metadata={"help": "requests a minute, and at once"})
    max_age: timedelta = field(
        default=timedelta(minutes=5),
        converter=parse_duration,
        metadata={"help": "how far the time of a request of the scheme `standard` may be off"},
    )
    headers: tuple[str, ...] = field(
        default=("Content-Type", "User-Agent"), metadata={"help": "headers that the event holds"}
    )
    token_header: str = field(default="Authorization", metadata={"help": "header with the token"})
    signature_header: str = field(
        default="X-Hub-Signature-256", metadata={"help": "header with the signature of the scheme `body`"}
    )
    idempotency_header: str | None = field(
        default=None, metadata={"help": "header with the request's identity, instead of the usual"}
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what can't be meant."""
        if (self.token is None) == (self.secret is None):
            raise ValueError("give it either a token or a secret; without one anybody could start the job")
        check_secret("token", self.token)
        check_secret("secret", self.secret)
        if not self.methods:
            raise ValueError('methods must name one at least, such as "POST"')
        if not 0 < self.max_body <= LARGEST:
            raise ValueError("max_body must be from 1B to 1MB: each event is kept in the store")
        if self.idempotency_header and self.secret is not None and self.scheme is Scheme.STANDARD:
            raise ValueError("idempotency_header has no place here: webhook-id is signed, and identifies a request")
        kept_out = NEVER_SHOWN | {self.token_header.lower(), self.signature_header.lower()}
        if shown := [name for name in self.headers if name.lower() in kept_out]:
            raise ValueError(f"headers must not hold {shown[0]}: what proves a request is kept nowhere")

    def warnings(self) -> tuple[str, ...]:
        """What works, and is likely to be regretted."""
        doubts = [
            f"{name} stands in the configuration itself; write ${{file:PATH}} or ${{env:NAME}}"
            for name, value in (("token", self.token), ("secret", self.secret))
            if value is not None and not is_reference(value)
        ]
        if not ip_address(self.host).is_loopback:
            doubts.append(f"host {self.host} can be reached from other machines, in clear text; put a TLS proxy before")
        if self.secret is not None and self.idempotency_header:
            doubts.append(f"{self.idempotency_header} isn't signed: who overhears a request can send it again")
        return tuple(doubts)

    async def watch(self, watch: TriggerContext) -> None:
        """Answer requests until cancelled."""
        # Late: a command that only reads the configuration needs no HTTP.
        from rae_trigger_webhook.endpoint import Endpoint
        from rae_trigger_webhook.server import listening

        endpoint = Endpoint(self, watch)
        async with listening(self.host, self.port, self.path, endpoint):
            await endpoint.check()
            await endpoint.failed()

"""The options of the trigger, their validation, and what follows from them alone."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address

from attrs import field, frozen
from attrs.converters import optional
from attrs.validators import ge, le

from rae_auto.api import SourceTrigger
from rae_auto.model.primitives.units import Size, parse_duration, parse_size
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_auto.toolkit.summaries import summarize
from rae_trigger_webhook.secrets import check_secret

MAX_BODY_BYTES = 1 << 20
"""Upper limit of `max_body`: each event is kept in the store."""

FORBIDDEN_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "webhook-signature"})
"""Headers that no event may hold, because they prove who sent the request."""


class HttpMethod(StrEnum):
    """The methods that an endpoint can accept."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    GET = "GET"


class SignatureScheme(StrEnum):
    """The content that a signature covers."""

    STANDARD = "standard"
    """The request's id, its time and its body: https://www.standardwebhooks.com"""

    BODY = "body"
    """The body alone, as GitHub, Gitea and Forgejo sign it."""


def _convert_path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable() or set(value) & set(" ?#"):
        raise ValueError('must be the path of a URL, such as "/deploy"')
    return value


def _convert_host(value: object) -> str:
    try:
        return str(ip_address(str(value)))
    except ValueError:
        raise ValueError('must be an IP address of this machine, such as "127.0.0.1" or "::1"') from None


@frozen(kw_only=True)
class WebhookOptions(SourceTrigger):
    """The options, which `endpoint` needs and `trigger` extends, so that neither needs the other."""

    path: str = field(converter=_convert_path, metadata={"help": "path of the URL; each job on a port needs its own"})
    token: SecretText | None = field(
        default=None,
        converter=optional(to_secret_text),
        metadata={"help": "token that a request must hold: `${file:PATH}` or `${env:NAME}`"},
    )
    secret: SecretText | None = field(
        default=None,
        converter=optional(to_secret_text),
        metadata={"help": "secret that requests are signed with: `${file:PATH}` or `${env:NAME}`"},
    )
    scheme: SignatureScheme = field(
        default=SignatureScheme.STANDARD,
        converter=SignatureScheme,
        metadata={"help": "what is signed: `standard` (id, time, body) or `body`"},
    )
    host: str = field(default="127.0.0.1", converter=_convert_host, metadata={"help": "address to listen on"})
    port: int = field(default=8787, validator=[ge(1), le(65535)], metadata={"help": "port to listen on"})
    hosts: tuple[str, ...] = field(
        default=(), metadata={"help": "further host names of this machine, such as that of a proxy"}
    )
    methods: tuple[HttpMethod, ...] = field(
        default=(HttpMethod.POST,), metadata={"help": "HTTP methods that are accepted"}
    )
    max_body: Size = field(
        default=Size(64 << 10), converter=parse_size, metadata={"help": "largest body that is accepted, at most 1MB"}
    )
    rate: int = field(
        default=60,
        validator=[ge(1), le(1_000_000)],
        metadata={"help": "requests a minute; as many are accepted at once"},
    )
    max_age: timedelta = field(
        default=timedelta(minutes=5),
        converter=parse_duration,
        metadata={"help": "largest difference between the signed time of a request and now (scheme `standard`)"},
    )
    headers: tuple[str, ...] = field(
        default=("Content-Type", "User-Agent"), metadata={"help": "headers that the event contains"}
    )
    token_header: str = field(default="Authorization", metadata={"help": "header with the token"})
    signature_header: str = field(
        default="X-Hub-Signature-256", metadata={"help": "header with the signature (scheme `body`)"}
    )
    idempotency_header: str | None = field(
        default=None, metadata={"help": "header with the identity of a request, instead of the default one"}
    )

    def __attrs_post_init__(self) -> None:
        """Refuse options that contradict each other. Errors: ValueError."""
        if (self.token is None) == (self.secret is None):
            raise ValueError('set either "token" or "secret"; without one, anyone could start the job')
        check_secret("token", self.token)
        check_secret("secret", self.secret)
        if not self.methods:
            raise ValueError('"methods" must not be empty; name one, such as "POST"')
        if not 0 < self.max_body <= MAX_BODY_BYTES:
            raise ValueError('"max_body" must be from 1B to 1MB, because each event is kept in the store')
        if self.idempotency_header and self.secret is not None and self.scheme is SignatureScheme.STANDARD:
            raise ValueError(
                '"idempotency_header" cannot be used with scheme "standard", whose signed webhook-id identifies a'
                " request; leave it out"
            )
        forbidden = FORBIDDEN_HEADERS | {self.token_header.lower(), self.signature_header.lower()}
        if names := [name for name in self.headers if name.lower() in forbidden]:
            raise ValueError(f'"headers" must not contain "{names[0]}", which proves who sent a request; remove it')

    def summary(self) -> str:
        return summarize(self.type, self.path)

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about options that work, but are probably not what is wanted."""
        warnings = [
            f'"{name}" is written in the configuration itself; use ${{file:PATH}} or ${{env:NAME}}'
            for name, value in (("token", self.token), ("secret", self.secret))
            if value is not None and not value.has_references
        ]
        if not ip_address(self.host).is_loopback:
            warnings.append(
                f'"host" {self.host} accepts requests from other machines without encryption; use a TLS reverse proxy'
            )
        if self.secret is not None and self.idempotency_header:
            warnings.append(
                f'header "{self.idempotency_header}" isn\'t signed, so anyone who sees a request can repeat it with'
                ' another identity; leave "idempotency_header" out'
            )
        return tuple(warnings)

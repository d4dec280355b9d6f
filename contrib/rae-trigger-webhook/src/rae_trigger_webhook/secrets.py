"""The tokens and secrets by which senders prove who they are: long enough, and read when needed."""

from rae_auto.toolkit.secrets import SecretText

MIN_SECRET_CHARACTERS = 16
"""Shorter ones can be guessed."""


def check_secret(name: str, value: SecretText | None) -> None:
    """Check a token or secret of the configuration. Errors: ValueError, which doesn't repeat the value."""
    if value is None or value.has_references:
        return
    if value.unresolved_text.startswith("${"):
        raise ValueError(f'"{name}" is an invalid reference; use ${{env:NAME}} or ${{file:PATH}}')
    _check_length(f'"{name}"', value.unresolved_text)


async def read_secret(name: str, value: SecretText) -> bytes:
    """Return the secret as it is now, so that a new one needs no restart. Errors: ValueError."""
    secret = await value.reveal_async(name)
    _check_length(f'"{name}" from {value.unresolved_text}' if value.has_references else f'"{name}"', secret)
    return secret.encode()


def _check_length(subject: str, secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise ValueError(
            f"{subject} must have at least {MIN_SECRET_CHARACTERS} characters; create one with 'openssl rand -hex 32'"
        )

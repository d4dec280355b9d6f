"""Options as they are written on the command line: `key=value`."""

import tomllib
from collections.abc import Mapping
from typing import Any

from rae_auto.toolkit.secrets.masking import remember_secrets
from rae_auto.toolkit.secrets.references import looks_secret


def read_options(words: tuple[str, ...]) -> Mapping[str, Any]:
    """Return options from `key=value` words; values are TOML, or else text. Raises ValueError."""
    options: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise ValueError(f"{word} has no value; write key=value")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def remember_secret_options(options: Mapping[str, Any]) -> None:
    """Have the values masked of options that are secrets by their name."""
    remember_secrets(text for name, text in options.items() if isinstance(text, str) and looks_secret(name))

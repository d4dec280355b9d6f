"""Secrets as options of plugins: references that are read late, and values that are shown nowhere."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.references import find_mistaken_reference, find_references
from rae_auto.toolkit.secrets.masking import MASK, remember_secrets


class SecretText:
    """Text with references to secrets in it, such as an address: `https://example.org/${file:token}`.

    As the type of a plugin's option it takes any text. A reference is `${env:NAME}`, `${file:PATH}`,
    `${credential:NAME}`, `${keyring:SERVICE/USER}` or `${cmd:PROGRAM …}`. What is written beside them is shown nowhere
    either, but stands in the configuration. Hashable, and equal to one of the same text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take the text. Raises ValueError for anything else."""
        if not isinstance(text, str):
            raise invalid("must be text, in which ${file:PATH} or another reference stands for a secret")
        self._text = text

    @property
    def unresolved_text(self) -> str:
        """The text as it is written, with its references. For checks, never for people."""
        return self._text

    @property
    def has_references(self) -> bool:
        """True if the text refers to something."""
        return any(True for _ in find_references(self._text))

    def reveal(self, owner: str = "the secret") -> str:
        """Return the text with what its references lead to now. Reads files and runs programs, so it may block.

        The values are masked in the log, in `status` and `why`, and wherever else this process writes. `owner` is the
        name of the option, for messages. Raises ValueError for a reference that leads nowhere, or to a file that others
        may read; it doesn't repeat the value.
        """
        from rae_auto.toolkit.secrets.references import resolve_references  # lazy: start-up

        text, secrets = resolve_references(self._text, os.environ, owner)
        self._remember(text, secrets)
        return text

    async def reveal_async(self, owner: str = "the secret") -> str:
        """Return what `reveal` does, without blocking the event loop."""
        return await asyncio.to_thread(self.reveal, owner)

    def find_problem(self, owner: str = "the secret") -> str | None:
        """Return why the references can't be read now, in one line, or None. Reads files, and runs no program.

        `rae-auto check` shows it as a warning, without any work of the plugin.
        """
        from rae_auto.toolkit.secrets.references import find_reference_problem, resolve_references  # lazy: start-up

        try:
            text, secrets = resolve_references(self._text, os.environ, owner, run_programs=False)
        except ValueError as error:
            return str(error)
        self._remember(text, secrets)
        return find_reference_problem(self._text, os.environ, owner)

    def _remember(self, text: str, secrets: Iterable[str]) -> None:
        """Have the secrets masked; the whole text if it has no reference, or is a single one."""
        references = list(find_references(self._text))
        is_whole = not references or references[0].text == self._text
        remember_secrets([*secrets, text] if is_whole else secrets)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash((type(self), self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __str__(self) -> str:
        return MASK if self._text else ""

    @property
    def shown_text(self) -> str:
        """Its references, which say where the secret is; for a text without any, the mask."""
        return "".join(reference.text for reference in find_references(self._text)) or str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown_text!r})"


class Secret(SecretText):
    """A secret that stands elsewhere, such as a password: its text is a reference, `${file:PATH}` or another.

    As the type of a plugin's option it refuses a text without a reference, so that no configuration, no store and no
    backup holds the secret itself. Otherwise as `SecretText`.
    """

    __slots__ = ()

    def __init__(self, text: str) -> None:
        """Take the text. Raises ValueError, which doesn't repeat it, where it has no reference."""
        super().__init__(text)
        if not self.has_references:
            if (mistake := find_mistaken_reference(text)) is not None:
                raise invalid(mistake.replace(", and is passed as text", ""))
            raise invalid("must be a reference, ${file:PATH} or ${env:NAME}, so that it isn't in this file")


def to_secret(value: str | Secret) -> Secret:
    """Return a reference as a secret, and a secret as it is: a converter of attrs. Raises ValueError."""
    return value if isinstance(value, Secret) else Secret(value)


def to_secret_text(value: str | SecretText) -> SecretText:
    """Return a text as one with secrets, and such a one as it is: a converter of attrs. Raises ValueError."""
    return value if isinstance(value, SecretText) else SecretText(value)


def find_secrets(value: Any, name: str = "") -> Iterator[tuple[str, SecretText]]:
    """Yield the secrets among the options of a plugin, those in lists, tables and inner plugins too, by option."""
    if isinstance(value, SecretText):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from find_secrets(item, f"{name}.{key}")
    elif isinstance(value, list | tuple | frozenset):
        for item in value:
            yield from find_secrets(item, name)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            if field.init:
                inner = (field.alias or field.name).rstrip("_")
                yield from find_secrets(getattr(value, field.name, None), f"{name}.{inner}" if name else inner)


def find_secret_problems(plugin: object) -> list[str]:
    """Return a line for each secret among the options of a plugin that can't be read now."""
    return [problem for name, secret in find_secrets(plugin) if (problem := secret.find_problem(name)) is not None]

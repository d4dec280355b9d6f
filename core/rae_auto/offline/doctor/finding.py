"""The result of a check."""

from typing import Self

from attrs import frozen


@frozen
class Finding:
    """The result of one check: its subject, what was observed, and a hint if it is a problem."""

    subject: str
    observation: str
    hint: str | None = None

    @classmethod
    def from_message(cls, subject: str, text: str, hint: str) -> Self:
        """Return the finding of a message: the remedy is what follows its last semicolon, or else `hint`."""
        observation, _, last = text.rpartition("; ")
        return cls(subject, observation, last) if observation else cls(subject, text, hint)

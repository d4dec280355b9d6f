"""The result of a check."""

from typing import Self

from attrs import frozen


@frozen
class Finding:
    """The result of one check: its subject, what was observed, and a hint if it is a problem or a warning.

    A warning is about something that works and may not be meant so.
    """

    subject: str
    observation: str
    hint: str | None = None
    is_warning: bool = False

    @property
    def is_problem(self) -> bool:
        """True if something doesn't work."""
        return self.hint is not None and not self.is_warning

    @classmethod
    def from_message(cls, subject: str, text: str, hint: str, *, is_warning: bool = False) -> Self:
        """Return the finding of a message: the remedy is what follows its last semicolon, or else `hint`."""
        observation, _, last = text.rpartition("; ")
        return cls(subject, observation or text, last if observation else hint, is_warning)

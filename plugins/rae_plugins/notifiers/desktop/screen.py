"""The shape of what shows messages on a screen: one adapter for each platform."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class ScreenAction:
    """A button: its label, and the command that it runs, with variables beside those of this process."""

    label: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class ScreenMessage:
    """A message for the screen. `actions` are offered where the platform can, by a word for each."""

    title: str
    body: str
    is_urgent: bool = False
    actions: Mapping[str, ScreenAction] = field(factory=dict)


class MessageScreen(ABC):
    """A way to show messages on the screen of a platform."""

    @abstractmethod
    def find_problem(self) -> str | None:
        """Return why no message can be shown now, with the remedy, or None. Quick."""

    @abstractmethod
    async def show(self, message: ScreenMessage, seconds: float) -> None:
        """Show a message. Raises RuntimeError, with the remedy; TimeoutError after this many seconds."""

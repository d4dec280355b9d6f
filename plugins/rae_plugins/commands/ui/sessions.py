"""Sign-in: links that work once, and the sessions that they begin. Nothing of it is stored."""

from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest
from secrets import token_urlsafe
from time import monotonic

from attrs import define, field

TOKEN_BYTES = 32

LINK_LIFETIME_SECONDS = 900.0
"""Time after which a link that was not used no longer works."""

MAX_SESSIONS = 64
"""Number of browsers that are signed in at the same time; one more signs the oldest out."""

MAX_LINKS = 16


@define
class BrowserSession:
    """A browser that is signed in."""

    csrf_token: str = field(factory=lambda: token_urlsafe(TOKEN_BYTES))
    """The text that each form and each script must send with a change."""
    messages: list[tuple[str, str]] = field(factory=list)
    """Results of changes that no page has shown yet: "done" or "refused", and a text."""
    away_since: datetime | None = None
    """The last look of a person who has been away, while a page shows what happened since then."""
    back_at: datetime | None = None

    def accepts(self, token: str | None) -> bool:
        """Return whether a change comes from a page of this session."""
        return token is not None and compare_digest(token.encode(), self.csrf_token.encode())

    def take_messages(self) -> list[tuple[str, str]]:
        """Return the messages, and forget them."""
        messages, self.messages = self.messages, []
        return messages


class BrowserSessions:
    """The links that were given out, and the browsers that are signed in."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._links: dict[str, float] = {}
        self._sessions: dict[str, BrowserSession] = {}

    def create_link_token(self) -> str:
        """Return a token that signs in once, within `LINK_LIFETIME_SECONDS`."""
        token = token_urlsafe(TOKEN_BYTES)
        self._links[token] = self._clock() + LINK_LIFETIME_SECONDS
        while len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]
        return token

    def sign_in(self, token: str) -> str | None:
        """Return the id of a new session, or None if the token isn't one that still works."""
        # All are compared, in constant time each, so that the time says nothing about any of them.
        found = [known for known in self._links if compare_digest(known.encode(), token.encode())]
        if not found or self._links.pop(found[0]) < self._clock():
            return None
        session = token_urlsafe(TOKEN_BYTES)
        self._sessions[session] = BrowserSession()
        while len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def find(self, session: str) -> BrowserSession | None:
        """Return the session of an id, or None."""
        found = [known for name, known in self._sessions.items() if compare_digest(name.encode(), session.encode())]
        return found[0] if found else None

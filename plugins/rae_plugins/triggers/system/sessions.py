"""The sessions of people on the machine, and whether their screens are locked. Pure."""

from typing import Self

from attrs import evolve, frozen

from rae_plugins.triggers.system.changes import Change, EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName


@frozen
class Session:
    """One session. `id` and `since` identify it within this boot; `place` is a seat, a terminal or a host."""

    id: str
    user: str
    since: str
    place: str = ""
    locked: str | None = None
    """Since when its screen is locked, as far as that is known."""
    hint: bool = False
    """True if the session itself reports that it is locked; few lockers do."""

    @property
    def identity(self) -> str:
        """Return the identity of the session."""
        return f"{self.id}@{self.since}"

    def change(self, name: EventName, identity: str | None = None) -> Change:
        """Return an event of this session."""
        return Change(name, {"user": self.user, "session": self.id, "place": self.place}, identity)

    def after_reading(self, before: "Session | None") -> "Session":
        """Return the session after it was read again, given what was known of it.

        One that was locked by a locker that doesn't say so reads as if it were not.
        """
        if before is not None and before.locked and (self.hint or not before.hint):
            return evolve(self, locked=before.locked)
        return self


@frozen
class Sessions(SystemState):
    """All sessions, as `origin` knows them; `is_read` where they were read again, and not followed by signals."""

    slot = "sessions"

    origin: str
    sessions: tuple[Session, ...]
    is_read: bool = False

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return logins, logouts and locks; sessions from different origins are not compared."""
        if before is None or before.origin != self.origin:
            return (), evolve(self, is_read=False)
        known = {session.identity: session for session in before.sessions}
        now = {session.identity: session for session in self.sessions}
        if self.is_read:
            now = {identity: session.after_reading(known.get(identity)) for identity, session in now.items()}
        changes = [known[gone].change(EventName.LOGOUT, gone) for gone in known if gone not in now]
        for identity, session in now.items():
            if identity not in known:
                changes.append(session.change(EventName.LOGIN, identity))
            # A new session may be locked before its first state could be read.
            if session.locked != (known[identity].locked if identity in known else None):
                changes.append(session.change(EventName.LOCK if session.locked else EventName.UNLOCK))
        return tuple(changes), evolve(self, sessions=tuple(now.values()), is_read=False)


@frozen
class Screen(SystemState):
    """State of the one screen of a platform that reports no sessions; `user` is its user."""

    slot = "screen"

    user: str
    locked: bool

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Locked and unlocked."""
        if before is None or before.locked == self.locked:
            return (), self
        return (Change(EventName.LOCK if self.locked else EventName.UNLOCK, {"user": self.user}),), self

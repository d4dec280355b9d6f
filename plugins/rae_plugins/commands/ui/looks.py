"""When a person looked last in this browser, and so since when he has been away.

The browser keeps it in a cookie, because sessions end with the process. Only what a person opens counts as a look: a
page that is left open is read again by its script all night. What happened meanwhile is shown for a while, and not
just until the next change.
"""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.screens import AWAY
from rae_plugins.commands.ui.site import session_of, site_of

SHOWN_AFTER_RETURN = timedelta(minutes=30)
KEPT = timedelta(days=365)


def find_last_look(request: Request, now: datetime) -> datetime | None:
    """Return since when a person has been away who has come back; None if he hasn't been away."""
    session, looked_at = session_of(request), _read(request)
    if looked_at is not None and now - looked_at >= AWAY:
        session.away_since, session.back_at = looked_at, now
    elif session.back_at is not None and not timedelta(0) <= now - session.back_at <= SHOWN_AFTER_RETURN:
        session.away_since = session.back_at = None
    return session.away_since


def note_look(request: Request, response: Response, now: datetime) -> None:
    """Let the browser keep that a person looks now, if it is one who asks."""
    if request.headers.get("sec-fetch-dest", "document") == "document":
        lifetime = int(KEPT.total_seconds())
        value = str(int(now.timestamp()))
        response.set_cookie(_cookie(request), value, max_age=lifetime, httponly=True, samesite="strict", path="/")


def _cookie(request: Request) -> str:
    return f"{site_of(request).door.cookie}_looked"


def _read(request: Request) -> datetime | None:
    text = request.cookies.get(_cookie(request), "")
    return datetime.fromtimestamp(int(text), UTC) if text.isdecimal() and len(text) < 12 else None

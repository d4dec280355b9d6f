"""Badges: the status of the daemon or of a job as a small picture, for a README, a wiki or a wall.

The SVG has no script, no style sheet, no font of its own and no link, and the same status makes the same bytes. Widths
of text depend on the fonts of the viewer; `textLength` makes it fit the space that is computed for it here.
"""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count

GREEN, ORANGE, RED, BLUE, GREY = "#2e7d32", "#b45f06", "#b3261e", "#1f5fa8", "#5f6368"
"""Backgrounds on which white text has a contrast of at least 4.5 to 1, as WCAG AA asks for."""

MAX_LABEL_CHARACTERS = 40

_NARROW, _WIDE = frozenset("fijltIr.,:;!|'()[]- "), frozenset("mwMW@%")
_NARROW_PIXELS, _USUAL_PIXELS, _WIDE_PIXELS = 4, 7, 10
_PADDING_PIXELS = 6

_JOB_STATES = {
    "succeeded": ("succeeded", GREEN),
    "failed": ("failed", RED),
    "timed_out": ("timed out", RED),
    "lost": ("lost", RED),
    "interrupted": ("interrupted", ORANGE),
    "cancelled": ("cancelled", GREY),
}


@frozen
class Badge:
    """A label, and what it says in which color."""

    label: str
    text: str
    color: str

    def svg(self) -> str:
        """Return the picture."""
        label, text = _shorten(self.label), _shorten(self.text)
        left, right = _width(label), _width(text)
        title = escape(f"{self.label}: {self.text}")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">\n'
            f"  <title>{title}</title>\n"
            f'  <rect width="{left + right}" height="20" rx="3" fill="{self.color}"/>\n'
            f'  <path d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#444"/>\n'
            '  <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
            f"    {_text(label, 0, left)}\n"
            f"    {_text(text, left, right)}\n"
            "  </g>\n"
            "</svg>\n"
        )


UNREACHABLE = Badge("rae-auto", "not running", GREY)
"""The badge while no daemon answers."""


def status_badge(status: Mapping[str, Any]) -> Badge:
    """Return the badge of a daemon, from its status."""
    overrunning = sum(1 for run in status["running"] if run.get("overran_at"))
    troubles = [
        *([f"{len(status['failed'])} failed"] if status["failed"] else []),
        *([f"{len(status['overdue'])} overdue"] if status["overdue"] else []),
        *([f"{overrunning} too long"] if overrunning else []),
        *([format_count(len(status["problems"]), "problem")] if status["problems"] else []),
    ]
    if status["state"] in ("starting", "stopping"):
        return Badge("rae-auto", status["state"], ORANGE)
    if troubles:
        return Badge("rae-auto", ", ".join(troubles), RED)
    return Badge("rae-auto", "all is well", GREEN) if status["enabled"] else Badge("rae-auto", "paused", GREY)


def job_badge(job: Mapping[str, Any]) -> Badge:
    """Return the badge of a job, from its record in a list."""
    if job["overdue_at"]:
        return Badge(job["id"], "overdue", RED)
    if job["overrunning"]:
        return Badge(job["id"], "running too long", ORANGE)
    if job["activity"] in ("paused", "disabled"):
        return Badge(job["id"], job["activity"], GREY)
    if job["last_state"] is not None:
        return Badge(job["id"], *_JOB_STATES[job["last_state"]])
    return Badge(job["id"], "running", BLUE) if job["activity"] == "running" else Badge(job["id"], "not run yet", GREY)


def _text(text: str, begin: int, width: int) -> str:
    inner = width - 2 * _PADDING_PIXELS
    return f'<text x="{begin + _PADDING_PIXELS}" y="14" textLength="{inner}">{escape(text)}</text>'


def _width(text: str) -> int:
    return 2 * _PADDING_PIXELS + sum(
        _NARROW_PIXELS if letter in _NARROW else _WIDE_PIXELS if letter in _WIDE else _USUAL_PIXELS for letter in text
    )


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_LABEL_CHARACTERS else f"{text[: MAX_LABEL_CHARACTERS - 1]}…"

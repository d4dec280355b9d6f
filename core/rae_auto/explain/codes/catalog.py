"""All codes, and the search for one."""

import difflib

from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.explain.codes.errors import canonical_kind, error_entries
from rae_auto.explain.codes.exit_codes import exit_code_entries, find_job_code
from rae_auto.explain.codes.problems import problem_entries, recognize_problem
from rae_auto.explain.codes.reasons import reason_entries
from rae_auto.explain.codes.states import state_entries


def all_codes() -> list[CodeEntry]:
    """Return every entry, set by set."""
    return [*reason_entries(), *state_entries(), *error_entries(), *problem_entries(), *exit_code_entries()]


def find_codes(text: str) -> list[CodeEntry]:
    """Return the entries for a code, or for a line that was printed; none for a word that is neither.

    A code counts in any spelling of its words: "Need Failed" finds "need_failed". Several sets may have the same one.
    """
    entries = all_codes()
    if text.isdecimal():
        found = [entry for entry in entries if entry.set is CodeSet.EXIT_CODE and entry.code.split()[-1] == text]
        return found or list(filter(None, [find_job_code(text)]))
    if found := [entry for entry in entries if _plain(entry.code) == _plain(canonical_kind(text))]:
        return found
    return [recognize_problem(text)] if " " in text.strip() else []


def near_codes(text: str) -> list[str]:
    """Return codes that a misspelled one may stand for."""
    by_plain = {_plain(entry.code): entry.code for entry in all_codes()}
    return [by_plain[match] for match in difflib.get_close_matches(_plain(text), by_plain, n=3, cutoff=0.6)]


def _plain(code: str) -> str:
    """Return a code as it is compared: small letters and digits."""
    return "".join(filter(str.isalnum, code.lower()))

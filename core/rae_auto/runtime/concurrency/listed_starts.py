"""The lists of starts in the store, and which documents they hold (`records.documents.start_lists`)."""

from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from rae_auto.engine.effects import Discard, Record, Save
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.run import Run, RunState
from rae_auto.records.documents.start_lists import StartList

MIN_STARTS = 16
"""Number of runs from which a list is worth it."""

Place = tuple[str, str]
"""The kind and the key of a document."""


@frozen(eq=False)
class _Listed:
    """The documents of a list, by place. With `is_rest` some that were in it have changed since."""

    saves: Mapping[Place, Save]
    is_rest: bool = False


@frozen(eq=False)
class Arrangement:
    """A commit: changes of documents by themselves, lists to write, and keys of lists to delete."""

    alone: Sequence[Save | Discard]
    lists: Mapping[str, _Listed] = field(factory=dict)
    dissolved: Sequence[str] = ()

    def start_lists(self) -> list[StartList]:
        """Return the lists to write."""
        found = []
        for key, listed in self.lists.items():
            values = [save.value for save in listed.saves.values()]
            found.append(StartList(key, [value for value in values if isinstance(value, Run | JobState)]))
        return found


class ListedStarts:
    """Keeps account of the lists that this daemon has written."""

    def __init__(self) -> None:
        self._lists: dict[str, _Listed] = {}
        self._list_of: dict[Place, str] = {}
        self._count = 0

    def arrange(self, changes: Mapping[Place, Save | Discard]) -> Arrangement:
        """Return a commit of these changes, the last ones of their documents."""
        starts = _find_starts(changes)
        touched = {self._list_of[place] for place in changes.keys() & self._list_of.keys()}
        if not (starts or touched):
            return Arrangement([*changes.values()])
        alone = [change for place, change in changes.items() if place not in starts]
        lists: dict[str, _Listed] = {}
        dissolved = []
        for key in sorted(touched):
            listed = self._lists[key]
            rest = {place: save for place, save in listed.saves.items() if place not in changes}
            if len(rest) < MIN_STARTS or listed.is_rest:
                # Not again and again for each of many runs that end one after the other.
                alone += rest.values()
                dissolved.append(key)
            else:
                lists[key] = _Listed(rest, is_rest=True)
        if starts:
            # The next try of a commit that failed, perhaps after all was durable, writes the same list.
            lists[f"{self._count:09}"] = _Listed(starts)
        return Arrangement(alone, lists, dissolved)

    def note(self, arrangement: Arrangement) -> None:
        """Note that a commit is durable."""
        self._count += 1
        for key in (*arrangement.dissolved, *arrangement.lists):
            if (before := self._lists.pop(key, None)) is not None:
                for place in before.saves:
                    self._list_of.pop(place, None)
        for key, listed in arrangement.lists.items():
            self._lists[key] = listed
            self._list_of.update(dict.fromkeys(listed.saves, key))


def _find_starts(changes: Mapping[Place, Save | Discard]) -> dict[Place, Save]:
    """Return the runs that start and the states of their jobs, if a list of them is worth it.

    Where as many runs end as start, a list would be dissolved by the next commit.
    """
    runs: dict[Place, Save] = {}
    jobs: dict[str, None] = {}
    ends = 0
    for place, change in changes.items():
        run = change.value
        if type(run) is not Run:
            continue
        if type(change) is Discard:
            ends += 1
        elif run.state is RunState.STARTING and type(change) is Save:
            runs[place] = change
            jobs[run.job] = None
    if len(runs) < max(MIN_STARTS, 2 * ends):
        return {}
    states = {(documents.STATE, job): changes.get((documents.STATE, job)) for job in jobs}
    return runs | {place: change for place, change in states.items() if type(change) is Save}


def fold(changes: Iterable[Save | Discard | Record]) -> tuple[dict[Place, Save | Discard], list[Record]]:
    """Return the last change of each document, and the entries in their order."""
    latest: dict[Place, Save | Discard] = {}
    entries: list[Record] = []
    for change in changes:
        if isinstance(change, Record):
            entries.append(change)
        else:
            latest[documents.document_key(change.value)] = change
    return latest, entries

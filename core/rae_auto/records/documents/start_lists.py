"""Lists of starts: the documents of runs that start together, and of their jobs' states, as one document of a store.

Theory
======

A thousand jobs may be due in one second, and each start is durable before it happens. With documents of their own that
is two thousand rows, which are changed or deleted a moment later, when the runs end. So where many runs start in one
commit, these documents are one, of the kind `documents.STARTS`: of each kind the first one whole, and of each other
one what differs from it.

- *What a list says counts.* It is newer than a document by itself of the same kind and key, which may be there too. So
  all documents are read with `load_documents`.
- *A list goes with the first change of what it holds.* The commit that changes one of its documents deletes or
  replaces the list as well, and writes what hasn't changed. So a document is in one list at most, and nothing can make
  a list outdated. `runtime.concurrency.listed_starts` keeps account of that.
- *A daemon begins without lists.* It dissolves those of the last one (`settle`), so it knows all that there are.

A list that is damaged hides what was started. As it hides only that, and for as long as the list is there, the store
counts as one that went back to an older state (`runtime.recovery`): nothing is run again.
"""

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from rae_auto.api.store import Change, CorruptDocument, Delete, Document, Put, Store, StoreReader
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.run import Run

_KINDS = (documents.RUN, documents.STATE)


@frozen(eq=False)
class StartList:
    """The values of a list, and its key."""

    key: str
    values: Sequence[Run | JobState]

    def make_document(self) -> Put:
        """Return the document of the list."""
        body: dict[str, list[Document]] = {}
        first: dict[str, Run | JobState] = {}
        for value in self.values:
            kind = documents.RUN if type(value) is Run else documents.STATE
            if kind in first:
                body[kind].append(documents.dump_difference(value, first[kind]))
            else:
                first[kind], body[kind] = value, [documents.dump(value)]
        return Put(documents.STARTS, self.key, body)


def load_documents(store: StoreReader, kind: str) -> Iterable[tuple[str, Document | CorruptDocument]]:
    """Return all documents of a kind by key, also those in lists; damaged ones as CorruptDocument."""
    listed: dict[str, Document | CorruptDocument] = {}
    if kind in _KINDS:
        # First: a document whose list is dissolved meanwhile is then read as it was, and not missed.
        for _, body in store.load(documents.STARTS):
            listed.update((put.key, put.body) for put in _unpack(body) if put.kind == kind)
    if not listed:
        return store.load(kind)
    return sorted({**dict(store.load(kind)), **listed}.items())


def settle(store: Store) -> None:
    """Dissolve all lists but those that are damaged. Errors: StoreError."""
    for key, body in list(store.load(documents.STARTS)):
        if not isinstance(body, CorruptDocument):
            changes: list[Change] = [Delete(documents.STARTS, key), *_unpack(body)]
            store.commit(changes)


def _unpack(body: Document | CorruptDocument) -> Iterator[Put]:
    """Yield the documents of a list, none of one that is damaged."""
    if isinstance(body, CorruptDocument):
        return
    for kind, (first, *others) in body.items():
        key = "id" if kind == documents.RUN else "job"
        for document in (first, *(documents.apply_difference(first, other) for other in others)):
            yield Put(kind, document[key], document)

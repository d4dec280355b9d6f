"""The JSON store: keeps state in files that a person can read.

Files in the state directory (N: the number of the last commit in them):

| file               | content                                                                                  |
| ------------------ | ---------------------------------------------------------------------------------------- |
| `journal.jsonl`    | a header with the number of the last commit before it, then one line per commit          |
| `journal-N.jsonl`  | the journals between the snapshots that are kept                                         |
| `snapshot-N.json`  | all documents after commit N, and the names of the history files; the newest three        |
| `history-N.jsonl`  | log entries that have left the journal, with their number and outermost instants in the header |
| `journal.commits`  | the mark: the number of the last commit (see `commit_line`)                               |
| `*.corrupt-<time>` | a damaged file, as it was found                                                           |

Checksum: every line, and a snapshot as a whole, is a JSON object whose first member is `crc`, the CRC-32 (eight
hexadecimal digits) of the object's text without that member. It is verified before the text is parsed.

Commit rule: a commit is one line, written at the known end of the journal and synced; then its number is written to
the mark and synced; then `commit` returns. If the line can't be written, the file is cut back to the known end, and the
next commit starts a new journal, because the state of the disk is unknown after a failed fsync.

Compaction: when the journal is large, its log entries go to a history file, its lines to `journal-N.jsonl`, the
documents to `snapshot-N.json`, and then an empty journal replaces it, in this order. Each file is written whole and
renamed. A kill at any moment leaves the old journal, which still contains everything; a history file that was written
too early only repeats entries, and of several entries with one key the last counts.

Recovery, when the store is opened: the newest good snapshot, then every journal with later commits, in their order.

- A snapshot with a wrong checksum is skipped: the one before it and the journals since lead to the same state.
- A bad line at the end of the current journal is a *torn tail*, a commit that was never acknowledged: it is cut off.
- A bad line anywhere else is *damage*: it costs that commit, and the gap in the numbers shows how many were lost.
- A missing journal loses the commits after the newest snapshot.
- A missing history file costs its entries, a damaged line in it its own entry. The lines are checked at each start.
- If the mark has a larger number than the last commit that could be read, the commits between them are lost. The next
  commit follows the number of the mark.
- Without a good snapshot, and without journals from the first commit on, the store refuses to open and changes nothing.

Every loss is reported. Damaged files are copied to `*.corrupt-<time>` before anything is repaired.
"""

from rae_auto.api.store import Store
from rae_auto.hookspecs import hookimpl
from rae_plugins.stores.json.store import JsonStore


@hookimpl
def rae_stores() -> list[type[Store]]:
    """Return the JSON store."""
    return [JsonStore]

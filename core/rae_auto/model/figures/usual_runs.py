"""The documents of usual runs, of which statistics need eight fields, found in their JSON without parsing it.

A run is usual if it has started and ended, no attempt of it was lost, and no clock was set meanwhile; its event, if it
has one, has no objects within. Its text begins with one pattern, which is found in a quarter of the time of parsing.
Others are parsed, so the pattern may miss a run. But what it finds has to be what parsing would find:

- It begins with the text, and leaves out no field. So what it takes for a field of the run is one.
- What it takes for a text ends at the next quote. Were that quote an escaped one, within the text, then the comma and
  the quote that have to follow would end the text. In JSON no letter follows that, but in the pattern one does.
- Texts in an object are passed with their escapes, so that the brace behind them is the end of the object.
- Fields that are returned have no escapes, or are instants, which can't be read with one.
- The rest of the text is only searched for two words, which have unescaped quotes and so are no part of a text.
"""

import re
from collections.abc import Sequence

# None of these is left before its end, which would only take time: after it no shorter one could fit either.
_TEXT = '"[^"]*+"'
_INSTANT = '"([^"]*+)"'
_WORD = r'"(\w++)"'
_REST_OF_OBJECT = r'[^{}"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^{}"]*+)*+}'
# A line that begins in another way has a match without fields, so that there is one for each line.
_find_runs = re.compile(
    rf'^(?:{{"id":{_TEXT},"job":{_TEXT},"trigger":{_TEXT},"key":{_TEXT},"scheduled_for":{_INSTANT}'
    rf',"queued_at":"([\w:.+-]++)","cause":(?:{_WORD}|{{"code":{_WORD}{_REST_OF_OBJECT})'
    rf'(?:,"event":{{{_REST_OF_OBJECT})?+,"state":(?!"skipped"){_WORD}'
    rf',"started_at":{_INSTANT},"attempt_started_at":{_TEXT},"finished_at":{_INSTANT},"attempt":([1-9]\d*+))?+.*$',
    re.ASCII | re.MULTILINE,
).findall

_UNUSUAL = ('"state":"lost"', '"clock_steps":')


def split_usual_runs(some: Sequence[bytes]) -> Sequence[Sequence[str]]:
    """Return the fields of usual ones among documents that are given as JSON, as they are written there.

    They are `scheduled_for`, `queued_at`, `cause`, the code of `cause` if that has facts, `state`, `started_at`,
    `finished_at`, and `attempt`. Those of all other documents are empty.
    """
    # By a decoder that refuses nothing: an instant or a code has no bytes beyond ASCII.
    text = b"\n".join(some).decode("latin-1")
    if any(word in text for word in _UNUSUAL):
        lines = text.split("\n")
        text = "\n".join(["" if any(word in line for word in _UNUSUAL) else line for line in lines])
    found = _find_runs(text)
    # Our JSON is one line; of other JSON it can't be said which line is which.
    return found if len(found) == len(some) else [_UNKNOWN] * len(some)


_UNKNOWN = ("",) * 8

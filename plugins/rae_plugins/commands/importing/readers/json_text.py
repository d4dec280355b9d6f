"""JSON files of a source, with a message that helps where they are not that."""

import json
from pathlib import Path
from typing import Any

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.importing.source_files import read_source_text


def read_json_items(path: Path, key: str, kind: str) -> list[Any]:
    """Return the list that a file has under a key. `kind` names the file in messages. Errors: BadRequest."""
    text = read_source_text(path, kind)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{quote(path)} is not valid JSON: {str(error)[:200]}; name the file that is {kind}") from None
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise BadRequest(f'{quote(path)} has no list "{key}", so it is not {kind}; name another file')
    return items

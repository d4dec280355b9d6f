"""YAML as texts, lists and tables: nothing else is built, whatever tags a file has.

The nodes that PyYAML composes are turned into values here. So a scalar stays the text that is written ("on" is no
boolean, "0755" no number), as the schemas of cronstable and yacron have it. A key that stands twice is an error, and
aliases can't grow a small file into a large one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.importing.source_files import read_source_text

if TYPE_CHECKING:
    import yaml

MAX_VALUES = 100_000
MAX_DEPTH = 50
MISSING_EXTRA = "YAML needs a further package; run '{}'"


def read_yaml(path: Path, kind: str) -> dict[str, Any]:
    """Return the table that a file holds. `kind` names it in messages. Errors: BadRequest."""
    try:
        import yaml  # lazy: an extra
    except ImportError:
        raise BadRequest(MISSING_EXTRA.format(install_command("yaml"))) from None
    text = read_source_text(path, kind)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _Values(path).of(node, 0)
    except yaml.MarkedYAMLError as error:
        place = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadRequest(f"{path}{place}: {escape_line(error.problem or 'broken')}; this is not valid YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        problem = escape_line(str(error)).splitlines()[0][:200]
        raise BadRequest(f"{quote(path)} is not valid YAML: {problem}; name another file") from None
    if not isinstance(value, dict):
        raise BadRequest(f"{quote(path)} has no keys, so it is not {kind}; name another file")
    return value


class _Values:
    """The values of nodes, counted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def of(self, node: "yaml.Node | None", depth: int) -> Any:
        """Return the value of a node: a text, a list or a table."""
        import yaml  # lazy: an extra

        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise BadRequest(f"{quote(self._path)} has more than {MAX_VALUES:,} values, or a circle; name another file")
        match node:
            case None:
                return ""
            case yaml.ScalarNode():
                return str(node.value)
            case yaml.SequenceNode():
                return [self.of(item, depth + 1) for item in node.value]
        return dict(self._pairs(node, depth))

    def _pairs(self, node: "yaml.Node", depth: int) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise BadRequest(f"{self._path}:{line}: the key {quote(name)} stands here twice; remove one of the two")
            seen.add(name)
            yield name, self.of(value, depth + 1)

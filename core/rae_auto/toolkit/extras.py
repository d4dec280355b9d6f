"""The command that installs an extra of rae-auto: for this interpreter, and from where rae-auto came."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path


def install_command(extra: str) -> str:
    """Return the command, as a person types it: another pip would install into another environment.

    Environments of uv have no pip.
    """
    program, source = _quote(sys.executable), _quote(f"{_find_source()}[{extra}]")
    if find_spec("pip") is None:
        return f"uv pip install --python {program} {source}"
    return f"{program} -m pip install {source}"


def _quote(word: str) -> str:
    """Return a word as all common shells take it: zsh and cmd.exe, too."""
    return word if re.fullmatch(r"[\w:.\\/~-]+", word) else f'"{word}"'


def _find_source() -> str:
    """Return the folder that rae-auto was installed from, such as a clone, as long as it is there; else its name."""
    # lazy: only for a message
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        noted = json.loads(distribution("rae-auto").read_text("direct_url.json") or "{}")
        place = urlsplit(noted.get("url", ""))
    except (PackageNotFoundError, ValueError, AttributeError, OSError):
        return "rae-auto"
    folder = Path(url2pathname(place.path)) if place.scheme == "file" else None
    return str(folder) if folder is not None and (folder / "pyproject.toml").is_file() else "rae-auto"

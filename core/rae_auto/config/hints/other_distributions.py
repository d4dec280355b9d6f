"""Hints at plugins that are not installed, in distributions that are known: those of contrib, and of the gallery.

They are in other_distributions.toml, which `python docs/generate.py` writes.
"""

from functools import lru_cache

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import find_nearest_name


@lru_cache
def known_plugins() -> dict[str, dict[str, dict[str, str]]]:
    """Return distribution and place of known plugins, by kind and name."""
    import tomllib  # lazy: memory, asked for rarely
    from importlib.resources import files  # lazy: memory, asked for rarely

    text = files("rae_auto.config.hints").joinpath("other_distributions.toml").read_text(encoding="utf-8")
    known: dict[str, dict[str, dict[str, str]]] = tomllib.loads(text)
    return known


def describe_other_distribution(kind: Kind, name: str) -> str | None:
    """Return where a plugin comes from that isn't installed, or None if no known one has this name or one like it."""
    known = known_plugins().get(kind, {})
    near = name if name in known else find_nearest_name(name, known)
    if near is None:
        return None
    distribution, place = known[near]["distribution"], known[near]["place"]
    if near == name:
        return f"install {distribution}, which has it: {place}"
    return f"did you mean {quote(near)}? it needs {distribution}: {place}"

"""The instructions for agents, which come with the package."""

from importlib import resources


def read_skill() -> str:
    """Return the instructions for agents."""
    return resources.files(__package__).joinpath("SKILL.md").read_text(encoding="utf-8")

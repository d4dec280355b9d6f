"""The pages as texts for machines (llmstxt.org): llms.txt lists them, llms-full.txt has them all.

The first is kept beside the pages, so that `rae-auto mcp` and readers of the repository have it; the second is made
with the site, which also has each page as it was written: `guides/service.md`.
"""

import re
from collections.abc import Mapping

INTRODUCTION = (
    "# rae-auto\n\n> Runs automations on your own machine: nothing lost, nothing doubled, everything explained.\n"
)
ORDER = (
    "start",
    "tutorial",
    "guides",
    "examples",
    "troubleshooting",
    "reference",
    "explanation",
    "migration",
    "design",
)


def list_pages(pages: Mapping[str, str]) -> str:
    """Return llms.txt: each page, given by its path below docs/, with its title and its first sentence, by folder."""
    folders: dict[str, list[str]] = {}
    for path, page in _in_order(pages):
        title, _, text = page.partition("\n")
        about = " ".join(re.split(r"\n\n|```|\n[|#-]|^#", text.strip(), maxsplit=1)[0].split())
        sentence = re.split(r"(?<=[.:]) ", about, maxsplit=1)[0].rstrip(":")
        line = f"- [{title.removeprefix('# ')}]({path})" + (f": {sentence}" if sentence else "")
        folders.setdefault(_folder(path), []).append(line)
    parts = [f"## {name.capitalize()}\n\n" + "\n".join(lines) + "\n" for name, lines in folders.items()]
    return "\n".join([INTRODUCTION, *parts])


def join_pages(pages: Mapping[str, str]) -> str:
    """Return llms-full.txt: every page whole, below a line with its path."""
    return "\n".join([INTRODUCTION, *(f"<!-- docs/{path} -->\n\n{page}" for path, page in _in_order(pages))])


def _in_order(pages: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return paths and pages by folder; an index comes first."""
    return sorted(
        pages.items(), key=lambda item: (ORDER.index(_folder(item[0])), not item[0].endswith("index.md"), item)
    )


def _folder(path: str) -> str:
    return path.split("/")[0] if "/" in path else "start"

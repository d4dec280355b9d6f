"""The site of the documentation: `python -m sphinx -c docs -j auto -W . site`, in the root of the repository.

The source is the root, not docs/, so that links to the changelog and to the pages of contrib/ work here as they do
in a repository. The navigation is made of the links in the pages called index.md: there is no second list to keep.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from machine_texts import join_pages

project = "rae-auto"
author = "the authors of rae-auto"
copyright = author
language = "en"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "contrib/*/README.md"]
exclude_patterns = [".*", "**/.*", "core", "plugins", "tests", "schemas", "cookiecutter-plugin", "site"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # examples with … or cut JSON are meant for people

html_theme = "furo"
html_extra_path = ["llms.txt"]
html_title = "rae-auto"
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sphinx = False

_WITHOUT_INDEX = ("../design/", "../../../contrib/", "../../CHANGELOG", "../../CONTRIBUTING")
_LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+\.md)(#[^)]*)?\)")


def _add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append a hidden list of contents to each index: of the pages that it links to, as far as they are its own."""
    if docname == "README":
        source[0] = f"---\norphan: true\n---\n{source[0]}"
    if docname == root_doc or docname.endswith("/index"):
        targets = [found[1] for found in _LINK.finditer(source[0]) if _is_own(docname, found[1])]
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(dict.fromkeys(targets)) + "\n```\n"


def _is_own(index: str, target: str) -> bool:
    """Return whether a linked page stands below this index: in its folder, or in one that has no index."""
    if index == root_doc:
        return target.endswith("/index.md") and target.count("/") == 1
    return not target.startswith("../") or target.startswith(_WITHOUT_INDEX)


def _name_sections_as_in_the_repository(app: Sphinx, doctree: nodes.document) -> None:
    """Give each heading the anchor that it has in the repository, too: `need_failed` beside `need-failed`."""
    for section in doctree.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in doctree.ids:
            section["ids"].append(slug)


def _write_texts(app: Sphinx, exception: Exception | None) -> None:
    """Write llms-full.txt, and each page as it was written, beside the site's own."""
    if exception is not None or app.builder.format != "html":
        return
    docs = Path(__file__).parent
    pages = {page.relative_to(docs).as_posix(): page.read_text(encoding="utf-8") for page in docs.rglob("*.md")}
    for path, text in pages.items():
        target = Path(app.outdir, "docs", path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    Path(app.outdir, "llms-full.txt").write_text(join_pages(pages), encoding="utf-8")


def _let_keys_scroll(app: Sphinx, exception: Exception | None) -> None:
    """Let people without a mouse reach what scrolls on a narrow screen: blocks of code and tables."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            html = page.read_text(encoding="utf-8")
            reachable = html.replace("<pre>", '<pre tabindex="0">').replace(
                '<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'
            )
            if reachable != html:
                page.write_text(reachable, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register what makes the navigation and the texts for machines."""
    app.connect("source-read", _add_navigation)
    app.connect("doctree-read", _name_sections_as_in_the_repository)
    app.connect("build-finished", _write_texts)
    app.connect("build-finished", _let_keys_scroll)

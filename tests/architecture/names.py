"""Identifiers, docstrings and rooms of the source tree, read without importing it.

`python tests/architecture/names.py [CHECKOUT]` prints the figures by which the tree is judged: literary words per
thousand name tokens, docstring openings, participles as function names, modules per room, import circles and class
names that stand twice. `--where` lists the places as well, `--tests` reads the tests too.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("core", "plugins", "contrib")
TOPS = (*SOURCES, "tests")

VOCABULARY = ROOT / "docs" / "design" / "vocabulary.md"


def refused_phrases(heading: str, page: str | None = None) -> frozenset[str]:
    """Return what the page of the vocabulary lists after `- **heading**:`; the page is its only home."""
    text = VOCABULARY.read_text(encoding="utf-8") if page is None else page
    found = re.search(rf"^- \*\*{re.escape(heading)}\*\*: (.+?)(?=^- |^#|^$|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{VOCABULARY}: no list called {heading!r}")
    return frozenset(" ".join(phrase.split()) for phrase in found[1].strip().rstrip(".").split(","))


LITERARY_WORDS = refused_phrases("In names")
PARTICIPLES = refused_phrases("As the whole name of a function")
BAD_OPENINGS = refused_phrases("As the first word of a docstring")
REFUSED_IN_COMMENTS = refused_phrases("In docstrings and comments")


@frozen
class Place:
    """A name or a docstring, and where it stands."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def module_paths(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> Iterator[Path]:
    """Yield the path of each Python module below these folders; those of tests only where `tops` names them."""
    for top in tops:
        for path in sorted((root / top).rglob("*.py")):
            relative = path.relative_to(root)
            if any(part in {".venv", "__pycache__"} or "{{" in part for part in relative.parts):
                continue
            if top != "tests" and "tests" in relative.parts:
                continue
            yield relative


def modules(
    root: Path = ROOT, tops: tuple[str, ...] = SOURCES, holding: re.Pattern[str] | None = None
) -> Iterator[tuple[Path, ast.Module]]:
    """Yield each of these modules, or those whose name or text holds something, with its syntax tree.

    Parsing all takes seconds, so a rule that asks for few words names them.
    """
    for path in module_paths(root, tops):
        source = (root / path).read_text(encoding="utf-8")
        if holding is None or holding.search(f"{path.stem}\n{source}"):
            yield path, ast.parse(source)


def any_of(words: Iterable[str]) -> str:
    """Return a regular expression for any of these words."""
    return f"(?:{'|'.join(map(re.escape, sorted(words)))})"


def _in_names(words: Iterable[str]) -> re.Pattern[str]:
    """Return a regular expression for these words where each can be one of a name, as `words_of` tells them apart."""
    forms = {form for word in words for form in (word, word.capitalize(), word.upper())}
    return re.compile(rf"(?:(?<![a-z])|(?=[A-Z])){any_of(forms)}(?![a-z])")


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and name of everything that a module gives a name: the names that a reader has to guess."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield node.lineno, "class", node.name
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, "function", node.name
                arguments = node.args
                for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                    yield argument.lineno, "argument", argument.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, "variable", node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, "attribute", node.attr


def words_of(name: str) -> list[str]:
    """Return the words of a name: `is_leftOver_HTML` has is, left, over, html."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return [part.lower() for part in parts]


def count_words(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> int:
    """Return how many words the names have in all."""
    return sum(
        len(words_of(name))
        for path, tree in modules(root, tops)
        for name in (path.stem, *(name for _, _, name in identifiers(tree)))
    )


def literary_places(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> list[Place]:
    """Return each name with a literary word in it."""
    return [
        Place(str(path), line, f"{kind} {name}")
        for path, tree in modules(root, tops, _in_names(LITERARY_WORDS))
        for line, kind, name in [(1, "module", path.stem), *identifiers(tree)]
        if LITERARY_WORDS.intersection(words_of(name))
    ]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring, those of attributes and constants included: a string after a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(node):
                yield getattr(node, "lineno", 1), text
            for before, after in pairwise(node.body):
                match before, after:
                    case ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                        yield after.lineno, text


def count_docstrings(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> int:
    """Return how many docstrings there are."""
    return sum(1 for _, tree in modules(root, tops) for _ in docstrings(tree))


def docstring_openings(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> list[Place]:
    """Return each docstring that opens with a question word or a genitive."""
    return [
        Place(str(path), line, text.splitlines()[0])
        for path, tree in modules(root, tops, re.compile(rf"[\"'][\s\\]*{any_of(BAD_OPENINGS)}\b"))
        for line, text in docstrings(tree)
        if re.split(r"[\s,.:]", text, maxsplit=1)[0] in BAD_OPENINGS
    ]


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def refused_comments(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> list[Place]:
    """Return each docstring and comment that holds a refused word outside backquotes."""
    refused = re.compile(rf"\b{any_of(REFUSED_IN_COMMENTS)}\b", re.IGNORECASE)
    found = []
    for path in module_paths(root, tops):
        source = (root / path).read_text(encoding="utf-8")
        if not refused.search(source):  # most modules: they need no parser
            continue
        for line, text in (*docstrings(ast.parse(source)), *comments(source)):
            if word := refused.search(re.sub(r"`[^`]*`", "", text)):
                found.append(Place(str(path), line, f"{word[0]}: {' '.join(text.split())[:80]}"))
    return found


def participle_functions(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> list[Place]:
    """Return the functions that are called by a participle."""
    return [
        Place(str(path), line, name)
        for path, tree in modules(root, tops, re.compile(rf"\bdef\s+_*{any_of(PARTICIPLES)}_*\b"))
        for line, kind, name in identifiers(tree)
        if kind == "function" and name.strip("_") in PARTICIPLES
    ]


def room_sizes(root: Path = ROOT, tops: tuple[str, ...] = SOURCES) -> Counter[str]:
    """Return how many modules each package holds, `__init__.py` not counted."""
    sizes: Counter[str] = Counter()
    for path in module_paths(root, tops):
        if path.name != "__init__.py":
            sizes[str(path.parent)] += 1
    return sizes


def classes_twice(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the class names that stand more than once in the distribution, with their modules."""
    sources = [(root / path).read_text(encoding="utf-8") for path in module_paths(root)]
    counts = Counter(name for source in sources for name in re.findall(r"\bclass\s+(\w+)", source))
    several = [name for name, count in counts.items() if count > 1]
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules(root, holding=re.compile(rf"\bclass\s+{any_of(several)}\b")):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path))
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def unfit_test_names(max_length: int, root: Path = ROOT) -> tuple[list[Place], list[Place]]:
    """Return the tests whose names are too long, and those whose names hold the id of a requirement."""
    long, numbered = [], []
    for path, tree in modules(
        root, ("tests", "contrib"), re.compile(rf"(?i)\btest_(\w{{{max_length - 4},}}|\w*?[rs]\d)")
    ):
        for line, kind, name in identifiers(tree):
            if kind == "function" and name.startswith("test_"):
                if len(name) > max_length:
                    long.append(Place(str(path), line, name))
                if re.search(r"(?i)(^|_)[rs]\d+(_|$)", name):
                    numbered.append(Place(str(path), line, name))
    return long, numbered


def import_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Return each module of the two packages with the modules it imports, late imports included.

    Imports for type checkers alone are left out.
    """
    names = {_dotted(path): path for path in module_paths(root, ("core", "plugins"))}
    graph: dict[str, set[str]] = {}
    for path, tree in modules(root, ("core", "plugins")):
        typing_only = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        targets: set[str] = set()
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module or id(node) in typing_only:
                continue
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                targets.add(full if full in names else node.module)
        graph[_dotted(path)] = {target for target in targets if target in names}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other: strongly connected components, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = []
            while True:
                group.append(stack.pop())
                if group[-1] == node:
                    break
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def main(arguments: list[str]) -> None:
    """Print the figures of a checkout."""
    where = "--where" in arguments
    given = [word for word in arguments if not word.startswith("-")]
    root = Path(given[0]).resolve() if given else ROOT
    tops = TOPS if "--tests" in arguments else SOURCES
    total, literary = count_words(root, tops), literary_places(root, tops)
    strings, openings = count_docstrings(root, tops), docstring_openings(root, tops)
    participles = participle_functions(root, tops)
    rooms = [(room, size) for room, size in room_sizes(root).most_common() if size > 15]
    twice, loops = classes_twice(root), circles(import_graph(root))
    print(f"literary words per 1,000 name tokens: {1000 * len(literary) / total:.1f} ({len(literary)} of {total})")
    print(f"docstrings that open with What, Whether, Of …: {100 * len(openings) / strings:.1f} % of {strings}")
    print(f"participles as function names: {len(participles)}")
    print(f"rooms with more than 15 modules: {rooms or 'none'}; the largest has {max(room_sizes(root).values())}")
    print(f"import circles: {loops or 'none'}")
    print(f"class names that stand twice: {len(twice)}: {', '.join(twice)}")
    if where:
        print("\n".join(map(str, [*literary, *openings, *refused_comments(root, tops), *participles])))


if __name__ == "__main__":
    main(sys.argv[1:])

"""A new project of a plugin, rendered from the template that cookiecutter renders too."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rae_auto
from rae_auto.errors import PluginError
from rae_auto.toolkit.extras import install_command

ROOT_NAME = "rae-{{ cookiecutter.kind }}-{{ cookiecutter.name }}"


def template_directory() -> Path:
    """Return the folder of the template: in the wheel beside the package's modules, in a clone beside `core`.

    Raises PluginError if there is none.
    """
    package = Path(rae_auto.__file__).parent
    for folder in (package / "plugin_template", package.parent.parent / "cookiecutter-plugin"):
        if (folder / "cookiecutter.json").is_file():
            return folder
    raise PluginError(f"{package}: the template of plugins is missing; install rae-auto again")


def render_project(target: Path, answers: Mapping[str, str]) -> Path:
    """Write a project below `target` and return its folder. `answers` are those that cookiecutter asks for.

    Raises PluginError if an answer is refused, the folder exists, or jinja2 isn't installed.
    """
    template = template_directory()
    render = _make_renderer(template, answers)
    _check(render, template)
    project = target / str(render(ROOT_NAME))
    if project.exists():
        raise PluginError(f"{project} exists already; choose another name, or remove it")
    root = template / ROOT_NAME
    try:
        for source in sorted(root.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                made = project / render(str(source.relative_to(root)))
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text(render(source.read_text(encoding="utf-8")), encoding="utf-8")
    except BaseException:
        shutil.rmtree(project, ignore_errors=True)
        raise
    return project


def _make_renderer(template: Path, answers: Mapping[str, str]) -> Any:
    """Return the function that renders a text with the answers, and with what the template makes of them."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # lazy: an extra
    except ImportError:
        raise PluginError(f"a new plugin needs jinja2, and pytest; run '{install_command('testing')}'") from None

    # Texts become Python and TOML, not HTML.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader([template, template / "templates"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    values: dict[str, str] = {}
    for name, default in json.loads((template / "cookiecutter.json").read_text(encoding="utf-8")).items():
        first = default[0] if isinstance(default, list) else default
        given = answers.get(name)
        values[name] = environment.from_string(first).render(cookiecutter=values) if given is None else given

    def render(text: str) -> str:
        return environment.from_string(text).render(cookiecutter=values)

    return render


def _check(render: Any, template: Path) -> None:
    """Run the template's own check of the answers. Raises PluginError."""
    hook = render((template / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8"))
    try:
        exec(compile(hook, "pre_gen_project.py", "exec"), {"__name__": "check"})  # noqa: S102 - our own file
    except SystemExit as refused:
        raise PluginError(str(refused.code)) from None

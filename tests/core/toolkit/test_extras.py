"""The command that installs an extra: with this interpreter, by pip where there is one."""

import sys

import pytest

from rae_auto.toolkit import extras
from rae_auto.toolkit.extras import install_command


@pytest.mark.parametrize(
    ("has_pip", "begin"), [(True, "{} -m pip install "), (False, "uv pip install --python {} ")], ids=["pip", "uv"]
)
def test_command_installs_into_this_environment(monkeypatch: pytest.MonkeyPatch, has_pip: bool, begin: str) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: object() if has_pip else None)
    assert install_command("ui").startswith(begin.format(sys.executable))
    assert install_command("ui").endswith('[ui]"')


def test_path_with_a_space_is_quoted_as_each_shell_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", r"C:\Program Files\python.exe")
    assert install_command("windows").startswith('"C:\\Program Files\\python.exe" -m pip')

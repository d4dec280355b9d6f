"""Programs in the secrets of plugins of every kind must be allowed, as those in jobs and notifiers."""

from pathlib import Path

import attrs
import pytest
from tests.core.config.conftest import Source

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.config import check
from rae_auto.toolkit.secrets import Secret


@attrs.frozen(kw_only=True)
class Guarded(Plugin):
    """A plugin of any kind with a secret."""

    type = "guarded"

    token: Secret | None = None
    inner: dict[str, Secret] = attrs.field(factory=dict)


class Guards(Source):
    """Plugins among which each kind has one with a secret."""

    def names(self, kind: Kind) -> set[str]:
        return {*super().names(kind), "guarded"}

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return Guarded if name == "guarded" else super().get(kind, name)


USE = '{ type = "guarded", token = "${cmd:pass show db}" }'
JOB = '[jobs.a]\ncommand = ["x"]\n'
REFUSED = 'refers to ${cmd:pass show db}, whose program is not allowed; add "pass" to secret_commands'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"store = {USE}\n{JOB}", "1: store.token"),
        (f"loggers = [{USE}]\n{JOB}", "1: loggers[0].token"),
        (f"{JOB}trigger = {USE}", "3: jobs.a.trigger.token"),
        (f"{JOB}guards = [{USE}]", "3: jobs.a.guards[0].token"),
        (f"{JOB}executor = {USE}", "3: jobs.a.executor.token"),
        (f"{JOB}guards = [{USE.replace('token =', 'inner.api =')}]", "3: jobs.a.guards[0].inner.api"),
    ],
)
def test_check_refuses_a_program_that_is_not_allowed(text: str, place: str, tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(text)
    config.chmod(0o600)
    assert f"{config}:{place}: {REFUSED}" in check(config, Guards()).errors
    config.write_text(f'secret_commands = ["pass"]\n{text}')
    assert not any("secret_commands" in line for line in check(config, Guards()).errors)

"""Secrets as options of plugins: read late, shown nowhere, and known to all that deals with options."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from loguru import logger

from rae_auto.api import Notice, Notifier
from rae_auto.api.plugin import Kind
from rae_auto.config.options import build, warnings_of
from rae_auto.config.relative_paths import resolve_ref
from rae_auto.config.schema_writer import SchemaWriter
from rae_auto.errors import PluginNotFound
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.problems import Invalid
from rae_auto.registry.describe import describe
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.reporting import log_setup
from rae_auto.toolkit.secrets import Secret, SecretText
from rae_auto.toolkit.secrets.masking import forget_secrets, mask_known_secrets

CANARY = "canary-in-the-mine"


@frozen(kw_only=True)
class Bell(Notifier):
    """Rings."""

    type = "bell"

    password: Secret = field(metadata={"help": "password"})
    url: SecretText | None = field(default=None, metadata={"help": "address"})
    headers: dict[str, SecretText] = field(factory=dict, metadata={"help": "headers"})

    async def notify(self, notice: Notice) -> None:
        raise RuntimeError(f"refused {await self.password.reveal_async('password')}")


class Bells:
    """A source of the one plugin."""

    def names(self, kind: Kind) -> tuple[str, ...]:
        return ("bell",) if kind is Kind.NOTIFIER else ()

    def get(self, kind: Kind, name: str) -> Any:
        if kind is not Kind.NOTIFIER:
            raise PluginNotFound(name)
        return Bell


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    forget_secrets()


def bell(**options: object) -> Bell:
    return build(Bell, options, timezone="UTC", plugins=Bells())


def test_secret_is_read_each_time_that_it_is_needed(private: Path) -> None:
    made = bell(password=f"${{file:{private}}}")
    assert made.password.reveal() == CANARY
    private.write_text("another-one")
    assert made.password.reveal() == "another-one"


def test_secret_is_in_no_text_of_a_plugin(private: Path) -> None:
    made = bell(password=f"${{file:{private}}}", url=f"https://{CANARY}@example.org", headers={"Authorization": CANARY})
    shown = f"{made} {made!r} {made.password} {made.url} {made.url!r} {made.headers} {made.summary()}"
    assert CANARY not in shown
    assert repr(made.password) == f"Secret('${{file:{private}}}')"
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(made.url)


@pytest.mark.parametrize("value", [CANARY, 12345678, [CANARY]])
def test_option_that_is_no_reference_is_refused_without_repeating_it(value: object) -> None:
    with pytest.raises(Invalid) as error:
        bell(password=value)
    assert [problem.key for problem in error.value.problems] == [("password",)]
    assert CANARY not in str(error.value) and "12345678" not in str(error.value)


def test_secret_that_others_can_read_is_a_warning(private: Path) -> None:
    private.chmod(0o644)
    (warning,) = warnings_of(bell(password=f"${{file:{private}}}"))
    assert warning.startswith(f"password: refers to {private}, which other users can read")
    private.chmod(0o600)
    missing = bell(password=f"${{file:{private}}}", headers={"X": "${env:NOT_SET_HERE}"})
    assert warnings_of(missing) == (
        "headers.X: refers to ${env:NOT_SET_HERE}, which is not set in the daemon's environment",
    )


def test_misspelled_kind_of_reference_is_named() -> None:
    with pytest.raises(Invalid, match=re.escape("has ${fil:…}, which is not a reference; did you mean ${file:…}?")):
        bell(password="${fil:canary}")
    assert warnings_of(bell(password="${env:HOME}", headers={"X": "Bearer ${flie:token}"})) == (
        "headers.X: has ${flie:…}, which is not a reference, and is passed as text; did you mean ${file:…}?",
    )


def test_secret_that_was_read_is_masked_in_log_and_reports(private: Path) -> None:
    lines: list[str] = []
    logger.configure(patcher=log_setup.clean_record)
    number = logger.add(lambda message: lines.append(message.record["message"]))
    try:
        logger.enable("rae_auto")
        quarantine = Quarantine(lambda *_: "example 1.0")
        bell(password=f"${{file:{private}}}").password.reveal()
        quarantine.failed(Kind.NOTIFIER, "bell", "ops", RuntimeError(f"refused {CANARY}"))
        logger.info("said {}", CANARY)
    finally:
        logger.remove(number)
        logger.configure(patcher=lambda _: None)
    assert len(lines) == 2 and not [line for line in (*lines, str(quarantine.report())) if CANARY in line]


def test_environment_variable_as_a_whole_is_masked_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", CANARY)
    assert SecretText("${env:HOOK}").reveal() == CANARY
    assert mask_known_secrets(f"at {CANARY}") == "at ***"


def test_relative_file_of_a_secret_starts_from_the_configuration(private: Path) -> None:
    options = {"password": "${file:password}", "headers": {"A": "x${file:~/a}"}}
    found = resolve_ref(PluginRef("bell", options), Kind.NOTIFIER, Bells(), private.parent)
    assert found.options == {"password": f"${{file:{private}}}", "headers": {"A": "x${file:~/a}"}}


def test_schema_and_description_know_secrets() -> None:
    properties = SchemaWriter().object(Bell)["properties"]
    assert properties["password"]["pattern"] == r"\$\{(env|file|credential|keyring|cmd):[^}]+\}"
    assert properties["url"]["type"] == "string"
    assert {row["option"]: row["type"] for row in describe(Bell).rows()} == {
        "password": "secret",
        "url": "text",
        "headers": "table",
    }


def test_secrets_are_hashable_and_equal_by_their_text() -> None:
    assert len({Secret("${env:A}"), Secret("${env:A}"), Secret("${env:B}"), SecretText("${env:A}")}) == 3

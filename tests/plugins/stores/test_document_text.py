"""The text of stored documents: JSON in its shortest form, however it is made."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.stores.checksum import pack_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES))
def test_text_of_a_document_is_json_without_spaces(body: dict[str, Any]) -> None:
    assert pack_json(body) == json.dumps(body, separators=(",", ":"))


def test_document_that_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="datetime"):
        pack_json({"at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert pack_json({"a": [1]}) == '{"a":[1]}'

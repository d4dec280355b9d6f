"""The control protocol: what one side encodes, the other decodes."""

import pytest

from rae_auto import errors
from rae_auto.control import protocol


def test_request_round_trip():
    request = protocol.decode_request(protocol.encode_request("trigger", {"job": "backup"}, 7))
    assert (request.command, request.arguments, request.id) == ("trigger", {"job": "backup"}, 7)


def test_request_that_is_too_long_is_refused_before_it_is_sent():
    with pytest.raises(errors.BadRequest, match="limited to 128 KB"):
        protocol.encode_request("record_event", {"data": "x" * protocol.MAX_REQUEST_BYTES})


def test_result_round_trip():
    assert protocol.decode_answer(protocol.encode_result(1, {"run_id": "x"})) == {"run_id": "x"}


@pytest.mark.parametrize("error", [errors.JobNotFound("no job"), errors.ConfigError(["one", "two"])])
def test_error_round_trip_keeps_class_and_message(error):
    with pytest.raises(type(error)) as caught:
        protocol.decode_answer(protocol.encode_error(1, error))
    assert str(caught.value) == str(error)


def test_unknown_kind_of_error_becomes_a_scheduler_error():
    with pytest.raises(errors.SchedulerError, match="oops"):
        protocol.decode_answer(protocol.encode_error(1, ZeroDivisionError("oops")))


def test_event_round_trip_and_an_answer_is_no_event():
    assert protocol.decode_event(protocol.encode_event({"kind": "job"})) == {"kind": "job"}
    assert protocol.decode_event(protocol.encode_result(1, {})) is None

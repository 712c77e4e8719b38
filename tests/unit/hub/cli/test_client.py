"""The command line's HTTP client over real connections that fail as they do."""

import json

import pytest

from hub.cli.client import Client, segment
from hub.cli.failing import Exit, Failure, Refusal, Unreached
from hub.cli.profile import Profile
from tests.unit.hub.cli.scripted_hub import Handler, Script, hangs_up, says, scripted_hub, streams


def client_of(script: Script) -> Client:
    return Client(Profile(url=script.url, token="byk_test"))


def test_a_call_that_lost_its_answer_is_sent_again_under_the_same_key() -> None:
    """P11: the hub does it once, however often it is sent."""
    with scripted_hub(hangs_up, says(201, {"id": "tsk_1"})) as script:
        made = client_of(script).post("/tasks", {"automation": "x"})

    first, second = script.requests
    assert "tsk_1" == made["id"]
    assert first[2]["Idempotency-Key"] == second[2]["Idempotency-Key"]
    assert "Bearer byk_test" == first[2]["Authorization"]


def test_two_calls_have_two_keys() -> None:
    with scripted_hub(says(201, {}), says(201, {})) as script:
        client_of(script).post("/tasks", {})
        client_of(script).post("/tasks", {})

    first, second = script.requests
    assert first[2]["Idempotency-Key"] != second[2]["Idempotency-Key"]


def test_a_problem_becomes_one_line_with_its_faults() -> None:
    fault = {"field": "parameters.month", "message": "missing", "remedy": "give it; it is a text"}
    problem = {"detail": "The parameters don't fit.", "code": "parameters", "errors": [fault]}
    with scripted_hub(says(422, problem, "application/problem+json")) as script, pytest.raises(Refusal) as refused:
        client_of(script).get("/me")

    assert "The parameters don't fit." == refused.value.message
    assert ("parameters.month: missing (give it; it is a text)",) == refused.value.details
    assert Exit.USAGE is refused.value.code


def test_an_answer_that_is_no_hubs_is_told_as_a_status() -> None:
    with scripted_hub(says(502, "bad gateway", "text/html")) as script, pytest.raises(Refusal) as refused:
        client_of(script).get("/me")

    assert "the hub answered 502" == refused.value.message


def test_a_hub_that_is_not_there_is_told_with_what_to_do() -> None:
    """design.md §5: 7 = hub not reached."""
    with scripted_hub() as script:
        pass
    with pytest.raises(Unreached) as unreached:
        client_of(script).get("/me")

    assert Exit.UNREACHED is unreached.value.code
    assert "botyard hub serve" in unreached.value.message


def test_listings_are_read_to_their_end() -> None:
    with scripted_hub(says(200, {"items": [1, 2], "next": "abc"}), says(200, {"items": [3], "next": None})) as script:
        assert [1, 2, 3] == list(client_of(script).all("/tasks", {"limit": 2}))

    assert ["/api/v1/tasks?limit=2", "/api/v1/tasks?limit=2&cursor=abc"] == [asked[1] for asked in script.requests]


def test_events_are_read_across_chunks_and_a_torn_one_does_not_count() -> None:
    """The SSE specification: an event ends with an empty line."""
    pieces = (b": hello\n\nevent: outp", b'ut\nid: exe:4\ndata: {"a"', b": 1}\n\n", b"event: output\ndata: {}\n")
    with scripted_hub(streams(*pieces)) as script:
        (event,) = list(client_of(script).events("/x", {"follow": True}, "exe:0"))

    assert ("output", "exe:4", {"a": 1}) == (event.name, event.id, json.loads(event.data))
    assert "exe:0" == script.requests[0][2]["Last-Event-ID"]


def test_names_can_not_leave_their_place_in_a_path() -> None:
    assert "..%2Fkeys%3Fx" == segment("../keys?x")


def test_a_failure_carries_its_exit_code() -> None:
    assert Exit.FAILED is Failure("x").code


def test_a_download_that_is_cut_off_is_told() -> None:
    """Half an output must never pass for the whole."""

    def cuts(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")

    with scripted_hub(cuts) as script, pytest.raises(Unreached):
        list(client_of(script).download("/tasks/1/output/raw"))

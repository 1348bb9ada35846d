"""How answers of the Graph API are read: envelopes, waits, lists, secrets, captions."""

from __future__ import annotations

import json

import pytest

from schedulo.errors import Kind, Phase, PlatformError, Scope
from schedulo.flow import Response
from schedulo.model import Platform
from schedulo.platforms import graph
from schedulo.platforms.graph import Graph
from tests.schedulo.platforms.flows import answer, run_flow

GRAPH = Graph(Platform.INSTAGRAM)


def refused(response: Response, phase: Phase = Phase.ARM) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        GRAPH.raise_for(response, phase)
    return caught.value


def envelope(code: int, subcode: int | None = None, message: str = "no", **more: object) -> dict:
    said = {"message": message, "type": "OAuthException", "code": code, **more}
    return {"error": said if subcode is None else {**said, "error_subcode": subcode}}


def usage(*minutes: int) -> str:
    rows = [{"type": "instagram", "call_count": 100, "estimated_time_to_regain_access": m} for m in minutes]
    return json.dumps({"1784": rows})


def test_an_error_envelope_becomes_its_kind_code_and_message() -> None:
    error = refused(answer(envelope(36003, 2207009, "The aspect ratio"), 400))
    assert (error.kind, error.code, error.status) == (Kind.MEDIA_REJECTED, "36003/2207009", 400)
    assert "The aspect ratio" in error.message


def test_the_sentence_for_people_is_told_with_the_message() -> None:
    error = refused(answer(envelope(368, None, "Blocked.", error_user_msg="Slow down"), 400))
    assert error.message == "Blocked. Slow down"


def test_an_error_in_a_2xx_is_an_error() -> None:
    assert refused(answer(envelope(190), 200)).kind is Kind.TOKEN_EXPIRED


def test_the_upload_hosts_own_errors_are_read() -> None:
    body = {"debug_info": {"retriable": False, "type": "ProcessingFailedError", "message": "{}"}}
    error = refused(answer(body, 400))
    assert (error.kind, error.code) == (Kind.HANDLE_EXPIRED, "ProcessingFailedError")


def test_an_upload_error_that_may_pass_is_tried_again() -> None:
    body = {"debug_info": {"retriable": True, "type": "ProcessingFailedError", "message": "{}"}}
    assert refused(answer(body, 400)).kind is Kind.PLATFORM_DOWN


def test_an_unlisted_error_that_calls_itself_passing_is_tried_again() -> None:
    assert refused(answer(envelope(31337, is_transient=True), 400)).kind is Kind.PLATFORM_DOWN
    assert refused(answer(envelope(31337), 400)).kind is Kind.NOT_UNDERSTOOD


@pytest.mark.parametrize("code", [(100, 33), (190, 463), (80001, None)])
def test_an_answer_proves_that_nothing_went_out_only_at_a_commit(code: tuple[int, int | None]) -> None:
    response = answer(envelope(*code), 400)
    assert refused(response, Phase.COMMIT).diagnosis.refusal
    assert not refused(response, Phase.READ).diagnosis.refusal


def test_html_from_a_gateway_is_the_platforms_trouble() -> None:
    assert refused(answer(b"<html>", 502)).kind is Kind.PLATFORM_DOWN


def test_at_a_commit_html_from_a_gateway_is_unknown() -> None:
    assert refused(answer(b"<html>", 502), Phase.COMMIT).kind is Kind.OUTCOME_UNKNOWN


def test_a_rate_limit_waits_the_longest_of_the_minutes_told() -> None:
    response = answer(envelope(80002), 400, x_business_use_case_usage=usage(0, 5, 2))
    assert refused(response, Phase.COMMIT).wait_s == 300


@pytest.mark.parametrize("header", ["", "{}", "[]", "not json", usage(0), '{"1": 7}'])
def test_a_limit_without_a_time_leaves_the_wait_open(header: str) -> None:
    assert refused(answer(envelope(4), 400, x_business_use_case_usage=header)).wait_s is None


def test_a_full_app_usage_names_no_end_and_retry_after_is_one() -> None:
    full = json.dumps({"call_count": 100, "total_time": 25, "total_cputime": 25})
    error = refused(answer(envelope(4), 400, x_app_usage=full))
    assert (error.wait_s, error.scope) == (None, Scope.PLATFORM)
    assert refused(answer(envelope(4), 400, x_app_usage=full, retry_after="600")).wait_s == 600
    assert refused(answer(b"", 503, retry_after="30")).wait_s == 30


def test_what_is_used_up_is_that_of_the_limit_that_is_used_most() -> None:
    app, page = '{"call_count":28,"total_time":25,"total_cputime":61}', '{"call_count":30}'
    account = '{"17":[{"type":"instagram","call_count":97,"estimated_time_to_regain_access":0}]}'
    assert graph.used(answer({}, 200, x_app_usage=app, x_page_usage=page)) == 0.61
    assert graph.used(answer({}, 200, x_app_usage=app, x_business_use_case_usage=account)) == 0.97
    for said in ("", "[]", "{", '{"17":[7]}', '{"17":{"call_count":97}}', '{"call_count":"97"}'):
        assert graph.used(answer({}, 200, x_app_usage=said, x_business_use_case_usage=said)) == 0


def test_other_errors_carry_no_wait() -> None:
    assert refused(answer(envelope(10), 400, x_business_use_case_usage=usage(5))).wait_s is None


@pytest.mark.parametrize(
    "text",
    [
        "Malformed access token EAABsecretsecret",
        "Malformed access token page-token-secretsecret",
        "no page at /me?access_token=secretsecret&fields=id",
        "IGAAsecretsecret is not valid",
    ],
)
def test_a_token_in_a_message_is_not_repeated(text: str) -> None:
    error = refused(answer(envelope(190, None, text), 400))
    assert "secretsecret" not in error.message
    assert "secretsecret" not in str(error)


def test_a_step_whose_answer_lacks_its_id_is_asked_again() -> None:
    for response in (answer({}), answer({"id": None}), answer([]), answer(b"<html>OK</html>")):
        with pytest.raises(PlatformError) as caught:
            GRAPH.text(response, "id")
        assert caught.value.kind is Kind.PLATFORM_DOWN


def test_a_commit_with_an_unreadable_2xx_was_accepted() -> None:
    assert GRAPH.accepted(answer(b"<html>OK</html>")) == {}


def test_a_commit_that_says_no_success_is_unknown() -> None:
    with pytest.raises(PlatformError) as caught:
        GRAPH.accepted(answer({"success": False}))
    assert caught.value.kind is Kind.OUTCOME_UNKNOWN


def test_a_list_is_read_to_the_page_without_next_even_past_an_empty_one() -> None:
    after = "https://graph.facebook.com/v25.0/1/media?limit=1&access_token=secret&after="
    answers = [
        answer({"data": [{"id": "1"}], "paging": {"next": after + "a"}}),
        answer({"data": [], "paging": {"next": after + "b"}}),
        answer({"data": [{"id": "2"}], "paging": {"cursors": {"after": "c"}}}),
    ]
    items, sent = run_flow(GRAPH.items("look", graph.get("facebook", "/v25.0/1/media", limit=1)), answers)
    assert items == [{"id": "1"}, {"id": "2"}]
    queries = [step.request.query for step in sent]
    assert queries[1:] == [(("limit", "1"), ("after", "a")), (("limit", "1"), ("after", "b"))]


def test_a_list_without_an_end_is_not_taken_for_a_whole_one() -> None:
    page = answer({"data": [], "paging": {"next": "https://graph.facebook.com/x?after=a"}})
    items, sent = run_flow(GRAPH.items("look", graph.get("facebook", "/v25.0/1/media")), lambda _: page)
    assert items is None
    assert len(sent) == graph.MAX_PAGES


def test_parameters_are_spelled_as_graph_wants_them() -> None:
    assert graph.pairs(a=True, b=None, c=3, d="x") == (("a", "true"), ("c", "3"), ("d", "x"))


def test_captions_are_compared_without_at_signs_spaces_and_ways_to_write_an_accent() -> None:
    assert graph.normalised("Cafe\u0301  with\n@anna ") == graph.normalised("Café with anna")
    assert graph.normalised("Café") != graph.normalised("Cafe")


def test_a_time_of_graph_is_read_with_its_zone() -> None:
    assert graph.epoch_s("2026-05-07T13:00:34+0000") == 1778158834
    assert graph.epoch_s(None) is None
    assert graph.epoch_s("soon") is None

"""Asking Meta for several metrics: what is refused is dropped alone, in few calls, and nothing is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError, Scope
from schedulo.flow import Job, Response
from schedulo.measures import Availability, Core, Metric, Reading, Subject
from schedulo.measures import Kind as MetricKind
from schedulo.model import Format, Platform
from schedulo.platforms import MEASURES
from schedulo.platforms.graph import Graph, get
from schedulo.platforms.graph_insights import IN_THE_DARK, Answers, ask, number, reading
from tests.schedulo.platforms.flows import answer, run_flow
from tests.schedulo.platforms.measuring import NOW_MS, job, missing, numbers, out, told_of

GRAPH = Graph(Platform.INSTAGRAM)
NAMES = tuple("abcdefgh")
UNKNOWN = {"code": 1, "message": "An unknown error has occurred", "type": "OAuthException"}
NOT_VALID = {"code": 100, "message": "(#100) The value must be a valid insights metric"}
HIDDEN = {"code": 100, "error_subcode": 33, "message": "no such object"}


def refusal(error: dict[str, Any], status: int = 400) -> Response:
    return answer({"error": error}, status)


def saying(words: str) -> Response:
    return refusal({"code": 100, "message": words})


def meta(*refused: str, error: dict[str, Any] = NOT_VALID, **values: Any) -> Callable[[Any], Response]:
    """Answers as Meta: all that is asked, or nothing where one is among `refused`."""

    def told(effect: Any) -> Response:
        asked = dict(effect.request.query)["metric"].split(",")
        if set(asked) & set(refused):
            return refusal(error)
        return answer({"data": [{"name": one, "values": [{"value": values.get(one, 7)}]} for one in asked]})

    return told


def asking(answers: Any, names: tuple[str, ...] = NAMES) -> tuple[Answers, list[list[str]]]:
    flow = ask(GRAPH, "insights", lambda part: get("instagram", "/1/insights", metric=",".join(part)), names)
    found, sent = run_flow(flow, answers)
    return found, [dict(effect.request.query)["metric"].split(",") for effect in sent]  # type: ignore[union-attr]


def test_all_is_asked_for_at_once() -> None:
    found, asked = asking(meta())
    assert asked == [list(NAMES)]
    assert found.rows == {name: [[7, None]] for name in NAMES}
    assert not found.refused


@pytest.mark.parametrize(
    "words",
    [
        "(#100) The insights do not support the c metric for this type of object",
        "(#100) metric[2] must be one of the following values: a, b, d, e, f, g, h",
        "(#100) The metric c is not supported for this media type",
    ],
)
def test_a_metric_that_is_named_is_dropped_and_the_others_asked_for_once_more(words: str) -> None:
    rest = [name for name in NAMES if name != "c"]
    others = answer({"data": [{"name": name, "values": [{"value": 7}]} for name in rest]})
    found, asked = asking([saying(words), others])
    assert asked == [list(NAMES), rest]
    assert set(found.rows) == set(rest)
    assert found.refused["c"].availability is Availability.RETIRED
    assert "refuses c: (#100)" in found.refused["c"].reason


@pytest.mark.parametrize("error", [NOT_VALID, UNKNOWN], ids=["no name", "unknown error"])
@pytest.mark.parametrize("refused", [("a",), ("h",), ("b", "g"), ("a", "b"), ("a", "c", "e")])
def test_what_is_not_named_is_found_by_halves(error: dict[str, Any], refused: tuple[str, ...]) -> None:
    found, asked = asking(meta(*refused, error=error))
    assert set(found.refused) == set(refused)
    assert set(found.rows) == set(NAMES) - set(refused)
    assert len(asked) <= 2 * len(NAMES) - 1 + len(refused)


def test_all_may_be_retired_where_the_error_is_about_metrics() -> None:
    found, asked = asking(meta(*NAMES))
    assert (set(found.refused), found.rows) == (set(NAMES), {})
    assert len(asked) == 2 * len(NAMES) - 1


def test_an_unknown_error_to_everything_is_the_platforms_trouble_and_convicts_nothing() -> None:
    asked = []

    def told(effect: Any) -> Response:
        asked.append(effect)
        return refusal(UNKNOWN, 500)

    with pytest.raises(PlatformError) as error:
        asking(told)
    assert error.value.kind is Kind.PLATFORM_DOWN
    assert len(asked) == IN_THE_DARK


def test_an_unknown_error_that_does_not_come_again_convicts_nothing() -> None:
    ok = [answer({"data": [{"name": name, "values": [{"value": 7}]}]}) for name in "ab"]
    found, asked = asking([refusal(UNKNOWN), refusal(UNKNOWN), ok[1], ok[0]], ("a", "b"))
    assert asked == [["a", "b"], ["a"], ["b"], ["a"]]
    assert (set(found.rows), found.refused) == ({"a", "b"}, {})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal({"code": 190, "message": "expired"}), Kind.TOKEN_EXPIRED),
        (refusal({"code": 80002, "message": "too many calls"}), Kind.RATE_LIMITED),
        (refusal({"code": 2, "message": "down"}, 503), Kind.PLATFORM_DOWN),
        (refusal({"code": 1, "message": "passing", "is_transient": True}, 500), Kind.PLATFORM_DOWN),
        (refusal({"code": 3001, "error_subcode": 1504028, "message": "no metric"}), Kind.BUG),
        (answer(b"<html>502</html>", 502), Kind.PLATFORM_DOWN),
        (answer({"success": True}), Kind.PLATFORM_DOWN),
    ],
)
def test_what_is_not_about_metrics_is_raised_at_once(said: Response, kind: Kind) -> None:
    with pytest.raises(PlatformError) as error:
        asking([said])
    assert error.value.kind is kind


@pytest.mark.parametrize(
    ("error", "availability"),
    [
        ({"code": 10, "message": "(#10) Not enough viewers for the media to show insights"}, "too_few"),
        ({"code": 10, "message": "(#10) Application does not have permission"}, "no_permission"),
        ({"code": 200, "message": "(#200) Missing permission"}, "no_permission"),
        ({"code": 100, "error_subcode": 2108006, "message": "Invalid parameter"}, "ended"),
    ],
)
def test_what_is_said_of_the_object_stands_for_all_metrics(error: dict[str, Any], availability: str) -> None:
    found, asked = asking([refusal(error)])
    assert len(asked) == 1
    assert found.over is not None
    assert (found.over.availability, error["message"] in found.over.reason) == (availability, True)


# Numbers.


def metric(native: str) -> Metric:
    return Metric(Platform.FACEBOOK, Subject.POST, Core.SHARES, native, MetricKind.TOTAL, "", "")


@pytest.mark.parametrize(
    ("native", "value", "expected"),
    [
        ("views", 7, 7),
        ("views", 0, 0),
        ("skip_rate", 35.5, 35.5),
        ("reactions", {"like": 3, "love": 2}, 5),
        ("reactions_by_type", {}, 0),
        ("reactions_by_type", [], 0),
        ("activity.share", {"share": 2, "like": 9}, 2),
        ("activity.share", {"SHARE": 2}, 2),
        ("activity.share", {"like": 9}, 0),
        ("activity.share", {}, 0),
        # Nothing is made of what is not understood.
        ("activity.share", {"reshare": 2}, None),
        ("activity.share", 4, None),
        ("reactions", {"like": "3"}, None),
        ("views", None, None),
        ("views", "7", None),
        ("views", True, None),
        ("views", {}, None),
        ("views", [], None),
        ("views", float("nan"), None),
    ],
)
def test_a_number_is_read_or_not_told(native: str, value: Any, expected: float | None) -> None:
    assert number(metric(native), value) == expected


@pytest.mark.parametrize("rows", [{}, {"views": []}, {"views": [[None, None]]}])
def test_what_is_not_in_the_answer_is_not_yet_told_and_never_zero(rows: dict[str, Any]) -> None:
    said = reading(metric("views"), Answers(rows))
    assert (said.value, said.availability) == (None, Availability.NOT_YET)


# Posts side by side.


def ig_job(login: str = "facebook_login") -> Job:
    """With Facebook Login all metrics are told."""
    return meta_job(Platform.INSTAGRAM, login=login)


def meta_job(platform: Platform, **options: Any) -> Job:
    plain = job(platform, meta_version="v25.0")
    return replace(plain, account=replace(plain.account, options=options))


def by_post(**answers: Callable[[Any], Response]) -> Callable[[Any], Response]:
    """Answers by post (`p1` is the post with the id 1); others are told everything."""
    everything = meta()

    def told(effect: Any) -> Response:
        post_id = effect.request.path.split("/")[2]
        return answers.get(f"p{post_id}", everything)(effect)

    return told


def images(count: int) -> list[Any]:
    return [out(str(n), Format.IMAGE) for n in range(1, count + 1)]


def test_what_two_posts_were_refused_is_not_asked_of_the_others() -> None:
    answers = meta("reach", "saved")
    told, requests = told_of(ig_job(), images(9), answers)
    for readings in told.posts.values():
        assert missing(readings) == {Availability.RETIRED: {"reach", "saves"}}
    by_path = [request.path for request in requests]
    assert {by_path.count(f"/v25.0/{n}/insights") for n in range(3, 10)} == {1}
    assert by_path.count("/v25.0/1/insights") > 1


def test_what_one_post_alone_is_refused_is_not_called_retired() -> None:
    told, _ = told_of(ig_job(), images(4), by_post(p1=meta("views"), p3=meta("reach")))
    assert missing(told.posts["d1"]) == {Availability.NOT_YET: {"views"}}
    assert missing(told.posts["d3"]) == {Availability.NOT_YET: {"reach"}}
    for key in ("d2", "d4"):
        assert not missing(told.posts[key])


def test_what_was_refused_lately_is_not_asked_for_and_answered_again() -> None:
    before = Reading("reach", availability=Availability.RETIRED, reason="Meta says: no longer")
    told, [request] = told_of(ig_job(), images(1), meta("reach"), {(Format.IMAGE, "reach"): before})
    assert "reach" not in dict(request.query)["metric"].split(",")
    assert before in told.posts["d1"]
    assert len(numbers(told.posts["d1"])) == len(told.posts["d1"]) - 1


def test_an_answer_that_nobody_knows_spoils_one_post() -> None:
    strange = lambda _effect: refusal({"code": 31337, "message": "what?"})  # noqa: E731
    told, _ = told_of(ig_job(), images(4), by_post(p2=strange))
    assert set(missing(told.posts["d2"])) == {Availability.FAILED}
    assert all(not missing(told.posts[key]) for key in ("d1", "d3", "d4"))


def test_where_no_post_can_be_read_the_error_is_raised() -> None:
    with pytest.raises(PlatformError) as error:
        told_of(ig_job(), images(3), lambda _effect: refusal({"code": 31337, "message": "what?"}))
    assert error.value.kind is Kind.NOT_UNDERSTOOD


def test_a_platform_in_trouble_is_not_asked_about_every_post() -> None:
    asked = []

    def down(effect: Any) -> Response:
        asked.append(effect)
        return refusal(UNKNOWN, 500)

    with pytest.raises(PlatformError) as error:
        told_of(ig_job(), images(50), down)
    assert error.value.kind is Kind.PLATFORM_DOWN
    assert len(asked) == 2 * IN_THE_DARK


def test_an_error_about_the_account_ends_it() -> None:
    limited = lambda _effect: refusal({"code": 80002, "message": "too many calls"})  # noqa: E731
    with pytest.raises(PlatformError) as error:
        told_of(ig_job(), images(4), by_post(p3=limited))
    assert error.value.kind is Kind.RATE_LIMITED


# Posts that are said not to be there.


@pytest.mark.parametrize(
    ("platform", "post_id", "format_"),
    [(Platform.INSTAGRAM, "1", Format.IMAGE), (Platform.FACEBOOK, "11_1", Format.TEXT)],
)
@pytest.mark.parametrize(
    ("listed", "days", "availability"),
    [
        ([], 1, Availability.GONE),
        (["1", "11_1"], 1, Availability.FAILED),
        ([], 0.01, Availability.FAILED),
    ],
)
def test_a_post_is_gone_where_the_list_does_not_show_it_and_it_is_not_fresh(
    platform: Platform,
    post_id: str,
    format_: Format,
    listed: list[str],
    days: float,
    availability: Availability,
) -> None:
    items = answer({"data": [{"id": one} for one in listed]})
    job_ = ig_job() if platform is Platform.INSTAGRAM else meta_job(Platform.FACEBOOK)
    told, _ = told_of(job_, [out(post_id, format_, days)], [refusal(HIDDEN), items])
    assert set(missing(told.posts[f"d{post_id}"])) == {availability}


def test_an_account_that_is_hidden_as_well_says_nothing_of_its_posts() -> None:
    with pytest.raises(PlatformError) as error:
        told_of(ig_job(), images(1), [refusal(HIDDEN), refusal(HIDDEN)])
    assert (error.value.kind, error.value.scope) == (Kind.PERMISSION, Scope.ACCOUNT)


# The catalogues.


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK])
def test_each_word_is_there_once_for_each_format_and_says_what_it_counts(platform: Platform) -> None:
    metrics = MEASURES[platform].metrics
    for format_ in Format:
        names = [one.name for one in metrics if one.subject is Subject.POST and format_ in one.formats]
        assert len(names) == len(set(names))
    for one in metrics:
        assert one.platform is platform
        assert one.description[0].isupper()
        assert not one.description.endswith(".")
        assert one.source.startswith("Meta: ")
        assert bool(one.formats) is (one.subject is Subject.POST)
        assert one.by_date is (one.subject is Subject.ACCOUNT and "insights" in one.source)


def test_the_time_of_a_reading_is_an_argument() -> None:
    """A story that is over is not asked for, whatever the clock of this machine says."""
    told, requests = told_of(ig_job(), [out("1", Format.STORY, 1.0)], [])
    assert set(missing(told.posts["d1"])) == {Availability.ENDED}
    assert requests == []
    assert out("1", Format.STORY, 1.0).since_ms + 86_400_000 == NOW_MS

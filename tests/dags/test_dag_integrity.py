"""The rules that every DAG of ours keeps, and those of the tasks that publish."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from schedulo.errors import KINDS, Strategy
from schedulo.planning.wishes import WishError
from schedulo.publishing.rest import HERE_S, TASK_S

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dags").glob("*.py"))
PUBLISHING = ("publish_due_posts", "publish_now", "follow_changes")
TAGS = {"analytics", "publishing", "incidents", "accounts", "maintenance", "reports"}
LONGEST = 80
SETTINGS = {"schedulo", "schedulo.settings", "schedulo.model", "schedulo.limits", "schedulo.words"}
"""What reading a setting takes: plain modules, in milliseconds."""

# What Airflow's own names need is loaded first; the rest is the DAG file's doing. Each file is run by a
# process of its own, which begins where that one stands.
IMPORTS = """
import json, os, runpy, sys
from airflow.sdk import *
from airflow.sdk import Asset, BaseOperator, DAG, DeadlineAlert, DeadlineReference, Param, SyncCallback
import airflow.sdk.definitions.mappedoperator, airflow.sdk.definitions.retry_policy, airflow.triggers.base

class Probe(BaseOperator):
    def __init__(self, *, item="", **kwargs):
        super().__init__(**kwargs)

with DAG("probe", schedule="* * * * *"):
    Probe.partial(task_id="many").expand(item=Probe(task_id="one").output)
Asset("probe://one")
before = set(sys.modules)
sys.stdout.flush()
for file in sys.argv[1:]:
    if os.fork() == 0:
        runpy.run_path(file)
        print("ANSWER" + json.dumps([file, sorted(set(sys.modules) - before)]), flush=True)
        os._exit(0)
    _, status = os.wait()
    assert status == 0, file
"""


@pytest.fixture(scope="module")
def bag() -> DagBag:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags"))


@pytest.fixture(params=[file.stem for file in FILES])
def dag(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    return bag.dags[request.param]


@pytest.fixture(params=PUBLISHING)
def publishing(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    return bag.dags[request.param]


def as_the_scheduler_sees(dag: DAG, task_id: str) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    tasks = DagSerialization.to_dict(dag)["dag"]["tasks"]
    [found] = [task["__var"] for task in tasks if task["__var"]["task_id"] == task_id]
    return dict(found)


# --- every DAG ------------------------------------------------------------------------------------------


def test_every_file_imports_without_errors(bag: DagBag) -> None:
    assert FILES
    assert bag.import_errors == {}


def test_every_file_holds_the_one_dag_that_it_is_named_after(bag: DagBag) -> None:
    assert {dag.dag_id: Path(dag.fileloc) for dag in bag.dags.values()} == {file.stem: file for file in FILES}


def test_dag_tells_whose_it_is_and_what_to_do_when_it_fails(dag: DAG) -> None:
    assert {task.owner for task in dag.tasks} == {"schedulo"}
    assert dag.tags
    assert set(dag.tags) <= TAGS, "a new tag is a decision: add it to TAGS"
    assert dag.doc_md
    assert len(dag.doc_md) > 100


def test_dag_works_from_the_first_start_and_makes_up_for_nothing(dag: DAG) -> None:
    assert dag.is_paused_upon_creation is False
    assert dag.catchup is False


def test_every_dag_has_a_deadline_whose_callback_exists_whoever_starts_a_run(dag: DAG) -> None:
    """`operators.deadline.done_within`. Those that Airflow brings know no run without a logical date."""
    from airflow.sdk import module_loading
    from airflow.serialization.encoders import encode_deadline_reference

    from schedulo_plugin import ScheduloPlugin

    [alert] = dag.deadline
    assert callable(module_loading.import_string(alert.callback.path))
    assert alert.callback.kwargs
    named = encode_deadline_reference(alert.reference)["__class_path"]
    registered = {f"{found.__module__}.{found.__qualname__}" for found in ScheduloPlugin.deadline_references}
    assert named in registered, "the scheduler could not read it: the plugin has to name its class"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file_reads_like_a_table_of_contents(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LONGEST


def test_no_file_imports_anything_heavy(tmp_path: Path) -> None:
    """Airflow parses them again and again, and for each post that went out once more."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'plugins'}",
    }
    asked = subprocess.run(
        [sys.executable, "-c", IMPORTS, *map(str, FILES)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    answers = [line.partition("ANSWER") for line in asked.stdout.splitlines()]
    new = dict(json.loads(answer) for _, mark, answer in answers if mark)
    light = {"operators", "triggers", *sys.stdlib_module_names}
    heavy = {
        file: [name for name in names if name.partition(".")[0] not in light and name not in SETTINGS]
        for file, names in new.items()
    }
    assert heavy == {str(file): [] for file in FILES}


# --- DAGs that publish ----------------------------------------------------------------------------------


def test_no_time_limit_cuts_a_publishing_task(publishing: DAG) -> None:
    """Airflow would count it from preparing on, fail a task whose post went out, and end the triggers of
    posts that are on their way."""
    assert publishing.dagrun_timeout is None
    assert publishing.get_task("publish").execution_timeout is None
    assert publishing.get_task("publish").start_trigger_args.timeout is None


def test_publishing_is_a_leaf_so_that_a_failed_post_makes_its_run_red(publishing: DAG) -> None:
    assert publishing.get_task("publish").downstream_task_ids == set()


def test_the_scheduler_starts_publishing_in_the_triggerer_with_nothing_to_read(publishing: DAG) -> None:
    """Arguments of a trigger would be read from XCom, one by one."""
    task = as_the_scheduler_sees(publishing, "publish")
    assert task["start_from_trigger"] is True
    arguments = task["start_trigger_args"]
    assert arguments["trigger_kwargs"]["__var"] == {}
    assert arguments["next_method"] == "resume"


@pytest.mark.parametrize("conf", [{}, {"posts": ["recAbC12345678901"]}], ids=["no form", "a form"])
def test_the_triggerer_can_read_the_fields_of_the_form(publishing: DAG, conf: dict[str, Any]) -> None:
    """It reads them for each post, of the Dag as it is kept; what raises there ends its process, and no post
    of anybody goes out any more."""
    from airflow.sdk.definitions.param import process_params
    from airflow.serialization.serialized_objects import DagSerialization

    kept = DagSerialization.from_dict(DagSerialization.to_dict(publishing))
    read = process_params(kept, kept.get_task("publish"), conf, suppress_exception=False)
    assert set(read) == {*publishing.params, *conf}
    assert read | conf == read


def test_the_trigger_and_the_method_that_are_named_exist(publishing: DAG) -> None:
    from airflow.sdk import module_loading

    arguments = publishing.get_task("publish").start_trigger_args
    assert callable(module_loading.import_string(arguments.trigger_cls))
    assert callable(getattr(publishing.get_task("publish").operator_class, arguments.next_method))


def test_the_policy_decides_about_retries(publishing: DAG) -> None:
    assert as_the_scheduler_sees(publishing, "publish")["partial_kwargs"]["has_retry_policy"] is True


def test_a_platform_that_is_down_uses_up_its_attempts_before_the_tasks_retries(publishing: DAG) -> None:
    """At its last retry Airflow fails a task without asking the policy."""

    def by_task(kind: Any) -> int:
        longest = [kind.base_wait_s * 2**attempt for attempt in range(kind.max_attempts - 1)]
        return sum(1 for wait_s in longest if wait_s > HERE_S and wait_s / 2 <= TASK_S)

    most = max(by_task(kind) for kind in KINDS.values() if kind.strategy is not Strategy.WAIT)
    assert 0 < most <= publishing.get_task("publish").retries


def test_runs_that_wait_do_not_stop_the_next(publishing: DAG) -> None:
    assert publishing.max_active_runs == 60


def test_publishing_uses_no_pool_and_no_limit_of_its_own(publishing: DAG) -> None:
    task = publishing.get_task("publish")
    assert task.pool == "default_pool"
    assert (task.max_active_tis_per_dag, task.max_active_tis_per_dagrun) == (None, None)
    assert publishing.fail_fast is False


# --- telling people -------------------------------------------------------------------------------------


def test_incidents_are_handled_when_they_come_up_and_now_and_then(bag: DagBag) -> None:
    from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

    schedule = bag.dags["handle_incidents"].schedule
    assert isinstance(schedule, AssetOrTimeSchedule)
    assert isinstance(schedule.timetable, CronTriggerTimetable)
    assert [asset.name for asset in schedule.asset_condition.objects] == ["schedulo://incidents"]


def test_subscribers_are_told_when_a_watcher_sees_something_and_now_and_then(bag: DagBag) -> None:
    """What is published is published in the triggerer, from which a task's outlet is not updated."""
    from airflow.sdk import AssetOrTimeSchedule, module_loading

    dag = bag.dags["send_webhooks"]
    assert isinstance(dag.schedule, AssetOrTimeSchedule)
    assert dag.max_active_runs == 1
    [asset] = dag.schedule.asset_condition.objects
    [watcher] = asset.watchers
    path, arguments = watcher.trigger.serialize()
    assert module_loading.import_string(path)(**arguments).serialize() == (path, arguments)
    assert [outlet.name for outlet in dag.get_task("send").outlets] == ["schedulo_incidents"]


def test_changed_rows_are_followed_when_a_watcher_hears_of_them(bag: DagBag) -> None:
    from airflow.sdk import module_loading

    [asset] = bag.dags["follow_changes"].timetable.asset_condition.objects
    [watcher] = asset.watchers
    path, arguments = watcher.trigger.serialize()
    assert module_loading.import_string(path)(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize(("dag_id", "task_id"), [("publish_due_posts", "sync"), ("follow_changes", "follow")])
def test_a_sync_may_wake_the_others(bag: DagBag, dag_id: str, task_id: str) -> None:
    outlets = bag.dags[dag_id].get_task(task_id).outlets
    assert [outlet.name for outlet in outlets] == [
        "schedulo_incidents",
        "schedulo_requests",
        "schedulo_media",
    ]


def test_posts_that_are_out_are_looked_after_every_hour_and_when_somebody_asks(bag: DagBag) -> None:
    from airflow.sdk import AssetOrTimeSchedule

    dag = bag.dags["look_after_posts"]
    assert isinstance(dag.schedule, AssetOrTimeSchedule)
    assert [asset.name for asset in dag.schedule.asset_condition.objects] == ["schedulo://requests"]
    assert dag.max_active_runs == 1
    assert [task.task_id for task in dag.topological_sort()] == ["carry_out", "heard", "still_there"]


def test_posts_are_prepared_when_they_come_up_and_now_and_then(bag: DagBag) -> None:
    from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

    schedule = bag.dags["prepare_posts"].schedule
    assert isinstance(schedule, AssetOrTimeSchedule)
    assert isinstance(schedule.timetable, CronTriggerTimetable)
    assert [asset.name for asset in schedule.asset_condition.objects] == ["schedulo://media"]


def test_accounts_are_asked_beside_preparing_and_neither_waits_for_the_other(bag: DagBag) -> None:
    task = bag.dags["prepare_posts"].get_task("ask_accounts")
    assert (task.upstream_task_ids, task.downstream_task_ids) == (set(), set())


def test_preparing_leaves_room_for_all_else(bag: DagBag) -> None:
    """Four tasks at once are all that the smallest installation runs."""
    dag = bag.dags["prepare_posts"]
    limits = {task.task_id: task.max_active_tis_per_dag for task in dag.tasks if "prepare" in task.task_id}
    assert limits == {"prepare_soon": 2, "prepare": 1}


@pytest.mark.parametrize("task_id", ["prepare_soon", "prepare"])
def test_a_preparing_task_is_retried_by_its_own_policy_and_named_after_its_post(
    bag: DagBag, task_id: str
) -> None:
    task = as_the_scheduler_sees(bag.dags["prepare_posts"], task_id)
    assert task["partial_kwargs"]["has_retry_policy"] is True
    assert task["partial_kwargs"]["map_index_template"] == "{{ label }}"


def test_every_dag_that_publishes_is_known_as_one(bag: DagBag) -> None:
    """Its instances have labels, and are cancelled when somebody marks them."""
    from operators import labels

    found = {dag_id for dag_id, dag in bag.dags.items() if dag.has_task("publish")}
    assert found == set(labels.PUBLISHING) == set(PUBLISHING)


def test_tasks_whose_failures_others_tell_of_are_there(bag: DagBag) -> None:
    """All other tasks of ours are told of when they fail: `operators/ran.py`."""
    from schedulo.delivery.workflows import TELL_THEMSELVES

    every = {(dag.dag_id, task.task_id) for dag in bag.dags.values() for task in dag.tasks}
    assert every > TELL_THEMSELVES


def test_people_are_told_by_one_run_at_a_time(bag: DagBag) -> None:
    assert bag.dags["handle_incidents"].max_active_runs == 1


# --- logins ---------------------------------------------------------------------------------------------


def test_logins_are_looked_after_every_hour_by_one_run_at_a_time(bag: DagBag) -> None:
    """Posts are looked ahead for an hour and a half: one run late or lost costs none."""
    dag = bag.dags["monitor_tokens"]
    assert scheduled(dag).serialize()["expression"] == "11 * * * *"
    assert dag.max_active_runs == 1
    [alert] = dag.deadline
    assert alert.interval.total_seconds() < 3600


def test_an_account_is_looked_after_by_a_policy_of_its_own_and_may_wake_who_tells(bag: DagBag) -> None:
    dag = bag.dags["monitor_tokens"]
    task = as_the_scheduler_sees(dag, "look_after")
    assert task["partial_kwargs"]["has_retry_policy"] is True
    assert task["partial_kwargs"]["map_index_template"] == "{{ label }}"
    assert [outlet.name for outlet in dag.get_task("find_logins").outlets] == ["schedulo_incidents"]
    assert [outlet.name for outlet in dag.get_task("look_after").outlets] == ["schedulo_incidents"]


# --- numbers --------------------------------------------------------------------------------------------

COLLECTING = {"collect_analytics": "collect", "read_numbers": "read"}


def test_a_day_is_collected_half_an_hour_after_it_has_ended_everywhere(bag: DagBag) -> None:
    """And its partition is that day, as a plain date."""
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime

    timetable = scheduled(bag.dags["collect_analytics"])
    with time_machine.travel(datetime(2026, 11, 25, 20), tick=False):
        run = timetable.next_dagrun_info_v2(
            last_dagrun_info=None, restriction=TimeRestriction(None, None, catchup=False)
        )
    assert run.run_after == datetime(2026, 11, 26, 12, 30)
    assert run.partition_key == "2026-11-25"
    assert run.partition_date == timetable.resolve_partition_date("2026-11-25")


def test_a_backfill_of_days_includes_the_first_and_the_last(bag: DagBag) -> None:
    from pendulum import datetime

    runs = scheduled(bag.dags["collect_analytics"]).iter_partition_dagrun_infos(
        earliest=datetime(2026, 11, 20), latest=datetime(2026, 11, 22)
    )
    assert [run.partition_key for run in runs] == ["2026-11-20", "2026-11-21", "2026-11-22"]


def scheduled(dag: DAG) -> Any:
    """The timetable as the scheduler has it."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable


def test_the_day_is_closed_whatever_became_of_its_accounts_and_then_told(bag: DagBag) -> None:
    dag = bag.dags["collect_analytics"]
    close = dag.get_task("close_day")
    assert close.trigger_rule == "all_done"
    assert close.upstream_task_ids == {"collect"}
    assert [outlet.uri for outlet in close.outlets] == ["schedulo://analytics/daily"]


def test_young_posts_are_read_by_one_run_at_a_time_every_hour(bag: DagBag) -> None:
    dag = bag.dags["read_numbers"]
    assert dag.max_active_runs == 1
    assert scheduled(dag).serialize()["expression"] == "7 * * * *"


@pytest.mark.parametrize("dag_id", COLLECTING)
def test_numbers_wait_for_a_worker_behind_all_else_and_take_one_at_a_time(bag: DagBag, dag_id: str) -> None:
    """What is about posts weighs 1 at least."""
    dag = bag.dags[dag_id]
    assert {(task.priority_weight, str(task.weight_rule)) for task in dag.tasks} == {(0, "absolute")}
    assert dag.get_task(COLLECTING[dag_id]).max_active_tis_per_dag == 1


@pytest.mark.parametrize("dag_id", COLLECTING)
def test_an_account_is_retried_by_its_own_policy_and_shown_by_its_name(bag: DagBag, dag_id: str) -> None:
    task = as_the_scheduler_sees(bag.dags[dag_id], COLLECTING[dag_id])
    assert task["partial_kwargs"]["has_retry_policy"] is True
    assert task["partial_kwargs"]["map_index_template"] == "{{ label }}"


def test_people_get_the_numbers_of_a_day_when_it_is_closed_and_of_young_posts_now_and_then(
    bag: DagBag,
) -> None:
    daily = bag.dags["collect_analytics"].get_task("tell_numbers")
    young = bag.dags["read_numbers"].get_task("tell_numbers")
    assert (daily.upstream_task_ids, daily.every_s) == ({"close_day"}, 0)
    assert (young.upstream_task_ids, young.every_s) == ({"read"}, 6 * 3600)
    # One account that cannot be read keeps the others' numbers from nobody; where nothing was due, nothing
    # is told.
    assert young.trigger_rule == "all_done_min_one_success"


def test_the_form_of_a_day_takes_a_date_or_nothing(bag: DagBag) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    date = bag.dags["collect_analytics"].params.get_param("date")
    assert [date.resolve(value) for value in ("", None, "2026-11-25")] == ["", None, "2026-11-25"]
    with pytest.raises(ParamValidationError):
        date.resolve("yesterday")


# --- forms ----------------------------------------------------------------------------------------------


def test_every_field_of_a_form_says_what_it_is(dag: DAG) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema.get("title"), name
        assert param.description, name
        assert param.schema.get("type"), name
        param.resolve()  # a task's defaults are checked, too: one that fails would end the triggerer


def test_what_people_ask_for_wrongly_is_refused_once(bag: DagBag) -> None:
    """Another try would say the same, seconds later."""
    from operators.again import AskedRetryPolicy
    from schedulo.planning.requests import WORKFLOWS

    for name, workflow in WORKFLOWS.items():
        task = bag.dags[name].get_task(workflow.task)
        assert isinstance(task.retry_policy, AskedRetryPolicy), name


def test_the_page_of_a_workflow_explains_every_field_of_its_form(dag: DAG) -> None:
    [name] = set(re.findall(r"docs/workflows/[\w-]+\.md", dag.doc_md or ""))
    form = (ROOT / name).read_text().partition("\n## The form\n")[2].partition("\n## ")[0]
    fields = {field: dag.params.get_param(field).schema["title"] for field in dag.params}
    told = re.findall(r"^\| \*([^*|]+)\* \| `(\w+)` \| .+ \|$", form, re.MULTILINE)
    if fields:
        assert [(field, title) for title, field in told] == list(fields.items())
    else:
        assert dag.schedule is not None, "what only people start asks them something"


def test_what_changes_something_can_be_tried_without_doing_it(bag: DagBag) -> None:
    by_hand = [dag for dag in bag.dags.values() if dag.schedule is None]
    assert len(by_hand) == 8
    for dag in by_hand:
        if dag.dag_id != "rehearse_posts":  # it changes nothing
            assert dag.params["dry_run"] is False, dag.dag_id


def test_what_is_started_by_hand_is_checked_before_a_run_begins(bag: DagBag) -> None:
    """With the fields of its form, and no others: `web.starts`."""
    from schedulo.planning.requests import WORKFLOWS

    by_hand = {dag.dag_id: dag for dag in bag.dags.values() if dag.schedule is None}
    assert set(WORKFLOWS) == set(by_hand)
    for name, workflow in WORKFLOWS.items():
        assert by_hand[name].has_task(workflow.task)
        with pytest.raises(WishError) as refused:
            workflow.read({"nothing of the kind": 1})
        fields = str(refused.value).partition("there are ")[2].partition(".")[0]
        assert set(fields.split(", ")) == set(by_hand[name].params)


def test_forms_have_the_rules_of_who_reads_them() -> None:
    from operators import forms
    from schedulo.airtable.client import RECORD_ID
    from schedulo.delivery.holds import Scope
    from schedulo.errors import Kind
    from schedulo.planning import by_hand, wishes

    inside = {"RECORD_ID": RECORD_ID, "ACCOUNT_KEY": wishes.ACCOUNT_KEY, "DELIVERY_ID": wishes.DELIVERY_ID}
    for name, pattern in inside.items():
        assert getattr(forms, name) == rf"^\s*{pattern.pattern}\s*$"
    assert set(forms.ERROR_KINDS) == set(Kind), "a new kind of error needs its line in operators/forms.py"
    assert tuple(by_hand.RETRIED) == forms.RETRIED
    assert forms.MOST == by_hand.MOST == wishes.MOST
    assert all(scope in forms.HELD for scope in Scope)
    assert forms.HELD.replace("|post:rec[A-Za-z0-9]{14}", "") == forms.TARGET


# --- watching over all of them --------------------------------------------------------------------------


def test_every_dag_that_runs_by_itself_is_missed_when_it_is_silent(bag: DagBag) -> None:
    """A new one needs a row in `health.inside.WORKFLOWS`; check_health is missed by the document itself. One
    that is only woken may be silent for days: whether it is woken, `airtable_changes` of the health says."""
    from schedulo.health.inside import WORKFLOWS

    by_itself = {dag.dag_id for dag in bag.dags.values() if dag.schedule is not None} - {"follow_changes"}
    assert {workflow.dag_id for workflow in WORKFLOWS} | {"check_health"} == by_itself


def test_checks_are_made_every_five_minutes_and_wake_who_tells_people(bag: DagBag) -> None:
    dag = bag.dags["check_health"]
    assert scheduled(dag).serialize()["expression"] == "*/5 * * * *"
    assert dag.max_active_runs == 1
    assert [outlet.name for outlet in dag.get_task("check").outlets] == ["schedulo_incidents"]

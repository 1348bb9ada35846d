"""What operators and the app on top do in a real Airflow: marking, clearing, publishing now, being told.

One installation serves all tests here; the fixture plays the day, the tests look at what came of it.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox, running_sandbox
from sandbox.stack import Stack
from schedulo.airtable.calls import Calls
from schedulo.delivery.planning import identity
from schedulo.delivery.restored import TICK
from schedulo.ledger import changes, marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, renditions
from tests.airflow.bubble import App
from tests.receivers import Mailbox, Web, running_mailbox, running_web
from tests.schedulo.media.corpus import picture_bytes
from tests.schedulo.planning.conftest import SCOPES

pytestmark = pytest.mark.slow(minutes=9)

BASE = "appSandbox0000001"
TOKEN = "patSandbox"
DUE = "publish_due_posts"
NOW = "publish_now"
FOLLOW = "follow_changes"


@dataclass
class Day:
    """One installation, and what people do in it."""

    stack: Stack
    sandbox: RunningSandbox
    web: Web
    """Where Apprise posts to."""
    mailbox: Mailbox
    seen: dict[str, Any] = field(default_factory=dict)
    subscriber: Web = field(default_factory=lambda: Web(0))
    """Who is told of events."""
    late: dict[str, str] = field(default_factory=dict)
    """Posts that nobody sends by itself: record ids by title."""
    rows: dict[str, str] = field(default_factory=dict)
    """The rows of the accounts of X, by the title of the post on each."""
    converted: str = ""
    """The record id of a post whose picture its platform does not take."""

    def add(self, table: str, cells: dict[str, Any]) -> str:
        from pyairtable import Api

        api = Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))
        url = api.table(BASE, table).urls.records
        answer = Calls(api).send("POST", url, json={"records": [{"fields": cells}]})
        return str(answer["records"][0]["id"])

    def post(self, title: str, account: str, due_in_s: float, **more: Any) -> str:
        due = (datetime.now(UTC) + timedelta(seconds=due_in_s)).isoformat(timespec="milliseconds")
        cells = {
            "Title": title,
            "Text": f"{title}.",
            "Accounts": [account],
            "Publish at": due,
            "Status": "Ready",
        }
        return self.add("Posts", cells | more)

    def instances(self, dag_id: str = DUE) -> list[dict[str, Any]]:
        """All mapped publish instances."""
        path = f"/dags/{dag_id}/dagRuns/~/taskInstances?task_id=publish"
        found = self.stack.api("GET", path)["task_instances"]
        return [item for item in found if item["task_id"] == "publish" and item["map_index"] >= 0]

    def instance(self, title: str) -> dict[str, Any]:
        return next(item for item in self.instances() if title in (item["rendered_map_index"] or ""))

    def mark(self, title: str, state: str) -> None:
        item = self.instance(title)
        path = f"/dags/{DUE}/dagRuns/{item['dag_run_id']}/taskInstances/publish/{item['map_index']}"
        self.stack.api("PATCH", path, json={"new_state": state})

    def clear(self, item: dict[str, Any], *, only_failed: bool) -> None:
        body = {
            "dry_run": False,
            "dag_run_id": item["dag_run_id"],
            "task_ids": [["publish", item["map_index"]]],
            "only_failed": only_failed,
            "include_downstream": False,
        }
        self.stack.api("POST", f"/dags/{DUE}/clearTaskInstances", json=body)

    def log(self, item: dict[str, Any]) -> str:
        path = (
            f"/dags/{DUE}/dagRuns/{item['dag_run_id']}/taskInstances/publish/logs/{item['try_number']}"
            f"?map_index={item['map_index']}"
        )
        return json.dumps(self.stack.api("GET", path)["content"])

    def publish_now(self, conf: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """As Bubble does it: the run's state, and what it answers."""
        return self.run(NOW, "claim", conf)

    def run(self, dag_id: str, task_id: str, conf: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """Trigger a Dag by REST: its run's state, and what its task answers; `refused`: no run began."""
        body = {"conf": conf, "logical_date": None}
        try:
            run = self.stack.api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
        except RuntimeError as error:
            if "answered 422" not in str(error):
                raise
            return "refused", []
        path = f"/dags/{dag_id}/dagRuns/{run}"
        wait_for(lambda: self.stack.api("GET", path)["state"] in ("success", "failed"), 90)
        state = self.stack.api("GET", path)["state"]
        entry = f"{path}/taskInstances/{task_id}/xcomEntries/answers?deserialize=true"
        return state, self.stack.api("GET", entry)["value"] if state == "success" else []

    def states(self, posts: dict[str, str]) -> dict[str, str]:
        """Where the deliveries of these posts stand, by their titles."""
        with self.ledger.read() as connection:
            query = sa.select(deliveries.c.title, deliveries.c.state)
            found = connection.execute(query.where(deliveries.c.post_id.in_(posts.values())))
            return {row.title: row.state for row in found}

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack.ledger)

    def record(self, table: str, record_id: str) -> dict[str, Any]:
        from pyairtable import Api

        api = Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))
        cells = Calls(api).send("GET", api.table(BASE, table).urls.record(record_id))["fields"]
        assert isinstance(cells, dict)
        return cells

    def looking_after(self) -> list[dict[str, Any]]:
        """The runs of look_after_posts that somebody's request started."""
        runs = self.stack.api("GET", "/dags/look_after_posts/dagRuns")["dag_runs"]
        return [run for run in runs if run["run_type"] == "asset_triggered"]

    def ask(self, title: str, field: str) -> None:
        """Request something on a row of Deliveries, as people do in Airtable."""
        from pyairtable import Api

        api = Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))
        rows = Calls(api).send("GET", api.table(BASE, "Deliveries").urls.records)["records"]
        [row] = [row for row in rows if row["fields"]["Delivery"].endswith(title)]
        cells = {field: datetime.now(UTC).isoformat()}
        url = api.table(BASE, "Deliveries").urls.record(row["id"])
        Calls(api).send("PATCH", url, json={"fields": cells})

    def kept_back(self) -> tuple[str, list[str], str] | None:
        """The last run that says what keeps posts back: its label, its sentences, and its `publish`."""
        path = f"/dags/{DUE}/dagRuns/~/taskInstances"
        found = self.stack.api("GET", f"{path}?limit=100&order_by=-start_date&task_id=sync")
        for item in found["task_instances"]:
            if item["task_id"] == "sync" and item["state"] == "success" and item["rendered_map_index"]:
                run = f"/dags/{DUE}/dagRuns/{item['dag_run_id']}/taskInstances"
                said = self.stack.api("GET", f"{run}/sync/xcomEntries/kept_back?deserialize=true")["value"]
                tasks = self.stack.api("GET", run)["task_instances"]
                publish = next(task["state"] for task in tasks if task["task_id"] == "publish")
                return item["rendered_map_index"], said, publish
        return None

    def messages(self) -> list[str]:
        """The titles of what people were told of failures."""
        return [got["title"] for got in self.web.got if "could not be published" in got["title"]]

    def out(self, title: str) -> int:
        return sum(post["text"] == f"{title}." for post in self.sandbox.posts())


def wait_for(condition: Callable[[], Any], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {patience_s:.0f} s")
        time.sleep(0.5)


INSTAGRAM = "17841400000000777"
WEBP = {
    "path": "roast.webp",
    "content_type": "image/webp",
    "base64": base64.b64encode(picture_bytes("WEBP", (1080, 1080))).decode(),
}
"""Instagram takes JPEG only."""
TITLES = (
    "goes well",
    "is refused",
    "is stopped",
    "is done by hand",
    "is cleared",
    "is for tomorrow",
    "is refused as well",
)
REFUSED = ("is refused", "is refused as well")
NOT_BEGUN = ("is not begun: failed", "is not begun: success", "is not begun: skipped")
"""Posts whose instances are marked before a trigger begins with them."""
LATE = ("was missed", "was held", "was seen", "was not seen")
"""Posts that were due hours before anybody planned them: nothing goes out by itself."""
CALM = len(TITLES + LATE) + 1
"""The account of which only maintenance is planned."""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    home: Path = tmp_path_factory.mktemp("operator")
    with (
        running_sandbox() as sandbox,
        running_web() as web,
        running_web() as subscriber,
        running_mailbox() as mailbox,
    ):
        accounts = {str(number): f"token-{number}" for number in range(1, CALM + 1)}
        sandbox.seed(
            {
                "airtable": {
                    "tokens": [{"token": TOKEN, "scopes": SCOPES, "bases": "*"}],
                    "bases": [
                        {
                            "id": BASE,
                            "name": "Day",
                            "tables": [
                                {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
                            ],
                        }
                    ],
                },
                "x": {
                    "accounts": [
                        {"account_id": id_, "username": f"user{id_}", "token": token, "limits": "off"}
                        for id_, token in accounts.items()
                    ]
                },
                "instagram": {
                    "accounts": [{"account_id": INSTAGRAM, "username": "roaster", "token": "token-roaster"}]
                },
                "media": {"files": [WEBP]},
            }
        )
        sandbox.switch(airtable_requests_per_s="0")
        team = {"conn_type": "apprise", "extra": {"config": {"path": f"json://{web.address}/hook"}}}
        stack = Stack(
            home,
            sandbox.url,
            environment={
                "SCHEDULO_NOTIFY_OPERATOR": "team, nobody@example.com",
                "SCHEDULO_NOTIFY_AUTHOR": "team, author@example.com",
                "SCHEDULO_WEBHOOK_HOSTS": subscriber.address,
                "AIRFLOW_CONN_TEAM": json.dumps(team),
                "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mailbox.connection),
            },
        )
        try:
            stack.prepare()
            stack.run("schedulo", "airtable", "create")
            tokens = home / "tokens.json"
            secrets = {f"x:{id_}": {"access_token": t} for id_, t in accounts.items()}
            secrets[f"instagram:{INSTAGRAM}"] = {"access_token": "token-roaster"}
            tokens.write_text(json.dumps(secrets))
            stack.run("schedulo", "accounts", "connect", "--unchecked", "--file", str(tokens))
            stack.run("schedulo", "webhooks", "add", f"http://{subscriber.address}/hook", "--name", "app")
            day = Day(stack, sandbox, web, mailbox, subscriber=subscriber)
            _play(day)
            yield day
        finally:
            stack.close()


def _play(day: Day) -> None:
    """The day, from the first row to the last click."""
    rows = {}
    for number, title in enumerate(TITLES + LATE, start=1):
        cells = {"Name": title, "Platform": "X", "Account ID": str(number), "Username": f"user{number}"}
        rows[title] = day.add("Accounts", cells | {"Active": True})
    day.rows = rows
    calm = {"Name": "calm", "Platform": "X", "Account ID": str(CALM), "Username": f"user{CALM}"}
    calm = day.add("Accounts", calm | {"Active": True})
    day.post("is due in maintenance", calm, 86_400)
    day.late = {title: day.post(title, rows[title], -7200) for title in LATE}
    day.stack.up()
    due_in_s = 75 + (30 - time.time() - 75) % 60  # in the middle of a minute: no tick between two failures
    posts = {
        title: day.post(title, rows[title], 86_400 if title == "is for tomorrow" else due_in_s)
        for title in TITLES
    }
    for number, title in enumerate(TITLES, start=1):
        if title in REFUSED:
            fault = {"service": "x", "method": "POST", "route": "create_post", "mode": "status:403"}
            day.sandbox.fault(**fault, account_id=str(number))
    waiting = {"deferred"}
    wait_for(lambda: [i["state"] for i in day.instances() if i["state"] in waiting] == ["deferred"] * 6, 160)
    due = {title: record for title, record in posts.items() if title != "is for tomorrow"}
    wait_for(lambda: not {"scheduled", "claimed"} & set(day.states(due).values()), 60)
    day.seen["labels"] = {item["rendered_map_index"] for item in day.instances()}
    day.mark("is stopped", "failed")
    day.mark("is done by hand", "success")
    day.clear(day.instance("is cleared"), only_failed=False)

    roaster = {"Name": "Roaster", "Platform": "Instagram", "Account ID": INSTAGRAM, "Username": "roaster"}
    roaster = day.add("Accounts", {**roaster, "Login": "Instagram Login", "Active": True})
    media = [{"url": f"{day.sandbox.url}/media/{WEBP['path']}"}]
    day.converted = day.post("is converted", roaster, 170, Media=media)

    tomorrow = posts["is for tomorrow"]
    day.seen["dry run"] = day.publish_now({"posts": [tomorrow], "dry_run": True})
    day.seen["out after the dry run"] = day.out("is for tomorrow")
    day.seen["mistyped"] = day.publish_now({"posts": [tomorrow], "dryrun": True})
    day.seen["out after the mistyped call"] = day.out("is for tomorrow")
    day.seen["for real"] = day.publish_now({"posts": [tomorrow], "dry_run": False})
    day.seen["once more"] = day.publish_now({"posts": [tomorrow], "dry_run": False})

    for title in REFUSED:
        wait_for(lambda title=title: day.instance(title)["state"] == "failed", due_in_s + 30)
    wait_for(lambda: day.messages() and day.mailbox.got, 120)
    failed = day.instance("is refused")
    day.seen["story"] = day.log(failed)
    day.seen["tries"] = failed["try_number"]
    day.seen["out before clearing"] = day.out("is refused")
    for title in REFUSED:
        day.clear(day.instance(title), only_failed=True)
        wait_for(lambda title=title: day.out(title), 60)
    wait_for(lambda: day.out("is cleared"), 60)
    # Among them is the one that waits for the second of the converted post.
    wait_for(lambda: all(item["state"] in ("success", "failed") for item in day.instances()), 180)
    wait_for(lambda: len(day.messages()) > 1 and len(day.mailbox.got) > 1, 180)
    wait_for(lambda: day.out("is converted"), 240)
    _mark_what_has_not_begun(day)


def _mark_what_has_not_begun(day: Day) -> None:
    """While no triggerer works, its instances wait for one that begins with them."""
    posts = {title: day.post(title, day.rows["is stopped"], 86_400) for title in NOT_BEGUN}
    path = f"/dags/{NOW}/dagRuns"
    day.stack.signal("triggerer", signal.SIGSTOP)
    try:
        body = {"conf": {"posts": list(posts.values())}, "logical_date": None}
        run = day.stack.api("POST", path, json=body)["dag_run_id"]
        path = f"{path}/{run}"

        def waiting() -> bool:
            mine = [item["state"] for item in day.instances(NOW) if item["dag_run_id"] == run]
            return mine == ["deferred"] * 3

        wait_for(waiting, 300)
        for number, state in enumerate(("failed", "success", "skipped")):
            day.stack.api("PATCH", f"{path}/taskInstances/publish/{number}", json={"new_state": state})
        day.seen["marked before it began"] = set(day.states(posts).values())
    finally:
        day.stack.signal("triggerer", signal.SIGCONT)
    wait_for(lambda: day.stack.api("GET", path)["state"] in ("success", "failed"), 180)


def _plan_maintenance(day: Day) -> None:
    """Over the second of a post that is due tomorrow."""
    begin, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (20, 30))
    wished = {
        "from": begin.isoformat(),
        "until": end.isoformat(),
        "where": [f"account:x:{CALM}"],
        "reason": "new database",
    }
    for name, more in (("dry", {"dry_run": True}), ("planned", {}), ("mistyped", {"untill": "noon"})):
        day.seen[f"maintenance, {name}"] = day.run("plan_maintenance", "maintain", wished | more)
    wait_for(lambda: any(text.startswith("Maintenance") for text in titles(day)), 120)
    off = {"action": "call_off"}
    day.seen["maintenance, called off"] = day.run("plan_maintenance", "maintain", off)
    wait_for(lambda: any(text.startswith("Over: Maintenance") for text in titles(day)), 120)


def _hear_of_a_change(day: Day) -> None:
    """A post is saved with its time now, and Airtable tells of it; no run of the minute sees it first."""
    day.stack.api("PATCH", f"/dags/{DUE}", json={"is_paused": True})
    record_id = day.post("is changed", day.rows["is stopped"], 0)
    with day.ledger.begin() as connection:
        now_ms = day.ledger.now_ms(connection)
        marks.mark(connection, now_ms, TICK, "just now")  # long after the last one it would wait for the next
        changes.hear(connection, now_ms, [("Posts", record_id)])
    wait_for(lambda: day.out("is changed"), 120)
    day.stack.api("PATCH", f"/dags/{DUE}", json={"is_paused": False})
    wait_for(lambda: day.instances(FOLLOW)[0]["state"] == "success", 60)
    with day.ledger.read() as connection:
        day.seen["left to be read"] = changes.heard(connection)


def titles(day: Day) -> list[str]:
    """Of all that the web was told."""
    return [str(got["title"]) for got in day.web.got]


@pytest.fixture(scope="module")
def hands(day: Day) -> Day:
    """The day goes on: trying again, resolving, stopping and releasing."""
    seen, posts = day.seen, day.late
    seen["at first"] = day.states(posts)
    accounts = {title: f"x:{number}" for number, title in enumerate(LATE, start=len(TITLES) + 1)}
    ids = {title: identity(record, accounts[title]) for title, record in posts.items()}
    with day.ledger.begin() as connection:
        doubtful = deliveries.c.id.in_([ids["was seen"], ids["was not seen"]])
        connection.execute(sa.update(deliveries).where(doubtful).values(state="unresolved"))
    stop = {"what": f"account:{accounts['was held']}", "reason": "wrong prices"}
    wished = {"posts": [posts["was missed"], posts["was held"]]}
    seen["retry, dry"] = day.run("retry_deliveries", "retry", {**wished, "dry_run": True})
    seen["retry, mistyped"] = day.run("retry_deliveries", "retry", {**wished, "dryrun": True})
    seen["after the dry retry"] = day.states(posts)
    seen["hold of nobody"] = day.run("emergency_stop", "stop", {"what": "account:x:99", "reason": "r"})
    day.run("emergency_stop", "stop", stop)
    seen["retry"] = day.run("retry_deliveries", "retry", wished)
    seen["hold"] = day.run("emergency_stop", "stop", stop)
    link = "https://x.com/user10/status/17"
    wrong = {"delivery": ids["was seen"], "answer": "it is out", "link": "https://x.com/user10"}
    seen["resolved wrongly"] = day.run("resolve_delivery", "resolve", wrong)
    seen["resolved as out"] = day.run("resolve_delivery", "resolve", {**wrong, "link": link})
    said = {"delivery": ids["was not seen"], "answer": "it is not out, send it"}
    seen["resolved as not out"] = day.run("resolve_delivery", "resolve", said)
    _plan_maintenance(day)
    wait_for(lambda: day.out("was missed") and day.out("was not seen"), 180)
    wait_for(lambda: day.states(posts)["was held"] == "held", 120)
    seen["out while held"] = day.out("was held")
    wait_for(lambda: (day.kept_back() or ("", [], ""))[2] == "skipped", 150)
    seen["kept back"] = day.kept_back()
    seen["release"] = day.run("emergency_stop", "stop", {**stop, "action": "release"})
    wait_for(lambda: day.out("was held"), 180)
    wait_for(lambda: set(day.states(posts).values()) == {"published"}, 120)
    wished = {"posts": [posts["was held"]]}
    seen["take down, dry"] = day.run("take_down_posts", "take_down", {**wished, "dry_run": True})
    seen["after the dry take-down"] = day.states(posts)["was held"]
    seen["edit"] = day.run("take_down_posts", "take_down", {**wished, "action": "edit"})
    seen["take down"] = day.run("take_down_posts", "take_down", wished)
    seen["taken down"] = day.states(posts)["was held"]
    seen["retry of what is down"] = day.run("retry_deliveries", "retry", wished)
    _hear_of_a_change(day)
    day.ask("was missed", "Take down requested at")
    wait_for(lambda: day.states(posts)["was missed"] == "taken_down", 240)
    wait_for(lambda: any(run["end_date"] for run in day.looking_after()), 120)
    return day


@pytest.fixture(scope="module")
def app(hands: Day) -> App:
    """The day goes on: the app on top makes every call of its contract."""
    seen, app = hands.seen, App(hands.stack.url, "admin", hands.stack.password)
    app.log_in()
    post, other = (
        hands.post(title, hands.rows["goes well"], 86_400) for title in ("by the app", "kept back")
    )
    wished, reason = {"posts": [post]}, {"what": f"post:{other}", "reason": "wrong picture"}
    seen["app: rehearsed"] = app.ask("publishNow", "app-1", {"posts": [post, other], "dry_run": True})
    seen["app: rehearsed elsewhere"] = app.ask("rehearse", "app-0", {"posts": [post, other]})
    seen["app: begun"] = app.start("publishNow", "app-2", wished)
    seen["app: begun again"] = app.start("publishNow", "app-2", {**wished, "dry_run": False})
    seen["app: another of that id"] = app.start("publishNow", "app-2", {"posts": [other]})
    seen["app: mistyped"] = app.start("publishNow", "app-3", {**wished, "dryrun": True})
    seen["app: wrong login"] = app.call("getToken", {"username": "admin", "password": "wrong"})
    seen["app: nobody knows it"] = app.ask("publishNow", "app-4", {"posts": ["rec0123456789ABCD"]})
    seen["app: published"] = app.ask("publishNow", "app-2", wished)
    id_ = seen["app: published"]["deliveries"][0]["id"]
    seen["app: delivery"] = app.delivery_rests(id_)
    tried = {"hold": reason, "cancel": {"posts": [other]}, "takeDown": wished}
    for name, conf in tried.items():
        app.start(name, f"app-try-{name}", {**conf, "dry_run": True})
    seen["app: tried"] = {
        name: app.ask(name, f"app-try-{name}", {**conf, "dry_run": True}) for name, conf in tried.items()
    }
    seen["app: after trying"] = app.call("getDeliveries", query={"post": [post, other]})[1]["deliveries"]
    seen["app: held"] = app.ask("hold", "app-5", reason)
    seen["app: released"] = app.ask("hold", "app-6", {"action": "release", "what": f"post:{other}"})
    seen["app: cancelled"] = app.ask("cancel", "app-7", {"posts": [other]})
    seen["app: again"] = app.ask("retry", "app-8", {"posts": [post, other]})
    seen["app: not in doubt"] = app.ask(
        "resolve", "app-9", {"delivery": id_, "answer": "it is not out, send it"}
    )
    seen["app: taken down"] = app.ask("takeDown", "app-10", wished)
    tokens = {"x:1": {"access_token": "token-1"}}
    seen["app: connected, dry"] = app.call("connectAccounts", tokens, {"dry_run": "true"})
    seen["app: connected"] = app.call("connectAccounts", tokens)
    seen["app: not connected"] = app.call("connectAccounts", {"x:1": {"access_token": "token-9"}})
    return app


def test_a_waiting_post_is_found_by_platform_account_and_title(day: Day) -> None:
    assert "x @user1: goes well" in day.seen["labels"]


def test_a_picture_that_instagram_does_not_take_goes_out_converted_and_on_time(day: Day) -> None:
    assert day.out("is converted") == 1
    with day.ledger.read() as connection:
        row = connection.execute(sa.select(deliveries).where(deliveries.c.post_id == day.converted)).one()
        (made,) = connection.execute(sa.select(renditions)).all()
    (sent,) = row.content["media"]
    assert (sent["content_type"], sent["sha256"]) == ("image/jpeg", made.sha256)
    path = "/dags/prepare_posts/dagRuns/~/taskInstances"
    found = day.stack.api("GET", path)["task_instances"]
    prepared = [item for item in found if item["rendered_map_index"] == "is converted"]
    assert [(item["task_id"], item["state"]) for item in prepared] == [("prepare_soon", "success")]


def test_a_post_goes_out_once_and_its_task_is_green(day: Day) -> None:
    assert day.out("goes well") == 1
    assert day.instance("goes well")["state"] == "success"


def test_marking_a_waiting_post_as_failed_stops_it(day: Day) -> None:
    assert day.out("is stopped") == 0


def test_marking_a_waiting_post_as_success_stops_it(day: Day) -> None:
    assert day.out("is done by hand") == 0


def test_marking_an_instance_that_no_trigger_has_begun_stops_its_post(day: Day) -> None:
    assert day.seen["marked before it began"] == {"cancelled"}
    assert [day.out(title) for title in NOT_BEGUN] == [0, 0, 0]


def test_a_post_that_is_cleared_while_it_waits_goes_out_once(day: Day) -> None:
    assert day.out("is cleared") == 1


def test_a_refused_post_fails_at_once_and_its_log_tells_the_story(day: Day) -> None:
    assert day.seen["tries"] == 1
    assert day.seen["out before clearing"] == 0
    assert "403" in day.seen["story"]
    assert "the author must act" in day.seen["story"]
    assert "token-2" not in day.seen["story"]


def test_clearing_a_failed_post_after_the_cause_is_gone_sends_it_once(day: Day) -> None:
    assert day.out("is refused") == 1


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(day: Day) -> None:
    state, (answer,) = day.seen["dry run"]
    assert state == "success"
    assert 'POST /2/tweets {"text": "is for tomorrow."}' in answer["answer"]
    assert day.seen["out after the dry run"] == 0


def test_a_mistyped_field_publishes_nothing(day: Day) -> None:
    assert day.seen["mistyped"] == ("refused", [])
    assert day.seen["out after the mistyped call"] == 0


def test_publish_now_publishes_once_and_answers_with_the_link_afterwards(day: Day) -> None:
    assert day.seen["for real"][0] == "success"
    assert day.out("is for tomorrow") == 1
    (answer,) = day.seen["once more"][1]
    assert answer["permalink"].startswith("https://x.com/")


def test_two_posts_that_fail_for_one_cause_are_one_message_and_one_mail(day: Day) -> None:
    title = "Posts could not be published (2 posts)"
    assert day.messages() == [title, f"Over: {title}"]
    assert [(to, mail["Subject"]) for to, mail in day.mailbox.got] == [
        (["author@example.com"], title),
        (["author@example.com"], f"Over: {title}"),
    ]


def test_the_message_names_both_posts_and_its_links_lead_to_them(day: Day) -> None:
    text = next(got["message"] for got in day.web.got if day.messages()[0] == got["title"])
    tasks = re.findall(
        rf"{re.escape(day.stack.url)}/dags/(\w+)/runs/([^/]+)/tasks/publish/mapped/(\d+)", text
    )
    labels = [
        day.stack.api("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/publish/{index}")["rendered_map_index"]
        for dag, run, index in tasks
    ]
    rows = [
        day.record(table, record)["Delivery"]
        for table, record in re.findall(rf"https://airtable.com/{BASE}/(tbl\w+)/(rec\w+)", text)
    ]
    assert sorted(labels) == sorted(rows)
    assert [title for title in REFUSED if any(label.endswith(f": {title}") for label in labels)] == [*REFUSED]
    assert "Who must act: the author." in text


def test_people_are_told_when_it_is_over(day: Day) -> None:
    text = next(got["message"] for got in day.web.got if day.messages()[1] == got["title"])
    assert "All 2 posts went out, the last at" in text
    page = day.mailbox.got[1][1].get_body(("html",))
    assert page is not None
    assert "All 2 posts went out, the last at" in page.get_content()


def test_a_subscriber_hears_what_becomes_of_posts(day: Day) -> None:
    """The watcher in the triggerer wakes who tells it: no run of the quarter of an hour is waited for."""

    def told(title: str) -> dict[str, Any]:
        key = f"x:{TITLES.index(title) + 1}"
        return {body["type"]: body["data"] for body in day.subscriber.got if body["data"]["account"] == key}

    wait_for(lambda: list(told("goes well")) == ["delivery.scheduled", "delivery.published"], 60)
    wait_for(lambda: "delivery.failed" in told("is refused"), 60)
    assert told("goes well")["delivery.published"]["permalink"].startswith("https://x.com/")
    assert told("is refused")["delivery.failed"]["reason"]
    runs = day.stack.api("GET", "/dags/send_webhooks/dagRuns")["dag_runs"]
    assert "asset_triggered" in {run["run_type"] for run in runs}


def test_a_change_that_was_heard_wakes_a_run_that_publishes_it(hands: Day) -> None:
    [item] = hands.instances(FOLLOW)
    assert item["rendered_map_index"].endswith("is changed")
    assert hands.out("is changed") == 1
    assert hands.seen["left to be read"] == []
    runs = hands.stack.api("GET", f"/dags/{FOLLOW}/dagRuns")["dag_runs"]
    assert {run["run_type"] for run in runs} == {"asset_triggered"}


def test_a_channel_that_fails_fails_no_run(day: Day) -> None:
    runs = day.stack.api("GET", "/dags/handle_incidents/dagRuns")["dag_runs"]
    assert {run["state"] for run in runs if run["end_date"]} == {"success"}
    assert any(run["run_type"] == "asset_triggered" for run in runs)


# --- by hand ----------------------------------------------------------------------------------------------


def test_what_was_due_hours_ago_is_not_sent_by_itself(hands: Day) -> None:
    assert hands.seen["at first"] == dict.fromkeys(LATE, "missed")


def test_a_dry_retry_says_what_would_happen_and_nothing_does(hands: Day) -> None:
    state, answers = hands.seen["retry, dry"]
    assert state == "success"
    assert [(item["what"], item["answer"]) for item in answers] == [("planned", "planned again")] * 2
    assert hands.seen["retry, mistyped"] == ("refused", [])
    assert hands.seen["after the dry retry"]["was missed"] == "missed"


def test_a_retry_is_taken_by_the_next_run_and_sent_once(hands: Day) -> None:
    assert hands.seen["retry"][0] == "success"
    assert hands.out("was missed") == 1


def test_who_asked_is_in_the_story(hands: Day) -> None:
    item = next(item for item in hands.instances() if "was missed" in (item["rendered_map_index"] or ""))
    assert "a retry was requested by admin with the Dag retry_deliveries: planned again" in hands.log(item)


def test_what_a_person_saw_is_published_and_what_nobody_saw_is_sent_once(hands: Day) -> None:
    assert hands.seen["resolved wrongly"] == ("failed", [])
    state, (answer,) = hands.seen["resolved as out"]
    assert (state, answer["what"]) == ("success", "closed")
    assert answer["permalink"] == "https://x.com/user10/status/17"
    assert hands.seen["resolved as not out"][0] == "success"
    assert (hands.out("was seen"), hands.out("was not seen")) == (0, 1)


def test_a_stop_keeps_back_until_its_release_and_then_it_goes_out_once(hands: Day) -> None:
    state, (answer,) = hands.seen["hold"]
    assert (state, answer["answer"]) == ("success", "stopped")
    assert "was held" in answer["delivery"]
    assert hands.seen["out while held"] == 0
    state, (answer,) = hands.seen["release"]
    assert (state, answer["answer"]) == ("success", "goes out with the next run")
    assert hands.out("was held") == 1


def test_a_run_that_skips_says_what_keeps_posts_back(hands: Day) -> None:
    label, sentences, publish = hands.seen["kept back"]
    assert publish == "skipped"
    assert re.fullmatch(r"account:x:\d+ is held by admin: wrong prices", sentences[0])
    assert sentences[1:] == ["1 post that is due waits"]
    assert label == "; ".join(sentences)


def test_a_post_that_is_out_is_taken_down_by_rest_and_stays_down(hands: Day) -> None:
    assert hands.seen["take down, dry"][1][0]["what"] == "requested"
    assert hands.seen["after the dry take-down"] == "published"
    assert "X cannot change a post" in hands.seen["edit"][1][0]["answer"]
    state, (answer,) = hands.seen["take down"]
    assert (state, answer["answer"]) == ("success", "taken down")
    assert hands.seen["taken down"] == "taken_down"
    assert hands.seen["retry of what is down"][1][0]["what"] == "refused"


def test_a_take_down_that_is_requested_in_airtable_wakes_who_does_it(hands: Day) -> None:
    assert {run["state"] for run in hands.looking_after() if run["end_date"]} == {"success"}
    posts = hands.sandbox.world.services["x"].posts.values()
    gone = {post.sent for post in posts if post.deleted}
    assert gone == {"was held.", "was missed."}


def test_maintenance_that_is_planned_by_form_moves_a_post_and_gives_it_back(hands: Day) -> None:
    state, (answer,) = hands.seen["maintenance, planned"]
    assert state == "success"
    assert "is due in maintenance" in answer["delivery"]
    assert answer["answer"].startswith(f"moved by maintenance of account:x:{CALM} until ")
    assert hands.seen["maintenance, dry"] == ("success", [answer])
    assert hands.seen["maintenance, mistyped"] == ("refused", [])
    state, (answer,) = hands.seen["maintenance, called off"]
    assert (state, answer["answer"]) == ("success", f"goes out at {answer['due']}")


def test_people_are_told_of_maintenance_and_of_its_end_once_each(hands: Day) -> None:
    told = [text for text in titles(hands) if "Maintenance" in text]
    assert [text.partition(":")[0] for text in told] == ["Maintenance (1 post)", "Over"]


def test_a_hold_of_what_does_not_exist_is_refused(hands: Day) -> None:
    assert hands.seen["hold of nobody"] == ("refused", [])


# --- the app on top ---------------------------------------------------------------------------------------


def test_every_call_of_the_contract_was_made_and_answered_as_it_says(app: App) -> None:
    assert app.made == set(app.contract.calls)


def test_a_call_that_is_repeated_is_answered_with_the_first_run_and_sends_once(app: App, hands: Day) -> None:
    seen = hands.seen
    (status, first), (again, second) = seen["app: begun"], seen["app: begun again"]
    assert (status, again) == (200, 200)
    assert {run["queued_at"] for run in (first, second)} == {first["queued_at"]}
    assert seen["app: published"]["state"] == "success"
    assert hands.out("by the app") == 1
    status, answer = seen["app: another of that id"]
    assert (status, "was used for another request" in answer["detail"]) == (409, True)
    assert hands.out("kept back") == 0


def test_what_the_app_mistypes_begins_no_run(app: App, hands: Day) -> None:
    status, answer = hands.seen["app: mistyped"]
    assert (status, answer["detail"].partition(":")[0]) == (422, "dryrun")
    assert app.call("getRequest", workflow="publish_now", id="app-3")[0] == 404
    assert hands.seen["app: wrong login"][0] == 401


def test_the_app_learns_how_its_request_and_its_post_stand(app: App, hands: Day) -> None:
    published, delivery = hands.seen["app: published"], hands.seen["app: delivery"]
    [answer] = published["answers"]
    assert (answer["what"], answer["answer"]) == ("taken", "published now")
    assert (delivery["state"], delivery["rests"], delivery["out"]) == ("published", True, True)
    assert delivery["permalink"].startswith("https://x.com/")
    assert any("a person asked to publish it now" in line["what"] for line in delivery["story"])
    unknown = hands.seen["app: nobody knows it"]
    assert (unknown["state"], unknown["deliveries"]) == ("failed", [])
    assert "none has a delivery" in unknown["problem"]


def test_what_the_app_tries_does_nothing(app: App, hands: Day) -> None:
    assert {item["what"] for item in hands.seen["app: rehearsed"]["answers"]} == {"rehearsed"}
    elsewhere = hands.seen["app: rehearsed elsewhere"]
    assert elsewhere["summary"] == "2 of 2 deliveries went out to the sandbox; nothing was published."
    assert [item["received"][0]["text"] for item in elsewhere["answers"]] == ["by the app.", "kept back."]
    tried = hands.seen["app: tried"]
    assert tried["hold"]["summary"].startswith("Dry run, nothing was done. Held:")
    assert [tried[name]["answers"][0]["what"] for name in ("cancel", "takeDown")] == [
        "cancelled",
        "requested",
    ]
    states = {item["title"]: item["state"] for item in hands.seen["app: after trying"]}
    assert states == {"by the app": "published", "kept back": "scheduled"}


def test_the_app_holds_cancels_tries_again_and_takes_down(app: App, hands: Day) -> None:
    seen = hands.seen
    assert [item["answer"] for item in seen["app: held"]["answers"]] == ["stopped"]
    assert seen["app: released"]["summary"].startswith("Released: post:rec")
    assert [item["state"] for item in seen["app: cancelled"]["deliveries"]] == ["cancelled"]
    assert {item["what"] for item in seen["app: again"]["answers"]} == {"planned", "refused"}
    assert "refused, it is out: https://x.com/" in seen["app: not in doubt"]["problem"]
    assert [item["state"] for item in seen["app: taken down"]["deliveries"]] == ["taken_down"]


def test_tokens_come_in_by_a_call_of_their_own(app: App, hands: Day) -> None:
    (dry, would), (status, kept), (refused, _) = (
        hands.seen[f"app: {what}"] for what in ("connected, dry", "connected", "not connected")
    )
    assert (dry, would["accounts"][0]["said"]) == (200, "would be kept, as @user1")
    assert (status, kept["accounts"][0]["kept"], refused) == (200, True, 422)


def test_airflows_own_client_is_answered_the_same(app: App, hands: Day) -> None:
    import airflow_client.client as airflow

    configuration = airflow.Configuration(host=app.url, access_token=app.token)
    conf = dict(hands.seen["app: begun"][1]["conf"])
    with airflow.ApiClient(configuration) as api:
        runs = airflow.DagRunApi(api)
        body = airflow.TriggerDAGRunPostBody(dag_run_id="app-2", logical_date=None, conf=conf)
        assert (
            runs.trigger_dag_run("publish_now", body).queued_at
            == runs.get_dag_run("publish_now", "app-2").queued_at
        )
        body = airflow.TriggerDAGRunPostBody(
            dag_run_id="app-11", logical_date=None, conf={**conf, "dryrun": True}
        )
        with pytest.raises(airflow.ApiException) as refused:
            runs.trigger_dag_run("publish_now", body)
    assert (refused.value.status, "there is no such field" in refused.value.body) == (422, True)
    assert hands.out("by the app") == 1


@pytest.mark.timeout(600)
def test_airflow_contradicts_a_ledger_that_went_back_and_no_other(day: Day) -> None:
    """The last test: it sets the ledger back behind the latest run."""
    with closing(sqlite3.connect(day.stack.home / "ledger.db", timeout=30)) as ledger:

        def restored() -> list[Any]:
            query = "SELECT sentence FROM incidents WHERE kind = 'ledger_restored'"
            return ledger.execute(query).fetchall()

        assert restored() == [], "all day long there was no reason to doubt"
        with ledger:
            changed = ledger.execute("UPDATE marks SET value = '1' WHERE name = 'tick:logical'").rowcount
        assert changed == 1
        wait_for(restored, 200)
        assert "Airflow remembers the run of" in restored()[0][0]
        wait_for(lambda: "posts were looked for" in restored()[0][0], 100)

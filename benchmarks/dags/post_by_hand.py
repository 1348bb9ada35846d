"""
### The DAG that people write first

Every minute: ask Airtable what is due, then one mapped worker task a post that does everything from the first
call to the last. No look-ahead, no ledger, nothing written back. It stands here to be compared with.
"""

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from airflow.sdk import DAG, BaseHook, get_current_context, task
from pyairtable import Api
from pyairtable.formulas import match

POLL_S = 3.0
VERSION = "v25.0"


def call(service: str, method: str, path: str, token: str, **body: Any) -> dict[str, Any]:
    """One request to a platform; answers its JSON."""
    host = BaseHook.get_connection(f"{service}_default").host
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(method, f"{host}{path}", headers=headers, timeout=30, **body)
    answer.raise_for_status()
    return answer.json()


def instagram(post: dict[str, Any], token: str) -> None:
    user = post["Account ID"]
    form = {"image_url": post["Media URL"], "caption": post["Text"]}
    container = call("instagram", "POST", f"/{VERSION}/{user}/media", token, data=form)["id"]
    ask = {"fields": "status_code"}
    while (
        call("instagram", "GET", f"/{VERSION}/{container}", token, params=ask)["status_code"] == "IN_PROGRESS"
    ):
        time.sleep(POLL_S)
    call("instagram", "POST", f"/{VERSION}/{user}/media_publish", token, data={"creation_id": container})


def facebook(post: dict[str, Any], token: str) -> None:
    form = {"message": post["Text"], "published": "false"}
    draft = call("facebook", "POST", f"/{VERSION}/{post['Account ID']}/feed", token, data=form)["id"]
    call("facebook", "POST", f"/{VERSION}/{draft}", token, data={"is_published": "true"})


def x(post: dict[str, Any], token: str) -> None:
    call("x", "POST", "/2/tweets", token, json={"text": post["Text"]})


def tiktok(post: dict[str, Any], token: str) -> None:
    video = requests.get(post["Media URL"], timeout=30).content
    size = len(video)
    call("tiktok", "POST", "/v2/post/publish/creator_info/query/", token, json={})
    info = {"title": post["Text"], "privacy_level": "PUBLIC_TO_EVERYONE"}
    source = {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": size, "total_chunk_count": 1}
    body = {"post_info": info, "source_info": source}
    begun = call("tiktok", "POST", "/v2/post/publish/video/init/", token, json=body)["data"]
    headers = {"Content-Type": "video/mp4", "Content-Range": f"bytes 0-{size - 1}/{size}"}
    requests.put(begun["upload_url"], data=video, headers=headers, timeout=120).raise_for_status()


WAYS = {"Instagram": instagram, "Facebook": facebook, "X": x, "TikTok": tiktok}

with DAG(
    dag_id="post_by_hand",
    schedule="* * * * *",
    catchup=False,
    is_paused_upon_creation=False,
    max_active_tasks=64,
    doc_md=__doc__,
):

    @task
    def due() -> list[dict[str, Any]]:
        """The posts of the minute that ends with this run."""
        upto = get_current_context()["logical_date"]
        connection = BaseHook.get_connection("airtable_default")
        api = Api(connection.password, endpoint_url=connection.host)
        table = api.table(connection.extra_dejson["base_id"], "Queue")
        found = [record["fields"] for record in table.all(formula=match({"Status": "Ready"}))]
        begin, end = ((upto + timedelta(minutes=n)).strftime("%Y-%m-%dT%H:%M:%S.000Z") for n in (-1, 0))
        return [post for post in found if begin < post["Publish at"] <= end]

    @task(map_index_template="{{ task.op_kwargs['post']['Title'] }}")
    def publish(post: dict[str, Any]) -> None:
        tokens = json.loads(Path(os.environ["POST_BY_HAND_TOKENS"]).read_text())
        WAYS[post["Platform"]](post, tokens[f"{post['Platform']}:{post['Account ID']}"])

    publish.expand(post=due())

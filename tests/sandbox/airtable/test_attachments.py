"""Attachments: links that die, byte ranges, files fetched by URL, uploads."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from .conftest import BASE, TOKEN, Client, a_base, kind

TWO_HOURS_S = 7200


def png(width: int = 3, height: int = 2) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def stocked(client: Client) -> Client:
    """One record with one image."""
    image = {"filename": "é a.png", "content_type": "image/png", "base64": base64.b64encode(png()).decode()}
    base = a_base(posts=[{"id": "recPost0000000001", "fields": {"Title": "p", "Media": [image]}}])
    client.sandbox.reset()
    client.sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}], "bases": [base]}})
    client.sandbox.switch(airtable_requests_per_s="0")
    return client


def media(client: Client, record_id: str = "recPost0000000001") -> list[dict[str, Any]]:
    return client.get(record_id).get("Media", [])


def settled(client: Client, record_id: str) -> list[dict[str, Any]]:
    """The cell once nothing in it is waiting to be fetched."""
    until = time.monotonic() + 5
    while any("size" not in item for item in media(client, record_id)):
        assert time.monotonic() < until, "the file was never fetched"
        time.sleep(0.01)
    return media(client, record_id)


def test_an_image_shows_its_size_type_and_measures(stocked: Client) -> None:
    [shown] = media(stocked)
    del shown["url"]
    assert shown.pop("id").startswith("att")
    assert shown == {"filename": "é a.png", "size": len(png()), "type": "image/png", "width": 3, "height": 2}


def test_a_link_serves_the_file_without_a_token_for_two_hours(stocked: Client) -> None:
    url = media(stocked)[0]["url"]
    stocked.sandbox.advance(TWO_HOURS_S - 5)
    answer = requests.get(url, timeout=5)
    assert (answer.content, answer.headers["Content-Type"]) == (png(), "image/png")
    stocked.sandbox.advance(10)
    assert requests.get(url, timeout=5).status_code == 410


def test_every_read_hands_out_a_link_with_a_full_life(stocked: Client) -> None:
    stocked.sandbox.advance(TWO_HOURS_S * 3)
    assert requests.get(media(stocked)[0]["url"], timeout=5).status_code == 200


def test_a_forged_link_is_not_found(stocked: Client) -> None:
    url = media(stocked)[0]["url"]
    until = url.split("/")[5]
    assert requests.get(url.replace(until, str(int(until) + 9999)), timeout=5).status_code == 404
    assert requests.get(url.replace(until, "never"), timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=0-3", 206, slice(0, 4)), ("bytes=4-", 206, slice(4, None)), ("bytes=-5", 206, slice(-5, None)),
     ("bytes=2-99999", 206, slice(2, None)), ("bytes=99999-", 416, slice(0, 0)),
     ("lines=1-2", 200, slice(None))],
)  # fmt: skip
def test_a_byte_range_is_served(stocked: Client, asked: str, status: int, part: slice) -> None:
    answer = requests.get(media(stocked)[0]["url"], headers={"Range": asked}, timeout=5)
    assert (answer.status_code, answer.content) == (status, png()[part])


def test_head_tells_the_size_without_the_file(stocked: Client) -> None:
    answer = requests.head(media(stocked)[0]["url"], timeout=5)
    assert (answer.headers["Content-Length"], answer.content) == (str(len(png())), b"")


def test_a_file_named_by_url_is_fetched_in_the_background(stocked: Client) -> None:
    source = media(stocked)[0]["url"]
    status, record = stocked.create({"Media": [{"url": source, "filename": "copy.png"}]})
    assert status == 200
    assert record["fields"]["Media"][0]["url"] == source
    [copy] = settled(stocked, record["id"])
    assert requests.get(copy["url"], timeout=5).content == png()
    assert copy["filename"] == "copy.png"


def test_a_file_that_cannot_be_fetched_vanishes_from_its_cell(stocked: Client) -> None:
    gone = f"{stocked.sandbox.url}/airtable/attachments/1/x/y/z.png"
    record = stocked.create({"Media": [{"url": gone}]})[1]
    assert settled(stocked, record["id"]) == []


def test_keeping_one_by_id_and_leaving_another_out_removes_it(stocked: Client) -> None:
    first = media(stocked)[0]
    stocked.update("recPost0000000001", {"Media": [{"id": first["id"]}, {"url": first["url"]}]})
    both = settled(stocked, "recPost0000000001")
    stocked.update("recPost0000000001", {"Media": [{"id": both[1]["id"]}]})
    assert [item["id"] for item in media(stocked)] == [both[1]["id"]]


@pytest.mark.parametrize("item", [{}, {"id": "att00000000000000"}, {"filename": "x"}, "http://127.0.0.1/x"])
def test_an_attachment_needs_a_url_or_an_id_of_its_own_cell(stocked: Client, item: Any) -> None:
    assert kind(stocked.create({"Media": [item]})) == (422, "INVALID_ATTACHMENT_OBJECT")


@pytest.mark.parametrize(
    "url", ["http://203.0.113.5/a.png", "file:///etc/hosts", "http://airtable.example/a.png"]
)
def test_nothing_is_fetched_from_outside_this_machine(stocked: Client, url: str) -> None:
    assert kind(stocked.create({"Media": [{"url": url}]})) == (422, "ATTACHMENTS_FAILED_UPLOADING")


def upload(client: Client, field: str, **body: Any) -> tuple[int, Any]:
    return client.call("POST", f"{BASE}/recPost0000000001/{field}/uploadAttachment", json=body)


def test_an_upload_is_added_to_the_cell(stocked: Client) -> None:
    status, data = upload(stocked, "Media", contentType="text/plain", filename="n.txt", file="aGk=")
    assert status == 200
    [cell] = data["fields"].values()
    assert [item["filename"] for item in cell] == ["é a.png", "n.txt"]


@pytest.mark.parametrize(
    ("field", "file", "status"),
    [("Media", "***", 422), ("Media", "", 422), ("Title", "aGk=", 422), ("Nope", "aGk=", 422),
     ("Media", base64.b64encode(bytes(5 * 1024 * 1024 + 1)).decode(), 413)],
)  # fmt: skip
def test_an_upload_that_does_not_fit_is_refused(stocked: Client, field: str, file: str, status: int) -> None:
    assert upload(stocked, field, contentType="text/plain", filename="n", file=file)[0] == status

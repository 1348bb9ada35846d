"""Messages reach a web service through Apprise and a mail server through SMTP, both real, on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hooks.channels import send
from schedulo.telling.letters import ChannelFailed
from schedulo.telling.message import Message
from tests.receivers import Mailbox, Web, running_mailbox, running_web

MESSAGE = Message("Posts could not be published (2 posts)", "What happened: <no>", "<p>&lt;no&gt;</p>")
SECRET = "s3cr3t-token"


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as found:
        yield found


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with running_mailbox() as found:
        connect(monkeypatch, "smtp_default", **found.connection)
        yield found


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **parts: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(parts))


def to_web(monkeypatch: pytest.MonkeyPatch, conn_id: str, *urls: str) -> None:
    config = [{"path": url} for url in urls]
    connect(monkeypatch, conn_id, conn_type="apprise", extra={"config": config})


def test_a_message_reaches_a_service_that_apprise_knows(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    to_web(monkeypatch, "team", f"json://{web.address}/hook")
    send("team", MESSAGE)
    (got,) = web.got
    assert (got["title"], got["message"]) == (MESSAGE.title, MESSAGE.body)


def test_a_connection_may_be_written_as_its_form_stores_it(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.dumps({"path": f"json://{web.address}/hook", "tag": "alerts"})
    connect(monkeypatch, "team", conn_type="apprise", extra={"config": config})
    send("team", MESSAGE)
    assert len(web.got) == 1


def test_a_long_message_is_split_and_not_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    to_web(monkeypatch, "team", f"json://{web.address}/hook")
    lines = [f"line {number:05}" for number in range(6000)]
    send("team", Message("long", "\n".join(lines), ""))
    assert len(web.got) > 1
    text = "\n".join(got["message"] for got in web.got)
    assert [line for line in lines if line not in text] == []


def test_a_service_that_refuses_is_a_failure_that_says_no_secret(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    web.status = 500
    to_web(monkeypatch, "team", f"json://user:{SECRET}@{web.address}/{SECRET}")
    with caplog.at_level(logging.DEBUG), pytest.raises(ChannelFailed) as failed:
        send("team", MESSAGE)
    assert str(failed.value) == "JSON refuses it or cannot be reached"
    assert SECRET not in "".join(record.getMessage() for record in caplog.records if record.name == "apprise")
    assert SECRET not in str(failed.value)


def test_one_service_that_refuses_does_not_keep_the_other_from_getting_it(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_web(monkeypatch, "team", "json://127.0.0.1:1/nowhere", f"json://{web.address}/hook")
    with pytest.raises(ChannelFailed):
        send("team", MESSAGE)
    assert len(web.got) == 1


@pytest.mark.parametrize(
    "extra",
    [{}, {"config": "nonsense"}, {"config": []}, {"config": {"path": "nosuch://x"}}, {"config": 5}],
    ids=str,
)
def test_a_connection_that_names_no_address_is_a_failure_in_words(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    connect(monkeypatch, "team", conn_type="apprise", extra=extra)
    with pytest.raises(ChannelFailed, match="the Connection team names no address"):
        send("team", MESSAGE)


@pytest.mark.parametrize("channel", ["nowhere", "someone@example.com"])
def test_a_connection_that_is_not_there_is_a_failure_in_words(channel: str) -> None:
    with pytest.raises(ChannelFailed, match=r"there is no Connection (nowhere|smtp_default)"):
        send(channel, MESSAGE)


def test_a_message_reaches_a_mailbox(mailbox: Mailbox) -> None:
    send("ops@example.com", MESSAGE)
    ((to, mail),) = mailbox.got
    assert to == ["ops@example.com"]
    assert mail["Subject"] == MESSAGE.title
    assert mail["From"] == "schedulo@example.com"
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == MESSAGE.html


def test_a_mailbox_that_is_not_there_is_a_failure_in_words(mailbox: Mailbox) -> None:
    with pytest.raises(ChannelFailed, match="the mail server refuses the address"):
        send("nobody@example.com", MESSAGE)
    assert mailbox.got == []


def test_a_mail_server_that_is_not_there_is_a_failure_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"from_email": "a@example.com", "disable_ssl": True, "disable_tls": True}
    connect(monkeypatch, "smtp_default", conn_type="smtp", host="127.0.0.1", port=1, extra=extra)
    with pytest.raises(ChannelFailed, match="cannot be reached"):
        send("ops@example.com", MESSAGE)


def test_a_mail_connection_without_a_sender_is_a_failure_in_words(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = mailbox.connection
    del connection["extra"]["from_email"]
    connect(monkeypatch, "smtp_default", **connection)
    with pytest.raises(ChannelFailed, match="lacks from_email"):
        send("ops@example.com", MESSAGE)

"""Reaches people: mail by an SMTP Connection, everything else by a Connection of the type Apprise.

A channel with an @ is an e-mail address, any other is a Connection's id. What these libraries say of a
failure may hold the address with its secrets, so nothing of it is passed on.
"""

from __future__ import annotations

import logging
import os
import smtplib

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from schedulo.settings import settings
from schedulo.telling.letters import ChannelFailed
from schedulo.telling.message import Message
from schedulo.telling.recipients import Recipients


def send(channel: str, message: Message) -> None:
    """Send one message on one channel.

    :raises ChannelFailed: where it did not take it, whatever the reason
    """
    try:
        if "@" in channel:
            _mail(channel, message)
        else:
            _apprise(channel, message)
    except ChannelFailed:
        raise
    except AirflowNotFoundException:
        conn_id = settings().notify_smtp if "@" in channel else channel
        raise ChannelFailed(f"there is no Connection {conn_id}; the operator makes it") from None
    except Exception as error:  # a library's surprise must not keep the other channels from being told
        raise ChannelFailed(_harmless(error)) from None


_kept: dict[str, str] = {}


def keep_at_hand() -> None:
    """Keep the Connections of all channels in this process's environment, where Airflow looks first: they can
    be used then while Airflow's database is away. For processes that run for long; call it now and then."""
    channels = Recipients.of(settings()).every()
    for conn_id in {settings().notify_smtp if "@" in channel else channel for channel in channels}:
        name = f"AIRFLOW_CONN_{conn_id.upper()}"
        if name in os.environ and os.environ[name] != _kept.get(name):
            continue  # the operator put it there
        before = os.environ.pop(name, None)
        try:
            _kept[name] = BaseHook.get_connection(conn_id).as_json()
        except Exception:  # there is none, or nobody to ask: what was known serves on
            _kept.update({name: before} if before else {})
        if name in _kept:
            os.environ[name] = _kept[name]


def _harmless(error: Exception) -> str:
    """What went wrong, without the library's words."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return "the mail server refuses the address"
        case smtplib.SMTPResponseException():
            return f"the mail server answered {error.smtp_code}"
        case AirflowException() if "not found" in str(error):
            return f"there is no Connection {settings().notify_smtp}; the operator makes it"
        case AirflowException() if "from_email" in str(error):
            return f"the Connection {settings().notify_smtp} lacks from_email"
        case OSError() | smtplib.SMTPException():
            return f"it cannot be reached ({type(error).__name__})"
        case _:
            return f"it failed ({type(error).__name__})"


def _mail(address: str, message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(settings().notify_smtp) as hook:
        hook.send_email_smtp(to=address, subject=message.title, html_content=message.html)


def _apprise(conn_id: str, message: Message) -> None:
    # The provider's own `notify` does not say whether a service took the message.
    import apprise
    from airflow.providers.apprise.hooks.apprise import AppriseHook

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    hook = AppriseHook(conn_id)
    services = apprise.Apprise()
    try:
        hook.set_config_from_conn(hook.get_connection(conn_id), services)
    except (KeyError, TypeError, ValueError):
        services.clear()
    if not len(services):
        raise ChannelFailed(f"the Connection {conn_id} names no address that Apprise understands")
    refused = []
    for service in services:
        service.overflow_mode = apprise.OverflowMode.SPLIT  # else a long message is refused as a whole
        if not service.notify(body=message.body, title=message.title, body_format=apprise.NotifyFormat.TEXT):
            refused.append(str(service.service_name))
    if refused:
        raise ChannelFailed(f"{', '.join(refused)} refuses it or cannot be reached")

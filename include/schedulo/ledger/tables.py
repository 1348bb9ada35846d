"""The ledger's tables, for SQLite and PostgreSQL. Instants are integer milliseconds since the epoch (UTC).

Rows are moved by `schedulo.delivery`; here is only their shape and what the database itself enforces.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
IS_OUT = "coalesce(state, '') IN ('published', 'published_incomplete', 'taken_down', 'removed')"
"""As text: an index of some rows only is used where a query says the same. `coalesce`, or SQLite would rather
take the index of the states."""
Json = sa.JSON().with_variant(JSONB(), "postgresql")


def _text(name: str, default: str | None = None, **options: Any) -> sa.Column[str]:
    if default is not None:
        options |= {"server_default": default}
    return sa.Column(name, sa.Text, nullable=options.pop("nullable", False), **options)


def _instant(name: str, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _count(name: str, default: int = 0) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=str(default))


accounts = sa.Table(
    "accounts",
    metadata,
    _text("key", primary_key=True, comment="platform:account_id; the platform's own id, not the row's"),
    _text("platform"),
    _text("account_id"),
    _text("name"),
    _text("timezone", "UTC"),
    sa.Column("options", Json, nullable=False),
    _text("record_id", "", comment="Airtable row; may change when a person reconnects"),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    _instant("last_fire_ms"),
    _instant("updated_ms", nullable=False),
    sa.Column("allowed", Json, comment="what its platform said that it may do; empty: it was not asked"),
    sa.Column("allowed_ms", sa.BigInteger, comment="when it said so"),
)

credentials = sa.Table(
    "credentials",
    metadata,
    _text("account_key", primary_key=True),
    _text("secret", comment="Fernet token of the JSON of what the platform gave"),
    _instant("updated_ms", nullable=False),
    _text("refresher", "", comment="the process that refreshes it now"),
    sa.Column("refresher_until_ms", sa.BigInteger, comment="until then nobody else may refresh it"),
    _instant("refreshed_ms"),
    sa.Column(
        "serial",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="changes with every new secret, and not when one is only encrypted anew",
    ),
    sa.Column("obtained_ms", sa.BigInteger, comment="when a person connected it"),
    sa.Column(
        "expires_ms", sa.BigInteger, comment="end of the access token; empty: it has none, or none was told"
    ),
    sa.Column(
        "refresh_expires_ms",
        sa.BigInteger,
        comment="end of the refresh token; empty: it has none, or none was told",
    ),
    sa.Column("data_access_ms", sa.BigInteger, comment="end of what Meta calls data access"),
    sa.Column(
        "renewable",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="it holds a second token, with which it is renewed",
    ),
    sa.Column("scopes", Json, comment="what its platform said that it may do; empty: it was not said"),
    sa.Column("checked_ms", sa.BigInteger, comment="when its platform last said that it is good"),
    _text("problem", "", comment="why it could not be renewed or checked when that was last tried"),
    sa.Column(
        "warned_days", sa.Integer, comment="its owner was last warned so many days before a person is needed"
    ),
    sa.Column("warned_end_ms", sa.BigInteger, comment="the end that the warning named"),
)

vault_audit = sa.Table(
    "vault_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _text("account_key"),
    _instant("at_ms", nullable=False),
    _text("author", comment="a person, or schedulo"),
    _text("what"),
    _text("note", "", comment="without secrets"),
    sa.Index("ix_vault_audit_account", "account_key", "id"),
)

posts = sa.Table(
    "posts",
    metadata,
    _text("record_id", primary_key=True),
    _text("title", ""),
    _instant("seen_ms", nullable=False),
    sa.Column(
        "read_ms",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="when the row that it was last planned by was read",
    ),
    _text("problem", "", comment="why it is not planned, for people; empty when it is"),
    sa.Column(
        "unfinished",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="something that it depends on changed: read again at the next tick",
    ),
    sa.Column(
        "unprepared",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="some of its media are not here, or not made to fit",
    ),
    sa.Column("prepared_ms", sa.BigInteger, comment="when that was last tried, well or not"),
    _text("preparer", "", comment="the run that prepares it, or will"),
    sa.Column("preparing_until_ms", sa.BigInteger, comment="until then no other run may"),
    sa.Index("ix_posts_unprepared", "unprepared"),
)

attachments = sa.Table(
    "attachments",
    metadata,
    _text("id", primary_key=True, comment="Airtable's id of the attachment; its URL dies after two hours"),
    _text("sha256", comment="the file in the media store; empty: it is not there"),
    _text("problem", "", comment="why it cannot be used, for the author"),
    _text("trouble", "", comment="why it could not be fetched when that was last tried"),
    _instant("fetched_ms", nullable=False),
)

renditions = sa.Table(
    "renditions",
    metadata,
    _text("source", primary_key=True, comment="sha256 of the file that people gave"),
    _text("recipe", primary_key=True, comment="what was done with it, as a key that says all of it"),
    _text("sha256", "", comment="the file that came of it; empty: there is none"),
    _text("problem", "", comment="why it cannot be done, for the author"),
    _text("trouble", "", comment="why it could not be done when that was last tried"),
    _instant("made_ms", nullable=False),
    _count("took_ms"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _text("id", primary_key=True),
    _text("post_id"),
    _text("account_key"),
    _count("occurrence", 1),
    _text("platform"),
    _text("title", ""),
    _text("label", "", comment="platform, account and title, as people find it"),
    _text("state"),
    _text("reason", "", comment="why it is where it is, as a sentence"),
    _text("warnings", "", comment="what its author should know although it goes out"),
    sa.Column(
        "ready",
        sa.Boolean,
        nullable=False,
        server_default=sa.true(),
        comment="its media are here and fit; what is not ready is not claimed",
    ),
    _text("approval", "", comment="needed: it waits for a person; empty: none is needed or it was given"),
    _text("in_maintenance", "", comment="what its post wishes: move or hold; empty: what the window says"),
    sa.Column("content", Json, nullable=False),
    _text("content_hash", comment="equal for what people would call the same post"),
    _text("fingerprint", "", comment="changes with anything that would be sent"),
    _count("version", 1),
    sa.Column("armed_version", sa.Integer, comment="the version that was prepared at the platform"),
    _instant("due_ms", nullable=False),
    _instant("fire_ms", nullable=False),
    _instant("not_after_ms", nullable=False),
    _text("holder", nullable=True, comment="the process at work on it"),
    _count("fence"),
    _text("run_id", "", comment="the run that claimed it last"),
    _count("attempts"),
    _count("resends"),
    _count("looks"),
    _text("remote_id", nullable=True, comment="the platform's id of the post"),
    _text("permalink", nullable=True),
    _instant("sent_ms"),
    _instant("accepted_ms"),
    _instant("published_ms"),
    sa.Column("checked_ms", sa.BigInteger, comment="when it was last seen on the platform after it went out"),
    sa.Column(
        "absent_ms", sa.BigInteger, comment="its platform has not shown it since; empty: it was seen last"
    ),
    sa.Column("removed_ms", sa.BigInteger, comment="when it was taken down, or found to be gone"),
    sa.Column("newer", Json, comment="what its row says, where it was changed after it went out"),
    _text("error_kind", ""),
    _text("error_code", ""),
    sa.Column(
        "trouble_since_ms", sa.BigInteger, comment="it has been failing since; empty while all is well"
    ),
    _instant("commanded_ms"),
    _text("commanded", "", comment="the verbs that were asked for at that instant, a space between two"),
    sa.Column("asked_ms", sa.BigInteger, comment="a person asked to publish it then, whatever its row says"),
    _instant("seen_ms", nullable=False),
    _instant("updated_ms", nullable=False),
    sa.UniqueConstraint("post_id", "account_key", "occurrence", name="uq_deliveries_identity"),
    sa.Index("ix_deliveries_state_fire", "state", "fire_ms"),
    sa.Index("ix_deliveries_guard", "account_key", "content_hash"),
    # What publishing moves before a post is out costs nothing here.
    sa.Index(
        "ix_deliveries_out",
        "updated_ms",
        "id",
        sqlite_where=sa.text(IS_OUT),
        postgresql_where=sa.text(IS_OUT),
    ),
)

writes = sa.Table(
    "writes",
    metadata,
    _text("id", primary_key=True),
    _text("delivery_id"),
    _text("name"),
    _text("state"),
    sa.Column("fence", sa.Integer, nullable=False),
    _text("holder"),
    sa.Column("request", Json, nullable=False, comment="without secrets"),
    sa.Column("snapshot", Json, nullable=False, comment="the content as it was frozen"),
    sa.Column("live", sa.Boolean, nullable=False),
    _text("position", "only", comment="only, first (others follow), or later (the post is out)"),
    _instant("opened_ms", nullable=False),
    _instant("sending_until_ms", nullable=False),
    sa.Column("fire_ms", sa.BigInteger, comment="the second for which it was let go; empty: not known"),
    _instant("settled_ms"),
    sa.Column("value", Json),
    # A fence is one bug away from two posts, this index is not.
    sa.Index(
        "uq_writes_live",
        "delivery_id",
        "name",
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'accepted', 'unknown')"),
        postgresql_where=sa.text("state IN ('open', 'accepted', 'unknown')"),
    ),
    sa.Index("ix_writes_delivery", "delivery_id"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _text("write_id"),
    _instant("at_ms", nullable=False),
    _text("state", comment="what this piece of evidence says of the write"),
    sa.Column("status", sa.Integer),
    _text("note", ""),
    sa.Column("value", Json),
    sa.Index("ix_outcomes_write", "write_id"),
)

amendments = sa.Table(
    "amendments",
    metadata,
    _text("id", primary_key=True),
    _text("delivery_id"),
    _text("verb", comment="take_down or edit"),
    _count("number", 1),
    _text("asked_by", comment="who asks, and how"),
    _text("state", comment="open, done or failed"),
    sa.Column("content", Json, comment="of an edit: what the post becomes"),
    _text("fingerprint", "", comment="of an edit: that of the row, where it becomes all that the row says"),
    _instant("asked_ms", nullable=False),
    sa.Column("next_ms", sa.BigInteger, nullable=False, comment="not before then"),
    _count("tries"),
    _text("holder", nullable=True),
    _instant("held_until_ms"),
    _text("answer", "", comment="what became of it, for people"),
    _instant("settled_ms"),
    sa.Index(
        "uq_amendments_open",
        "delivery_id",
        "verb",
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
    sa.Index("ix_amendments_state", "state", "next_ms"),
)

steps = sa.Table(
    "steps",
    metadata,
    _text("delivery_id", primary_key=True),
    _text("name", primary_key=True),
    sa.Column("value", Json, nullable=False),
    _instant("kept_ms", nullable=False),
    _instant("expires_ms"),
)

holders = sa.Table(
    "holders",
    metadata,
    _text("id", primary_key=True),
    _text("note", "", comment="host and process, for people"),
    _instant("started_ms", nullable=False),
    _instant("beat_ms", nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    _text("id", primary_key=True),
    _text("scope", comment="everything, platform or account"),
    _text("key", "", comment="the platform or the account's key"),
    _text("reason"),
    _text("author"),
    _text("error_kind", "", comment="the kind of error that set it; empty where a person did"),
    _text("window_id", "", comment="the maintenance that it belongs to; empty: to none"),
    _instant("from_ms", nullable=False),
    _instant("until_ms"),
    _instant("lifted_ms"),
    _text("lifted_by", ""),
    # A hundred posts that meet one error are one hold.
    sa.Index(
        "uq_holds_error",
        "scope",
        "key",
        "error_kind",
        unique=True,
        sqlite_where=sa.text("error_kind <> '' AND lifted_ms IS NULL"),
        postgresql_where=sa.text("error_kind <> '' AND lifted_ms IS NULL"),
    ),
)

claims = sa.Table(
    "claims",
    metadata,
    _text("run_id", primary_key=True),
    sa.Column("map_index", sa.Integer, primary_key=True, autoincrement=False),
    _text("delivery_id"),
    _text("dag_id", "publish_due_posts", comment="the workflow of the run"),
    _instant("claimed_ms", nullable=False),
    sa.Index("ix_claims_delivery", "delivery_id"),
)

instances = sa.Table(
    "instances",
    metadata,
    _text("ti_id", primary_key=True, comment="Airflow's id of one try of one task instance"),
    _text("run_id"),
    sa.Column("map_index", sa.Integer, nullable=False),
    _text("delivery_id"),
    _instant("started_ms", nullable=False),
    sa.Index("ix_instances_delivery", "delivery_id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _text("delivery_id"),
    _instant("at_ms", nullable=False),
    _text("sentence"),
    sa.Index("ix_events_delivery", "delivery_id"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _text("key", primary_key=True, comment="one incident a cause"),
    _text("kind"),
    _text("sentence"),
    _text("actor", "", comment="who must act"),
    _count("times", 1),
    _instant("opened_ms", nullable=False),
    _instant("last_ms", nullable=False),
    _instant("closed_ms"),
    sa.Column("told_ms", sa.BigInteger, comment="people were told last"),
    _count("told_times"),
    sa.Column("end_told_ms", sa.BigInteger, comment="people were told that it is over"),
)

incident_cases = sa.Table(
    "incident_cases",
    metadata,
    _text("incident_key", primary_key=True),
    _text("delivery_id", primary_key=True),
    _instant("at_ms", nullable=False),
    sa.Column("told_ms", sa.BigInteger, comment="people were told of this case; empty: not yet"),
    sa.Index("ix_incident_cases_delivery", "delivery_id"),
)

notices = sa.Table(
    "notices",
    metadata,
    _text("id", primary_key=True),
    _text("channel", primary_key=True),
    _text("incident_key"),
    _text("title"),
    _text("body"),
    _text("html"),
    _instant("made_ms", nullable=False),
    _count("tries"),
    sa.Column("next_ms", sa.BigInteger, nullable=False, comment="not before then"),
    _instant("sent_ms"),
    _text("letter", "", comment="the message that it went out with: equal for those of one digest"),
    sa.Index("ix_notices_sent", "channel", "sent_ms"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    _text(
        "key",
        primary_key=True,
        comment="a delivery's id, post:<record> for a post without one, numbers:<delivery or account>",
    ),
    _text("kind", "state", comment="state: what became of a post; numbers: told apart, more slowly"),
    _text("record_id", nullable=True, comment="the Airtable row that tells it"),
    sa.Column("content", Json, comment="of numbers: the cells"),
    _count("version", 1),
    _count("told_version"),
    _instant("changed_ms", nullable=False),
    sa.Index(
        "ix_outbox_waiting",
        "kind",
        "changed_ms",
        sqlite_where=sa.text("version > told_version"),
        postgresql_where=sa.text("version > told_version"),
    ),
)

marks = sa.Table(
    "marks",
    metadata,
    _text("name", primary_key=True),
    _text("value"),
    _instant("at_ms", nullable=False),
)

health = sa.Table(
    "health",
    metadata,
    _text("name", primary_key=True, comment="how each check stands; its history is in health_checks"),
    _text("status", comment="green, yellow, red or unknown"),
    _text("sentence"),
    sa.Column("value", sa.Float),
    _text("unit", ""),
    sa.Column("numbers", Json, nullable=False, comment="further numbers, by name"),
    _text("actor", comment="who must act where it is not green"),
    sa.Column("since_ms", sa.BigInteger, nullable=False, comment="it has this status since"),
    _instant("at_ms", nullable=False),
)

health_checks = sa.Table(
    "health_checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _instant("at_ms", nullable=False),
    _text("name"),
    _text("status"),
    sa.Column("changed", sa.Boolean, nullable=False, comment="the check before had another status"),
    sa.Column("value", sa.Float),
    _text("sentence", comment="empty where it is green"),
    sa.Index("ix_health_checks_at", "at_ms"),
    sa.Index("ix_health_checks_name", "name", "at_ms"),
)

"""The base that Schedulo works with, as data: tables, fields, their types, and who writes each of them.

People and Bubble own Accounts and Posts, but for the numbers of Accounts, and Maintenance, but for its state;
Schedulo owns Deliveries, where people write their requests only.
The names here are the ones that the rest of the package speaks; a base may call them otherwise (`mapping`).
Source of types and options: Airtable Web API, "Field types and cell values" and "Field model".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schedulo.model import State

ACCOUNTS = "Accounts"
POSTS = "Posts"
MENTIONS = "Mentions"
DELIVERIES = "Deliveries"
MAINTENANCE = "Maintenance"


class Writer(StrEnum):
    PEOPLE = "people"
    SCHEDULO = "Schedulo"


class Type(StrEnum):
    """Airtable's names of the field types that we use."""

    TEXT = "singleLineText"
    LONG_TEXT = "multilineText"
    URL = "url"
    NUMBER = "number"
    CHECKBOX = "checkbox"
    SELECT = "singleSelect"
    SELECTS = "multipleSelects"
    DATETIME = "dateTime"
    ATTACHMENTS = "multipleAttachments"
    LINKS = "multipleRecordLinks"
    LAST_MODIFIED = "lastModifiedTime"


# Field types that serve as well as ours: computed ones only where we do not write.
_TEXTS = ("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber")
_WRITABLE_AS: Mapping[Type, tuple[str, ...]] = {
    Type.TEXT: _TEXTS,
    Type.LONG_TEXT: ("multilineText", "richText"),
    Type.URL: _TEXTS,
    Type.SELECT: ("singleSelect", "singleLineText"),
}
_READABLE_AS: Mapping[Type, tuple[str, ...]] = {
    Type.TEXT: (*_TEXTS, "formula", "singleSelect"),
    Type.LONG_TEXT: (*_TEXTS, "formula"),
    Type.URL: (*_TEXTS, "formula"),
    Type.NUMBER: ("number", "formula", "duration"),
    Type.CHECKBOX: ("checkbox", "formula"),
    Type.SELECT: ("singleSelect", "singleLineText", "formula"),
    Type.DATETIME: ("dateTime", "formula"),
    Type.LAST_MODIFIED: ("lastModifiedTime", "formula"),
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    description: str
    by: Writer = Writer.PEOPLE
    choices: tuple[str, ...] = ()
    link: str = ""
    """The table that a link field points to, by our name."""
    precision: int = 0
    required: bool = True
    """False: a base may do without, and `create` leaves it to people."""
    demanded: bool = True
    """False: `create` makes it, and a base may do without. No formula names it."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """The types of a base's own field that serve as well."""
        table = _WRITABLE_AS if self.by is Writer.SCHEDULO else _READABLE_AS
        return table.get(self.type, (self.type,))

    def options(self, table_ids: Mapping[str, str]) -> dict[str, Any] | None:
        """The `options` of the meta API. `table_ids` maps our table names to the base's table ids."""
        match self.type:
            case Type.SELECT | Type.SELECTS:
                return {"choices": [{"name": choice} for choice in self.choices]}
            case Type.CHECKBOX:
                return {"icon": "check", "color": "greenBright"}
            case Type.NUMBER:
                return {"precision": self.precision}
            case Type.DATETIME:
                return {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"}
            case Type.LINKS:
                return {"linkedTableId": table_ids[self.link]}
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    description: str
    fields: tuple[Field, ...]
    """The first is the primary field."""
    demanded: bool = True
    """False: `create` makes it, and a base may do without."""

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


READY = "Ready"

PLATFORMS: Mapping[str, str] = {
    "Instagram": "instagram",
    "TikTok": "tiktok",
    "X": "x",
    "Facebook": "facebook",
}
PLATFORM_WORDS: Mapping[str, str] = {name: word for word, name in PLATFORMS.items()}
LOGINS: Mapping[str, str] = {
    "Instagram Login": "instagram_login",
    "Facebook Login": "facebook_login",
}
FORMATS: Mapping[str, str] = {
    "Post": "post",
    "Reel": "reel",
    "Story": "story",
    "Draft to inbox": "draft",
}
# What is done with a picture or video whose shape a platform does not take.
FITS: Mapping[str, str] = {"Crop": "crop", "Pad": "pad", "Leave it, tell me": "leave"}
HASHTAG_PLACES: Mapping[str, str] = {"Text": "text", "First comment": "comment"}
APPROVALS: Mapping[str, str] = {"Needed": "needed", "Approved": "approved", "Rejected": "rejected"}
# What becomes of posts that are due while nothing goes out.
IN_MAINTENANCE: Mapping[str, str] = {"Move to the end": "move", "Hold": "hold"}
EVERYTHING = "Everything"
# TikTok: Content Posting API reference, "Direct post", post_info.
TIKTOK_PRIVACY: Mapping[str, str] = {
    "Everyone": "PUBLIC_TO_EVERYONE",
    "Friends": "MUTUAL_FOLLOW_FRIENDS",
    "Followers": "FOLLOWER_OF_CREATOR",
    "Only me": "SELF_ONLY",
}
TIKTOK_DISCLOSURES: Mapping[str, str] = {
    "Your brand": "brand_organic_toggle",
    "Branded content": "brand_content_toggle",
}
# X: "Create Post", reply_settings; left out for everyone.
X_REPLIES: Mapping[str, str | None] = {
    "Everyone": None,
    "People you follow": "following",
    "People you mention": "mentionedUsers",
    "Subscribers": "subscribers",
    "Verified accounts": "verified",
}

# What a person may say of a delivery that nobody knows the outcome of.
RESOLUTIONS: Mapping[str, str] = {"It is out": "out", "It is not out, send it": "not_out"}

PREPARED = "Ready"
"""It is scheduled, and everything is done that can be done before its second."""
NOT_PLANNED = "Not planned"
"""A post with a problem, or on an account that cannot be used: nothing will go out."""
STATE_WORDS: Mapping[State, str] = {
    State.SCHEDULED: "Scheduled",
    State.CLAIMED: "Getting ready",
    State.ARMED: "About to go out",
    State.SENDING: "Going out",
    State.UNKNOWN: "Being looked up",
    State.PROCESSING: "Being processed",
    State.REFUSED: "Trying again",
    State.HELD: "On hold",
    State.PUBLISHED: "Published",
    State.PUBLISHED_INCOMPLETE: "Published in part",
    State.WAITING_IN_APP: "Waiting for you in the app",
    State.FAILED: "Failed",
    State.UNRESOLVED: "Please look",
    State.MISSED: "Missed",
    State.CANCELLED: "Cancelled",
    State.TAKEN_DOWN: "Taken down",
    State.REMOVED: "No longer there",
}
UNAPPROVED = "Waiting for approval"
"""It goes out when a person has approved it."""
ALL_STATE_WORDS = (*STATE_WORDS.values(), PREPARED, NOT_PLANNED, UNAPPROVED)

_SCHEDULO = Writer.SCHEDULO

NUMBERS_AT = "Numbers at"
POST_NUMBERS: Mapping[str, str] = {
    "Views": "How often it was shown or played, as its platform counts that.",
    "Reach": "How many people it was shown to.",
    "Likes": "Likes; on Facebook all reactions.",
    "Comments": "Comments; on X replies.",
    "Shares": "Shares; on X reposts.",
    "Saves": "Saves; on X bookmarks.",
    "Clicks": "Clicks on links; on Facebook all clicks on the post.",
}
"""Fields of Deliveries, each named after a metric of the common core. Empty where it is not told."""
ACCOUNT_NUMBERS: Mapping[str, str] = {
    "Followers": "How many there were when they were last counted.",
    "Followers in 7 days": "How many more, or fewer, than seven days before; empty: that is not known.",
    "Views in 7 days": "What its posts got in the last seven days; empty: not known of every day.",
    "Engagements in 7 days": "Likes, comments, shares and saves, in the same way.",
}


def _numbers(words: Mapping[str, str]) -> tuple[Field, ...]:
    at = "When these were read; as long as they stay the same it stays too."
    return (
        *(Field(name, Type.NUMBER, description, _SCHEDULO) for name, description in words.items()),
        Field(NUMBERS_AT, Type.DATETIME, at, _SCHEDULO),
    )


_POST_NUMBERS, _ACCOUNT_NUMBERS = _numbers(POST_NUMBERS), _numbers(ACCOUNT_NUMBERS)

TABLES: tuple[Table, ...] = (
    Table(
        ACCOUNTS,
        "The accounts that posts go out on, one row each.",
        (
            Field("Name", Type.TEXT, "What you call this account."),
            Field("Platform", Type.SELECT, "Where the account is.", choices=tuple(PLATFORMS)),
            Field("Account ID", Type.TEXT, "The platform's own id of the account, not its @name."),
            Field("Username", Type.TEXT, "The @name, for people."),
            Field(
                "Login", Type.SELECT, "Instagram only: how the account was connected.", choices=tuple(LOGINS)
            ),
            Field("Time zone", Type.TEXT, "IANA name, such as Europe/Berlin; for posts without one."),
            Field("Active", Type.CHECKBOX, "Untick to stop publishing on this account."),
            Field("Premium", Type.CHECKBOX, "X only: the account may write long posts."),
            Field(
                "Text template",
                Type.LONG_TEXT,
                "What a post's text becomes here, with {text}, {link} and {hashtags} filled in.",
            ),
            Field("Hashtags", Type.LONG_TEXT, "Added to the hashtags of every post on this account."),
            Field(
                "UTM tags",
                Type.TEXT,
                "Added to links: utm_source={platform}&utm_medium=social&utm_campaign={title}",
            ),
            *_ACCOUNT_NUMBERS,
        ),
    ),
    Table(
        MENTIONS,
        "What @Name in a text becomes on each platform. May stay empty.",
        (
            Field("Name", Type.TEXT, "What is written after the @ in a post's text."),
            *(Field(word, Type.TEXT, f"The @name on {word}.") for word in PLATFORMS),
        ),
    ),
    Table(
        POSTS,
        "What is to be published. Only rows with the status Ready are planned.",
        (
            Field("Title", Type.TEXT, "For you; never published."),
            Field("Text", Type.LONG_TEXT, "The text, with #hashtags and @mentions."),
            *(
                Field(f"{word} text", Type.LONG_TEXT, f"On {word} instead of the text; empty: the text.")
                for word in PLATFORMS
            ),
            Field("Hashtags", Type.LONG_TEXT, "Written after the text, or where 'Hashtags go to' says."),
            Field("Hashtags go to", Type.SELECT, "Empty: the text.", choices=tuple(HASHTAG_PLACES)),
            Field(
                "May be shortened", Type.CHECKBOX, "A text too long for a platform may be cut short there."
            ),
            Field("Media", Type.ATTACHMENTS, "Images or one video, in the order in which they appear."),
            Field("Fit", Type.SELECT, "Media of a shape that a platform does not take.", choices=tuple(FITS)),
            Field("Alt text", Type.LONG_TEXT, "What the media show: one line for each, in the same order."),
            Field("Link", Type.URL, "A link to share (Facebook shows it as a card)."),
            Field("Accounts", Type.LINKS, "Where the post goes out.", link=ACCOUNTS),
            Field("Publish at", Type.DATETIME, "When, as an instant. Fill this or 'Publish at (local)'."),
            Field("Publish at (local)", Type.TEXT, "When, on the clock of the time zone: 2026-12-24 18:00"),
            Field("Time zone", Type.TEXT, "IANA name, such as Europe/Berlin. Empty: that of the account."),
            Field("Status", Type.SELECT, "Only Ready is planned.", choices=("Draft", READY)),
            Field("Format", Type.SELECT, "Empty: what the media call for.", choices=tuple(FORMATS)),
            Field(
                "Approval",
                Type.SELECT,
                "A post that says Needed waits for Approved; empty: needs none.",
                choices=tuple(APPROVALS),
            ),
            Field("Not after", Type.DATETIME, "Do not send it later than this; it becomes Missed."),
            Field(
                "In maintenance",
                Type.SELECT,
                "What becomes of it where nothing goes out then; empty: what the maintenance says.",
                choices=tuple(IN_MAINTENANCE),
                demanded=False,
            ),
            Field("TikTok privacy", Type.SELECT, "Who may see it; required.", choices=tuple(TIKTOK_PRIVACY)),
            Field("TikTok title", Type.TEXT, "Pictures: a headline above the text, 90 characters at most."),
            Field("TikTok comments", Type.CHECKBOX, "Allow comments."),
            Field("TikTok duet", Type.CHECKBOX, "Allow duets."),
            Field("TikTok stitch", Type.CHECKBOX, "Allow stitches."),
            Field("TikTok discloses", Type.SELECTS, "What it promotes.", choices=tuple(TIKTOK_DISCLOSURES)),
            Field("AI generated", Type.CHECKBOX, "Made with AI: labelled so on TikTok and X."),
            Field(
                "Reels tab only", Type.CHECKBOX, "Instagram: keep the reel out of the profile grid's feed."
            ),
            Field("Cover at (s)", Type.NUMBER, "Second of the video that becomes its cover.", precision=1),
            Field("Cover", Type.ATTACHMENTS, "Instagram reels, Facebook videos: the cover."),
            Field(
                "Cover picture", Type.NUMBER, "TikTok: which of the pictures is the cover; empty: the first."
            ),
            Field("TikTok music", Type.CHECKBOX, "Pictures: let TikTok add music."),
            Field(
                "Tagged people",
                Type.LONG_TEXT,
                "Instagram: a line for each, @name 0.5 0.8 (from left, from top); '2: @name 0.5 0.8' for the "
                "second picture.",
            ),
            Field("Poll", Type.LONG_TEXT, "X: two to four answers, a line for each."),
            Field("Poll lasts (h)", Type.NUMBER, "X: hours; empty: 24.", precision=1),
            Field("X replies", Type.SELECT, "Who may reply; empty: everyone.", choices=tuple(X_REPLIES)),
            Field(
                "Thread", Type.LONG_TEXT, "X: what follows the text as further posts, parted by lines of ---."
            ),
            Field("First comment", Type.LONG_TEXT, "Instagram and Facebook: written under the post at once."),
            Field("Facebook title", Type.TEXT, "The title of a video on Facebook."),
            Field(
                "Last modified",
                Type.LAST_MODIFIED,
                "Optional, to be added by hand: 'Last modified time' over the fields above.",
                required=False,
            ),
        ),
    ),
    Table(
        DELIVERIES,
        "What becomes of each post on each account. Schedulo writes here; you write the requests.",
        (
            Field("Delivery", Type.TEXT, "Title and account.", _SCHEDULO),
            Field("Key", Type.TEXT, "Identity of the delivery; do not change.", _SCHEDULO),
            Field("Post", Type.LINKS, "The post.", _SCHEDULO, link=POSTS),
            Field("Account", Type.LINKS, "The account.", _SCHEDULO, link=ACCOUNTS),
            Field("Platform", Type.SELECT, "Where.", _SCHEDULO, choices=tuple(PLATFORMS)),
            Field(
                "State",
                Type.SELECT,
                "Where it stands.",
                _SCHEDULO,
                ALL_STATE_WORDS,
            ),
            Field("Message", Type.LONG_TEXT, "Why, and what to do.", _SCHEDULO),
            Field("Due at", Type.DATETIME, "When it should go out.", _SCHEDULO),
            Field("Accepted at", Type.DATETIME, "When the platform took it.", _SCHEDULO),
            Field("Published at", Type.DATETIME, "When it was out.", _SCHEDULO),
            Field("Lateness (s)", Type.NUMBER, "Accepted at minus due at.", _SCHEDULO, precision=3),
            Field("Post ID", Type.TEXT, "The platform's id of the post.", _SCHEDULO),
            Field("Permalink", Type.URL, "Where it can be seen.", _SCHEDULO),
            Field("Attempts", Type.NUMBER, "How often it was tried.", _SCHEDULO),
            Field("Updated at", Type.DATETIME, "When Schedulo last wrote this row.", _SCHEDULO),
            Field("Retry requested at", Type.DATETIME, "Set it to now to try again."),
            Field("Cancel requested at", Type.DATETIME, "Set it to now to cancel."),
            Field("Take down requested at", Type.DATETIME, "Set it to now to take what is out down again."),
            Field(
                "Edit requested at", Type.DATETIME, "Set it to now to give what is out the post's new text."
            ),
            Field("Resolve as", Type.SELECT, "Where nobody knows: what you saw.", choices=tuple(RESOLUTIONS)),
            Field("Resolve link", Type.URL, "The post, where it is out."),
            Field("Resolve requested at", Type.DATETIME, "Set it to now when the two before are filled."),
            *_POST_NUMBERS,
        ),
    ),
    Table(
        MAINTENANCE,
        "Times in which nothing goes out. May be left out, and may stay empty.",
        (
            Field("Reason", Type.TEXT, "Why, for people who ask why nothing goes out."),
            Field("From", Type.DATETIME, "Nothing goes out from then on."),
            Field("Until", Type.DATETIME, "What was moved goes out then."),
            Field("Where", Type.SELECT, "Fill this or 'Accounts'.", choices=(EVERYTHING, *tuple(PLATFORMS))),
            Field("Accounts", Type.LINKS, "Only there.", link=ACCOUNTS),
            Field(
                "Posts inside",
                Type.SELECT,
                "What becomes of them, where their rows do not say; empty: moved.",
                choices=tuple(IN_MAINTENANCE),
            ),
            Field("Called off", Type.CHECKBOX, "Tick it to end it, before or while it goes on."),
            Field("State", Type.TEXT, "Where it stands.", _SCHEDULO),
            Field("Message", Type.LONG_TEXT, "What becomes of posts, or what is to be mended.", _SCHEDULO),
        ),
        demanded=False,
    ),
)
BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}
COMMANDS: Mapping[str, str] = {
    "retry": "Retry requested at",
    "cancel": "Cancel requested at",
    "take_down": "Take down requested at",
    "edit": "Edit requested at",
    "resolve": "Resolve requested at",
}


def fields_by(table: str, writer: Writer) -> tuple[str, ...]:
    """The names of the fields of `table` that `writer` fills, as far as every base has them."""
    return tuple(
        field.name
        for field in BY_NAME[table].fields
        if field.by is writer and field.required and field.demanded
    )

"""Every error that the Meta stand-ins answer, as data.

Codes and meanings: Meta, "Instagram Platform: error codes", "Graph API: handling errors", "Rate limits", and
the Page reference pages. What is marked "seen" is not on Meta's pages but was reported by people who met it.
The wording is ours; clients should look at the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphError:
    """One error as the Graph API's envelope has it."""

    code: int
    subcode: int | None
    message: str
    type: str = "OAuthException"
    http: int = 400
    transient: bool = False
    title: str | None = None
    """Shown to people (`error_user_title`); the message goes into `error_user_msg` beside it."""
    data: dict[str, Any] | None = None

    def saying(self, message: str) -> GraphError:
        return replace(self, message=message)


# Tokens (all subcodes of 190: Meta, "handling errors").
TOKEN_UNREADABLE = GraphError(190, None, "Invalid OAuth access token: it cannot be parsed")
TOKEN_EXPIRED = GraphError(190, 463, "Error validating access token: the session has expired")
TOKEN_INVALID = GraphError(190, 467, "Error validating access token: the token is no longer valid")

# Requests.
BAD_PATH = GraphError(2500, None, "Unknown path components")
BAD_PARAMETER = GraphError(100, None, "Invalid parameter")
NO_OBJECT = GraphError(
    100, 33, "The object does not exist or cannot be read with this token", type="GraphMethodException"
)
PROOF_MISSING = GraphError(
    100, None, "API calls from the server require an appsecret_proof argument", type="GraphMethodException"
)
PROOF_WRONG = GraphError(
    100, None, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException"
)
BAD_CLIENT_SECRET = GraphError(1, None, "Error validating client secret")
NO_PERMISSION = GraphError(10, None, "(#10) The application may not do this", http=403)
PAGE_PERMISSION = GraphError(200, None, "(#200) A Page permission is missing", http=403)

# Limits.
APP_LIMIT = GraphError(4, None, "(#4) Application request limit reached")
PAGE_LIMIT_USER_TOKEN = GraphError(32, None, "(#32) Page request limit reached")
CUSTOM_LIMIT = GraphError(613, None, "(#613) Calls to this API have exceeded the rate limit")
PAGES_BUC_LIMIT = GraphError(80001, None, "(#80001) Too many calls to this Page")
INSTAGRAM_BUC_LIMIT = GraphError(80002, None, "(#80002) Too many calls to this Instagram account")

# Instagram content publishing (all HTTP 400).
DOWNLOAD_TIMED_OUT = GraphError(-2, 2207003, "It took too long to download the media", title="Timeout")
MEDIA_EXPIRED = GraphError(-2, 2207020, "The media has expired", title="Media expired")
INSTAGRAM_SERVER = GraphError(-1, 2207001, "An Instagram server error")
CONTAINER_FAILED = GraphError(-1, 2207032, "The container could not be created")
UPLOAD_UNKNOWN = GraphError(-1, 2207053, "An unknown upload error")
THUMB_OFFSET = GraphError(1, 2207057, "thumb_offset is not inside the video")
RESTRICTED = GraphError(4, 2207051, "The action is blocked: suspected spam", title="Action blocked", http=403)
QUOTA_REACHED = GraphError(9, 2207042, "The account has published its share of 24 hours", title="Limit")
MEDIA_NOT_FOUND = GraphError(24, 2207006, "The media was not found for this account", title="Not found")
BUILDER_GONE = GraphError(24, 2207008, "The media builder does not exist or has expired", title="Not found")
ACCOUNT_RESTRICTED = GraphError(25, 2207050, "The account is restricted or inactive", title="Restricted")
MEDIA_TYPE = GraphError(100, 2207023, "The media_type is unknown")
CAROUSEL_SIZE = GraphError(100, 2207028, "A carousel has 2 to 10 items")
VIDEO_FORMAT = GraphError(352, 2207026, "The video format is not supported", title="Format")
NOT_FETCHED = GraphError(9004, 2207052, "The media could not be fetched from this URI", title="Download")
NOT_READY = GraphError(9007, 2207027, "Media ID is not available", title="Not ready")
IMAGE_SIZE = GraphError(36000, 2207004, "The image is larger than 8 MiB", title="Too large")
IMAGE_FORMAT = GraphError(36001, 2207005, "The image format is not supported", title="Format")
IMAGE_ASPECT = GraphError(36003, 2207009, "The aspect ratio is not accepted", title="Aspect ratio")
CAPTION_LENGTH = GraphError(36004, 2207010, "The caption is too long", title="Caption")
NOT_DELETABLE = GraphError(100, 2207073, "This kind of media cannot be deleted")  # seen
RANGE_IGNORED = GraphError(-1, 2207077, "The video download failed")  # seen
PROCESSING_REJECTED = GraphError(-1, 2207076, "The video could not be processed")  # seen
LOCATION = GraphError(100, None, "INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID")
PARTNERSHIP = GraphError(100, None, "INSTAGRAM_PLATFORM_API__PERMISSION")
PARTNERSHIP_PARAM = GraphError(100, None, "INSTAGRAM_PLATFORM_API__INVALID_PARAM")
FINISHED_TWICE = GraphError(100, None, "(#100) The upload session was already finished")

# Facebook Pages.
DUPLICATE_POST = GraphError(506, None, "(#506) Duplicate status message", title="Duplicate")
LINK_UNREACHABLE = GraphError(1609005, None, "(#1609005) The link could not be scraped")
FACEBOOK_LINK = GraphError(100, 1609008, "A link to facebook.com cannot be attached")  # seen
TEXT_TOO_LONG = GraphError(100, None, "(#100) Name parameter too long")  # seen
PHOTO_USED = GraphError(100, 1366051, "These photos were already posted")  # seen
PHOTO_FILE = GraphError(100, 1366046, "The photo is too big or of the wrong type")  # seen
PHOTO_FETCH = GraphError(324, 2069019, "(#324) Missing or invalid image file")  # seen
VIDEO_TOO_SMALL = GraphError(382, None, "(#382) The video file is too small")
VIDEO_NOT_FETCHED = GraphError(389, None, "(#389) The video file could not be fetched from file_url")
VIDEO_UPLOAD = GraphError(6000, None, "(#6000) There was a problem with the video file")
VIDEO_OFFSET = GraphError(6001, 1363037, "(#6001) There was a problem uploading the video file")
REEL_ASPECT = GraphError(100, 1363040, "The aspect ratio must be between 16:9 and 9:16")
REEL_RESOLUTION = GraphError(100, 1363127, "The resolution must be at least 540 by 960")
REEL_DURATION = GraphError(100, 1363128, "The duration must be between 3 and 90 seconds")
REEL_FRAME_RATE = GraphError(100, 1363129, "The frame rate must be between 24 and 60")

# Insights.
NO_METRIC = GraphError(3001, 1504028, "(#3001) No metric was given; name one or more")
BAD_METRIC = GraphError(100, None, "(#100) The value must be a valid insights metric")
FEW_VIEWERS = GraphError(10, None, "(#10) Not enough viewers for the media to show insights")
BEFORE_BUSINESS = GraphError(
    100, 2108006, "Invalid parameter", title="Media posted before business account conversion"
)
NOT_CROSSPOSTED = GraphError(-1, 2207086, "Fatal")  # seen

# What a fault with a bare HTTP status means.
BY_STATUS = {
    400: INSTAGRAM_SERVER.saying("An unknown error has occurred"),
    401: TOKEN_UNREADABLE,
    403: NO_PERMISSION,
    404: NO_OBJECT,
    429: APP_LIMIT,
    500: GraphError(2, None, "An unexpected error has occurred. Please retry later", http=500),
    503: GraphError(2, None, "Service temporarily unavailable", http=503, transient=True),
}
UNKNOWN = GraphError(1, None, "An unknown error has occurred")

ALL = [value for value in list(globals().values()) if isinstance(value, GraphError)]


def find(http: int, code: str = "", subcode: str = "") -> GraphError:
    """The error for an order such as 503, 403/10 or 403/4/2207051, with that HTTP status. In place of a
    code stands the name of one here, such as 400/PROOF_WRONG, where the text alone tells it from others."""
    if not code:
        return replace(BY_STATUS.get(http, UNKNOWN), http=http)
    if (named := globals().get(code)) in ALL:
        return replace(named, http=http)
    numbers = int(code), int(subcode) if subcode else None
    known = next((e for e in ALL if (e.code, e.subcode) == numbers), None)
    return replace(known or replace(UNKNOWN, code=numbers[0], subcode=numbers[1]), http=http)

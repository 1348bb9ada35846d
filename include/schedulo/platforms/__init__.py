"""The platforms: no I/O in any of them. `CONVERSATIONS`, `AFTER` for posts that are out, `MEASURES` for
their numbers, and `INQUIRIES` about accounts are all that others need."""

from collections.abc import Mapping

from schedulo.model import Platform
from schedulo.platforms import (
    facebook,
    facebook_after,
    facebook_measure,
    instagram,
    instagram_after,
    instagram_measure,
    tiktok,
    tiktok_after,
    tiktok_measure,
    x,
    x_after,
    x_measure,
)
from schedulo.platforms.after import After
from schedulo.platforms.base import Conversation, Inquiry
from schedulo.platforms.measure import Measure

CONVERSATIONS: Mapping[Platform, Conversation] = {
    Platform.INSTAGRAM: instagram.CONVERSATION,
    Platform.TIKTOK: tiktok.CONVERSATION,
    Platform.X: x.CONVERSATION,
    Platform.FACEBOOK: facebook.CONVERSATION,
}
AFTER: Mapping[Platform, After] = {
    Platform.INSTAGRAM: instagram_after.AFTER,
    Platform.TIKTOK: tiktok_after.AFTER,
    Platform.X: x_after.AFTER,
    Platform.FACEBOOK: facebook_after.AFTER,
}
MEASURES: Mapping[Platform, Measure] = {
    Platform.INSTAGRAM: instagram_measure.MEASURE,
    Platform.TIKTOK: tiktok_measure.MEASURE,
    Platform.X: x_measure.MEASURE,
    Platform.FACEBOOK: facebook_measure.MEASURE,
}
INQUIRIES: Mapping[Platform, Inquiry] = {Platform.TIKTOK: tiktok.INQUIRY}
"""Where a platform can be asked ahead what an account may do."""

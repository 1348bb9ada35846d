"""The platforms: one module each, no I/O in any of them. `CONVERSATIONS` is all that others need."""

from collections.abc import Mapping

from schedulo.model import Platform
from schedulo.platforms import facebook, instagram, tiktok, x
from schedulo.platforms.base import Conversation

CONVERSATIONS: Mapping[Platform, Conversation] = {
    Platform.INSTAGRAM: instagram.CONVERSATION,
    Platform.TIKTOK: tiktok.CONVERSATION,
    Platform.X: x.CONVERSATION,
    Platform.FACEBOOK: facebook.CONVERSATION,
}

"""The platforms: one module each, no I/O in any of them. `CONVERSATIONS` is all that others need."""

from collections.abc import Mapping

from schedulo.model import Platform
from schedulo.platforms import facebook, instagram, tiktok, x
from schedulo.platforms.base import Conversation

CONVERSATIONS: Mapping[Platform, Conversation] = {
    module.CONVERSATION.platform: module.CONVERSATION for module in (instagram, facebook, tiktok, x)
}

"""The public addresses of stored media, signed so that nobody can ask for what they were not given.

A signature covers the file's hash and never expires: platforms fetch when they like, within a day and more
than once, and a request that is sent again must be the same to the byte. Whoever has an address has the file,
so the signature guards against guessing and against asking whether a file exists; a new key ends all
addresses at once. Serving them is the web server's business.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from schedulo.model import Media

MIN_KEY_CHARS = 16

EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/heic": "heic",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mp2t": "ts",
    "video/x-ms-wmv": "wmv",
    "video/x-flv": "flv",
}
"""Some fetchers look at the end of an address before they look at the content type."""

NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{2,4}")


class MediaLinks:
    """Makes and checks addresses: `{base_url}/{signature}/{sha256}.{extension}`.

    `base_url` is None (or empty) where media have no public address. Raises ValueError for a base that is no
    http(s) URL, and for a key too short to protect anything.
    """

    def __init__(self, base_url: str | None, key: str) -> None:
        self._base = (base_url or "").rstrip("/")
        self._key = key.encode()
        if self._base and not re.match(r"https?://[^/?#]+[^?#]*$", self._base):
            raise ValueError(
                "SCHEDULO_MEDIA_BASE_URL must be an http(s) address without a query. The operator sets it."
            )
        if self._base and len(key) < MIN_KEY_CHARS:
            raise ValueError(
                f"SCHEDULO_MEDIA_KEY must have at least {MIN_KEY_CHARS} characters, because it signs the "
                "addresses of media. The operator sets it."
            )

    def url(self, media: Media) -> str | None:
        """The public address of a stored file; None where there is no base address."""
        if not self._base:
            return None
        return f"{self._base}/{self._sign(media.sha256)}/{self.name(media)}"

    @staticmethod
    def name(media: Media) -> str:
        """The last part of a file's address."""
        return f"{media.sha256}.{EXTENSIONS[media.content_type]}"

    def verify(self, signature: str, name: str) -> str | None:
        """The sha256 that an address with this signature and name asks for; None for a forged one."""
        match = NAME.fullmatch(name)
        if match is None or not self._base:
            return None
        # Compared as bytes: compare_digest refuses text outside ASCII with an exception.
        genuine = hmac.compare_digest(self._sign(match.group(1)).encode(), signature.encode())
        return match.group(1) if genuine else None

    def _sign(self, sha256: str) -> str:
        return hmac.new(self._key, sha256.encode(), hashlib.sha256).hexdigest()

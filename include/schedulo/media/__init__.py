"""Media of posts: what a file really is, where it is kept, how it is fetched, and its public address."""

from schedulo.media.fetch import FetchError, fetch
from schedulo.media.links import MediaLinks
from schedulo.media.probe import MediaError, Probed, probe
from schedulo.media.store import MediaStore, MissingMedia, SliceReader

__all__ = [
    "FetchError",
    "MediaError",
    "MediaLinks",
    "MediaStore",
    "MissingMedia",
    "Probed",
    "SliceReader",
    "fetch",
    "probe",
]

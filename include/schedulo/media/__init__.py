"""Media of posts: what a file really is, where it is kept, how it is fetched, and its public address."""

from schedulo.media.convert import ConversionError, Limits, convert
from schedulo.media.fetch import FetchError, fetch
from schedulo.media.links import MediaLinks
from schedulo.media.look import look_apart
from schedulo.media.probe import MediaError, Probed, probe
from schedulo.media.recipe import Recipe, recipe_for
from schedulo.media.store import MediaStore, MissingMedia, SliceReader

__all__ = [
    "ConversionError",
    "FetchError",
    "Limits",
    "MediaError",
    "MediaLinks",
    "MediaStore",
    "MissingMedia",
    "Probed",
    "Recipe",
    "SliceReader",
    "convert",
    "fetch",
    "look_apart",
    "probe",
    "recipe_for",
]

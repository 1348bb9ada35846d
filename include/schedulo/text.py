"""How the platforms count a text: X's weighted length, UTF-16 units, hashtags, mentions.

Counting only. How many a platform allows is `text_rules`; fitting a text is `planning.text`.

X's rule is configuration 3 of twitter-text (config/v3.json) and the page "Counting characters": the text is
NFC-normalised, a link counts 23 whatever its length, an emoji counts 2 however many code points it has, every
other code point counts 1 or 2 by its range. Where published implementations disagree, the higher count is
taken: a text that we let pass must never be refused for its length.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from schedulo.tlds import TOP_LEVEL_DOMAINS

X_MAX_WEIGHTED_LENGTH = 280
X_URL_LENGTH = 23
X_INVALID_CHARACTERS = "\ufffe\ufeff\uffff"

_EMOJI_WEIGHT = 2
_LIGHT_RANGES = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Code points that count 1; all others count 2 (config/v3.json)."""


@dataclass(frozen=True, slots=True)
class Url:
    """A link that X will replace by a t.co address; `start` and `end` are code point indices."""

    start: int
    end: int
    certain: bool
    """False where implementations disagree whether this is a link."""
    unsure_until: int = 0
    """Where they disagree on the link's end: they may cut an emoji in two up to here."""


# --- links ---

_SPACES = r"\x09-\x0d\x20\x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_MARKS = r"\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
_LETTER = rf"[^!'#%&()*+,\\\-./:;<=>?@\[\]^_{{|}}~${_SPACES}{_MARKS}{X_INVALID_CHARACTERS}]"
_LATIN = (
    r"\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b\u02bb"
    r"\u0300-\u036f\u1e00-\u1eff"
)
_CYRILLIC = r"\u0400-\u04ff"


def _one_of(names: frozenset[str]) -> str:
    """Alternatives, longest first, sorted under their first letter: a plain list is tried name by name."""
    by_letter: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: (-len(name), name)):
        by_letter.setdefault(name[0], []).append(name[1:])
    return "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in sorted(by_letter.items()))


# (?a:...): of letters that are not ASCII none has an ASCII one as its other case (ı and İ, ſ).
_PLAIN_TLDS = frozenset(filter(str.isascii, TOP_LEVEL_DOMAINS))
_ANY_TLD = rf"(?:(?a:{_one_of(_PLAIN_TLDS)})|{_one_of(TOP_LEVEL_DOMAINS - _PLAIN_TLDS)})"
_TLD = rf"(?:{_ANY_TLD}(?=(?a:[^0-9a-zA-Z@+-])|$)|(?a:xn--[-0-9a-z]+))"
_SOME_TLD = re.compile(rf"\.{_TLD}", re.IGNORECASE)
# DNS knows labels of 63 characters; names of 40 labels do not occur. A name beyond these bounds is counted as
# text, and is longer than a link; without bounds the search would take quadratic time.
_MOST_LABELS = 40
_LABEL = rf"(?:{_LETTER}(?:[_-]|{_LETTER}){{0,300}})?{_LETTER}\."
_NAME = rf"(?:{_LETTER}(?:-|{_LETTER}){{0,300}})?{_LETTER}\."
_PATH_CHARACTER = rf"[a-z0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_CYRILLIC}{_LATIN}]"
_PARENS = rf"\((?:{_PATH_CHARACTER}+|{_PATH_CHARACTER}*\({_PATH_CHARACTER}+\){_PATH_CHARACTER}*)\)"
_PATH_END = rf"(?:[+\-a-z0-9=_#/{_CYRILLIC}{_LATIN}]|{_PARENS})"
_PATH = rf"(?:{_PATH_CHARACTER}*(?:{_PARENS}{_PATH_CHARACTER}*)*{_PATH_END}|@{_PATH_CHARACTER}+/)"
_QUERY = r"(?a:\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/])"

_URL = re.compile(
    rf"(?:(?P<before>(?a:[^A-Za-z0-9@＠$#＃{X_INVALID_CHARACTERS}])|[{_MARKS}])|^)"
    rf"(?P<url>(?P<scheme>(?a:https?://))?(?P<domain>(?:{_LABEL}){{0,{_MOST_LABELS}}}{_NAME}{_TLD})"
    rf"(?::[0-9]+)?(?P<path>/{_PATH}*)?(?:{_QUERY})?)",
    re.IGNORECASE,
)
_ASCII_DOMAIN = re.compile(rf"(?:[-a-z0-9{_LATIN}]+\.)+{_TLD}", re.IGNORECASE)
_SHORT_LINK = re.compile(rf"(?a:https?://t\.co/(?P<slug>[a-z0-9]+))(?:{_QUERY})?", re.IGNORECASE)
_SHORT_LINK_SLUG_LENGTH = 40
_LONGEST_URL = 4096


def _resolves(domain: str, url_length: int) -> bool:
    """Whether the name can be written in DNS, and the address is not too long for a link."""
    try:
        ascii_length = len(domain.encode("idna"))
    except UnicodeError:
        return False
    return ascii_length > 0 and url_length + ascii_length - len(domain) <= _LONGEST_URL


def urls(text: str) -> list[Url]:
    """The links that X sees in `text`, in order; give it NFC-normalised text.

    A link is `http(s)://` and a domain, or a bare domain of Latin letters (`a.co`, `README.md`). A bare name
    that follows `-`, `_`, `.` or `/`, or a handle's or tag's sign, is none.
    """
    found: list[Url] = []
    if "." not in text or not _SOME_TLD.search(text):
        return found
    for match in _URL.finditer(text):
        domain = match["domain"]
        scheme_length = 0 if match["scheme"] else len("https://")
        certain = _resolves(domain, scheme_length + len(match["url"]))
        start, end = match.span("url")
        if match["scheme"]:
            short = _SHORT_LINK.match(match["url"])
            if short and len(short["slug"]) > _SHORT_LINK_SLUG_LENGTH:
                continue
            found.append(Url(start, start + short.end() if short else end, certain))
            continue
        if match["before"] and match["before"] in "-_./":
            continue
        word_start = max(text.rfind(" ", 0, start), text.rfind("\n", 0, start)) + 1
        word_end = text.find(" ", end)
        if text.count(".", word_start, word_end if word_end >= 0 else len(text)) > _MOST_LABELS:
            certain = False  # perhaps a piece of an endless name
        names = list(_ASCII_DOMAIN.finditer(domain))
        for name in names:
            # Where other script follows the last Latin name, implementations disagree on the link's end.
            last = match["path"] and name.end() == len(domain)
            name_end = end if last else start + name.end()
            unsure_until = end if match["path"] and name is names[-1] else 0
            found.append(Url(start + name.start(), name_end, certain, unsure_until))
    return found


# --- emoji ---

_JOIN = "\u200d"
_COLOUR = "\ufe0f"
"""Variation selector 16: show as emoji."""
_SKIN = "[\U0001f3fb-\U0001f3ff]"

# Emoji with text as their default look: the ones that U+FE0F may follow (UTS #51, emoji-variation-sequences).
_TEXT_LOOK = (
    "©®‼⁉™ℹ↔-↙↩↪⌨⏏⏭-⏯⏱⏲⏸-⏺Ⓜ▪▫▶◀◻◼☀-☄☎☑☘☝☠☢☣☦☪☮☯☸-☺♀♂♟♠♣♥♦♨♻♾⚒⚔-⚗⚙⚛⚜⚠⚧⚰⚱⛈⛏⛑⛓⛩⛰⛱⛴⛷-⛹✂✈✉✌✍✏✒✔✖✝✡✳✴❄❇❣❤"
    "➡⤴⤵⬅-⬇〰〽㊗㊙🅰🅱🅾🅿🈂🈷🌡🌤-🌬🌶🍽🎖🎗🎙-🎛🎞🎟🏋-🏎🏔-🏟🏳🏵🏷🐿👁📽🕉🕊🕯🕰🕳-🕹🖇🖊-🖍🖐🖥🖨🖱🖲🖼🗂-🗄🗑-🗓🗜-🗞🗡🗣🗨"
    "🗯🗳🗺🛋🛍-🛏🛠-🛥🛩🛰🛳"
)
# Emoji_Modifier_Base (UTS #51, emoji-data), Unicode 18.
_SKINNABLE = (
    "☝⛹✊-✍🎅🏂-🏄🏇🏊-🏌👂👃👆-👐👦-👨👩👫-👮👰-👸👼💁-💃💅-💇💏💑💪🕴🕵🕺🖐🖕🖖🙅-🙇🙋-🙏🚣🚴-🚶🛀🛌🤌🤏🤘-🤟🤦🤰-🤹🤼-🤾🥷🦵🦶🦸"
    "🦹🦻🧍-🧏🧑-🧝🫃-🫅🫰-🫺👯"
)
_GENDERED = "⛹🏃🏄🏊-🏌👮👯👰👱👳👷💁💂💆💇🕵🙅-🙇🙋🙍🙎🚣🚴-🚶🤦🤵🤷-🤹🤼-🤾🦸🦹🧍-🧏🧔🧖-🧟"
_ROLES = "⚕⚖✈🌾🍳🍼🎄🎓🎤🎨🏫🏭💻💼🔧🔬🚀🚒🦯-🦳🦼🦽🩰"
_PAIRS = "🏳🌈 🏳⚧ 🏴☠ 🐈⬛ 🐕🦺 🐦⬛ 🐦🔥 🐻❄ 👁🗨 😮💨 😵💫 😶🌫 ❤🔥 ❤🩹 🍄🟫 🍋🟩 ⛓💥 🙂↔ 🙂↕"
"""Two emoji joined into one (emoji-zwj-sequences, Unicode 17)."""
_REGIONS = (
    "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
    "BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ "
    "EA EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ "
    "LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY "
    "MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU "
    "RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN "
    "TO TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
_SUBDIVISIONS = ("gbeng", "gbsct", "gbwls")


def _flag(region: str) -> str:
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in region)


def _emoji_sequences() -> re.Pattern[str]:
    """All emoji of more than one code point, longest kinds first."""
    maybe_skin, colour = f"{_SKIN}?", f"{_COLOUR}?"
    adult = f"[👨👩🧑]{maybe_skin}"
    heart = f"{_JOIN}❤{colour}{_JOIN}(?:💋{_JOIN})?"
    facing = f"(?:{_JOIN}➡{colour})?"
    couples = (
        f"👩{maybe_skin}(?:{heart}|{_JOIN}🤝{_JOIN})[👨👩]{maybe_skin}",
        f"👨{maybe_skin}(?:{heart}|{_JOIN}🤝{_JOIN})👨{maybe_skin}",
        f"🧑{maybe_skin}(?:{heart}|{_JOIN}[🤝🐰🫯]{_JOIN})🧑{maybe_skin}",
        f"[👨👩]{_SKIN}{_JOIN}[🐰🫯]{_JOIN}[👨👩]{_SKIN}",
        f"🫱{_SKIN}{_JOIN}🫲{_SKIN}",
    )
    families = (
        f"(?:👨{_JOIN}[👨👩]{_JOIN}|👩{_JOIN}(?:👩{_JOIN})?|👨{_JOIN})(?:👧{_JOIN}[👦👧]|👦{_JOIN}👦|[👦👧])",
        f"🧑(?:{_JOIN}🧑)?(?:{_JOIN}🧒){{1,2}}",
    )
    people = (
        f"{adult}{_JOIN}[{_ROLES}]{colour}{facing}",
        f"[{_GENDERED}](?:{_SKIN}|{_COLOUR})?{_JOIN}[♀♂]{colour}{facing}",
        f"[🚶🏃🧎]{maybe_skin}{_JOIN}➡{colour}",
    )
    pairs = tuple(f"{pair[0]}{colour}{_JOIN}{pair[1]}{colour}" for pair in _PAIRS.split())
    tags = (
        "🏴(?:"
        + "|".join("".join(chr(0xE0000 + ord(c)) for c in name) for name in _SUBDIVISIONS)
        + ")\U000e007f",
    )
    flags = ("(?:" + "|".join(map(_flag, _REGIONS.split())) + ")",)
    simple = (f"[0-9#*]{colour}\u20e3", f"[{_SKINNABLE}]{_SKIN}", f"[{_TEXT_LOOK}]{_COLOUR}")
    return re.compile("|".join((*couples, *families, *people, *pairs, *tags, *flags, *simple)))


_EMOJI = _emoji_sequences()
_HEAVY_AS_EMOJI = frozenset("©®")
"""Light by range, 2 as emoji; implementations disagree."""


# --- counts ---

_AMBIGUOUS_CASE = str.maketrans({"ı": "i", "İ": "I", "ſ": "s"})
"""To some implementations these are the ASCII letters, so that a link ends elsewhere."""


def _weight(character: str) -> int:
    code = ord(character)
    if code <= _LIGHT_RANGES[0][1]:
        return 2 if character in _HEAVY_AS_EMOJI else 1
    return 1 if any(first <= code <= last for first, last in _LIGHT_RANGES[1:]) else 2


def _weight_of(text: str) -> int:
    if text.isascii():
        return len(text)
    weight, at = 0, 0
    for emoji in _EMOJI.finditer(text):
        weight += sum(map(_weight, text[at : emoji.start()])) + _EMOJI_WEIGHT
        at = emoji.end()
    return weight + sum(map(_weight, text[at:]))


def x_weighted_length(text: str) -> int:
    """What X counts for `text`; 280 is the most for a plain account (twitter-text, config/v3.json)."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    length = _length(text)
    if (other := text.translate(_AMBIGUOUS_CASE)) != text:
        return max(length, _length(other))
    return length


def _length(text: str) -> int:
    weight, at = 0, 0
    for url in urls(text):
        inside = X_URL_LENGTH if url.certain else max(X_URL_LENGTH, _weight_of(text[url.start : url.end]))
        weight += _weight_of(text[at : url.start]) + inside
        at = max(url.end, url.unsure_until)
        weight += sum(map(_weight, text[url.end : at]))
    return weight + _weight_of(text[at:])


def x_is_valid(text: str) -> bool:
    """Whether X takes `text` from a plain account: not empty, not too long, no forbidden character."""
    return (
        not any(c in text for c in X_INVALID_CHARACTERS)
        and 0 < x_weighted_length(text) <= X_MAX_WEIGHTED_LENGTH
    )


def utf16_length(text: str) -> int:
    """UTF-16 code units, the unit of TikTok's and Instagram's limits: most emoji have two or more."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


_HASHTAG = re.compile(r"(?<![\w&/])[#＃](?=\w*[^\W\d_])(\w+)")
_MENTION = re.compile(r"(?<![\w.@＠/])[@＠]([A-Za-z0-9_](?:[A-Za-z0-9_.]*[A-Za-z0-9_])?)")


def hashtags(text: str) -> list[str]:
    """The hashtags in order, without their sign, repeats included; a tag needs at least one letter."""
    return _HASHTAG.findall(text)


def mentions(text: str) -> list[str]:
    """The handles named in `text`, in order, without their sign, repeats too; mail addresses are none."""
    return _MENTION.findall(text)

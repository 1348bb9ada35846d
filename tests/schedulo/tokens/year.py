"""A year of logins: accounts on four platforms, posts all year, owners who answer or do not, and processes
that die at every point of a renewal.

The clock is moved hour by hour; the ledger, the platforms' token rules and the requests are the real ones.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import credentials, deliveries
from schedulo.publishing.renewal import Logins
from schedulo.settings import Settings
from schedulo.tokens.taking_in import read, take_in
from schedulo.tokens.watch import look_after
from schedulo.vault import Taken, Tokens, Turn, Vault
from tests.schedulo.tokens.house import APP, DAY, HOUR, KEY, MINUTE, House

KINDS = ("x", "tiktok", "facebook", "instagram by itself", "instagram by a Page")
POINTS = ("before the request", "before it is kept", "before its use")
PLANNED = 3 * DAY
"""Posts are in the ledger so long before they are due."""


class Died(Exception):
    """A process is no more."""


@dataclass
class Deaths:
    """Kills the process at a point of every so many renewals, at all points in turn."""

    every: int
    renewals: int = 0
    where: str = ""
    happened: list[tuple[str, str]] = field(default_factory=list)
    """Which point, and whose renewal."""

    def begin(self) -> None:
        self.renewals += 1
        point = self.renewals // self.every
        self.where = POINTS[point % len(POINTS)] if self.renewals % self.every == 0 else ""

    def at(self, point: str, key: str) -> None:
        if self.where == point:
            self.where = ""
            self.happened.append((point, key))
            raise Died(point)


class MortalVault(Vault):
    def __init__(self, ledger: Ledger, deaths: Deaths) -> None:
        super().__init__(ledger, KEY)
        self.deaths = deaths

    def take_turn(self, account_key: str, process: str, seconds: float, refused: str | None) -> Taken:
        taken = super().take_turn(account_key, process, seconds, refused)
        if taken.turn is Turn.OURS:
            self.deaths.begin()
            self.deaths.at("before the request", account_key)
        return taken

    def keep_renewed(self, *args: Any) -> bool:
        self.deaths.at("before it is kept", args[2])
        return super().keep_renewed(*args)


class MortalTokens(Tokens):
    def forget(self, account_key: str) -> None:
        assert isinstance(self.vault, MortalVault)
        self.vault.deaths.at("before its use", account_key)
        super().forget(account_key)


@dataclass
class Person:
    """An account and who looks after it."""

    key: str
    kind: str
    answers: bool
    """They connect it again when they are warned; else only some days after it was held."""
    next_post_s: float
    post: str = ""
    logins: int = 1
    revoked_s: float | None = None
    held_s: float | None = None


@dataclass
class Post:
    key: str
    due_s: float
    how: str
    """usable, held, or dead: the token would have been refused."""
    revoked_s: float | None


class Year:
    """Plays it; afterwards the lists say what happened."""

    def __init__(self, house: House, accounts: int, post_every_days: float, die_every: int) -> None:
        self.random = random.Random(7)
        self.deaths = Deaths(die_every)
        house.vault = MortalVault(house.ledger, self.deaths)
        house.settings = Settings()
        self.house, self.every_s = house, post_every_days * DAY
        self.posts: list[Post] = []
        self.presented: Counter[str] = Counter()
        """Every refresh token that a platform was shown."""
        self.connected: Counter[str] = Counter()
        self.cut_off: set[tuple[str, int]] = set()
        """Renewals that a death cut off: whose, and of which of its logins."""
        self._watch_refreshes()
        self.people = {person.key: person for person in (self._person(number) for number in range(accounts))}
        self._connect(list(self.people.values()))

    # --- what there is ---

    def _person(self, number: int) -> Person:
        kind = KINDS[number % len(KINDS)]
        key = f"{kind.partition(' ')[0]}:{1000 + number}"
        login = {"instagram by itself": "instagram_login", "instagram by a Page": "facebook_login"}.get(kind)
        self.house.row(*key.split(":"), None, login or "")
        return Person(key, kind, self.random.random() < 0.8, self._next(self.house.now_s))

    def _next(self, after_s: float) -> float:
        return after_s + self.every_s * self.random.uniform(0.3, 1.7)

    def _connect(self, people: list[Person]) -> None:
        """They log in at the platform and bring what they got."""
        seed: dict[str, Any] = {"x": {"accounts": []}, "tiktok": {"accounts": []}}
        seed |= {"facebook": {"pages": []}, "instagram": {"accounts": []}}
        given: dict[str, Any] = {}
        now_s = self.house.now_s
        for person in people:
            platform, _, id_ = person.key.partition(":")
            token = f"{id_}-{person.logins}"
            row: dict[str, Any] = {"account_id": id_, "username": f"user{id_}", "token": token}
            given[person.key] = {"access_token": token}
            match person.kind:
                case "x" | "tiktok":
                    row |= {"refresh_token": f"refresh-{token}", "token_expires_at": now_s + 7200}
                    given[person.key] |= {"refresh_token": f"refresh-{token}", "expires_in": 7200}
                    if person.kind == "tiktok":
                        given[person.key]["refresh_expires_in"] = 180 * DAY
                case "facebook":
                    row = {"page_id": id_, "name": f"user{id_}", "page_token": token}
                case "instagram by itself":
                    row |= {"flavour": "instagram_login", "token_issued_at": now_s}
                case _:
                    row |= {"flavour": "facebook_login", "token_issued_at": now_s}
            seed[platform]["pages" if platform == "facebook" else "accounts"].append(row)
            person.logins += 1
            person.revoked_s = person.held_s = None
            self.connected[person.key] += 1
        self.house.sandbox.seed(seed)
        outcomes = asyncio.run(take_in(self.house.means(), read(given, int(now_s * 1000)), "owner"))
        assert [outcome.sentence for outcome in outcomes if not outcome.kept] == []

    def _watch_refreshes(self) -> None:
        services: dict[str, Any] = self.house.sandbox.world.services
        x, tiktok = services["x"].access, services["tiktok"].access
        of_x, of_tiktok = x.refresh, tiktok.token_request

        def refresh(token: str, *args: Any) -> Any:
            self.presented[token] += 1
            return of_x(token, *args)

        def token_request(form: dict[str, str]) -> Any:
            self.presented[form.get("refresh_token", "")] += 1
            return of_tiktok(form)

        x.refresh, tiktok.token_request = refresh, token_request

    # --- what happens ---

    def play(self, days: int) -> None:
        house = self.house
        revocations = sorted(self.random.uniform(5, days - 5) for _ in range(max(3, days // 20)))
        end_s = house.now_s + days * DAY
        start_s = house.now_s
        while house.now_s < end_s:
            self._plan()
            while revocations and house.now_s >= start_s + revocations[0] * DAY:
                revocations.pop(0)
                self._revoke()
            self._run()
            if int(house.now_s // HOUR) % 6 == 0:
                self._people_act()
            self._hour_passes()

    def _plan(self) -> None:
        for person in self.people.values():
            if not person.post and person.next_post_s <= self.house.now_s + PLANNED:
                person.post = self.house.plan(person.key, person.next_post_s - self.house.now_s)

    def _run(self) -> None:
        """An hour's run. Who dies takes down what it was at work on besides; Airflow tries again soon."""
        keys = [wanted.key for wanted in self.house.survey()]
        while keys:
            try:
                asyncio.run(look_after(self.means(), keys, self.house.said.append))
            except Died:
                self.deaths.where = ""
                self.cut_off |= self._open_turns()
                self.house.move(5 * MINUTE)
            else:
                break

    def _open_turns(self) -> set[tuple[str, int]]:
        """Renewals that were begun and not ended: whose, and of which of its logins."""
        with self.house.ledger.read() as connection:
            query = sa.select(credentials.c.account_key).where(credentials.c.refresher != "")
            keys = connection.execute(query).scalars()
            return {(key, self.connected[key]) for key in keys}

    def means(self) -> Any:
        means = self.house.means()
        endpoints = dict.fromkeys(("x", "tiktok", "facebook", "instagram"), APP)
        assert means.logins is not None
        tokens = MortalTokens(self.house.vault, {})
        return replace(means, logins=Logins(tokens, endpoints, means.logins.options))

    def _revoke(self) -> None:
        """An owner throws the app out."""
        person = self.random.choice([one for one in self.people.values() if one.revoked_s is None])
        token = self.house.vault.token(person.key)
        services: dict[str, Any] = self.house.sandbox.world.services
        match person.kind:
            case "x":
                services["x"].access.tokens[token].family.revoked = True
            case "tiktok":
                refresh = self.house.vault.get([person.key])[person.key]["refresh_token"]
                services["tiktok"].access.revoke(token)
                services["tiktok"].access.revoke(refresh)
            case _:
                services["facebook"].store.tokens[token].subcode = 458
        person.revoked_s = self.house.now_s

    def _people_act(self) -> None:
        """Who answers connects again after the warning of three days; who was held does some days later."""
        held = {hold.key for hold in self.house.holds()}
        incidents = self.house.open_incidents()
        warned = {
            key for key in self.people if any(f"login_ends:{key}:{days}" in incidents for days in (3, 1))
        }
        acting = []
        for key in warned | held:
            person = self.people[key]
            if key in held and person.held_s is None:
                person.held_s = self.house.now_s
            late = person.held_s is not None and self.house.now_s - person.held_s >= 5 * DAY
            if late or (key in warned and person.answers):
                acting.append(person)
        if acting:
            self._connect(acting)

    def _hour_passes(self) -> None:
        until_s = (self.house.now_s // HOUR + 1) * HOUR
        due = sorted(
            (person for person in self.people.values() if person.next_post_s < until_s),
            key=lambda person: person.next_post_s,
        )
        held = {hold.key for hold in self.house.holds()} if due else set()
        out = []
        for person in due:
            how = "held" if person.key in held else self._usable(person)
            self.posts.append(Post(person.key, person.next_post_s, how, person.revoked_s))
            out.append(person.post)
            person.post, person.next_post_s = "", self._next(person.next_post_s)
        if out:
            with self.house.ledger.begin() as connection:
                connection.execute(sa.delete(deliveries).where(deliveries.c.id.in_(out)))
        self.house.move(until_s - self.house.now_s)

    def _usable(self, person: Person) -> str:
        """What its platform would say of the token at the post's second."""
        token, at_s = self.house.vault.token(person.key), person.next_post_s
        services: dict[str, Any] = self.house.sandbox.world.services
        if person.kind in ("x", "tiktok"):
            found = services[person.kind].access.tokens.get(token)
            good = found is not None and not (person.kind == "x" and found.family.revoked)
            return "usable" if good and (found.expires_at is None or found.expires_at > at_s) else "dead"
        found = services["facebook"].store.tokens.get(token)
        good = found is not None and found.subcode is None
        return "usable" if good and (not found.expires_at or found.expires_at > at_s) else "dead"

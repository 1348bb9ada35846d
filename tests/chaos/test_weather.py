"""The faults of a chaos run: within the law's assumptions, on every endpoint, gone at the end."""

import random

import pytest

from benchmarks.rig import Sandbox
from chaos.installation import LAW
from chaos.posts import permanent, plan
from chaos.weather import COMMITS, LAG_S, LATE_S, MODES, OWN_MODES, STANDING, Weather
from sandbox.core import FRAME_MODES, SERVICE_MODES
from sandbox.running import RunningSandbox
from schedulo.settings import Settings

POSTS = plan(60, 7, 4)


@pytest.fixture
def weather(sandbox: RunningSandbox) -> Weather:
    return Weather(Sandbox(sandbox.url), random.Random(7), permanent(POSTS), commits_a_period=30)


def test_the_law_holds_and_no_fault_breaks_its_assumptions() -> None:
    settings = Settings.from_env(LAW)
    assert settings.late_s > LATE_S
    assert settings.lag_s > LAG_S


def test_every_mode_of_the_sandbox_is_used_but_the_two_that_are_the_platforms_own_wrong() -> None:
    used = {mode.partition(":")[0] for mode in MODES} | {mode.partition(":")[0] for _, mode in OWN_MODES}
    used |= {str(order["mode"]).partition(":")[0] for order in (*STANDING, *permanent(plan(500, 7, 10)))}
    used.add("read_lag")
    assert set(FRAME_MODES + SERVICE_MODES) - used == {"auto_publish", "drop_child"}


def test_weather_hits_requests_that_publish_and_endpoints_that_were_asked(weather: Weather) -> None:
    weather.sandbox.session.get(f"{weather.sandbox.url}/x/2/users/me", timeout=5)
    weather.change()
    orders = weather.sandbox.control("GET", "faults")
    assert {(one["service"], one["route"]) for one in orders} & set(COMMITS)
    assert {one["service"] for one in orders if one["mode"].startswith("read_lag")} >= {"x", "tiktok"}


def test_when_it_is_over_only_what_dooms_posts_is_left(weather: Weather) -> None:
    weather.change()
    weather.clear()
    left = weather.sandbox.control("GET", "faults")
    assert all(order["account_id"] and order["times"] == -1 for order in left)
    assert len(left) == len(permanent(POSTS))


def test_faults_are_counted_when_they_hit(weather: Weather) -> None:
    weather.slow_commits(0)
    assert weather.fired == 0
    weather.sandbox.session.post(f"{weather.sandbox.url}/x/2/tweets", json={"text": "hello"}, timeout=5)
    weather.clear()
    assert weather.fired == 1


def test_the_same_seed_makes_the_same_weather(sandbox: RunningSandbox) -> None:
    drawn = []
    for _ in range(2):
        weather = Weather(Sandbox(sandbox.url), random.Random(7), (), commits_a_period=30)
        weather.change()
        drawn.append(weather.sandbox.control("GET", "faults"))
    assert drawn[0] == drawn[1]

"""The settings: read once, checked at start."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedulo.model import Platform
from schedulo.settings import Settings, SettingsError

SECONDS = st.floats(0.01, 1000)


def test_the_defaults_keep_the_law() -> None:
    ours = Settings()
    assert ours.quiet_s > ours.window_s + ours.kernel_s + ours.late_s + ours.lag_s


@given(SECONDS, SECONDS, SECONDS, SECONDS, SECONDS)
def test_absence_is_never_concluded_while_a_request_may_still_be_done(
    window: float, kernel: float, late: float, lag: float, quiet: float
) -> None:
    values = {"window_s": window, "kernel_s": kernel, "late_s": late, "lag_s": lag, "quiet_s": quiet}
    if quiet > window + kernel + late + lag:
        Settings(**values, fence_lead_s=0.001)
    else:
        with pytest.raises(SettingsError, match="SCHEDULO_QUIET_S"):
            Settings(**values, fence_lead_s=0.001)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quiet_s", 255.0),
        ("horizon_s", 59.0),
        ("crowd_horizon_s", 781.0),
        ("fence_lead_s", 5.0),
        ("window_s", 60.0),
        ("late_s", 166.0),
        ("fit", "stretch"),
        ("convert_s", 0.5),
        ("convert_memory_mb", 255),
        ("convert_threads", 0),
        ("x_videos", "newest"),
        ("facebook_photo_mb", 11),
        ("analytics_days", 0),
        ("analytics_still_days", 0),
        ("analytics_parallel", 0),
        ("analytics_share", 1.5),
        ("analytics_platforms", "x, myspace"),
        ("analytics_young", "24h"),
        ("analytics_young", "24h:1h, 7d:6 hours"),
        ("analytics_young", "24h:5m"),
        ("analytics_young", "1h:2h"),
        ("analytics_young", "7d:6h, 24h:1h"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_named_with_who_can_mend_it(name: str, value: float | str) -> None:
    with pytest.raises(SettingsError, match=r"SCHEDULO_[A-Z_]+ is"):
        replace(Settings(), **{name: value})


def test_the_environment_is_read_by_name_and_kind() -> None:
    env = {
        "SCHEDULO_WINDOW_S": "2.5",
        "SCHEDULO_MAX_CLAIMS": "7",
        "SCHEDULO_FACEBOOK_TWO_PHASE": "No",
        "SCHEDULO_LEDGER_URL": "sqlite:////tmp/x",
        "SCHEDULO_SOMETHING_ELSE": "ignored",
        "WINDOW_S": "9",
    }
    ours = Settings.from_env(env)
    assert (ours.window_s, ours.max_claims, ours.facebook_two_phase) == (2.5, 7, False)
    assert ours.ledger == "sqlite:////tmp/x"


@pytest.mark.parametrize(
    ("name", "value"), [("WINDOW_S", "soon"), ("MAX_CLAIMS", "1.5"), ("FACEBOOK_TWO_PHASE", "perhaps")]
)
def test_a_value_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"SCHEDULO_{name} is '{value}'"):
        Settings.from_env({f"SCHEDULO_{name}": value})


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_number_that_is_no_length_of_time_is_refused(value: str) -> None:
    for name in ("WINDOW_S", "KERNEL_S", "LATE_S", "LAG_S", "QUIET_S", "BEAT_S", "HOLDER_SILENT_S"):
        with pytest.raises(SettingsError, match=f"SCHEDULO_{name} is"):
            Settings.from_env({f"SCHEDULO_{name}": value})


def test_every_setting_has_a_kind_that_can_be_read() -> None:
    assert {str(item.type) for item in fields(Settings)} <= {"str", "int", "float", "bool"}


def test_without_settings_everything_is_in_one_folder() -> None:
    ours = Settings(home="/somewhere")
    assert ours.ledger == "sqlite:////somewhere/ledger.db"
    assert str(ours.media) == "/somewhere/media"


def test_how_often_young_posts_are_read_is_given_in_bands_of_age() -> None:
    hour_ms = 3_600_000
    bands = [(band.until_ms, band.every_ms) for band in Settings().young_bands]
    assert bands == [(24 * hour_ms, hour_ms), (7 * 24 * hour_ms, 6 * hour_ms)]
    assert replace(Settings(), analytics_young=" ").young_bands == ()


def test_the_platforms_whose_numbers_are_read_are_a_choice() -> None:
    assert Settings().measured_platforms == set(Platform)
    assert replace(Settings(), analytics_platforms="tiktok,x").measured_platforms == {"tiktok", "x"}


def test_history_of_health_is_kept_for_a_day_at_least() -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_HEALTH_DAYS is 0"):
        Settings(health_days=0)


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "vault_key"
    secret.write_text("key, as an editor leaves it\n")
    read = Settings.from_env({"SCHEDULO_VAULT_KEY_FILE": str(secret), "SCHEDULO_VAULT_KEY": ""})
    assert read.vault_key == "key, as an editor leaves it"
    assert Settings.from_env({"SCHEDULO_VAULT_KEY_FILE": ""}) == Settings()


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "vault_key"
    secret.write_text("hush-one")
    both = {"SCHEDULO_VAULT_KEY_FILE": str(secret), "SCHEDULO_VAULT_KEY": "hush-two"}
    with pytest.raises(SettingsError, match="SCHEDULO_VAULT_KEY_FILE are both") as refused:
        Settings.from_env(both)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "vault_key"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(SettingsError, match=r"SCHEDULO_VAULT_KEY_FILE is .*vault_key"):
        Settings.from_env({"SCHEDULO_VAULT_KEY_FILE": str(secret)})


def test_a_platform_may_have_its_own_lateness() -> None:
    chosen = Settings(sla_platforms="tiktok:300, x:0.5")
    assert [chosen.sla_of(name) for name in ("tiktok", "x", "facebook")] == [300.0, 0.5, 60.0]


@pytest.mark.parametrize("wrong", ["tiktok", "tiktok:", "tiktok:soon", "bluesky:60", "x:-1", "x:nan"])
def test_a_lateness_that_cannot_be_read_is_named(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"SCHEDULO_SLA_PLATFORMS is .* must be a platform"):
        Settings(sla_platforms=wrong)


def test_a_watch_without_a_pause_is_refused() -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_WATCH_S is 0"):
        Settings(watch_s=0)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sandbox:8090",
        "http://sandbox:8090/",
        "http://user@sandbox:8090",
        "https://graph.facebook.com",
        "https://api.x.com",
        "https://open.tiktokapis.com",
        "https://graph.instagram.com:443",
    ],
)
def test_the_mode_sandbox_needs_the_address_of_a_sandbox(url: str) -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_SANDBOX_URL"):
        Settings(mode="sandbox", sandbox_url=url)


def test_where_requests_may_go_is_the_modes() -> None:
    assert Settings().origins is None
    assert Settings(mode="nothing").origins == frozenset()
    assert Settings(mode="sandbox", sandbox_url="http://sandbox:8090").origins == {"http://sandbox:8090"}
    with pytest.raises(SettingsError, match="SCHEDULO_MODE"):
        Settings(mode="test")

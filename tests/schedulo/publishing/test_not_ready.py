"""Posts that lack their media, in a ledger that was restored: what is in doubt is looked for, not sent."""

from __future__ import annotations

import time

from schedulo.delivery import restored
from schedulo.model import Content, Format, Media, MediaKind
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import Stage

STAND_IN = Media("", MediaKind.IMAGE, "image/jpeg", 1, filename="photo.jpg")
WAITS = "its media are not here yet: photo.jpg"


def test_what_was_not_out_waits_for_its_media_after_it_was_looked_for(stage: Stage) -> None:
    stage.seed_x("1")
    content = Content(Format.IMAGE, "look", (STAND_IN,))
    id_ = stage.plan("look", due_in_s=-1, content=content, ready=False, reason=WAITS)
    now_ms = int(time.time() * 1000)
    with stage.ledger.begin() as connection:
        restored.begin(connection, now_ms, now_ms - 60_000, "a test")
        assert restored.doubt(connection, now_ms) == 1
    publisher = stage.publisher()
    for number in range(20):
        for index, _ in enumerate(stage.tick(f"run-{number}")):
            publisher.work_on(f"run-{number}", index, f"ti-{number}-{index}").result(30)
        if stage.row(id_).state != "unknown":
            break
        time.sleep(0.3)
    assert stage.row(id_).state == "scheduled", stage.story(id_)
    assert "media are not here" in stage.row(id_).reason
    assert stage.sandbox.posts() == []
    picture = stage.file(jpeg(540, 540))
    stage.change(id_, ready=True, content=Content(Format.IMAGE, "look", (picture,)).to_json())
    [_] = stage.tick("run-last")
    publisher.work_on("run-last", 0, "ti-last").result(30)
    assert [post["text"] for post in stage.sandbox.posts()] == ["look"]

"""Roll-outs from the console, of a server on this machine: the plan, doing it, drift, taking it back."""

from __future__ import annotations

import asyncio
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from coexist.app.changes import Who
from coexist.app.rollout_desk import RolloutDesk
from coexist.app.rollouts import Way, records_of
from coexist.console.users import Users
from coexist.errors import CoexistError
from coexist.rollout.local import LocalConnection
from tests.unit.console.consoles import Console, Told

DEPLOY = '{{host: localhost, paths: {{"*": {etc}}}, check: "true", reload: "{reload}", status: "true"}}'


def deployed(console: Console, reload: str = "true") -> Path:
    """The file that is rolled out, of a server on this machine."""
    etc = console.folder / "etc"
    site = console.folder / "site.yaml"
    text = site.read_text(encoding="utf-8")
    etc.mkdir(exist_ok=True)
    changed = text.replace(
        "answers: {only: thin}", "answers: {only: thin}, deploy: " + DEPLOY.format(etc=etc, reload=reload)
    )
    assert changed != text
    site.write_text(changed + "architectures: {bios: ipxe}\n", encoding="utf-8")
    return etc / "coexist.yaml"


async def page_when_done(console: Console) -> str:
    """The page once the job has ended; events tell a browser that it changed."""
    async with asyncio.timeout(60):
        async with console.client.get("/events") as events:
            async for _ in events.content:
                text = await (await console.get("/rollout/state")).text()
                if ": under way" not in text:
                    return html.unescape(text)
    raise AssertionError("the events ended")


async def planned(console: Console, **form: str) -> tuple[str, str]:
    """The page with a new plan, and the plan's digest."""
    assert (await console.post("/rollout/plan", **form)).status == 303
    text = await page_when_done(console)
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', text)
    return text, found[1] if found else ""


async def applied(console: Console, digest: str) -> str:
    answer = await console.post("/rollout/apply", digest=digest, read="yes", force="yes")
    assert answer.status == 303
    return await page_when_done(console)


def test_a_plan_is_read_applied_seen_to_drift_and_taken_back(told: Told) -> None:
    async def story(console: Console) -> None:
        file = deployed(console)
        await console.log_in("eve")
        text, digest = await planned(console)
        assert "+++ " + str(file) in text
        assert not file.exists()
        assert (await console.post("/rollout/apply", digest=digest)).status == 400
        assert (await console.post("/rollout/apply", digest="0" * 64, read="yes")).status == 422
        assert not file.exists()
        assert "✓ done" in await applied(console, digest)
        rolled_out = file.read_bytes()
        (record,) = records_of(console.folder)
        assert (record.outcome, record.who) == ("done", "eve (console)")
        text, digest = await planned(console)
        assert digest == ""
        assert '<td data-label="drift"><span class="kept">' in await (await console.get("/servers")).text()
        file.write_bytes(rolled_out + b"# by hand\n")
        text, digest = await planned(console)
        assert "CX601" in text
        assert digest == "", "a server that was changed by hand is not overwritten unasked"
        assert "CX601" in await (await console.get("/servers")).text()
        _, digest = await planned(console, overwrite="yes")
        await applied(console, digest)
        assert file.read_bytes() == rolled_out
        first = records_of(console.folder)[-1]
        assert first.id in await (await console.get("/history")).text()
        assert (await console.post("/rollout/undo", record=first.id, why="too early")).status == 303
        await page_when_done(console)
        assert file.read_bytes() == rolled_out + b"# by hand\n"
        last = records_of(console.folder)[-1]
        assert (last.kind, last.reason, last.who) == ("rollback", "too early", "eve (console)")

    told(story)


def test_a_server_that_refuses_is_shown_and_nothing_is_half(told: Told) -> None:
    async def story(console: Console) -> None:
        file = deployed(console, reload="false")
        await console.log_in("eve")
        _, digest = await planned(console)
        text = await applied(console, digest)
        assert 'role="alert"' in text
        assert not file.exists()
        assert records_of(console.folder)[-1].outcome == "failed"
        assert "failed" in await (await console.get("/history")).text()

    told(story)


def test_only_the_role_rolls_out(told: Told) -> None:
    async def story(console: Console) -> None:
        deployed(console)
        await console.log_in("ada")
        for path in ("plan", "apply", "go-on", "undo"):
            assert (await console.post(f"/rollout/{path}", read="yes")).status == 403
        assert "/rollout/plan" not in await (await console.get("/rollout")).text()

    told(story)


def test_two_jobs_do_not_run_at_once(told: Told) -> None:
    async def story(console: Console) -> None:
        deployed(console)
        going = console.folder / "going"

        def slow(_address: object) -> LocalConnection:
            going.touch()
            while going.exists():
                pass
            return LocalConnection(name="otc")

        desk = RolloutDesk(console.folder, lambda: Way(connect=slow))
        who = Who(name="eve", why="")
        desk.plan(who)
        with pytest.raises(CoexistError):
            desk.plan(who)
        while not going.exists():
            await asyncio.sleep(0)
        going.unlink()
        desk.wait()
        assert desk.looked is not None
        assert not desk.busy
        with pytest.raises(CoexistError):
            desk.go_on(who)

    told(story)


def test_programs_roll_out_as_browsers_do(told: Told) -> None:
    async def story(console: Console) -> None:
        file = deployed(console)
        users = Users(console.folder / "users.json")
        heads = {
            name: {"Authorization": f"Bearer {users.new_token(name, 'script')}"} for name in ("ada", "eve")
        }

        async def post(what: str, name: str = "eve", **body: Any) -> int:
            path = f"/api/v1/rollout/{what}"
            return (await console.client.post(path, json=body, headers=heads[name])).status

        async def ended() -> dict[str, Any]:
            async with asyncio.timeout(60):
                while True:
                    said = await (await console.get("/api/v1/rollout", headers=heads["eve"])).json()
                    if not said["busy"]:
                        return dict(said)

        assert await post("plan", "ada") == 403
        assert await post("apply", digest="0" * 64) == 422
        assert await post("plan") == 202
        said = await ended()
        assert said["plan"]["refused"] is None
        assert f"+++ {file}" in said["plan"]["servers"]["otc"]
        assert await post("apply", digest=said["plan"]["digest"], force=True) == 202
        said = await ended()
        assert said["job"]["failure"] is None
        assert file.exists()
        assert [record["who"] for record in said["records"]] == ["eve (api)"]
        assert await post("undo", record=said["job"]["record"], why="not today") == 202
        await ended()
        assert not file.exists()

    told(story)


def test_a_roll_out_that_was_cut_off_is_gone_on_with(told: Told) -> None:
    async def story(console: Console) -> None:
        file = deployed(console)
        await console.log_in("eve")
        _, digest = await planned(console)
        await applied(console, digest)
        (record,) = records_of(console.folder)
        # As a kill leaves it: the record says that it runs, and the server has its old files.
        path = console.folder / "history" / record.id / "record.json"
        cut = record.model_copy(update={"outcome": "running", "ended": None})
        cut.servers["otc"].state, cut.servers["otc"].version = "untouched", None
        path.write_text(cut.model_dump_json(), encoding="utf-8")
        for each in file.parent.iterdir():
            each.unlink()
        assert "/rollout/go-on" in await (await console.get("/rollout")).text()
        plan = console.folder / "history" / record.id / "plan.json"
        whole = plan.read_text(encoding="utf-8")
        changed = json.loads(whole) | {"seal": "0" * 64}
        plan.write_text(json.dumps(changed), encoding="utf-8")
        assert (await console.post("/rollout/go-on")).status == 303
        assert 'role="alert"' in await page_when_done(console)
        assert not file.exists()
        plan.write_text(whole, encoding="utf-8")
        assert (await console.post("/rollout/go-on")).status == 303
        await page_when_done(console)
        assert file.exists()
        assert [each.outcome for each in records_of(console.folder)] == ["done"]

    told(story)

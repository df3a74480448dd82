"""The migration page over HTTP, and the page of a pilot who has a link and no log-in."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import Any

from coexist.app.changes import Changes
from coexist.app.migration_moves import plan
from coexist.app.migrations import load
from coexist.cli import run
from coexist.console.migration import SAVES
from coexist.console.users import Users
from coexist.report.migration import plan_json
from tests.unit.console.consoles import HOSTILE, Console, Told

MIGRATION = f"""
migrations:
  renewal: {{from: otc, to: new, clients: thin, pilots: thin, checklist: [boots, "{HOSTILE}"]}}
"""
NEW_SERVER = (
    "\n  new: {software: coexist, address: 10.9.0.4, vlan: lan, answers: nobody, programs: {bios: n.0}}"
)


def declared(console: Console) -> None:
    site = console.folder / "site.yaml"
    text = site.read_text(encoding="utf-8").replace("\nservers:", f"\nservers:{NEW_SERVER}")
    site.write_text(text + MIGRATION, encoding="utf-8")


async def link_of(console: Console) -> str:
    answer = await console.post("/migration/link", migration="renewal", machine="")
    found = re.search(r'value="http://[^/"]+(/pilot/[^"]+)"', await answer.text())
    assert found is not None
    return found[1]


def test_a_pilot_fills_in_the_checklist_without_a_session(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in()
        path = await link_of(console)
        assert path not in await (await console.get("/migration")).text(), "it is shown once"
        console.client.session.cookie_jar.clear()
        answer = await console.get(path)
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert HOSTILE not in text
        assert "/matrix" not in text
        form = {
            "result-1": "passed",
            "result-2": "failed",
            "note-2": HOSTILE,
            "name": "Bo",
            "complaint": "hums",
        }
        answer = await console.client.post(path, data={**form, "complaint": "hums"})
        assert answer.status == 200
        sheet = load(console.folder, None).sheet
        assert sorted(entry.result for entry in sheet.last.values()) == ["failed", "passed"]
        assert (await console.get("/migration")).status == 303
        await console.log_in()
        text = await (await console.get("/migration")).text()
        assert HOSTILE not in text
        assert "hums" in text
        assert (await console.post("/migration/settle", migration="renewal", number="1")).status == 303
        assert load(console.folder, None).sheet.complaints[0].settled is not None
        assert (await console.post("/migration/settle", migration="renewal", number="2")).status == 422
        actions = [entry.action for entry in Changes(console.folder).entries()]
        assert actions == ["pilot-link", "checklist", "complaint", "complaint-settled"]
        machine = sheet.machines[0]
        assert (await console.post("/migration/unlink", migration="renewal", machine=machine)).status == 303
        assert (await console.get(path)).status == 404

    told(story)


def test_a_foreign_page_and_a_guess_do_nothing(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in()
        path = await link_of(console)
        form = {"result-1": "passed", "name": "Bo"}
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await console.client.post(path, data=form, headers=headers)
            assert answer.status == 403
        assert not load(console.folder, None).sheet.last
        states = [(await console.get(f"/pilot/guess-{number}")).status for number in range(7)]
        assert states == [404] * 5 + [429] * 2

    told(story)


def test_a_pilot_can_send_so_often_and_no_more(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in()
        path = await link_of(console)
        form = {"result-1": "passed", "name": "Bo"}
        states = [(await console.client.post(path, data=form)).status for _ in range(SAVES + 1)]
        assert states == [200] * SAVES + [429]
        assert len(load(console.folder, None).record.results) == 1

    told(story)


def test_who_may_look_makes_no_link(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in("bob")
        for path in ("link", "unlink", "settle"):
            assert (await console.post(f"/migration/{path}", migration="renewal")).status == 403
        assert "/migration/link" not in await (await console.get("/migration")).text()

    told(story)


def test_every_step_to_come_is_shown_with_its_proofs(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in("bob")
        # As it is, a machine of another architecture would have no server: the step is not safe.
        text = unescape(await (await console.get("/migration/steps?of=renewal")).text())
        (pair,) = plan_json(plan(load(console.folder, None)))["steps"]
        assert pair["forward"]["refused"] in text
        with (console.folder / "site.yaml").open("a", encoding="utf-8") as site:
            site.write("architectures: {bios: ipxe}\n")
        planned = plan_json(plan(load(console.folder, None)))
        answer = await console.get("/migration/steps?of=renewal")
        assert answer.status == 200
        text = unescape(await answer.text())
        assert planned["steps"]
        for pair in planned["steps"]:
            for change in pair["forward"]["changes"]:
                assert f"{change['server']} {change['what']}" in text
                assert change["proof"] in text
        assert (await console.get("/migration/steps?of=other")).status == 422
        state = await (await console.get("/migration/state")).text()
        assert "/migration/steps?of=renewal" in state
        assert "<html" not in state

    told(story)


def test_programs_have_the_migrations_use_cases(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        token = Users(console.folder / "users.json").new_token("ada", "script")
        head = {"Authorization": f"Bearer {token}"}

        async def sent(path: str, **body: object) -> tuple[int, dict[str, Any]]:
            answer = await console.client.post(f"/api/v1/{path}", json=body, headers=head)
            return answer.status, await answer.json()

        planned = await (await console.get("/api/v1/migrations/plan", headers=head)).json()
        assert planned["steps"] == plan_json(plan(load(console.folder, None)))["steps"]
        status, made = await sent("pilot-links", migration="renewal")
        assert status == 201
        ((machine, path),) = made["links"].items()
        assert (await console.get(path)).status == 200
        assert (await sent("pilot-links", migration="renewal", machines=["nobody's"]))[0] == 422
        assert (await sent("pilot-links/ended", migration="renewal", machine=machine))[0] == 201
        assert (await console.get(path)).status == 404
        assert await sent("complaints", migration="renewal", note="hums") == (
            201,
            {"version": 1, "number": 1},
        )
        assert (await sent("complaints", migration="renewal", note="hums", machine="nobody's"))[0] == 422
        assert (await sent("complaints/settled", migration="renewal", number=1))[0] == 201
        assert (await sent("complaints/settled", migration="renewal", number=2))[0] == 422
        answer = await console.get("/api/v1/migrations", headers=head)
        (migration,) = (await answer.json())["migrations"]
        (complaint,) = migration["checklist"]["complaints"]
        assert (complaint["number"], complaint["note"], complaint["who"]) == (1, "hums", "ada")
        assert complaint["settled"] is not None
        acts = [(entry.action, entry.via) for entry in Changes(console.folder).entries()]
        assert acts == [
            (action, "api") for action in ("pilot-link", "pilot-link-ended", "complaint", "complaint-settled")
        ]
        head["Authorization"] = f"Bearer {Users(console.folder / 'users.json').new_token('bob', 'script')}"
        status, refused = await sent("complaints", migration="renewal", note="hums")
        assert (status, "register" in refused["error"]) == (403, True)
        assert (await sent("nothing-like-it"))[0] == 404
        head["Authorization"] = "Bearer unknown"
        assert (await sent("complaints", migration="renewal", note="hums"))[0] == 401

    told(story)


def test_whoever_may_roll_out_is_shown_the_command_of_the_next_wave(told: Told) -> None:
    async def story(console: Console) -> None:
        declared(console)
        await console.log_in("ada")
        assert "data-copy" not in await (await console.get("/migration")).text()
        console.client.session.cookie_jar.clear()
        await console.log_in("eve")
        text = await (await console.get("/migration")).text()
        found = re.search(r'class="place" readonly value="(coexist [^"]+)"', text)
        assert found is not None
        words = shlex.split(unescape(found[1]))
        registry = f"otc={console.folder / 'otc.sqlite'}"
        assert words == [
            *("coexist", "migrate", "next", str(console.folder)),
            *("--migration", "renewal", "--registry", registry),
        ]
        # What else is asked in the same words is answered.
        assert run([*words[1:2], "status", *words[3:]]) == 0

    told(story)

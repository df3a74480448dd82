"""The migration page over HTTP, and the page of a pilot who has a link and no log-in."""

from __future__ import annotations

import re

from coexist.app.changes import Changes
from coexist.app.migrations import load
from coexist.console.migration import SAVES
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

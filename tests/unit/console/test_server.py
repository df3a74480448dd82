"""The console over HTTP: who gets in, what may be done, and that nothing from outside is code."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from coexist.console import openapi
from coexist.console.users import Users
from coexist.inventory import load_inventory
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.mac import parse_mac
from tests.unit.console.consoles import HOSTILE, NEW, PASSWORD, Console, Told

PAGES = (
    "/",
    "/rows",
    "/matrix",
    "/findings",
    "/servers",
    "/migration",
    "/rollout",
    "/machine",
    "/history",
    f"/machine?of={NEW}",
)


@pytest.mark.parametrize("path", [*PAGES, "/paste", "/events"])
def test_nobody_sees_anything_without_a_session(told: Told, path: str) -> None:
    async def story(console: Console) -> None:
        answer = await console.get(path)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login?to=")

    told(story)


def test_every_page_is_whole_and_nothing_in_it_is_code(told: Told) -> None:
    async def story(console: Console) -> None:
        assert (await console.log_in()).status == 303
        for path in (*PAGES, "/paste", "/race?mac=52:54:00:00:00:09&vlan=lan"):
            answer = await console.get(path)
            text = await answer.text()
            assert answer.status == 200, path
            assert HOSTILE not in text, path
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text), f"{path}: the policy forbids it"
            assert len(text) < 300_000
        assert "&lt;script&gt;" in await (await console.get("/machine?of=52:54:00:00:00:09")).text()
        for file in ("console.js", "console.css", "report.css"):
            assert (await console.get(f"/static/{file}")).status == 200

    told(story)


def test_a_machine_is_registered_with_a_form_and_undone_with_a_button(told: Told) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        answer = await console.post("/register", mac=NEW, name="desk-1", hardware="igel", why="a new desk")
        assert answer.status == 303
        record = load_inventory(console.folder).clients.find(parse_mac(NEW))
        assert record is not None
        assert record.name == "desk-1"
        registry = sqlite_registry(console.folder / "otc.sqlite")
        assert registry.decided()[0].name == "desk-1"
        history = await (await console.get("/history")).text()
        assert "a new desk" in history
        change = re.search(r'name="id" value="([^"]+)"', history)
        assert change is not None
        assert (await console.post("/undo", id=change[1])).status == 303
        assert load_inventory(console.folder).clients.find(parse_mac(NEW)) is None
        assert registry.decided() == []
        registry.close()

    told(story)


def test_what_cannot_be_done_is_told_on_a_page(told: Told) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        for form in ({"mac": "nonsense"}, {"mac": "52:54:00:00:00:09"}, {"list": "nonsense"}, {"list": ""}):
            answer = await console.post("/register", **form)
            assert answer.status == 422
            assert 'role="alert"' in await answer.text()
        assert (await console.get("/machine?of=nobody-of-this-name")).status == 422
        (console.folder / "site.yaml").write_text("site: [", encoding="utf-8")
        assert (await console.get("/matrix")).status == 422

    told(story)


def test_a_form_of_another_site_changes_nothing(told: Told) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        for csrf in ("", "guessed"):
            answer = await console.client.post(
                "/register", data={"mac": NEW, "csrf": csrf}, allow_redirects=False
            )
            assert answer.status == 403
        assert load_inventory(console.folder).clients.find(parse_mac(NEW)) is None

    told(story)


def test_who_may_look_may_not_change(told: Told) -> None:
    async def story(console: Console) -> None:
        await console.log_in("bob")
        assert (await console.post("/register", mac=NEW)).status == 403
        assert (await console.post("/accept", code="CX201", why="because")).status == 403
        assert "#register" not in await (await console.get("/")).text()
        Users(console.folder / "users.json").remove("bob")
        assert (await console.get("/")).status == 303

    told(story)


def test_tries_to_log_in_are_counted(told: Told) -> None:
    async def story(console: Console) -> None:
        form = {"name": "ada", "password": "wrong"}
        states = [(await console.client.post("/login", data=form)).status for _ in range(7)]
        assert states[:5] == [401] * 5
        assert states[5:] == [429] * 2
        assert (await console.log_in()).status == 429

    told(story)


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_logging_in_leads_nowhere_else(told: Told, to: str) -> None:
    async def story(console: Console) -> None:
        form = {"name": "ada", "password": PASSWORD, "to": to}
        answer = await console.client.post("/login", data=form, allow_redirects=False)
        assert answer.headers["Location"] == "/"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie

    told(story)


def test_a_foreign_name_is_refused(told: Told) -> None:
    async def story(console: Console) -> None:
        assert (await console.get("/login", headers={"Host": "evil.example"})).status == 421
        assert (await console.get("/enter?key=")).status == 403

    told(story)


def test_programs_have_the_same_use_cases(told: Told) -> None:
    async def story(console: Console) -> None:
        token = Users(console.folder / "users.json").new_token("ada", "script")
        head = {"Authorization": f"Bearer {token}"}

        async def asked_for(path: str, key: str) -> Any:
            answer = await console.get(f"/api/v1/{path}", headers=head)
            assert answer.status == 200, await answer.text()
            return (await answer.json())[key]

        assert (await console.get("/api/v1/clients")).status == 401
        asked = await (await console.get("/api/v1/clients?which=unregistered", headers=head)).json()
        assert [row["mac"] for row in asked["clients"]] == [NEW]
        body = {"machines": [{"mac": NEW, "name": "desk-1"}], "why": "script"}
        answer = await console.client.post("/api/v1/registrations", json=body, headers=head)
        assert answer.status == 201
        change = (await answer.json())["change"]
        assert change["macs"] == [NEW]
        again = await console.client.post("/api/v1/registrations", json=body, headers=head)
        assert again.status == 422
        assert "registered" in (await again.json())["error"]
        wrong: Any
        for wrong in ({"machines": []}, {"machine": 1}, []):
            answer = await console.client.post("/api/v1/registrations", json=wrong, headers=head)
            assert answer.status == 422
        for path in (
            "matrix",
            "findings",
            "history",
            "migrations",
            "rollout",
            f"doctor?of={NEW}",
            "openapi.json",
        ):
            assert (await console.get(f"/api/v1/{path}", headers=head)).status == 200
        (otc,) = [s for s in await asked_for("servers", "servers") if s["server"] == "otc"]
        assert (otc["registry"]["clients"], otc["last_rollout"], otc["drift"]) == (1, None, [])
        assert "on lan" in otc["boots"][0]
        boots = await asked_for(f"explain?of={NEW}&vlan=lan&architecture=bios&firmware=ipxe", "boots")
        assert [(boot["vlan"], boot["firmware"]) for boot in boots] == [("lan", "ipxe")]
        answer = await console.get("/api/v1/explain?of=52:54:00:00:00:09&vlan=lann", headers=head)
        assert (answer.status, "lan" in (await answer.json())["error"]) == (422, True)
        answer = await console.client.post("/api/v1/doctor", json={"of": NEW, "vlan": "lan"}, headers=head)
        assert (answer.status, "--probe" in (await answer.json())["error"]) == (422, True)
        undone = await console.client.post("/api/v1/undo", json={"id": change["id"]}, headers=head)
        assert undone.status == 201

    told(story)


def test_a_program_is_told_what_a_change_does(told: Told) -> None:
    async def story(console: Console) -> None:
        def git(*words: str) -> None:
            known = ("-c", "user.name=t", "-c", "user.email=t@example.org")
            subprocess.run(["git", "-C", console.folder, *known, *words], check=True, capture_output=True)

        head = {"Authorization": f"Bearer {Users(console.folder / 'users.json').new_token('bob', 'board')}"}
        git("init", "-q")
        git("add", "site.yaml")
        git("commit", "-q", "-m", "first")
        site = console.folder / "site.yaml"
        site.write_text(site.read_text("utf-8").replace("bios: thin.0", "bios: other.0"), "utf-8")
        for path, changes in (("diff?old=HEAD", True), ("diff?old=HEAD&new=HEAD", False)):
            answer = await console.get(f"/api/v1/{path}", headers=head)
            assert answer.status == 200
            assert bool((await answer.json())["changes"]) is changes
        for old in ("", str(console.folder), "nonsense", "HEAD:/etc"):
            answer = await console.get("/api/v1/diff", params={"old": old}, headers=head)
            assert answer.status == 422, old

    told(story)


def test_every_path_of_the_interface_is_described() -> None:
    described = openapi.description()
    served = {(route.path, route.method.lower()) for route in openapi.served()}
    assert {(path, method) for path, each in described["paths"].items() for method in each} == served
    for each in described["paths"].values():
        for said in each.values():
            body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            assert body is None or body["$ref"].rpartition("/")[2] in described["components"]["schemas"]


def test_a_pasted_list_is_ignored_for_a_reason_and_a_finding_is_accepted_for_one(told: Told) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        other = "52:54:00:00:00:77"
        assert (await console.post("/ignore", list=f"{NEW}\n{other}\n", why="")).status == 422
        assert (await console.post("/ignore", list=f"{NEW}\n{other}\n", why="loan machines")).status == 303
        registry = sqlite_registry(console.folder / "otc.sqlite")
        assert {row.mac for row in registry.rows(states=("ignored",))} == {parse_mac(NEW), parse_mac(other)}
        registry.close()
        page = await (await console.get("/findings")).text()
        found = re.search(
            r'name="code" value="([^"]+)"><input type="hidden" name="where" value="([^"]+)"', page
        )
        assert found is not None
        code, where = found.groups()
        assert (await console.post("/accept", code=code, where=where, why="")).status == 422
        assert (await console.post("/accept", code=code, where=where, why="until March")).status == 303
        page = await (await console.get("/findings")).text()
        assert f'name="code" value="{code}"><input type="hidden" name="where" value="{where}"' not in page
        assert "until March" in page

    told(story)

"""What products cannot keep is one set of findings: that of check, of plan and of render."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coexist.app.check import check
from coexist.app.current import load_current
from coexist.app.render import rendered
from coexist.app.rollouts import findings_of_plan
from coexist.errors import CoexistError, InputError
from coexist.inventory import load_inventory
from coexist.render import Job, RenderedFile
from coexist.render.limits import limits
from tests.conftest import ROOT
from tests.unit.analysis.worlds import GROUPS
from tests.unit.planning.mixed import mixed_trees

TODAY = date(2026, 1, 15)
OWN_FILES = ROOT / "tests" / "data" / "own-files"
SOFTWARE = {"dhcpd": "isc-dhcpd 4.4", "dnsmasq": "dnsmasq 2.90", "kea": "kea 2.2", "windows": "windows-dhcp"}
BESIDE = """\
site: beside
vlans: {{office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}}}}
servers:
  dhcp:
    software: {software}
    address: 10.10.0.5
    vlan: office
    roles: [dhcp]
    config: {{{path}: {file}}}
    dropin:
      path: {dropin}
      rules:
        - {{clients: thin, filename: a.0, options: {{42: 0.0.0.0}}}}
        - {{when: [{{option: 175, exists: true}}], filename: b.0}}
        - {{when: [{{option: 60, contains: x}}], ignore: true}}
clients: [{{mac: 00:80:64:10:00:01, name: tc-1, tags: thin}}]
groups: {{thin: {{where: {{tags: thin}}}}}}
architectures: {{bios: ipxe}}
"""
_OPTIONS = st.sampled_from([
    {"42": "0.0.0.0"}, {"43": "01:02:ff"}, {"2": 3600}, {"17": "/root"}, {"66": "tftp.example"}, {},
])  # fmt: skip
_TESTS = st.sampled_from([
    {"option": 60, "contains": "x"}, {"option": 175, "exists": True}, {"option": 77, "equals": "iPXE"},
    {"option": 60, "starts_with": "PXE"},
])  # fmt: skip


def told(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What each of the three tells of a site, in one order."""
    found = {
        "check": check(path, TODAY).findings,
        "plan": findings_of_plan(path, TODAY),
        "render": rendered(path, TODAY).findings,
    }
    return {
        who: sorted(
            (f.code.code, f.path, f.severity, f.message, f.repair, f.clients)
            for f in findings
            if f.code.is_of_targets
        )
        for who, findings in found.items()
    }


@pytest.mark.parametrize("path", sorted((ROOT / "inventories").iterdir()), ids=lambda path: path.name)
def test_of_the_sites_of_the_project(path: Path) -> None:
    found = told(path)
    assert found["check"] == found["plan"] == found["render"]


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(OWN_FILES.glob("*/*")) if file.suffix in (".conf", ".json", ".xml")],
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_of_a_server_on_its_own_file(file: Path, tmp_path: Path) -> None:
    """It is to be told rules of each kind, in a file beside its own."""
    for each in file.parent.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    product = file.parent.name
    windows = product == "windows"
    folder = "C:\\" if windows else "/etc/"
    (tmp_path / "site.yaml").write_text(
        BESIDE.format(
            software=SOFTWARE[product],
            file=file.name,
            path=f"'{folder}{file.name}'",
            dropin=f"'{folder}coexist.{'ps1' if windows else 'conf'}'",
        )
    )
    try:
        load_inventory(tmp_path)
    except InputError as error:
        pytest.fail(str(error))
    found = told(tmp_path)
    assert found["check"] == found["plan"] == found["render"]
    if product != "dhcpd":
        assert found["check"], "a test that its language cannot make was told by nobody"


@st.composite
def dressed_trees(draw: st.DrawFn) -> dict[str, Any]:
    """A site of many products whose scopes want what some of them cannot keep."""
    tree: dict[str, Any] = draw(mixed_trees())
    for scope in tree["scopes"].values():
        scope["options"] = draw(_OPTIONS)
        rules = scope.setdefault("rules", [])
        for _ in range(draw(st.integers(0, 2))):
            rule: dict[str, Any] = (
                {"when": [draw(_TESTS)]} if draw(st.booleans()) else {"architectures": "bios"}
            )
            if draw(st.booleans()):
                rule["clients"] = draw(st.sampled_from(GROUPS))
            rules.append(
                rule
                | draw(
                    st.sampled_from([{"ignore": True}, {"filename": "r.0"}, {"options": {"42": "0.0.0.0"}}])
                )
            )
        pool: dict[str, Any] = {"range": scope["pools"][0]}
        if draw(st.booleans()):
            pool["when"] = [draw(_TESTS)]
        if draw(st.booleans()):
            pool[draw(st.sampled_from(["allow", "deny"]))] = [draw(st.sampled_from(GROUPS))]
        scope["pools"] = [pool]
    if draw(st.integers(0, 3)) == 0:
        tree["suppress"] = [{"code": draw(st.sampled_from(["CX511", "CX516"])), "reason": "it may be lost"}]
    return tree


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(tree=dressed_trees())
def test_of_any_site(tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "site.yaml").write_text(yaml.safe_dump(tree))
    try:
        inventory = load_current(folder)
    except InputError:
        return
    found = told(folder)
    assert found["check"] == found["plan"] == found["render"]
    # Nothing shows in writing that was not told before: render would end with an error.
    assert {(f.code.code, f.path) for f in limits(inventory)} >= {row[:2] for row in found["check"]}


@pytest.mark.parametrize(
    ("software", "scope", "place"),
    [
        ("dnsmasq 2.90", {"options": {42: "0.0.0.0"}}, ("CX516", ("scopes", "lab"))),
        ("kea 2.2", {"pools": [{"range": "10.0.0.9-10.0.0.99", "when": [{"option": 60, "contains": "x"}]}]},
         ("CX511", ("scopes", "lab", "pools", 0))),
        ("windows-dhcp", {"rules": [{"architectures": "bios", "ignore": True}]},
         ("CX511", ("scopes", "lab", "rules", 0))),
        ("windows-dhcp", {"options": {17: "a\x01b"}}, ("CX516", ("scopes", "lab"))),
    ],
)  # fmt: skip
def test_check_tells_what_only_the_settled_plan_shows(
    software: str, scope: dict[str, Any], place: tuple[str, tuple[str | int, ...]], tmp_path: Path
) -> None:
    tree = {
        "site": "small",
        "vlans": {"lab": {"id": 1, "subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}},
        "servers": {"dhcp": {"software": software, "address": "10.0.0.2", "vlan": "lab", "roles": ["dhcp"]}},
        "scopes": {"lab": {"server": "dhcp", "vlan": "lab", "pools": ["10.0.0.9-10.0.0.99"], **scope}},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(tree))
    assert [row[:2] for row in told(tmp_path)["check"]] == [place]


def test_a_renderer_that_tells_more_than_check_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A renderer of another distribution reports what its limits lack."""
    from coexist.render import site as writing

    (tmp_path / "site.yaml").write_text(
        "site: s\nvlans: {lab: {id: 1, subnet: 10.0.0.0/24, gateway: 10.0.0.1}}\n"
        "servers: {boot: {software: tftpd, address: 10.0.0.2, vlan: lab}}\n"
    )

    def more(job: Job) -> tuple[RenderedFile, ...]:
        job.report("CX516", ("servers", job.name), "it has none", "leave it out")
        return ()

    monkeypatch.setattr(writing, "part", lambda *_: more)
    with pytest.raises(CoexistError, match="CX516"):
        rendered(tmp_path, TODAY)

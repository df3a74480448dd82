"""Which files a site has, where they go, and how an administrator puts his own in their place."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from coexist.errors import CoexistError, InputError
from coexist.inventory import inventory_from_tree, load_inventory
from coexist.inventory import products as products_module
from coexist.inventory.products import TFTPD
from coexist.render import RenderedFile, render_site
from tests.conftest import ROOT
from tests.golden import checkers
from tests.unit.render.sites import site
from tests.unit.render.test_quoting import HOSTILE


def test_a_fixed_server_is_named_and_left_alone():
    rendered = render_site(site({"software": "wds", "fixed": True}))
    assert not rendered.files
    assert "fixed" in rendered.left_out["s"]


def test_the_manifest_says_what_goes_where():
    deploy = {"host": "boot1", "paths": {"coexist.yaml": "/opt/boot/coexist.yaml"}, "reload": "svc restart"}
    rendered = render_site(site({"software": "coexist", "answers": {"only": "thin"}, "deploy": deploy}))
    files = {file.path: file for file in rendered.files["s"]}
    listed = {item["path"]: item for item in json.loads(files["manifest.json"].content)["files"]}
    assert listed.keys() == files.keys() - {"manifest.json"}
    assert listed["coexist.yaml"]["target"] == files["coexist.yaml"].target == "/opt/boot/coexist.yaml"
    assert listed["coexist.yaml"]["reload"] == "svc restart"
    assert listed["thin.macs"]["target"] == "/opt/boot/thin.macs"
    assert listed["thin.macs"]["sha256"] == files["thin.macs"].digest
    assert files["thin.macs"].content == b"00:80:64:10:00:01\n00:80:64:10:00:02\n"


def test_a_template_of_the_administrators_takes_the_place_of_ours(tmp_path):
    (tmp_path / "isc-dhcpd").mkdir()
    (tmp_path / "isc-dhcpd" / "dhcpd.conf.j2").write_text("# ours: {{ name | string }}\n")
    rendered = render_site(site({"software": "isc-dhcpd 4.4"}, scope={}), templates=tmp_path)
    assert rendered.files["s"][0].content == b'# ours: "s"\n'


def test_a_wrong_template_is_one_sentence(tmp_path):
    (tmp_path / "isc-dhcpd").mkdir()
    template = tmp_path / "isc-dhcpd" / "dhcpd.conf.j2"
    template.write_text("# ours\n{{ nothing_of_this_name }}\n")
    with pytest.raises(CoexistError, match=r"dhcpd\.conf\.j2:2 .*nothing_of_this_name"):
        render_site(site({"software": "isc-dhcpd 4.4"}, scope={}), templates=tmp_path)
    template.write_text("\n{% if %}\n")
    with pytest.raises(CoexistError, match=r"dhcpd\.conf\.j2:2"):
        render_site(site({"software": "isc-dhcpd 4.4"}, scope={}), templates=tmp_path)


def test_a_template_that_no_target_looks_for_is_refused_at_its_place(tmp_path):
    (tmp_path / "dhcpd.conf.j2").write_text("# ours\n")
    with pytest.raises(InputError, match=r"isc-dhcpd/dhcpd\.conf\.j2") as refused:
        render_site(site({"software": "isc-dhcpd 4.4"}, scope={}), templates=tmp_path)
    assert refused.value.problems[0].position.file == str(tmp_path / "dhcpd.conf.j2")


def test_a_template_that_cannot_be_read_is_refused_at_its_place(tmp_path):
    (tmp_path / "isc-dhcpd").mkdir()
    (tmp_path / "isc-dhcpd" / "dhcpd.conf.j2").write_bytes(b"# \xff\n")
    with pytest.raises(InputError) as refused:
        render_site(site({"software": "isc-dhcpd 4.4"}, scope={}), templates=tmp_path)
    assert refused.value.problems[0].position.file == str(tmp_path / "isc-dhcpd" / "dhcpd.conf.j2")


def _plain(job):
    return (RenderedFile(path="own.txt", content=job.name.encode(), purpose="an own file"),)


def _outside(job):
    return (RenderedFile(path="../own.txt", content=b"", purpose="elsewhere"),)


@pytest.fixture
def installed(monkeypatch):
    """The product tftpd with another renderer, as an installed distribution hands it in."""

    def install(renderer: str, *files: str) -> None:
        product = replace(TFTPD, renderer=f"{__name__}:{renderer}", files=files)
        monkeypatch.setattr(EntryPoint, "load", lambda self: product)
        entry = EntryPoint(TFTPD.name, f"{__name__}:unused", products_module.ENTRY_POINTS)
        monkeypatch.setattr(products_module, "entry_points", lambda group: [entry])
        products_module.products.cache_clear()

    yield install
    products_module.products.cache_clear()


def test_the_renderer_of_an_installed_product(installed):
    installed("_plain")
    rendered = render_site(site({"software": "tftpd"}))
    assert rendered.files["s"][0].content == b"s"


def test_a_renderer_writes_the_files_that_its_record_names(installed):
    installed("_plain", "own.txt")
    assert render_site(site({"software": "tftpd"})).files["s"][0].path == "own.txt"
    installed("_plain", "other.txt")
    with pytest.raises(CoexistError, match=r"own\.txt.*`files`"):
        render_site(site({"software": "tftpd"}))


def test_a_renderer_stays_in_its_folder(installed):
    installed("_outside")
    with pytest.raises(CoexistError, match="outside its folder"):
        render_site(site({"software": "tftpd"}))


SOFTWARE = [
    "isc-dhcpd 4.4",
    "kea 2.2",
    "kea 3.0",
    "dnsmasq 2.90",
    "windows-dhcp",
    "wds",
    "configmgr",
    "openthinclient",
    "coexist",
    "generic",
]


@pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq")
@pytest.mark.parametrize("software", SOFTWARE)
def test_hostile_names_are_accepted_by_the_real_checkers(software, tmp_path):
    """Names, locations, hardware types, texts of options: whatever people write ends up in no one's
    syntax."""
    clients = [
        {
            "mac": f"00:80:64:00:00:{n:02x}",
            "name": text,
            "location": text or "x",
            "hardware": text or "y",
            "address": f"10.10.9.{n + 1}",
            "tags": "all",
        }
        for n, text in enumerate(HOSTILE)
    ]
    product = software.split()[0]
    dhcp = product in ("isc-dhcpd", "kea", "dnsmasq", "windows-dhcp")
    tree = {
        "site": "hostile",
        "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
        "servers": {
            "s": {
                "software": software,
                "address": "10.10.0.5",
                "vlan": "office",
                "roles": ["dhcp"] if dhcp else ["proxydhcp"],
                **(
                    {}
                    if dhcp
                    else {"answers": {"only": "all"}, "programs": {"bios": 'a "b"\' $(c) {{ d }}.0'}}
                ),
            }
        },
        "clients": clients,
        "groups": {"all": {"where": {"tags": "all"}}},
    }
    if dhcp:
        rules = [
            {"clients": "all", "filename": 'a "b"\' $(c) {{ d }}.0', "options": {17: text}}
            for text in HOSTILE
            if text
        ]
        rules.append({"vendor_class": 'it\'s "x" \\ $(y)', "filename": "b.0"})
        tree["scopes"] = {
            "office": {"server": "s", "vlan": "office", "pools": ["10.10.1.0-10.10.1.9"], "rules": rules}
        }
    rendered = render_site(inventory_from_tree(tree))
    for file in rendered.files["s"]:
        path = tmp_path / file.path
        path.write_bytes(file.content)
        if path.name == "kea-dhcp4.conf":
            (checkers.kea_3 if software == "kea 3.0" else checkers.kea)(path)
        else:
            checkers.check(path)


@pytest.mark.parametrize("name", ["campus"])
def test_the_inventories_of_this_repository_render_without_findings(name):
    assert not render_site(load_inventory(Path(ROOT / "inventories" / name))).findings


def test_relay_lines_name_every_target():
    rendered = render_site(site({"software": "coexist"}))
    (file,) = rendered.site_files
    assert "interface Vlan20\n ip helper-address 10.10.0.5\n" in file.content.decode()
    assert "Vlan10" not in file.content.decode()

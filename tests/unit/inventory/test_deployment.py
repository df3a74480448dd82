"""The keys of a server's ``deploy.paths``: files that are written for it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.inventory import load_inventory
from coexist.inventory.products import products
from coexist.render import render_site
from coexist.rollout.planning import jobs_of

SITE = """\
site: keys
vlans:
  lab: {{id: 7, subnet: 10.7.0.0/24, gateway: 10.7.0.1}}
servers:
  one:
    software: {software}
    address: 10.7.0.5
    vlan: lab
    roles: {roles}
    deploy:
      host: one.example
      paths:
        {paths}
{more}
clients:
  - {{mac: 52:54:00:07:00:01, name: a, hardware: bench}}
groups:
  benches: {{where: {{hardware: bench}}}}
"""


def written(folder: Path, software: str, paths: str, *, roles: str = "[]", more: str = "") -> Path:
    (folder / "site.yaml").write_text(SITE.format(software=software, paths=paths, roles=roles, more=more))
    return folder


def problems(site: Path) -> list[tuple[int, int]]:
    """Where reading an inventory fails: lines and columns."""
    with pytest.raises(InputError) as refused:
        load_inventory(site)
    return [(problem.position.line, problem.position.column) for problem in refused.value.problems]


def places(site: Path) -> dict[str, str | None]:
    """Where each file of the one server goes."""
    rendered = render_site(load_inventory(site))
    return {file.path: file.target for file in rendered.files["one"] if file.path != "manifest.json"}


ROLES = {"dnsmasq": "[dhcp]", "generic": "[proxydhcp]"}


@pytest.mark.parametrize("software", [name for name, each in products().items() if each.files])
def test_a_key_that_is_no_file_of_the_server_is_refused_at_its_place(software: str, tmp_path: Path) -> None:
    roles = ROLES.get(software, "[]")
    files = products()[software].files
    site = written(tmp_path, software, "coexits.yaml: /srv/one.conf", roles=roles)
    with pytest.raises(InputError) as refused:
        load_inventory(site)
    (problem,) = refused.value.problems
    assert (problem.position.line, problem.position.column) == (13, 9)
    assert "coexits.yaml" in problem.message
    assert all(name in problem.remedy for name in files)
    # What the remedy names is taken, and goes there.
    own = "\n        ".join(f"{name}: /srv/{name}" for name in files)
    rendered = places(written(tmp_path, software, own, roles=roles))
    for name, place in rendered.items():
        assert place == f"/srv/{name}"


def test_the_manifest_goes_nowhere(tmp_path: Path) -> None:
    assert problems(written(tmp_path, "kea", "manifest.json: /srv/manifest.json")) == [(13, 9)]


def test_lists_lie_beside_the_configuration_that_names_them(tmp_path: Path) -> None:
    whom = "    answers: {only: benches}"
    main = "coexist.yaml: /srv/boot/main.yaml"
    folder = "/srv/boot"
    expected = {
        "coexist.yaml": f"{folder}/main.yaml",
        "benches.macs": f"{folder}/benches.macs",
        "known.macs": f"{folder}/known.macs",
    }
    assert places(written(tmp_path, "coexist", main, more=whom)) == expected
    # Said again it is no mistake; another place is one, and so is a list of no group.
    again = f"{main}\n        benches.macs: {folder}/benches.macs"
    assert places(written(tmp_path, "coexist", again, more=whom)) == expected
    elsewhere = f"{main}\n        benches.macs: /srv/benches.macs"
    assert problems(written(tmp_path, "coexist", elsewhere, more=whom)) == [(14, 9)]
    nobody = f"{main}\n        bench.macs: {folder}/bench.macs"
    assert problems(written(tmp_path, "coexist", nobody, more=whom)) == [(14, 9)]


def test_a_rollout_reads_the_lists_where_the_server_does(tmp_path: Path) -> None:
    site = written(
        tmp_path, "coexist", "coexist.yaml: /srv/boot/main.yaml", more="    answers: {only: benches}"
    )
    inventory = load_inventory(site)
    job = jobs_of(inventory, render_site(inventory)).jobs["one"]
    assert job.target.boot_config == "/srv/boot/main.yaml"
    assert {path.rpartition("/")[0] for path in job.files} == {"/srv/boot"}


def test_a_list_that_a_migration_makes_is_known(tmp_path: Path) -> None:
    more = """\
  two: {software: coexist, address: 10.7.0.6, vlan: lab, programs: {uefi-x64: two.efi}}
migrations:
  move: {from: one, to: two, clients: benches, waves: [{name: all, clients: benches}]}"""
    made = "move.left-01234567.macs: /etc/coexist/move.left-01234567.macs"
    assert load_inventory(written(tmp_path, "coexist", made, more=more)).site.migrations
    other = "stay.left-01234567.macs: /etc/coexist/stay.left-01234567.macs"
    assert problems(written(tmp_path, "coexist", other, more=more)) == [(13, 9)]


def test_two_files_have_two_places(tmp_path: Path) -> None:
    both = "clients.csv: /srv/list\n        whitelist.txt: /srv/list"
    assert problems(written(tmp_path, "tftpd", both)) == [(14, 24)]


def test_the_files_of_a_server_that_runs_on_its_own_say_their_places_themselves(tmp_path: Path) -> None:
    (tmp_path / "dhcpd.conf").write_text("subnet 10.7.0.0 netmask 255.255.255.0 { }\n")
    own = "    config: {/etc/dhcp/dhcpd.conf: dhcpd.conf}"
    assert problems(written(tmp_path, "isc-dhcpd", "dhcpd.conf: /srv/dhcpd.conf", more=own)) == [(13, 9)]


def test_the_script_of_a_windows_server_names_places_as_deploy_says(tmp_path: Path) -> None:
    paths = "'*': 'D:\\pxe'\n        mac-ignore-list.txt: 'E:\\ignored.txt'"
    site = written(tmp_path, "configmgr", paths, more="    answers: {except: benches}")
    script, ignored, _ = render_site(load_inventory(site)).files["one"]
    assert script.target == "D:\\pxe\\distribution-point.ps1"
    assert ignored.target == "E:\\ignored.txt"
    assert b"'E:\\ignored.txt'" in script.content
    assert script.reload is not None
    assert '"D:\\pxe\\distribution-point.ps1"' in script.reload

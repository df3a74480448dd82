"""Our part of a Windows DHCP server: commands that touch nothing else, read back, and taken back."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.analysis import analyse
from coexist.boot.leases.lease import Lease
from coexist.boot.own_files import config_without, own_config
from coexist.errors import InputError
from coexist.inventory import load_inventory
from coexist.languages.windows.commands import after_commands, without_ours
from coexist.languages.windows.reader import read_export
from coexist.render import render_site
from tests.unit.render.test_dropins import LIVE, PHONE, SITE, THIN, boots, site_of, told

OURS = IPv4Address("10.10.0.6")
PATH = r"C:\ProgramData\coexist\coexist.ps1"
POLICY = (
    "<Policies>\n<Policy><Name>theirs</Name><ProcessingOrder>1</ProcessingOrder><Enabled>true</Enabled>"
    "<Condition>AND</Condition><MacAddress>EQ</MacAddress><MacAddress>525400*</MacAddress><OptionValues>"
    "<OptionValue><OptionId>67</OptionId><Value>theirs.0</Value></OptionValue></OptionValues></Policy></Policies>"
)


def test_two_scripts_are_rendered_and_the_second_takes_back_the_first(tmp_path: Path) -> None:
    inventory = site_of(tmp_path, "windows-dhcp")
    ours, back = [file for file in render_site(inventory).files["dhcp"] if file.target is not None]
    assert (ours.target, back.target) == (PATH, r"C:\ProgramData\coexist\coexist-take-back.ps1")
    assert ours.reload is not None
    assert PATH in ours.reload
    assert back.reload is None
    commands = [line for line in back.content.decode().splitlines() if line.startswith("Get-")]
    assert commands
    # What is removed is what coexist named.
    assert all("coexist" in line and line.count("|") == 2 for line in commands)
    made = [line for line in ours.content.decode().splitlines() if "Add-DhcpServerv4" in line]
    assert all("coexist" in line for line in made)


def test_no_command_changes_what_is_somebody_elses(tmp_path: Path) -> None:
    inventory = site_of(tmp_path, "windows-dhcp", more=POLICY)
    ours = next(file for file in render_site(inventory).files["dhcp"] if file.target == PATH)
    config = read_export((tmp_path / "servers" / "main.conf").read_bytes(), "export.xml")
    after = after_commands(config, ours.content.decode("utf-8-sig"), "coexist.ps1")
    assert after != config
    (before_scope,), (scope,) = config.scopes, without_ours(after).scopes
    assert [p.name for p in after.scopes[0].policies][-1] == "theirs"
    # What was there is as it was, but for its place in the processing order.
    assert [(p.name, p.criteria, p.options) for p in scope.policies] == [
        (p.name, p.criteria, p.options) for p in before_scope.policies
    ]
    assert (after.options, after.policies, after.attempts) == (config.options, config.policies, None)
    assert after.filters.denies == config.filters.denies


def test_our_policies_stand_above_those_of_the_scope(tmp_path: Path) -> None:
    inventory = site_of(tmp_path, "windows-dhcp", more=POLICY)
    assert boots(told(inventory, THIN)) == ("lpxelinux.0", OURS)
    assert boots(told(inventory, THIN, ours=False)) == ("theirs.0", IPv4Address("10.10.0.9"))


def test_values_of_ours_stand_at_lines_of_the_script(tmp_path: Path) -> None:
    inventory = site_of(tmp_path, "windows-dhcp")
    lease = told(inventory, THIN)
    assert isinstance(lease, Lease)
    ours = next(file for file in render_site(inventory).files["dhcp"] if file.target == PATH)
    place = str(lease.origins[67])
    name, line, _ = place.rsplit(":", 2)
    assert name == "dhcp/coexist.ps1"
    assert "lpxelinux.0" in ours.content.decode().splitlines()[int(line) - 1]


def test_an_export_that_was_made_after_a_rollout_says_the_same(tmp_path: Path) -> None:
    ours = (
        "<Policies>\n<Policy><Name>coexist 1</Name><ProcessingOrder>1</ProcessingOrder>"
        "<Enabled>true</Enabled><Condition>AND</Condition><MacAddress>EQ</MacAddress><MacAddress>*</MacAddress><OptionValues>"
        "<OptionValue><OptionId>67</OptionId><Value>stale.0</Value></OptionValue></OptionValues></Policy></Policies>"
    )
    inventory = site_of(tmp_path, "windows-dhcp", more=ours)
    assert boots(told(inventory, THIN)) == ("lpxelinux.0", OURS)
    assert boots(told(inventory, THIN, ours=False)) == ("old.0", IPv4Address("10.10.0.9"))
    config = config_without(inventory, "dhcp")
    assert config.leases.distinctions.clients == ()


def test_a_scope_whose_policies_are_off_hides_ours(tmp_path: Path) -> None:
    more = "<ActivatePolicies>false</ActivatePolicies>"
    inventory = site_of(tmp_path, "windows-dhcp", more=more)
    assert "CX122" in {finding.code.code for finding in analyse(inventory).findings}


def test_a_deny_list_that_is_off_is_not_switched_on(tmp_path: Path) -> None:
    live = LIVE["windows-dhcp"].replace("<Deny>true", "<Deny>false").format(include="", more="")
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "main.conf").write_text(live)
    (tmp_path / "site.yaml").write_text(SITE.format(software="windows-dhcp", main="export.xml", path=PATH))
    inventory = load_inventory(tmp_path)
    assert isinstance(told(inventory, PHONE), Lease)
    rendered = render_site(inventory)
    (finding,) = [f for f in rendered.findings if f.code.code == "CX511"]
    assert finding.path[:4] == ("servers", "dhcp", "dropin", "rules")
    assert not any(b"FilterList" in file.content for file in rendered.files["dhcp"])


@pytest.mark.parametrize(
    "line",
    [
        "Remove-DhcpServerv4Scope -ScopeId '10.10.0.0'",
        "Set-DhcpServerv4OptionValue -ScopeId '10.99.0.0' -PolicyName 'coexist 1' -OptionId 67 -Value 'x'",
        "Add-DhcpServerv4Policy -Name (Get-Date)",
        "Add-DhcpServerv4Filter -List 'Deny' -MacAddress 'nobody'",
    ],
)
def test_a_command_that_is_not_ours_is_refused_at_its_line(line: str, tmp_path: Path) -> None:
    site_of(tmp_path, "windows-dhcp")
    config = read_export((tmp_path / "servers" / "main.conf").read_bytes(), "export.xml")
    with pytest.raises(InputError) as refused:
        after_commands(config, f"# ours\n{line}\n", "coexist.ps1")
    assert [problem.position.line for problem in refused.value.problems] == [2]


def test_what_the_files_say_together_is_what_is_told(tmp_path: Path) -> None:
    config = own_config(site_of(tmp_path, "windows-dhcp"), "dhcp")
    assert config is not None
    assert config.missing == ()

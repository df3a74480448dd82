"""An installed distribution hands in a whole product: each part that coexist's own products have.

Its language is that of the recipe *Adding a language* (``tests/data/recipes/language.md``), outside coexist's
own rooms; what goes beyond it is in ``installed-product.md`` beside that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from coexist.inventory.product import Product
from coexist.inventory.products import Part
from tests.conftest import ROOT
from tests.unit.docs.test_add_a_product import GUIDE, Environment

RECIPES = ROOT / "tests" / "data" / "recipes"
BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULES = {
    "coexist/languages/acme/reader.py": "reader",
    "coexist/languages/acme/secrets.py": "secrets",
    "coexist/boot/leases/acme_own_file.py": "own_file",
    "coexist/boot/servers/acme.py": "model",
    "coexist/importers/acme.py": "reading",
}
"""Where the recipe has a module, and what the distribution calls it."""

OFFICE = "vlans: {office: {id: 10, subnet: 10.60.0.0/24, gateway: 10.60.0.1}}\n"
CONF = (
    "subnet 10.60.0.0/24\nrange 10.60.0.100 10.60.0.199\nfile acme.0\n"
    "host 52:54:00:00:00:01 10.60.0.7\nkey abc\n"
)
DHCPD = "subnet 10.60.0.0 netmask 255.255.255.0 { range 10.60.0.100 10.60.0.199; }\n"


def outside(text: str) -> str:
    """A module of the recipe as one of the distribution."""
    for path, name in MODULES.items():
        text = text.replace(path.removesuffix(".py").replace("/", "."), f"acme_dhcp.{name}")
    return text.replace(
        "from coexist.inventory.products import ACME", "from acme_dhcp import PRODUCT as ACME"
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    package = tmp_path_factory.mktemp("coexist-acme-dhcp")
    recipe = dict(BLOCK.findall((RECIPES / "language.md").read_text(encoding="utf-8")))
    files = {f"acme_dhcp/{name}.py": outside(recipe[path]) for path, name in MODULES.items()}
    files |= dict(BLOCK.findall((RECIPES / "installed-product.md").read_text(encoding="utf-8")))
    for path, text in files.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text, encoding="utf-8")
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install(package)
    return environment


def site(folder: Path, servers: str, more: str = "") -> Path:
    (folder / "site").mkdir()
    (folder / "site" / "acme.conf").write_text(CONF)
    (folder / "site" / "dhcpd.conf").write_text(DHCPD)
    text = f"site: example\n{OFFICE}servers:\n  d: {{address: 10.60.0.5, vlan: office, {servers}}}\n{more}"
    (folder / "site" / "site.yaml").write_text(text)
    return folder / "site"


def told(environment: Environment, *words: str | Path) -> Any:
    done = environment.coexist(*words, "--format", "json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_every_part_is_handed_in_and_loads(environment: Environment) -> None:
    names = list(Part.__args__)  # type: ignore[attr-defined]
    assert set(names) <= set(Product.__annotations__)
    code = (
        "from coexist.inventory.products import part, products\n"
        f"print([name for name in {names} if part(products()['acme-dhcp'], name) is None])"
    )
    # It has no twin and no lease times of its own, changes no lease, goes from pool to pool, boots nobody.
    assert set(json.loads(environment.run(code).replace("'", '"'))) == {
        *("lease", "lease_times", "pair", "table_order", "boots")
    }


def test_the_guide_names_every_part() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in Part.__args__ if name not in guide] == []  # type: ignore[attr-defined]


def test_a_server_is_adopted_by_its_own_file_and_explained_by_it(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "acme.conf").write_text(CONF)
    words = ("--from", tmp_path / "acme.conf", "--software", "acme-dhcp", "--address", "10.60.0.5")
    done = environment.coexist("adopt", tmp_path / "adopted", "d", *words)
    assert done.returncode == 0, done.stderr
    assert "key REDACTED" in (tmp_path / "adopted" / "servers" / "d" / "etc" / "acme.conf").read_text()
    shown = environment.coexist("explain", tmp_path / "adopted", "52:54:00:00:00:01", "--format", "json")
    assert "10.60.0.7" in shown.stdout


def test_it_is_rendered_from_scopes_and_what_it_cannot_do_is_a_finding(
    environment: Environment, tmp_path: Path
) -> None:
    scope = "{server: d, vlan: office, pools: [10.60.0.50-10.60.0.60]}"
    where = site(tmp_path, "software: acme-dhcp 3.1", f"scopes: {{one: {scope}}}\n")
    done = environment.coexist("render", where, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    said = "subnet 10.60.0.0/24\nrange 10.60.0.50 10.60.0.60\n"
    assert (tmp_path / "out" / "d" / "acme.conf").read_text() == said
    (tmp_path / "ours" / "acme-dhcp").mkdir(parents=True)
    (tmp_path / "ours" / "acme-dhcp" / "acme.conf.j2").write_text("# of this house\n")
    done = environment.coexist("render", where, "-o", tmp_path / "out", "--templates", tmp_path / "ours")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "d" / "acme.conf").read_text() == "# of this house\n"
    more = scope.replace("0.50-10.60.0.60", "0.70-10.60.0.80")
    (where / "site.yaml").write_text(
        (where / "site.yaml").read_text().replace(scope, f"{scope}, two: {more}")
    )
    assert "CX512" in environment.coexist("render", where, "-o", tmp_path / "out").stderr


def test_a_line_its_reader_refuses_is_told_at_its_place(environment: Environment, tmp_path: Path) -> None:
    where = site(tmp_path, "software: acme-dhcp 3.1, config: acme.conf")
    (where / "acme.conf").write_text("subnet 10.60.0.0/24\nrang 1 2\n")
    done = environment.coexist("check", where)
    assert (done.returncode, "acme.conf:2:1" in done.stderr) == (2, True)


def test_its_drop_in_is_evaluated_and_written(environment: Environment, tmp_path: Path) -> None:
    rule = "dropin: {path: /etc/acme.d/coexist.conf, rules: [{filename: ours.0, next_server: d}]}"
    where = site(tmp_path, f"software: acme-dhcp 3.1, config: {{/etc/acme.conf: acme.conf}}, {rule}")
    done = environment.coexist("render", where, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (file,) = json.loads((tmp_path / "out" / "d" / "manifest.json").read_text())["files"]
    assert (file["target"], file["reload"]) == ("/etc/acme.d/coexist.conf", "systemctl reload acme")
    assert (tmp_path / "out" / "d" / file["path"]).read_text() == "file ours.0\n"
    assert "ours.0" in environment.coexist("explain", where, "52:54:00:00:00:02").stdout


def test_what_its_drop_in_cannot_say_is_a_finding(environment: Environment, tmp_path: Path) -> None:
    rule = "rules: [{when: [{option: 60, starts_with: PXE}], filename: ours.0}]"
    dropin = f"dropin: {{path: /etc/acme.d/coexist.conf, {rule}}}"
    where = site(tmp_path, f"software: acme-dhcp 3.1, config: {{/etc/acme.conf: acme.conf}}, {dropin}")
    assert "CX511" in {finding["code"] for finding in told(environment, "check", where)["findings"]}


def test_a_machine_is_diagnosed(environment: Environment, tmp_path: Path) -> None:
    done = environment.coexist(
        "doctor", site(tmp_path, "software: acme-dhcp 3.1, config: acme.conf"), "52:54:00:00:00:01"
    )
    assert done.returncode in (0, 1), done.stderr
    assert "d" in done.stdout


def test_its_list_of_machines_is_imported(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "machines").write_text("ward-1 52:54:00:00:00:09\n")
    done = environment.coexist("import", "acme-machines", tmp_path / "machines", "-o", tmp_path / "list")
    assert done.returncode == 0, done.stderr
    assert "52:54:00:00:00:09" in (tmp_path / "list" / "clients.csv").read_text()


def test_what_its_manager_imports_is_written_for_its_servers_alone(environment: Environment) -> None:
    code = (
        "from coexist.app.migration_by_hand import ByHand\n"
        "from coexist.inventory.products import KEA, products\n"
        "from coexist.planning.by_hand import HandChange\n"
        "change = HandChange(server='d', name='ward-1', before=1, after=2)\n"
        "of = lambda product: ByHand(server='d', product=product, owner='', what='', changes=(change,))\n"
        "print(of(products()['acme-dhcp']).as_file('.acme'), end='')\n"
        "try: of(KEA).as_file('.acme')\n"
        "except Exception as error: print(type(error).__name__, end='')"
    )
    assert environment.run(code) == "ward-1 00:00:00:00:00:01 00:00:00:00:00:02\nCoexistError"


def test_a_dhcpd_becomes_it_by_its_own_hand(environment: Environment, tmp_path: Path) -> None:
    where = site(tmp_path, "software: isc-dhcpd 4.4, config: dhcpd.conf")
    done = environment.coexist("convert", where, "d", "--to", "acme-dhcp 3.1", "-o", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
    (written,) = (tmp_path / "out").rglob("acme.conf")
    assert written.read_text().startswith("# for acme-dhcp 3.1, by Acme's own hand\nsubnet 10.60.0.0/24\n")


def test_it_becomes_a_kea_through_the_inventory(environment: Environment, tmp_path: Path) -> None:
    where = site(tmp_path, "software: acme-dhcp 3.1, config: acme.conf")
    done = environment.coexist("convert", where, "d", "--to", "kea 2.2", "-o", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
    (written,) = (tmp_path / "out").rglob("kea-dhcp4.conf")
    assert "10.60.0.100" in written.read_text()


def test_leases_that_nothing_carries_are_refused(environment: Environment, tmp_path: Path) -> None:
    where = site(tmp_path, "software: acme-dhcp 3.1, config: acme.conf")
    words = ("convert", where, "d", "--to", "kea 2.2", "--leases", where / "acme.conf")
    done = environment.coexist(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "Acme's DHCP appliance" in done.stderr


def test_a_product_of_coexists_own_that_is_replaced_keeps_its_ways(
    environment: Environment, tmp_path: Path
) -> None:
    assert environment.run(
        "from coexist.inventory.products import products; print(products()['kea'].describe)"
    ) == ("the Kea of this house")
    code = "from coexist.importers import kinds; print(kinds()['kea'].product.describe)"
    assert environment.run(code) == "the Kea of this house"
    where = site(tmp_path, "software: isc-dhcpd 4.4, config: dhcpd.conf")
    done = environment.coexist("convert", where, "d", "--to", "kea 2.2", "-o", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
    (written,) = (tmp_path / "out").rglob("kea-dhcp4.conf")
    # dhcpd's own way to Kea writes where the file comes from; the way through an inventory does not.
    assert "dhcpd.conf" in written.read_text()

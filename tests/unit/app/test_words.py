"""What a use case says fits a terminal and a browser: options are a terminal's own."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from coexist import app
from coexist.cli import run
from coexist.cli.decisions import OPTIONS
from coexist.errors import Decision

MODULES = sorted(Path(app.__path__[0]).rglob("*.py"))
OPTION = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"coexist [a-z]+ ")


def said(module: Path) -> list[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, documented)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [node.value for node in constants if isinstance(node.value, str) and id(node) not in docstrings]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_no_use_case_names_an_option(module: Path) -> None:
    named = [text for text in said(module) if OPTION.search(text) and not COMMAND.search(text)]
    assert named == []


def test_each_decision_has_its_option() -> None:
    assert set(get_args(Decision)) == OPTIONS.keys()


def test_a_terminal_says_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wave = "{from: otc, to: next, clients: known}"
    server = "{software: coexist, address: 10.9.0.%d, vlan: lan, programs: {bios: x.0}}"
    (tmp_path / "site.yaml").write_text(
        "site: ward\n"
        "vlans: {lan: {id: 1, subnet: 10.9.0.0/24, gateway: 10.9.0.1}}\n"
        f"servers:\n  otc: {server % 3}\n  next: {server % 4}\n"
        f"migrations:\n  one: {wave}\n  two: {wave}\n",
        encoding="utf-8",
    )
    assert run(["migrate", "status", str(tmp_path)]) == 2
    assert OPTIONS["migration"] in capsys.readouterr().err

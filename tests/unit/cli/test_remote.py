from __future__ import annotations

from coexist.cli.remote import progress


def test_on_a_terminal_there_is_a_bar_for_each_server(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress("applying", ["otc", "sccm"]) as told:
        for word in ("connect", "upload", "something new", "done"):
            told("otc", word)
        told("sccm", "connect")
        told("sccm", "failed")
    captured = capsys.readouterr()
    assert "applying" in captured.err
    assert captured.out == ""


def test_elsewhere_only_the_end_of_each_server_is_a_line(capsys):
    with progress("applying", ["otc"]) as told:
        told("otc", "connect")
        told("otc", "done")
    captured = capsys.readouterr()
    assert captured.err == "otc: done\n"
    assert captured.out == ""

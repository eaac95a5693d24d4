import io
import sys

import pytest

from lab.runs import Progress


def test_elsewhere_than_in_a_terminal_one_line_a_tenth(capsys):
    progress = Progress("{n} steps", 100, done=20)
    for done in range(21, 104, 3):
        progress.show(done, "", str(done))
    progress.say("remark")
    progress.close()
    lines = capsys.readouterr().out.split()
    # after 28, 36, 44, … of the 80 that were left, each at the first occasion
    assert lines == ["30", "36", "45", "54", "60", "69", "78", "84", "93", "102", "remark"]


@pytest.mark.parametrize("columns, width", [("120", 79), ("50", 49)])
def test_a_terminal_has_one_line_that_fits(monkeypatch, columns, width):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", columns)
    progress = Progress("{n} of {total} seeds", 7)
    for done in (3, 9):
        progress.show(done, "note", "line")
        progress.bar.refresh()
    lines = [line for line in terminal.getvalue().split("\r") if "note" in line]
    assert "3 of 7 seeds" in lines[0] and "7 of 7 seeds" in lines[-1]
    assert max(map(len, lines)) <= width and lines[-1].rstrip("\x1b[A\n").endswith("note")
    progress.close()


def test_without_a_standard_error_it_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw, or 2>&-
    progress = Progress("{n} steps", 10)
    progress.show(10, "", "all")
    progress.close()
    assert capsys.readouterr().out == "all\n"

"""Progress is written as plain lines to the log, and as a bar to the terminal that a job was started from."""

import io

from metarewarding.jobs.progress import Progress


class NoTerminal(io.StringIO):
    def isatty(self):
        return False


def test_a_log_gets_plain_lines(monkeypatch):
    log = NoTerminal()
    monkeypatch.setattr("sys.stderr", log)
    for _ in Progress(range(1000), desc="Completions", mininterval=0):
        pass
    assert log.getvalue().count("\n") == 1  # one line every ten seconds
    assert log.getvalue().startswith("Completions:   0%")
    assert "\r" not in log.getvalue()


def test_a_terminal_gets_the_bar(monkeypatch):
    log, terminal = NoTerminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    monkeypatch.setattr(Progress, "terminal", terminal)
    for _ in Progress(range(3), mininterval=0):
        pass
    assert "\r" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert "\r" not in log.getvalue()

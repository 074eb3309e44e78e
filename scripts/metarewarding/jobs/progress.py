"""Progress of long work: a bar on a terminal, lines in a log."""

import sys
import threading
import time

from tqdm import tqdm


class Progress(tqdm):
    """A bar on the terminal, if there is one, and a plain line every ten seconds where the output is a file."""

    terminal = None  # the terminal of a job whose output goes to its log
    about = ""  # stage, model and shard of the job

    def __init__(self, *args, **kwargs):
        if self.about:
            kwargs["desc"] = ": ".join(filter(None, (self.about, kwargs.get("desc"))))
        if not sys.stderr.isatty():
            kwargs |= {"file": _Lines(sys.stderr, self.terminal), "ncols": 100, "dynamic_ncols": False}
        super().__init__(*args, **kwargs)
        if self.terminal:
            threading.Thread(target=self._keep_current, daemon=True).start()

    def _keep_current(self) -> None:
        """Draw the bar every two seconds, as a long request may take minutes."""
        while not self.disable:  # until it is closed
            time.sleep(2)
            self.refresh()


class _Lines:
    """What tqdm writes: every update to the terminal, a line now and then to the log."""

    def __init__(self, log, terminal):
        self.log, self.terminal, self.next_line = log, terminal, 0.0

    def write(self, text: str) -> None:
        if self.terminal:
            self.terminal.write(text)
        if text.strip() and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + 10
            self.log.write(text.strip() + "\n")

    def flush(self) -> None:
        for stream in filter(None, (self.log, self.terminal)):
            stream.flush()

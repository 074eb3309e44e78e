"""All requests of one job to one benchmark judge, with the facts of its stats file."""

from pathlib import Path

from metarewarding.jobs.job import elapsed
from metarewarding.jobs.provenance import host
from metarewarding.judges.client import ask
from metarewarding.judges.store import read_store
from metarewarding.records import Reply


def job_facts(served_here: bool) -> dict:
    """Return the seconds of this job's process and, where it served the judge, its machine with the GPUs."""
    return {"process_seconds": round(elapsed(), 1)} | ({"host": host()} if served_here else {})


class Asking:
    """Called with requests (see ``client``), return {request id: reply}; stored requests are not sent again."""

    def __init__(self, judge: dict, store: str | Path, served_here: bool = False):
        self.judge, self.store, self.served_here = judge, store, served_here
        self.replies: dict[str, Reply] = {}
        self._facts: dict = {}

    def __call__(self, requests: list[dict]) -> dict[str, Reply]:
        replies, facts = ask(requests, self.judge, self.store)
        summed = ("asked", "from_store", "retries", "seconds", "too_long")  # the others are totals of the whole store
        before = {key: self._facts[key] for key in summed if key in self._facts}
        self._facts = facts | {key: facts.get(key, 0) + value for key, value in before.items()}
        self.replies |= replies
        return replies

    def stored(self) -> list[Reply]:
        """Return every reply of this judge in the store."""
        return [row for row in read_store(self.store) if row["judge"] == self.judge["name"]]

    def facts(self) -> dict:
        """Return the facts of ``client.ask`` over all calls, and the models and dates of the replies."""
        dates = sorted(row["date"] for row in self.replies.values())
        return self._facts | {
            "served_models": sorted({row["served_model"] for row in self.replies.values()}),
            "first_date": dates[0] if dates else None,
            "last_date": dates[-1] if dates else None,
        }

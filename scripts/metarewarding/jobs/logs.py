"""The form of all messages: time, level, rule; where they go is the job's standard error."""

import logging
import os
from contextlib import contextmanager

# Programs use this logger; modules of the library use those of their own names, which are below it.
logger = logging.getLogger("metarewarding")


@contextmanager
def messages_of(rule: str):
    """A block whose messages go to standard error, from INFO on; of the other processes of a training, warnings only.

    Messages of other libraries that have no form of their own get this one, from WARNING on.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {rule}: %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def in_words(facts: dict, prefix: str = "") -> str:
    """Return ``facts`` in one line: `pairs=6, actor.pairs=4`."""
    return ", ".join(
        in_words(value, f"{prefix}{key}.") if isinstance(value, dict) and value else f"{prefix}{key}={value}"
        for key, value in facts.items()
    )

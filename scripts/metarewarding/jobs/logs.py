"""The form of all messages: time, level, rule."""

import logging
import os
from contextlib import contextmanager

# Programs use this logger. Modules of the library use loggers of their own names, which are its children.
logger = logging.getLogger("metarewarding")


@contextmanager
def messages_of(rule: str):
    """Log to standard error while the block runs: from INFO on, or only warnings in a training's other processes.

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

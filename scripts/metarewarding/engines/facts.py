"""What the stats file of a sampling stage reports of its engine and its job."""

import logging

from metarewarding.jobs.job import elapsed
from metarewarding.jobs.provenance import host

logger = logging.getLogger(__name__)


def engine_facts(engine, facts: dict, job) -> dict:
    """Return ``facts`` of one stage of a sampling job, with what the engine and the job add; log them.

    ``process_seconds`` are those since the job's start, or since its previous stage; ``rule`` and ``log`` name the
    job, as several stages may belong to one.
    """
    logger.info(
        "{requests} requests, {from_store} of {completions} completions from the store, {prompt_tokens} tokens in "
        "({cached_prompt_tokens} cached), {output_tokens} tokens out, parse rate {rate}, "
        "{tokens_per_second} tokens a second".format(
            rate="-" if facts.get("parse_rate") is None else f"{facts['parse_rate']:.0%}", **facts
        )
    )
    if facts["too_long"]:
        logger.warning(f"{facts['too_long']} prompts do not fit engine.max_model_len and were skipped")
    seconds, _stages["seconds"] = elapsed() - _stages["seconds"], elapsed()
    return (
        facts
        | engine.facts
        | {"rule": job.rule, "log": str(job.log[0]), "process_seconds": round(seconds, 1), "host": host()}
    )


_stages = {"seconds": 0.0}  # since the start of the process, up to the end of the last stage

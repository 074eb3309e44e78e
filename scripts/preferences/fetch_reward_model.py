"""Fetch a reward model from the hub at a pinned revision."""

from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.jobs.hub import from_hub
from metarewarding.jobs.job import elapsed, logged
from metarewarding.jobs.logs import logger
from metarewarding.jobs.model_check import check_files
from metarewarding.jobs.provenance import provenance, weights_sha256
from metarewarding.records import write_json


@logged
def main(job):
    repo, folder = job.params.repo, Path(job.output.weights)
    folder.mkdir(parents=True, exist_ok=True)
    logger.info(f"fetching {repo} at {job.params.revision}")
    origin = from_hub(repo, job.params.revision, folder, "scored_by")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"scored_by: {repo} has no safetensors weights. Convert it, and use its folder instead.")
    check_files(folder, f"scored_by: {repo}")
    write_json(
        job.output.manifest,
        {
            "rule": job.rule,
            "target": job.output.weights,
            "origin": origin,
            "weights_sha256": weights_sha256(folder),
            "seconds": round(elapsed(), 1),
            **provenance(),
        },
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

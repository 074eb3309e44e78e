"""Fetch Open Assistant's message trees from the Hugging Face hub at a pinned revision."""

from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.jobs.provenance import sha256


def fetch(repo: str, revision: str, file: str, target: Path, expected: str | None) -> None:
    """Download ``file`` of the dataset ``repo`` to ``target``, which exists only when its hash is right."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    with TemporaryDirectory(dir=target.parent) as folder:
        try:
            path = hf_hub_download(repo, file, repo_type="dataset", revision=revision, local_dir=folder)
        except LocalEntryNotFoundError:
            raise UserError(
                f"eft.trees: the hub cannot be reached from this machine. Fetch {file} of the dataset {repo} elsewhere "
                "and set eft.trees to its path, or set HF_HUB_OFFLINE=0 where it is set to 1."
            ) from None
        except HfHubHTTPError as error:
            raise UserError(
                f"eft.trees: {file} of the dataset {repo} at revision {revision} could not be downloaded: {error}"
            ) from None
        digest = sha256(path)
        if expected and digest != expected:
            raise UserError(
                f"eft.trees: {file} of {repo} hashes to {digest}, and eft.trees_sha256 is {expected}. Nothing is kept: "
                "the file was changed or damaged; run again, or correct the hash if this file is the right one."
            )
        Path(path).rename(target)
    logger.info(f"sha256 {digest}")


@logged
def main(job):
    p = job.params
    fetch(p.repo, p.revision, p.file, Path(job.output[0]), p.sha256)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

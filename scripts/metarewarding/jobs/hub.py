"""A model from the Hugging Face hub at a pinned revision."""

import shutil
from pathlib import Path

from metarewarding.errors import UserError


def from_hub(repo: str, revision: str, folder: Path, key: str) -> dict:
    """Download a pinned revision; a gated model needs the user's token in the environment (HF_TOKEN).

    Messages begin with ``key``, the config key that names the model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(
            repo,
            revision=revision,
            local_dir=folder,
            allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"],
            ignore_patterns=["original/*"],
        )
    except GatedRepoError:
        raise UserError(
            f"{key}: {repo} is gated. Accept its licence on its page, and set HF_TOKEN in the environment "
            "to a token of that account (never in the config)."
        ) from None
    except LocalEntryNotFoundError:
        local = "model: {source: path, path: <folder>}" if key == "model.repo" else f"{key} to its folder"
        raise UserError(
            f"{key}: the hub cannot be reached from this machine. Fetch {repo} elsewhere and set {local}, or set "
            "HF_HUB_OFFLINE=0 where it is set to 1."
        ) from None
    except HfHubHTTPError as error:
        raise UserError(f"{key}: {repo} at revision {revision} could not be downloaded: {error}") from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return {"repo": repo, "revision": revision}

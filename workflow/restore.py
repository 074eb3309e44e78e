"""Put back the weights and samples that a failed rerun has cost (scripts/metarewarding/jobs/kept.py).

envs/run python workflow/restore.py               # below results/
envs/run python workflow/restore.py results/smoke
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from metarewarding.jobs.kept import restore

if __name__ == "__main__":
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    if not root.is_dir():
        sys.exit(f"error: {root} is not a folder.")
    restored = restore(root)
    print("\n".join(map(str, restored)) or f"Nothing to restore below {root}.")
    if restored:
        print(
            "These are the outputs from before the change that made their jobs run again. Undo the change first, "
            "because the next run treats them as outputs of the present settings. Their manifests show their settings."
        )

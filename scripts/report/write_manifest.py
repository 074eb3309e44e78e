"""Write the manifest of the run: config, commit, packages, and the hashes of its data and weights."""

from metarewarding.jobs.job import logged
from metarewarding.jobs.provenance import provenance, sha256
from metarewarding.records import read_json, write_json

# fields of the models' manifests that the run's manifest repeats
FIELDS = ("origin", "trained_from", "trained_from_sha256", "data_sha256", "weights_sha256", "git", "tokens", "seconds")


@logged
def main(job):
    i = job.input
    models = {}
    for model, path in zip(job.params.models, i.models, strict=True):
        manifest = read_json(path)
        models[model] = {field: manifest[field] for field in FIELDS if field in manifest}
        models[model]["host"] = manifest.get("host")
    facts = provenance()
    seeds = {"run": facts["config"]["sampling"]["seed"]} if facts["config"] else None
    files = [*i.eft, *([i.prompts] if isinstance(i.prompts, str) else i.prompts), *i.templates]
    plan = read_json(i.plan)
    stages = {row["stage"]: row["measured"] for row in plan["rows"] if row["measured"]}
    write_json(
        job.output[0],
        facts | {"seeds": seeds, "models": models, "files_sha256": {p: sha256(p) for p in files}, "stages": stages},
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

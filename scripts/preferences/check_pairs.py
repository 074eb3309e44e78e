"""Check one iteration's counts against the gates, before anything is trained on its pairs."""

from metarewarding import meta_judging
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.records import read_json, write_json


def parse_rate(shards: list[dict]) -> float | None:
    """Return the share of readable texts over all shards; None without texts."""
    texts = sum(facts["completions"] for facts in shards)
    return 1 - sum(facts["unparsed"] for facts in shards) / texts if texts else None


def check(stats: dict, gates: dict, where: str) -> None:
    """Raise UserError, with every fault, where ``stats`` (see ``collect``) are outside the ``gates``."""
    faults = []
    for what, gate in (("judgments", "min_parse_rate"), ("meta_judgments", "min_meta_parse_rate")):
        rate = stats.get(what, {}).get("parse_rate")
        if rate is not None and rate < gates[gate]:
            faults.append(
                f"only {rate:.1%} of the {what.replace('_', '-')} could be read, and gates.{gate} asks for "
                f"{gates[gate]:.0%}. See the texts in the parent's {what}/*.jsonl. If the judge has not learned the "
                f"form, change the template or use more EFT data. If the form is cut off, raise "
                f"sampling.{what}.max_tokens."
            )
    for kind in ("actor", "judge"):
        facts, least = stats.get(kind), gates[f"min_{kind}_pairs"]
        if facts is not None and facts["pairs"] < least:
            reasons = ", ".join(f"{why}: {count}" for why, count in facts["outcome"].items() if why != "pair")
            faults.append(
                f"{facts['pairs']} {kind} pairs from {facts['prompts']} prompts, and gates.min_{kind}_pairs asks for "
                f"{least}. Prompts without a pair, by reason: {reasons or 'none'}."
            )
    if stats.get("elo") and (bias := meta_judging.one_sided(stats["elo"])):
        faults.append(bias)
    if stats.get("actor") and stats["actor"]["distinct_responses"]:
        truncated = stats["actor"]["truncated_responses"] / stats["actor"]["distinct_responses"]
        if truncated > gates["max_truncated"]:
            faults.append(
                f"{truncated:.0%} of the responses were cut at the token limit, and gates.max_truncated allows "
                f"{gates['max_truncated']:.0%}. Raise sampling.responses.max_tokens."
            )
    if faults:
        raise UserError(
            f"{where} is refused:\n" + "\n".join(f"- {fault}" for fault in faults) + "\nOr change the gate."
        )


def collect(actor_pairs, judge_pairs, judgments, meta_judgments, elo=None) -> dict:
    """Return one record from the stats files (paths; None or empty where an iteration has none)."""
    stats = {}
    for kind, path in (("actor", actor_pairs), ("judge", judge_pairs)):
        if path:
            stats[kind] = read_json(path, ("prompts", "pairs", "outcome"))
    if elo:
        stats["elo"] = read_json(elo, ("first_wins", "second_wins"))
    for what, paths in (("judgments", judgments), ("meta_judgments", meta_judgments)):
        if paths:
            shards = [read_json(path, ("completions", "unparsed")) for path in paths]
            stats[what] = {"texts": sum(s["completions"] for s in shards), "parse_rate": parse_rate(shards)}
    return stats


@logged
def main(job):
    i = job.input
    paths = [i.get(name) for name in ("actor_pairs", "judge_pairs", "judgments", "meta_judgments")]
    stats = collect(*paths[:2], *([path] if isinstance(path, str) else path for path in paths[2:]), i.get("elo"))
    check(stats, job.params.gates, job.output[0])
    write_json(job.output[0], stats)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821

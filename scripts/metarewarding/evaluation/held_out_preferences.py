"""The held-out replies that people ranked (table 7), as preference rows: the reply of rank 0 is the best.

Their pointwise judgments are those of the judge's agreement with people, so only the pairwise reading costs sampling.
"""

from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items
from metarewarding.records import RankedReply, read_jsonl


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return one row for each prompt of ``files["replies"]``, without prompts that have only one rank."""
    path, by_prompt = files["replies"], {}
    for row in read_jsonl(path, RankedReply):
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    rows = []
    for prompt_id, replies in by_prompt.items():
        ranks = [reply["rank"] for reply in replies]
        if len(set(ranks)) > 1:
            rows.append(
                PreferenceItem(
                    item_id=prompt_id,
                    prompt_id=prompt_id,
                    subset="",
                    prompt=replies[0]["prompt"],
                    responses=[{"response_id": reply["response_id"], "text": reply["text"]} for reply in replies],
                    best=[reply["response_id"] for reply in replies if reply["rank"] == min(ranks)],
                )
            )
    return check_items(rows, path)


BENCHMARK = benchmark(
    name="held_out_preferences",
    title="Held-out replies",
    description=(
        "The held-out replies that people ranked, as preference rows. With the same `judgments` as "
        "judge_agreement only the pairwise verdicts are sampled."
    ),
    licence="that of `eft.trees`",
    read=read,
)

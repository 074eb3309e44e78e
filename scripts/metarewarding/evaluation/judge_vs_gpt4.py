"""Measure how often a judge agrees with GPT-4 on the seed's responses to held-out prompts (section 3.4, table 3).

Two protocols. GPT-4 chosen: two fixed responses a prompt, of which GPT-4, asked in both orders, prefers one
consistently. Self chosen: the responses that the judge itself scores best and worst, shown to GPT-4.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from metarewarding import ties
from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.evaluation.registry import PREFERENCE, Benchmark
from metarewarding.records import Judgment, PairVerdict, Reply, Response, read_json, read_jsonl

# This annotator of the alpaca_eval package has the pairwise prompt of appendix A.2, which is read from there.
ANNOTATOR = "alpaca_eval_clf_gpt4_turbo"
FIRST, SECOND = "m", "M"


def first_two(responses: Sequence[Response]) -> list[tuple[Response, Response]]:
    """Return the first two responses of each prompt that has two; callers remove duplicates (``sampling.distinct``)."""
    return [tuple(of_prompt[:2]) for of_prompt in _by_prompt(responses).values() if len(of_prompt) >= 2]


def best_and_worst(responses: Sequence[Response], means: Mapping[str, float]) -> list[tuple[Response, Response]]:
    """Return (best, worst) of each prompt by mean score, the first of equals; no pair where all scores are equal."""
    pairs = []
    for of_prompt in _by_prompt(responses).values():
        scored = [row for row in of_prompt if row["response_id"] in means]
        levels = ties.levels([means[row["response_id"]] for row in scored])
        if len(set(levels)) > 1:
            pairs.append((scored[levels.index(max(levels))], scored[levels.index(0)]))
    return pairs


def requests(
    pairs: Iterable[tuple[Response, Response]],
    prompt_texts: Mapping[str, str],
    text_of: Mapping[str, str],
    top_logprobs: int = 5,
) -> list[dict]:
    """Return both orders of each pair, for ``client.ask``; the verdict is one token, read from log-probabilities.

    ``top_logprobs``: number of likeliest tokens to request; GPT-4 gave five at most.
    """
    template, built = _template(), []
    for a, b in pairs:
        for first, second in ((a, b), (b, a)):
            values = {
                "instruction": prompt_texts[first["prompt_id"]],
                "output_1": text_of[first["response_id"]],
                "output_2": text_of[second["response_id"]],
            }
            built.append(
                {
                    "id": f"{first['response_id']} {second['response_id']}",
                    "prompt_id": first["prompt_id"],
                    "first": first["response_id"],
                    "second": second["response_id"],
                    "messages": [{"role": role, "content": _fill(text, values)} for role, text in template],
                    "temperature": 0,
                    "max_tokens": 1,
                    "top_logprobs": top_logprobs,
                }
            )
    return built


def verdicts(sent: Sequence[dict], replies: Mapping[str, Reply], judge: Mapping) -> list[PairVerdict]:
    """Return a row for each presentation: the likelier of the two identifiers wins, None when neither is likely."""
    rows = []
    for request in sent:
        reply = replies[request["id"]]
        likely = {}
        # null: the request did not fit
        top = reply["logprobs"]["content"][0]["top_logprobs"] if reply["logprobs"] else []
        for token in reversed(top):
            likely[token["token"].strip()] = token["logprob"]
        logprobs = {name: likely[name] for name in (FIRST, SECOND) if name in likely}
        rows.append(
            PairVerdict(
                prompt_id=request["prompt_id"],
                first=request["first"],
                second=request["second"],
                judge=judge["name"],
                judge_model=judge["model"],
                text=reply["text"],
                winner={FIRST: "first", SECOND: "second"}[max(logprobs, key=logprobs.get)] if logprobs else None,
            )
        )
    return rows


def preferred(rows: Iterable[PairVerdict]) -> dict[frozenset, str | None]:
    """Return {the two response ids: the one preferred in both orders}, None where the orders disagree.

    Pairs without a verdict in both orders are left out.
    """
    won: dict[frozenset, list[str]] = {}
    for row in rows:
        if row["winner"] is not None:
            won.setdefault(frozenset((row["first"], row["second"])), []).append(row[row["winner"]])
    return {pair: ids[0] if ids[0] == ids[1] else None for pair, ids in won.items() if len(ids) == 2}


def gpt4_chosen(rows: Iterable[PairVerdict], means: Mapping[str, float]) -> dict:
    """Return the agreement of mean scores with GPT-4's consistent preferences; ties are equal mean scores (table 3)."""
    outcomes, unscored = Counter(), 0
    for pair, better in preferred(rows).items():
        if better is None:
            continue
        (worse,) = pair - {better}
        if better not in means or worse not in means:
            unscored += 1
            continue
        outcomes[ties.compare(means[better], means[worse])] += 1
    return _shares(outcomes[1], outcomes[-1], outcomes[0]) | {"unscored": unscored}


def self_chosen(rows: Iterable[PairVerdict], means: Mapping[str, float]) -> dict:
    """Return GPT-4's agreement with the judge's best and worst; GPT-4's two orders disagree on a tie."""
    right = wrong = undecided = 0
    for pair, better in preferred(rows).items():
        best = max(pair, key=lambda response_id: means[response_id])
        right += better == best
        wrong += better is not None and better != best
        undecided += better is None
    return _shares(right, wrong, undecided)


def _shares(right: int, wrong: int, tied: int) -> dict:
    pairs = right + wrong + tied
    return {
        "agreement": (right + tied / 2) / pairs if pairs else None,
        "agreement_without_ties": right / (right + wrong) if right + wrong else None,
        "pairs": pairs,
        "ties": tied,
    }


def _by_prompt(responses: Iterable[Response]) -> dict[str, list[Response]]:
    groups: dict[str, list[Response]] = {}
    for row in responses:
        groups.setdefault(row["prompt_id"], []).append(row)
    return groups


def _template() -> list[tuple[str, str]]:
    """Return [(role, text)] of the annotator's prompt, which the package keeps as ChatML."""
    try:
        from alpaca_eval.constants import EVALUATORS_CONFIG_DIR
    except ImportError as error:
        raise UserError(f"alpaca_eval cannot be imported here ({error}); its pairwise prompt is needed.") from None
    text = (EVALUATORS_CONFIG_DIR / ANNOTATOR / "alpaca_eval_clf.txt").read_text(encoding="utf-8")
    return re.findall(r"<\|im_start\|>(\w+)\n(.*?)\n?<\|im_end\|>", text, flags=re.DOTALL)


def _fill(text: str, values: Mapping[str, str]) -> str:
    # in one pass, so that braces in a model's text stay text
    return re.sub(r"\{(instruction|output_1|output_2)\}", lambda match: values[match[1]], text)


# -- the score


def judged_files(own) -> dict[str, str]:
    """Return the prompts and the seed's responses, which every model judges."""
    responses = "<results>/seed/benchmarks/judge_vs_gpt4/responses.jsonl"
    return {"prompts": "<results>/data/eft/comparison_prompts.jsonl", "responses": responses}


def score_files(own, model: str) -> dict[str, str]:
    """Return the model's judgments, and the verdicts of both protocols; those on the fixed pairs are the seed's."""
    folder = "<results>/{}/benchmarks/judge_vs_gpt4"
    return {
        "judgments": f"{folder.format(model)}/judgments.jsonl",
        "gpt4_chosen": f"{folder.format('seed')}/gpt4_chosen.jsonl",
        "self_chosen": f"{folder.format(model)}/self_chosen.jsonl",
        "gpt4_stats": f"{folder.format('seed')}/gpt4_chosen.stats.json",
        "self_stats": f"{folder.format(model)}/self_chosen.stats.json",
    }


def score(files, own, model: str, seed: int) -> dict:
    """Return how often a model's scores agree with the preferences of another judge, by both protocols."""
    from metarewarding import judging
    from metarewarding.engines.sampling import parse_facts

    judgments = read_jsonl(files["judgments"], Judgment)
    means = judging.mean_scores(judgments)
    gpt4, chosen = (read_jsonl(files[name], PairVerdict) for name in ("gpt4_chosen", "self_chosen"))
    # the fixed pairs' verdicts are the seed's, and are paid for once
    stats = [read_json(files["self_stats"])] + [read_json(files["gpt4_stats"])] * (model == "seed")
    scores = [row["score"] for row in judgments if row["score"] is not None]
    return {
        **{key: stats[0][key] for key in ("judge", "judge_model")},
        "gpt4_chosen": gpt4_chosen(gpt4, means),
        "self_chosen": self_chosen(chosen, means),
        "cost": sum(of["cost"] for of in stats),
        "scores": dict(sorted(Counter(str(score) for score in scores).items())),  # figure 5
        "mean_score": sum(scores) / len(scores) if scores else None,
        **parse_facts(row["score"] for row in judgments),
    }


BENCHMARK = Benchmark(
    name="judge_vs_gpt4",
    title="Judge against a stronger judge",
    kind=PREFERENCE,
    description="A model's scores of the seed's responses against GPT-4's preferences (table 3).",
    settings={
        "judge": shared.judge("gpt-4-1106-preview", "; it must give log-probabilities"),
        "prompts": shared.whole_number(
            375,
            "Prompts of `eft.trees` that are answered and compared: the held-out ones of EFT first, then others, drawn "
            "by seed and set aside, so that EFT trains on none. The paper's percentages imply 358 to 374.",
        ),
    },
    judged_files=judged_files,
    score=score,
    score_files=score_files,
    columns=[
        ("Chosen by the stronger: agreement, %", "gpt4_chosen.agreement", 100),
        ("without ties", "gpt4_chosen.agreement_without_ties", 100),
        ("pairs", "gpt4_chosen.pairs", 1),
        ("Chosen by the model: agreement, %", "self_chosen.agreement", 100),
        ("without ties", "self_chosen.agreement_without_ties", 100),
        ("pairs", "self_chosen.pairs", 1),
        ("Mean score given", "mean_score", 1),
    ],
    paper_tables={"Table 3": "Judge against GPT-4"},
    labels={
        "gpt4_chosen.agreement": "Pairs that GPT-4 chose: agreement",
        "gpt4_chosen.agreement_without_ties": "the same without ties",
        "self_chosen.agreement": "Pairs that the model chose: agreement",
        "self_chosen.agreement_without_ties": "the same without ties",
    },
    is_share=True,
    # the paper's percentages imply 358 to 374 pairs that the model chose, so about 366
    paper_n={"gpt4_chosen": 168, "self_chosen": 366},
)

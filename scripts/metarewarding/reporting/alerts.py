"""Alerts of a run: each names models, value and bound, and the part of the page that shows it."""

from math import sqrt

from metarewarding.evaluation import registry
from metarewarding.reporting.metrics import score_of, value_at

MIN_PARSE_RATE = 0.8
MAX_ONE_SCORE = 0.8
MAX_GROWTH = 0.10  # of mean length, an iteration
MAX_POSITION_BIAS = 0.7
MIN_PROMPTS_WITH_PAIR = 0.25
MIN_TRAINED_ON = 100
MAX_TRUNCATED = 0.05
MAX_REPEATING = 0.2  # of the responses; lists, tables and code repeat words too
MAX_EMPTY = 0.01
MAX_DISTINCT_2_FALL = 0.2  # from the first iteration
MAX_CHOSEN_FALL = 0.1  # nats a token
FEW = 30  # fewer pairs do not give a reliable share


def alerts(metrics: dict) -> list[dict]:
    """Return [{title, text, where}]; ``where`` is the id of the part of the page that shows it."""
    rows = {row["model"]: row for row in metrics["models"]}
    messages = [
        ("Parse rate below 80 %", "many texts of the judge or meta-judge have no readable verdict", "parse_rates",
         parse_rates(rows)),
        ("Scores have collapsed", "one value is more than 80 % of the scores given, so pairs depend on few judgments",
         "scores_given", collapsed(rows)),
        ("Length grows by more than 10 % an iteration", "length control (rho) may be too weak", "lengths",
         growth(rows)),
        ("Position bias above 70 %", "the position decides most of the meta-judge's verdicts", "meta_judge_bias",
         position_bias(rows)),
        ("Few pairs", "an iteration learns little from so few", "pairs_kept", few_pairs(rows)),
        ("More than 5 % of the responses are cut at the token limit", "raise sampling.responses.max_tokens",
         "pairs", truncated(rows)),
        ("More than 20 % of the responses repeat themselves", "a run of eight words occurs twice: texts may loop",
         "sampling", repeating(rows)),
        ("More than 1 % of the responses are empty", "the model may have learned to give empty answers", "sampling",
         empty(rows)),
        ("Distinct-2 fell by more than 20 % since the first iteration", "the responses become more similar", "sampling",
         alike(rows)),
        ("The chosen side's log-probability falls in training",
         "DPO also lowers the probability of chosen texts, which may lead to other texts", "dpo_chosen_logp",
         chosen_falls(rows)),
        ("Reward accuracy is not above chance on held-out pairs",
         "DPO does not generalise to prompts that it was not trained on", "dpo_accuracy",
         accuracy(rows, "held_out")),
        ("Reward accuracy is not above chance on pairs that were trained on", "DPO has not learned its own pairs",
         "dpo_accuracy", accuracy(rows, "trained")),
        ("Too few held-out pairs to tell whether DPO generalises", "raise dpo.held_out", "dpo_accuracy",
         unknown_accuracy(rows)),
    ]  # fmt: skip
    return [
        {"title": title, "means": means, "where": where, "cases": cases}
        for title, means, where, cases in messages
        if cases
    ]


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def parse_rates(rows: dict) -> list[str]:
    cases = []
    for model, row in rows.items():
        # the seed is not trained on EFT
        rates = {} if model == "seed" else {"held-out judgments": row["agreement"]["parse_rate"]}
        for what, name in (("judgments", "judgments"), ("meta_judgments", "meta-judgments")):
            if row["pairs"] and what in row["pairs"]:
                rates[f"{name} by {row['parent']}"] = row["pairs"][what]["parse_rate"]
        cases += [
            f"{model}: {percent(rate)} of the {what}"
            for what, rate in rates.items()
            if rate is not None and rate < MIN_PARSE_RATE
        ]
    return cases


def collapsed(rows: dict) -> list[str]:
    cases = []
    for model, row in rows.items():
        counts = (row["summary"] or {}).get("scores_given")
        if counts:
            score, count = max(counts.items(), key=lambda item: item[1])
            share = count / sum(counts.values())
            if share > MAX_ONE_SCORE:
                cases.append(
                    f"{row['parent']} gave {score} in {percent(share)} of {sum(counts.values())} judgments for {model}"
                )
    return cases


def growth(rows: dict) -> list[str]:
    cases = []
    for model, row in rows.items():
        before = rows.get(row["parent"])
        if before is None:
            continue
        pairs = (
            ("training responses", *((of["pairs"] or {}).get("actor", {}).get("mean_length") for of in (before, row))),
            *(
                (known.length[1], *(value_at(score_of(of, name), known.length[0]) for of in (before, row)))
                for name, known in registry.every().items()
                if known.length
            ),
        )
        cases += [
            f"{model}: {what} from {then:.0f} to {now:.0f} characters (+{100 * (now / then - 1):.0f} %)"
            for what, then, now in pairs
            if then and now and now / then - 1 > MAX_GROWTH
        ]
    return cases


def position_bias(rows: dict) -> list[str]:
    return [
        f"{model}: {percent(row['bias']['position_bias'])} of {row['bias']['pairs']} pairs flip with the order"
        + (" (too few to tell)" if row["bias"]["pairs"] < FEW else "")
        for model, row in rows.items()
        if row["bias"] and (row["bias"]["position_bias"] or 0) > MAX_POSITION_BIAS
    ]


def few_pairs(rows: dict) -> list[str]:
    return [
        f"{model}: {facts['pairs']} {kind} pairs from {facts['prompts']} prompts"
        for model, row in rows.items()
        for kind in ("actor", "judge")
        if (facts := (row["pairs"] or {}).get(kind))
        and (facts["pairs"] < MIN_TRAINED_ON or facts["pairs"] < MIN_PROMPTS_WITH_PAIR * facts["prompts"])
    ]


def truncated(rows: dict) -> list[str]:
    cases = []
    for model, row in rows.items():
        facts = (row["pairs"] or {}).get("actor")
        if facts and facts["distinct_responses"]:
            share = facts["truncated_responses"] / facts["distinct_responses"]
            if share > MAX_TRUNCATED:
                cases.append(
                    f"{row['parent']}: {percent(share)} of {facts['distinct_responses']} responses for {model}"
                )
    return cases


def degenerations(rows: dict) -> dict[str, dict]:
    """Return {model: the signs of degeneration in its parent's responses} of the models with any."""
    return {model: measures for model, row in rows.items() if (measures := (row["summary"] or {}).get("degeneration"))}


def repeating(rows: dict) -> list[str]:
    return [
        f"{rows[model]['parent']}: {percent(of['repeated_8grams'])} of {of['responses']} responses for {model}"
        for model, of in degenerations(rows).items()
        if of["repeated_8grams"] > MAX_REPEATING
    ]


def empty(rows: dict) -> list[str]:
    return [
        f"{rows[model]['parent']}: {100 * measures['empty']:.1f} % of {measures['responses']} responses for {model}"
        for model, measures in degenerations(rows).items()
        if measures["empty"] > MAX_EMPTY
    ]


def alike(rows: dict) -> list[str]:
    cases, of = [], degenerations(rows)
    for model, measures in of.items():
        first = model
        while rows[first]["parent"] in of:
            first = rows[first]["parent"]
        then, now = of[first]["distinct_2"], measures["distinct_2"]
        if then and now is not None and now / then < 1 - MAX_DISTINCT_2_FALL:
            cases.append(f"{rows[model]['parent']}: {now:.3f} in the responses for {model}, {then:.3f} in the first")
    return cases


def chosen_falls(rows: dict) -> list[str]:
    """Return where the chosen side of trained pairs loses log-probability from before training to the last epoch."""
    cases = []
    for model, row in rows.items():
        by_kind: dict[str, list[dict]] = {}
        for entry in (row["training"] or {}).get("epochs", []):
            if entry.get("set") == "trained":
                by_kind.setdefault(entry["kind"], []).append(entry)
        for kind, entries in by_kind.items():
            ordered = sorted(entries, key=lambda entry: entry["epoch"])
            then, now = (entry["chosen_logp"] / entry["chosen_tokens"] for entry in (ordered[0], ordered[-1]))
            if then - now > MAX_CHOSEN_FALL:
                cases.append(f"{model}: {kind} pairs from {then:.2f} to {now:.2f} nats a token")
    return cases


def last_measured(rows: dict, which: str) -> list[tuple[str, dict]]:
    """Return (model, the last epoch's row) of each model and kind of pairs; ``which`` is trained or held_out."""
    last: dict[tuple[str, str], dict] = {}
    for model, row in rows.items():
        for entry in (row["training"] or {}).get("epochs", []):
            if entry.get("set") == which:
                last[model, entry["kind"]] = entry
    return [(model, entry) for (model, _), entry in last.items()]


def accuracy(rows: dict, which: str) -> list[str]:
    return [
        f"{model}: {percent(entry['accuracy'])} of {entry['pairs']} {entry['kind']} pairs"
        for model, entry in last_measured(rows, which)
        if entry["pairs"] >= FEW and entry["accuracy"] - 1.645 * 0.5 / sqrt(entry["pairs"]) <= 0.5
    ]


def unknown_accuracy(rows: dict) -> list[str]:
    return [
        f"{model}: {entry['pairs']} {entry['kind']} pairs ({percent(entry['accuracy'])} right)"
        for model, entry in last_measured(rows, "held_out")
        if entry["pairs"] < FEW
    ]

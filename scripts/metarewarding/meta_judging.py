"""The meta-judge: its prompt, its verdicts on pairs of judgments, and the battle matrix (section 2.2, figure 2)."""

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np

from metarewarding import judging, pairs, templates
from metarewarding.engines import sampling
from metarewarding.records import Judgment, MetaJudgment, Response
from metarewarding.winner_syntax import parse_winner


def presentations(judgments: Sequence[Judgment]) -> list[tuple[Judgment, Judgment]]:
    """Return every ordered pair of judgments with different texts: both orders of each pair (section 2.2).

    ``judgments`` are the valid judgments of one response; the pairs come in their order, first by
    the judgment shown first.
    """
    return [(m, n) for m, n in permutations(judgments, 2) if m["text"] != n["text"]]


def one_order(
    presentations: Sequence[tuple[Judgment, Judgment]], rng: np.random.Generator
) -> list[tuple[Judgment, Judgment]]:
    """Return one presentation of each pair, drawn with equal odds from both orders of all pairs of a response."""
    ids = [(m["judgment_id"], n["judgment_id"]) for m, n in presentations]
    kept = {(m, n) if rng.random() < 0.5 else (n, m) for m, n in sorted(pair for pair in ids if pair[0] < pair[1])}
    return [pair for pair, of_pair in zip(presentations, ids, strict=True) if of_pair in kept]


def position_weights(meta_judgments: Iterable[MetaJudgment]) -> tuple[float, float]:
    """Return (omega1, omega2), the weight of a win in the first and in the second position.

    omega1 = win2nd / (win1st + win2nd) and omega2 = win1st / (win1st + win2nd): a win in the slot
    that wins less often counts for more (section 2.2). 0.5 each when nothing was won.
    """
    wins = {"first": 0, "second": 0, None: 0}
    for row in meta_judgments:
        wins[row["winner"]] += 1
    total = wins["first"] + wins["second"]
    if total == 0:
        return 0.5, 0.5
    return wins["second"] / total, wins["first"] / total


def one_sided(facts: dict) -> str | None:
    """Return a message when a meta-judge always names the same position, from counts of its verdicts; else None.

    Such verdicts have no effect: a win in a position that always wins has the weight 0 (section 2.2).
    """
    first, second = facts["first_wins"], facts["second_wins"]
    if min(first, second) or first + second < 4:  # fewer verdicts may agree by chance
        return None
    place = "A, the judgment shown first" if first else "B, the judgment shown second"
    return (
        f"the meta-judge named {place}, in all of its {first + second} readable verdicts: position bias 100 %. Its "
        "verdicts carry no information, and there is no judge pair. Take a stronger model or another template "
        "(templates.meta_judge)."
    )


def battle_matrix(
    judgment_ids: Sequence[str], meta_judgments: Iterable[MetaJudgment], omega1: float, omega2: float
) -> np.ndarray:
    """Return B[m, n] = omega1 * 1[r_mn = 1] + omega2 * 1[r_nm = -1], shape (n, n) (section 2.2).

    r_mn is the verdict on the presentation with m first: m's win there counts omega1 for (m, n), and
    n's win omega2 for (n, m). Verdicts that flip with the order are kept. A presentation without a verdict adds
    nothing; the other order still counts. Rows are joined by judgment id; an id that is not in ``judgment_ids`` raises
    KeyError.
    """
    index = {judgment_id: i for i, judgment_id in enumerate(judgment_ids)}
    battles = [[0.0] * len(index) for _ in index]  # single additions to a list are three times as fast as to an array
    for row in meta_judgments:
        first, second = index[row["first"]], index[row["second"]]
        if row["winner"] == "first":
            battles[first][second] += omega1
        elif row["winner"] == "second":
            battles[second][first] += omega2
        elif row["winner"] is not None:
            raise ValueError(f"a winner is first, second or None, not {row['winner']!r}")
    return np.array(battles).reshape(len(index), len(index))


def select_for_meta_judging(responses: Sequence[Response], judgments: Sequence[Judgment], seed: int) -> dict[str, str]:
    """Return {prompt_id: the response of highest judgment variance} (section 2.2); prompts without one are absent."""
    scores = judging.valid_scores(judgments)
    by_prompt: dict[str, dict[str, list[float]]] = {}
    for response in responses:
        if response["response_id"] in scores:
            by_prompt.setdefault(response["prompt_id"], {})[response["response_id"]] = scores[response["response_id"]]
    selected = {}
    for prompt_id, of_prompt in by_prompt.items():
        response_id = pairs.select_response_to_meta_judge(of_prompt, sampling.rng(seed, "highest variance", prompt_id))
        if response_id is not None:
            selected[prompt_id] = response_id
    return selected


def meta_judge(
    engine,
    prompt_texts: dict[str, str],
    responses: Sequence[Response],
    judgments: Sequence[Judgment],
    template: str,
    decoding: sampling.Decoding,
    seed: int,
    strip_scores: bool = False,
    orders: str = "both",
) -> tuple[list[MetaJudgment], dict]:
    """Return verdicts on both orders of every pair of a prompt's selected response's judgments, and facts.

    With ``strip_scores`` the judgments are shown without their scores (our study; the paper shows whole judgments);
    with ``orders`` "one" each pair is shown once, in an order drawn by seed. Adds to the facts: unparsed,
    parse_rate (None without presentations).
    """
    presented = _presented(prompt_texts, responses, judgments, template, seed, strip_scores, orders)
    return _ask(engine, presented, "meta-judgment", decoding, seed)


def repeat(
    engine,
    prompt_texts: dict[str, str],
    responses: Sequence[Response],
    judgments: Sequence[Judgment],
    template: str,
    decoding: sampling.Decoding,
    seed: int,
    share: float,
    strip_scores: bool = False,
) -> tuple[list[MetaJudgment], dict]:
    """Return verdicts on a share of the pairs of ``meta_judge``, in both orders and with other seeds, and facts.

    At least one pair where there is any and ``share`` is above 0; pairs are drawn by seed. No training uses them: they
    tell how far verdicts repeat (``consistency.of_repeats``).
    """
    presented = _presented(prompt_texts, responses, judgments, template, seed, strip_scores, "both")
    pairs_shown = sorted({tuple(sorted((m["judgment_id"], n["judgment_id"]))) for _, m, n, _ in presented})
    count = min(len(pairs_shown), max(1, round(share * len(pairs_shown)))) if share else 0
    drawn = sampling.rng(seed, "repeated pairs").permutation(len(pairs_shown))[:count]
    kept = {pairs_shown[i] for i in drawn}
    again = [row for row in presented if tuple(sorted((row[1]["judgment_id"], row[2]["judgment_id"]))) in kept]
    return _ask(engine, again, "repeated meta-judgment", decoding, seed)


def _presented(prompt_texts, responses, judgments, template, seed, strip_scores, orders) -> list[tuple]:
    """Return (id, judgment shown first, judgment shown second, chat) of each presentation."""
    text_of = {response["response_id"]: response["text"] for response in responses}
    valid: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        if judgment["score"] is not None:
            shown = judging.without_score(judgment["text"]) if strip_scores else judgment["text"]
            valid.setdefault(judgment["response_id"], []).append({**judgment, "text": shown})
    presented = []
    for response_id in select_for_meta_judging(responses, judgments, seed).values():
        shown = presentations(valid[response_id])
        if orders == "one":
            shown = one_order(shown, sampling.rng(seed, "presentation order", response_id))
        for first, second in shown:
            messages = templates.fill(
                template,
                prompt=sampling.text_of(prompt_texts, first),
                response=text_of[response_id],
                judgment_a=first["text"],
                judgment_b=second["text"],
            )
            presented.append((f"{first['judgment_id']} {second['judgment_id']}", first, second, messages))
    return presented


def _ask(engine, presented, stage: str, decoding: sampling.Decoding, seed: int) -> tuple[list[MetaJudgment], dict]:
    requests = [
        sampling.Request(identity, messages, 1, sampling.identity_seed(seed, stage, identity), decoding)
        for identity, _, _, messages in presented
    ]
    completions, facts = sampling.sample(engine, requests)
    winners = {"A": "first", "B": "second", None: None}
    rows = [
        MetaJudgment(
            prompt_id=first["prompt_id"],
            response_id=first["response_id"],
            first=first["judgment_id"],
            second=second["judgment_id"],
            text=completion.text,
            winner=winners[parse_winner(completion.text)],
        )
        for identity, first, second, _ in presented
        for completion in completions[identity]
    ]
    return rows, facts | sampling.parse_facts(row["winner"] for row in rows)

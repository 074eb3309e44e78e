"""The page's figures: from the metrics to charts (Vega-Lite), each with its caption, a description and its values."""

from metarewarding.reporting.figures.cost import hours, timeline, tokens
from metarewarding.reporting.figures.judges import judges, meta_judge_bias, parse_rates
from metarewarding.reporting.figures.outcome import categories, outcomes
from metarewarding.reporting.figures.pairs import length_against_score, lengths, pairs_kept
from metarewarding.reporting.figures.scores import elo, judge_scores, scores_given
from metarewarding.reporting.figures.sensitivity import sensitivity
from metarewarding.reporting.figures.training import training
from metarewarding.reporting.metrics import chains


def of(metrics: dict, paper: list[dict]) -> list[dict]:
    """Return [{id, group, title, caption, description, rows, chart}] of the figures that this run has values for.

    ``rows`` are the plotted values, ``chart`` is an Altair chart.
    """
    chain = chains(metrics)
    drawn = [
        *outcomes(metrics, paper, chain),
        categories(metrics, paper, chain),
        judge_scores(metrics, paper),
        scores_given(metrics),
        *judges(metrics, paper, chain),
        parse_rates(metrics, chain),
        meta_judge_bias(metrics, paper, chain),
        elo(metrics),
        *sensitivity(metrics, chain),
        lengths(metrics),
        length_against_score(metrics),
        pairs_kept(metrics),
        *training(metrics),
        tokens(metrics),
        hours(metrics),
        timeline(metrics),
    ]
    return [figure for figure in drawn if figure is not None]

"""The judge's scores: averaged over the valid ones."""

from metarewarding.judging import mean_scores, valid_scores


def judgment(response_id, number, score):
    return {
        "prompt_id": response_id.split("/")[0],
        "response_id": response_id,
        "judgment_id": f"{response_id}/j{number}",
        "text": f"Score: {score}",
        "score": score,
        "finish_reason": "stop",
    }


# -- mean_scores


def test_the_mean_is_over_valid_scores_only():
    rows = [judgment("p/r0", 0, 4), judgment("p/r0", 1, None), judgment("p/r0", 2, 1.5)]
    assert mean_scores(rows) == {"p/r0": 2.75}  # (4 + 1.5) / 2; the unparsed one is no 0 and no -1


def test_one_valid_judgment_is_enough_for_a_mean():
    assert mean_scores([judgment("p/r0", 0, None), judgment("p/r0", 1, 3)]) == {"p/r0": 3}


def test_a_response_without_a_valid_score_is_absent():
    assert mean_scores([judgment("p/r0", 0, None), judgment("p/r1", 0, 2)]) == {"p/r1": 2}


def test_a_score_of_zero_is_a_score():
    assert mean_scores([judgment("p/r0", 0, 0), judgment("p/r0", 1, 3)]) == {"p/r0": 1.5}


def test_scores_are_joined_by_response_id_and_not_by_position():
    rows = [judgment("p/r1", 0, 1), judgment("p/r0", 0, 4), judgment("p/r1", 1, 2), judgment("p/r0", 1, 5)]
    assert mean_scores(rows) == {"p/r0": 4.5, "p/r1": 1.5}
    assert valid_scores(rows) == {"p/r1": [1, 2], "p/r0": [4, 5]}


def test_no_judgments_have_no_means():
    assert mean_scores([]) == {}

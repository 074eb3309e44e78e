"""Messages have one form, whatever writes them, and a fault ends the process in a message."""

import logging
import re

import pytest

from metarewarding.errors import UserError
from metarewarding.jobs.job import reporting
from metarewarding.jobs.logs import in_words, logger

HEAD = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def lines(capsys) -> list[str]:
    output = capsys.readouterr()
    assert output.out == ""
    return [re.sub(HEAD, "", line) for line in output.err.splitlines() if re.match(HEAD, line)]


def test_messages_of_programs_of_the_library_and_of_others_have_one_form(capsys):
    with reporting("meta_judge"):
        logger.info("from a program")
        logging.getLogger("metarewarding.engines.engine").warning("from the library")
        logging.getLogger("another").info("not shown")
        logging.getLogger("another").warning("shown")
    logger.info("outside")
    *output, last = lines(capsys)
    assert output == [
        "INFO meta_judge: from a program",
        "WARNING meta_judge: from the library",
        "WARNING meta_judge: shown",
    ]
    assert re.fullmatch(r"INFO meta_judge: done in \d+ s", last)


def test_of_several_processes_the_first_speaks_and_the_others_warn(capsys, monkeypatch):
    for rank, expected in (("0", 3), ("1", 1)):
        monkeypatch.setenv("RANK", rank)
        with reporting("train_dpo"):
            logger.info("fact")
            logger.warning("fault")
        assert len(lines(capsys)) == expected


@pytest.mark.parametrize(("fault", "traceback"), [(UserError("eft.trees: no file."), False), (KeyError("x"), True)])
def test_a_fault_ends_the_process_in_one_message(capsys, fault, traceback):
    with pytest.raises(SystemExit) as end, reporting("build_eft"):
        raise fault
    assert end.value.code == 1
    output = capsys.readouterr().err
    assert ("Traceback" in output) == traceback
    assert len(re.findall(r" ERROR build_eft: ", output)) == 1
    assert "done in" not in output


def test_facts_in_words():
    facts = {"pairs": 6, "actor": {"pairs": 4, "outcome": {"pair": 4}}, "judge": {}, "share": 0.5}
    assert in_words(facts) == "pairs=6, actor.pairs=4, actor.outcome.pair=4, judge={}, share=0.5"

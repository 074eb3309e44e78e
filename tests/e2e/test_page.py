"""The page of a run of the paper's size, with hostile model texts, in a headless browser."""

import csv
import json
import re
import time

import paper_sized
import pytest
from browser import check, chromium, opened, violations

pytestmark = pytest.mark.slow

NASTY = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'></div></body> <b>b</b> &lt;&amp;&#65;\n"
    "\n  indented\ttabbed \r cr {{ 7 * 7 }} {% raw %} ${pwned} </script> <!-- <style> * {display: none} </style>\n"
    + "long" * 500
    + "\nمرحبا بالعالم שלום 😀👩‍👩‍👧 ｆｕｌｌ \u202eoverride\u202c \u200bzero\n"
)
NASTY += "word " * ((20_000 - len(NASTY)) // 5 + 1)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return (the page, the seconds of its script), with NASTY among the texts."""
    assert len(NASTY) >= 20_000
    folder = tmp_path_factory.mktemp("paper")
    files = paper_sized.build(folder / "results", NASTY)
    start = time.time()
    return paper_sized.write_page(folder / "results", files), time.time() - start


@pytest.fixture(scope="module")
def browser():
    with chromium() as result:
        yield result


def test_it_is_built_in_under_a_minute_and_stays_under_10_mb(built):
    page, seconds = built
    assert seconds < 60
    assert page.stat().st_size < 10e6
    figures = {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert {"figure_3", "figure_4", "figure_5"} < figures
    for name in figures:
        assert (page.parent / f"figures/{name}.png").stat().st_size > 5000
        assert (page.parent / f"tables/{name}.csv").stat().st_size > 50


def test_nothing_of_the_page_complains_asks_or_overflows(built, browser):
    check(browser, built[0])


def test_what_a_model_wrote_is_shown_whole_and_does_nothing(built, browser):
    shown = NASTY.replace("\0", "␀")
    with opened(browser, built[0]) as (page, complaints, _):
        result = page.evaluate(
            """text => ({
                whole: [...document.querySelectorAll('.sample')].filter(box => box.textContent === text).length,
                markup: document.querySelectorAll('.sample *').length,
                pwned: window.pwned ?? null,
                scripts: [...document.scripts].filter(script => script.type !== 'application/json').length,
            })""",
            shown,
        )
        assert result["whole"] >= 8 * 2  # a prompt and a response of each iteration, at least
        assert (result["markup"], result["pwned"], result["scripts"]) == (0, None, 2)
        assert not complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(built, browser, scheme):
    assert violations(browser, built[0], scheme) == []


def test_a_search_leaves_the_prompts_that_hold_it(built, browser):
    with opened(browser, built[0]) as (page, _, _):
        count = page.locator("details.prompt").count()
        page.fill("#look-search", "no text holds this")
        assert page.locator("details.prompt:not([hidden])").count() == 0
        page.fill("#look-search", "")
        assert page.locator("details.prompt:not([hidden])").count() == count
        page.check("#look-flips")
        assert 0 < page.locator("details.prompt:not([hidden])").count() < count  # self-rewarding has no meta-judge
        page.uncheck("#look-flips")
        page.click("#look-all")
        assert page.locator("details.prompt[open]").count() == count


def test_links_lead_to_what_they_name(built, browser):
    with opened(browser, built[0]) as (page, _, _):
        dead = page.evaluate(
            """[...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1))
                .filter(id => !document.getElementById(id))"""
        )
        assert not dead
        link = page.locator(".matrix td a").first
        link.evaluate("a => a.click()")
        assert page.locator(f"[id='{link.get_attribute('href')[1:]}']").is_visible()  # inside details, which open


def test_a_legend_hides_what_is_not_chosen(built, browser):
    with opened(browser, built[0]) as (page, _, _):
        figure = page.locator("#figure_3")
        figure.scroll_into_view_if_needed()
        page.wait_for_selector("#figure_3[data-live]")
        paths = "[...f.querySelectorAll('.mark-symbol.role-mark path')]"
        marks = f"f => new Set({paths}.map(path => path.getAttribute('opacity'))).size"
        assert figure.evaluate(marks) == 1
        figure.locator(".role-legend-symbol path, .role-legend-label text").first.dispatch_event("click")
        page.wait_for_timeout(300)
        assert figure.evaluate(marks) == 2


def test_the_paper_stands_beside_ours(built):
    page = built[0].read_text()
    assert "Not measured in this run: Table 4" in page  # the ablations are another run
    for table in (1, 2, 3, 5, 6, 7):
        assert re.search(rf"<h3[^>]*>Table {table}:", page)
    with open(built[0].parent / "tables/table_2.csv", newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file) if row["metric"] == "score"}
    assert (rows["seed"]["paper"], rows["seed"]["paper_low"], rows["seed"]["paper_high"]) == ("20.6", "18.6", "22.4")
    assert {row["verdict"] for row in rows.values()} <= {"within noise", "beyond noise"}
    assert "The settings are the paper" in page
    assert "Planned: as calculated for H100" in page
    metrics = json.loads((built[0].parent / "metrics.json").read_text())
    assert metrics["differs"] == []
    assert {row["model"] for row in metrics["models"]} == set(paper_sized.MODELS)

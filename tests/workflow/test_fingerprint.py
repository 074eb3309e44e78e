"""A fingerprint changes with what the code does, and with nothing else."""

import pytest
from fingerprint import fingerprint, part_of


@pytest.fixture
def scripts(tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "__init__.py").write_text("")
    (tmp_path / "library" / "elo.py").write_text('"""Elo."""\nfrom library import tools\n\ndef fit():\n    return 1\n')
    (tmp_path / "library" / "tools.py").write_text("LIMIT = 1\n")
    (tmp_path / "library" / "other.py").write_text("OTHER = 1\n")
    (tmp_path / "fit.py").write_text('"""Fit."""\nimport json\nfrom library import elo\n\nprint(elo.fit(), json)\n')
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fit.py", '"""Fit."""', '"""Fit the Elo scores."""'),
        ("fit.py", "import json", "# standard library\nimport json"),
        ("library/elo.py", "    return 1", '    """One."""\n    return 1'),
        ("library/elo.py", "return 1", "return (1)"),
        ("library/other.py", "1", "2"),
    ],
)
def test_comments_docstrings_and_modules_not_imported_do_not_count(scripts, file, old, new):
    before = fingerprint(scripts / "fit.py", scripts)
    edit(scripts / file, old, new)
    assert fingerprint(scripts / "fit.py", scripts) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fit.py", "print", "repr"),
        ("library/elo.py", "return 1", "return 2"),
        ("library/tools.py", "LIMIT = 1", "LIMIT = 2"),
        ("library/__init__.py", "", "import json"),
    ],
)
def test_real_edits_count_also_in_modules_imported_by_modules(scripts, file, old, new):
    before = fingerprint(scripts / "fit.py", scripts)
    if old:
        edit(scripts / file, old, new)
    else:
        (scripts / file).write_text(new)
    assert fingerprint(scripts / "fit.py", scripts) != before


def test_relative_imports_and_the_packages_that_an_import_runs_count(scripts):
    (scripts / "library/elo.py").write_text("from . import tools\nfrom .other import OTHER\n")
    (scripts / "fit.py").write_text("from library.elo import tools\n")
    for file, text in (("tools.py", "LIMIT = 3"), ("other.py", "OTHER = 3"), ("__init__.py", "import json")):
        before = fingerprint(scripts / "fit.py", scripts)
        (scripts / "library" / file).write_text(text)
        assert fingerprint(scripts / "fit.py", scripts) != before


def test_a_module_that_is_imported_by_name_counts_where_it_is_given(scripts):
    by_name = [scripts / "library/other.py"]
    before = fingerprint(scripts / "fit.py", scripts, by_name)
    assert before != fingerprint(scripts / "fit.py", scripts)
    edit(scripts / "library/other.py", "1", "2")
    assert fingerprint(scripts / "fit.py", scripts, by_name) != before


ENTRY = """import json
from library import elo, tools
LIMIT, OTHER = 1, 2
class Row: pass
@tools.checked
def read(path): return json.loads(path, Row) or LIMIT
def score(rows): return elo.fit(rows)
BENCHMARK = Benchmark(read_questions=read, score=score, title="T")
"""


def test_of_a_benchmark_only_the_part_counts_that_its_fields_need():
    part = part_of(ENTRY, ("read_questions",))
    assert "def read(" in part
    assert "class Row" in part
    assert "LIMIT" in part
    assert "def score(" not in part
    assert "title" not in part
    assert "elo.fit" in part_of(ENTRY, ("score",))

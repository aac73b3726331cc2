"""Every family of the table is right in all that is computed, or refused before there is a number."""

from pathlib import Path

import pytest

from tests.engine import families
from tests.engine.small_networks import FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_family_is_right_or_refused_and_stands_so_in_the_documentation(family: Family, tmp_path: Path) -> None:
    line = families.row(family, tmp_path)
    listed = families.DOC.read_text(encoding="utf-8").splitlines()
    assert line in listed, "docs/families.md says otherwise: write it anew with `python -m tests.engine.families`"


def test_the_table_has_no_other_rows_and_enough_of_them() -> None:
    rows = families.DOC.read_text(encoding="utf-8").partition(families.RULE)[2].splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [family.name for family in FAMILIES]
    assert sum("refused" not in row for row in rows) >= 40

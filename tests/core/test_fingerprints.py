from __future__ import annotations

import numpy
from hypothesis import given
from hypothesis import strategies as st
from mixes import example

from rmr1_core import Example
from rmr1_core.fingerprints import Fingerprints, Reason, normal, spoken

ROW = st.tuples(
    st.sampled_from(["p", "q"]),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from(["x", "y", "z"]),
    st.booleans(),
    st.booleans(),
)


def added(rows: list[Example]) -> Fingerprints:
    prints = Fingerprints()
    for row in rows:
        prints.add(row, spoken(row.pair.prompt))
    return prints


@given(st.lists(ROW, max_size=12))
def test_repeats_are_those_of_the_plain_definition(
    drawn: list[tuple[str, str, str, bool, bool]],
) -> None:
    rows = [example("r", p, c, r, first=first) for p, c, r, first, _ in drawn]
    considered = numpy.array([keep and c != r for _, c, r, _, keep in drawn], bool)
    expected = {}
    for number, row in enumerate(rows):
        if not considered[number]:
            continue
        pair = row.pair
        alike = [
            n
            for n, other in enumerate(rows)
            if considered[n]
            and other.pair.prompt == pair.prompt
            and {other.pair.chosen, other.pair.rejected} == {pair.chosen, pair.rejected}
        ]
        if any(rows[n].pair.chosen != pair.chosen for n in alike):
            expected[number] = Reason.CONTRADICTORY
        elif alike[0] != number:
            swapped = rows[alike[0]].chosen_first != row.chosen_first
            expected[number] = Reason.SWAPPED if swapped else Reason.DUPLICATE
    found = list(added(rows).repeats(considered))
    assert {repeat.row: repeat.reason for repeat in found} == expected
    for repeat in found:
        assert considered[repeat.other]
        other, row = rows[repeat.other].pair, rows[repeat.row].pair
        differs = other.chosen != row.chosen
        assert differs == (repeat.reason is Reason.CONTRADICTORY)


def test_identical_answers_are_marked() -> None:
    prints = added([example("a", chosen="Yes ", rejected="yes"), example("b")])
    assert prints.identical().tolist() == [True, False]


def test_a_text_is_normal_in_one_case_with_single_spaces() -> None:
    assert normal(" Straße\t\u00a0 IST\nlang ") == "strasse ist lang"
    assert normal("") == ""


def test_what_stands_in_prompt_and_answers_is_not_confused() -> None:
    rows = [
        example("a", "p x", "y", "z"),
        example("b", "p", "x y", "z"),
        example("c", "p", "y", "z"),
    ]
    assert list(added(rows).repeats(numpy.ones(3, bool))) == []

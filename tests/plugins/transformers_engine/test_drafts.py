"""What is guessed from earlier answers."""

from __future__ import annotations

from rmr1_transformers.drafts import Drafts

BEFORE = [1, 2, 3]


def test_what_came_twice_is_guessed_and_what_came_once_is_not() -> None:
    drafts = Drafts()
    drafts.learn(BEFORE, [4, 5, 6])
    assert drafts.after(BEFORE, 7) == []
    for _ in range(4):
        drafts.learn(BEFORE, [4, 5, 6])
    assert drafts.after(BEFORE, 7) == [4, 5, 6]
    assert drafts.after(BEFORE, 2) == [4, 5]
    assert drafts.after([*BEFORE, 4], 7) == [5, 6]


def test_what_cannot_be_foreseen_is_soon_not_guessed() -> None:
    drafts = Drafts()
    for number in range(40):
        drafts.learn(BEFORE, [number % 5])
    assert drafts.after(BEFORE, 7) == []


def test_another_habit_takes_the_place_of_an_old_one() -> None:
    drafts = Drafts()
    for token in (4, 9):
        for _ in range(12):
            drafts.learn(BEFORE, [token])
        assert drafts.after(BEFORE, 7) == [token]


def test_guesses_end_where_they_are_unlikely_to_come_true_together() -> None:
    drafts = Drafts()
    for number in range(30):
        drafts.learn(BEFORE, [4, 5, 6, 7] if number % 5 else [4, 5, 6, 0])
        drafts.learn([4, 5, 6], [7, 8] if number % 5 else [0, 9])
        drafts.learn([8, 8, 8], [7, 7, 7, 7, 7])
    assert drafts.after([8, 8, 8], 7) == [7] * 7
    assert drafts.after(BEFORE, 7)[:3] == [4, 5, 6]
    assert len(drafts.after(BEFORE, 7)) < 6

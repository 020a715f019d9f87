"""What is written together, and in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Message, Request, Sampling
from rmr1_transformers.batching import Item, in_order, take


def item(number: int, length: int, limit: int, temperature: float = 0.0) -> Item:
    sampling = Sampling(max_new_tokens=limit, temperature=temperature)
    messages = (Message("user", str(number)),)
    request = Request(id=str(number), messages=messages, sampling=sampling)
    return Item(request, tuple(range(length)), limit)


shapes = st.tuples(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.0, 1.0]))


@given(st.lists(shapes, max_size=30))
def test_items_are_taken_once_and_by_manner(wanted: list[tuple[int, int, float]]) -> None:
    items = [item(number, *shape) for number, shape in enumerate(wanted)]
    queue, batches = in_order(items), []
    while queue:
        batches.append(take(queue))
    assert len(batches) == len({i.manner for i in items})
    assert all(len({i.manner for i in batch}) == 1 for batch in batches)
    taken = [i.request.id for batch in batches for i in batch]
    assert sorted(taken) == sorted(i.request.id for i in items)


def test_identical_prompts_stay_together() -> None:
    items = [item(number, length, 5) for number, length in enumerate([3, 9, 3, 9, 3])]
    assert [len(i.prompt) for i in in_order(items)] == [9, 9, 3, 3, 3]

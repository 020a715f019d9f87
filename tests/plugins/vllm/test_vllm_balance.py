from rmr1_vllm.inside.balance import Balance

LONG = 64 * 5


def prompt(conversation: int, end: int) -> list[int]:
    return [7] * 64 + [conversation] * LONG + [end] * 64


def test_prompts_that_begin_alike_meet_at_one_replica():
    balance = Balance(4)
    ranks = [[balance.choose(prompt(group, end)) for end in range(8)] for group in range(8)]
    assert all(len(set(of_group)) == 1 for of_group in ranks)
    assert {of_group[0] for of_group in ranks} == {0, 1, 2, 3}


def test_no_replica_gets_much_more_than_another():
    balance = Balance(3)
    ranks = [balance.choose(prompt(0, end)) for end in range(300)]
    counts = [ranks.count(rank) for rank in range(3)]
    assert max(counts) - min(counts) <= 16


def test_a_replica_that_is_done_gets_more():
    balance = Balance(2)
    first = [balance.choose(prompt(0, end)) for end in range(16)]
    assert set(first) == {first[0]}
    assert balance.choose(prompt(0, 99)) != first[0]
    for rank in first:
        balance.done(rank)
    assert balance.choose(prompt(1, 0)) == first[0]


def test_short_prompts_are_spread_evenly():
    balance = Balance(2)
    ranks = [balance.choose([1, 2, number]) for number in range(100)]
    assert ranks.count(0) == ranks.count(1)

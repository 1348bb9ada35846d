"""What is done to the processes, and when."""

import random
from collections import Counter

from chaos.blows import Blow, agenda


def test_ten_minutes_have_forty_kills_and_more_a_quarter_of_them_aimed_at_open_writes() -> None:
    dealt = Counter(blow for _, blow in agenda(random.Random(7), 600, 4.6))
    assert dealt[Blow.KILL] + dealt[Blow.OPEN_WRITE] >= 40
    assert dealt[Blow.OPEN_WRITE] >= 12
    assert min(dealt[blow] for blow in Blow) >= 1


def test_a_short_run_has_one_of_each() -> None:
    assert {blow for _, blow in agenda(random.Random(7), 60, 3)} == set(Blow)


def test_blows_come_in_order_and_within_the_time() -> None:
    instants = [at_s for at_s, _ in agenda(random.Random(7), 600, 4.6)]
    assert instants == sorted(instants)
    assert instants[0] >= 30
    assert instants[-1] <= 600

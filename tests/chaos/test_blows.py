"""What is done to the processes, and when."""

import random
from collections import Counter

from chaos.blows import Blow, agenda

DUE_S = (75.0, 420.0)


def test_ten_minutes_have_forty_kills_and_more_a_quarter_of_them_aimed_at_open_writes() -> None:
    dealt = Counter(blow for _, blow in agenda(random.Random(7), 600, 4.6, DUE_S))
    assert dealt[Blow.KILL] + dealt[Blow.OPEN_WRITE] >= 40
    assert dealt[Blow.OPEN_WRITE] >= 12
    assert min(dealt[blow] for blow in Blow) >= 1


def test_a_short_run_has_one_of_each() -> None:
    assert {blow for _, blow in agenda(random.Random(7), 90, 3, (75, 80))} == set(Blow)


def test_blows_come_in_order_and_within_the_time() -> None:
    instants = [at_s for at_s, _ in agenda(random.Random(7), 600, 4.6, DUE_S)]
    assert instants == sorted(instants)
    assert instants[0] >= 30
    assert instants[-1] <= 600


def test_open_writes_are_looked_for_while_posts_are_due() -> None:
    dealt = agenda(random.Random(7), 600, 4.6, DUE_S)
    aimed = [at_s for at_s, blow in dealt if blow in (Blow.OPEN_WRITE, Blow.FREEZE)]
    assert DUE_S[0] - 5 <= min(aimed)
    assert max(aimed) <= DUE_S[1]

"""The thread count goes with the context: borrowed, not taken, and each thread has its own."""

import threading

import pytest

from hvpzip.threads import available_cores, beside, current_threads, side_by_side, using_threads


def test_all_cores_are_used_where_nothing_is_asked_for() -> None:
    assert current_threads() == available_cores() >= 1


def test_the_count_is_restored_also_after_an_error() -> None:
    before = current_threads()
    with using_threads(before + 1):
        assert current_threads() == before + 1
        with using_threads(None):
            assert current_threads() == before + 1
        with using_threads(0):
            assert current_threads() == available_cores()
        with pytest.raises(KeyError), using_threads(before + 2):
            raise KeyError
        assert current_threads() == before + 1
    assert current_threads() == before


def test_another_thread_has_its_own_count() -> None:
    counts: list[int] = []
    with using_threads(7):
        thread = threading.Thread(target=lambda: counts.append(current_threads()))
        thread.start()
        thread.join()
    assert counts == [available_cores()]


def test_a_negative_count_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="threads"), using_threads(-1):
        pass


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_works_side_by_side_come_back_in_order(threads) -> None:
    drawn: list[int] = []

    def works():
        for number in range(9):
            drawn.append(number)
            yield lambda number=number: (number, current_threads())

    with using_threads(threads):
        assert side_by_side(works()) == [(number, threads) for number in range(9)]
        assert side_by_side([]) == []
    assert drawn == list(range(9))


def test_two_threads_take_part() -> None:
    meeting = threading.Barrier(2, timeout=20)  # broken where one thread does all
    with using_threads(2):
        side_by_side([meeting.wait, meeting.wait])
        known = beside(meeting.wait)
        meeting.wait()
        known()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_failure_is_raised_after_all_have_ended(threads) -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        ended.append(number)
        if number in (2, 4):
            raise KeyError(number)

    def works():
        yield from ([lambda number=number: work(number) for number in range(6)])

    with using_threads(threads):
        with pytest.raises(KeyError, match="2"):
            side_by_side(works())
        assert set(ended) >= {0, 1, 2}
        if threads > 1:
            assert sorted(ended) == list(range(6))
        known = beside(lambda: work(4))
        for _ in range(2):
            with pytest.raises(KeyError, match="4"):
                known()


@pytest.mark.parametrize("threads", [1, 3])
def test_work_beside_is_done_once(threads) -> None:
    done: list[int] = []

    def work() -> int:
        done.append(current_threads())
        return 7

    with using_threads(threads):
        known = beside(work)
        assert (known(), known()) == (7, 7)
    assert done == [threads]

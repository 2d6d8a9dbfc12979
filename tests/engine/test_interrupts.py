import signal
import threading

import pytest

from ganaug.engine.interrupts import Interrupts


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture
def told():
    """Signals that reached the handler that was there before."""
    before, seen = handlers(), []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: seen.append(number))
    yield seen
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)


def test_a_signal_waits_until_it_is_delivered(told):
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.caught
        assert told == []
        interrupts.deliver()
        assert told == [signal.SIGTERM]
        interrupts.deliver()
        assert told == [signal.SIGTERM]
        assert not interrupts.caught


def test_a_second_signal_does_not_wait(told):
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert told == [signal.SIGTERM]


def test_handlers_come_back_whatever_happens(told):
    before, inside = handlers(), []

    def fail():
        with Interrupts():
            inside.extend(handlers())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not set(inside) & set(before)
    assert handlers() == before


def test_the_usual_effect_of_control_c_is_a_keyboard_interrupt():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupts.deliver()
    finally:
        signal.signal(signal.SIGINT, before)


def test_ignored_signals_stay_ignored(told):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        assert not interrupts.caught


def test_only_in_the_main_thread_and_only_if_enabled(told):
    before, found = handlers(), []

    def look(enabled):
        with Interrupts(enabled=enabled):
            found.append(handlers() == before)

    thread = threading.Thread(target=look, args=(True,))
    thread.start()
    thread.join()
    look(False)
    assert found == [True, True]

"""Ctrl-C and SIGTERM wait for the end of a step, so that a training can keep what it has learned."""

import contextlib
import signal
import threading


class Interrupts:
    """`asked` becomes true at the first signal; a second Ctrl-C stops at once, wherever that is.

    A Jupyter server sends SIGTERM some seconds after SIGINT: that is no second wish.
    """

    def __init__(self):
        self.asked = False

    def note(self, number, frame):
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def obey(self):
        """Stop if a signal has asked for it; what is worth keeping has been kept."""
        if self.asked:
            raise KeyboardInterrupt


@contextlib.contextmanager
def held():
    """An Interrupts that takes the signals in this block; outside the main thread, where none arrive, it never asks."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.signal(number, interrupts.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

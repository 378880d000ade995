"""Ctrl-C and SIGTERM wait for the end of a step, so that a training run can save its state before it stops."""

import signal
import threading


class Interrupts:
    """A context in which SIGINT and SIGTERM only set `requested`; a second SIGINT stops at once.

    Outside the main thread, where no signal arrives, it does nothing.
    """

    def __enter__(self):
        self.requested, self.previous = False, {}  # only noted: a step that is cut has half of its weights moved
        if threading.current_thread() is threading.main_thread():
            self.previous = {number: signal.signal(number, self.note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error):
        for number, handler in self.previous.items():  # a notebook's own handlers
            signal.signal(number, handler)

    def note(self, number, frame):
        # A Jupyter server sends SIGTERM some seconds after SIGINT: that is not a second request.
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True

    def obey(self):
        """Raise KeyboardInterrupt if a signal has requested it; the caller has saved its state."""
        if self.requested:
            raise KeyboardInterrupt

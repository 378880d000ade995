"""A function of tensors that a GPU replays as one graph.

Small networks keep a GPU waiting for the host, which has to launch hundreds of short kernels in every step. Recorded
once as a CUDA graph, they all start with a single launch.

Source:   https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import torch

WARM_UP = 3  # calls before the recording, as torch's notes advise: they allocate states and pick algorithms


class Replayed:
    """`function(*tensors)` -> tuple of tensors; on a GPU recorded in its fourth call and replayed from then on.

    Shapes must not change between calls. The function may change tensors that it does not get (weights, states of an
    optimizer), but must not read a number back to the host. Elsewhere than on a GPU it is just called.
    """

    def __init__(self, function):
        self.function, self.calls, self.graph, self.stream = function, 0, None, None

    def __call__(self, *tensors):
        if not tensors[0].is_cuda:
            return self.function(*tensors)
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.beside(tensors)
        if self.graph is None:
            self.record(tensors)
        # A recording reads and writes fixed places in memory: what is new has to be put there.
        for own, given in zip(self.inputs, tensors, strict=True):
            own.copy_(given)
        self.graph.replay()
        return tuple(output.clone() for output in self.outputs)  # the next replay writes over them

    def beside(self, tensors):
        """A plain call on a stream of its own, which the recording requires of what it finds initialised."""
        self.stream = self.stream or torch.cuda.Stream()  # one: memory is kept apart for each
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outputs = self.function(*tensors)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outputs

    def record(self, tensors):
        """Record one call; nothing is computed by that."""
        self.inputs, self.graph = [tensor.clone() for tensor in tensors], torch.cuda.CUDAGraph()
        # Another thread may be copying the next batch: that is no part of the recording, and does not spoil it.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outputs = self.function(*self.inputs)

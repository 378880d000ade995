"""A user's folder of clips."""

import pytest
from planted import SUITE, write


@pytest.fixture
def folder(tmp_path):
    """80 clips in four classes with all that may stand beside them, and nothing wrong."""
    return write(SUITE.clean(1, 80).film(), tmp_path / "clips")

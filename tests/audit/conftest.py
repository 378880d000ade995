"""Folders of clips as people have them."""

import pytest
from folders import SUITE, write


@pytest.fixture(scope="session")
def filmed():
    """320 clips in four classes, in memory, with nothing wrong: not to be changed."""
    return SUITE.clean(3, 320).film()


@pytest.fixture
def folder(tmp_path):
    """80 clips in four classes on disk with all that may be beside them, and nothing wrong."""
    return write(SUITE.clean(1, 80).film(), tmp_path / "clips")

"""Folders of clips as people have them, built once."""

import shutil

import pytest
from folders import SUITE, write


@pytest.fixture(scope="session")
def filmed():
    """320 clips in four classes, in memory, with nothing wrong: not to be changed."""
    return SUITE.clean(3, 320).film()


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory):
    """80 clips in four classes on disk with all that may be beside them, and nothing wrong: not to be changed."""
    return write(SUITE.clean(1, 80).film(), tmp_path_factory.mktemp("sound") / "clips")


@pytest.fixture
def folder(sound_folder, tmp_path):
    """A copy of `sound_folder`."""
    return shutil.copytree(sound_folder, tmp_path / "clips")

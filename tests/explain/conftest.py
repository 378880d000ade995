"""What the tests of explain share."""

import numpy as np
import pytest
from explained import BY_HAND, CFG, explainer_of

from trajnb.data import ClipSet
from trajnb.explain.evidence import Evidence
from trajnb.world import recipes


@pytest.fixture
def record():
    return Evidence(**BY_HAND)


@pytest.fixture(scope="session")
def clips():
    return ClipSet(CFG, 7, recipes.draw(CFG, 7, np.arange(40)))


@pytest.fixture(scope="session")
def explainer():
    return explainer_of("i3d")

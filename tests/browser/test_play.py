"""The page to draw on, in a real browser, from a file: what is drawn is answered as Python answers the same frames."""

import math

import numpy as np
import pytest

from trajnb import models
from trajnb.config import Config
from trajnb.evaluation.metrics import softmax
from trajnb.predict import OOD, export, trained

CFG = Config(model="magvit")
MISSING = "onnxruntime-web is not installed: the page to draw on was not looked at (make .venv/web/.ready)"
TIMES = np.linspace(0, 1, 21)
WANDER = np.random.default_rng(0).normal(0, 4, (21, 2)).cumsum(axis=0)
STROKES = {
    "line": [(14 + 36 * t, 20 + 20 * t) for t in TIMES],
    "parabola": [(14 + 36 * t, 30 - 32 * t + 32 * t * t) for t in TIMES],
    "circle": [(32 + 14 * math.cos(5 * t), 32 + 14 * math.sin(5 * t)) for t in TIMES],
    "scribble": [tuple(xy) for xy in 12 + 40 * (WANDER - WANDER.min()) / np.ptp(WANDER)],
}


@pytest.fixture(scope="module")
def network():
    """A network with weights of no training, whose scores are far above their limit."""
    scored = trained.Scored(models.build(CFG)).eval()
    scored.inverse_DD *= 1000
    return scored


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    if not (export.RUNTIME / export.PROGRAM).is_file():
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("page")
    export.write(network, CFG, folder)
    return export.write_page(folder / "play.html", folder)


@pytest.fixture
def play(page, path):
    """The page, once its network can answer; whatever is done there, nothing fails and nothing is loaded."""
    requested, errors = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    page.locator("#note:empty").wait_for(state="attached")
    yield page
    assert errors == []
    assert all(url == path.as_uri() or url.startswith("blob:null/") for url in requested)


def drawn(page, points):
    """Draw a stroke with the mouse; what the page answers once it has ended."""
    box, view = page.locator("canvas").bounding_box(), 84  # pixels of the clip across the canvas
    where = [[box[axis] + (v + 10) / view * box["width"] for axis, v in zip("xy", xy, strict=True)] for xy in points]
    page.mouse.move(*where[0])
    page.mouse.down()
    for xy in where[1:]:
        page.mouse.move(*xy)
        page.wait_for_timeout(20)
    page.mouse.up()
    return answered(page)


def answered(page, least=1):
    """The page's answer once there are `least` and no more come."""
    for _ in range(600):
        before = page.evaluate("window.trajnb.answers")
        page.wait_for_timeout(400)
        if least <= before == page.evaluate("window.trajnb.answers"):
            return page.evaluate("window.trajnb.answer")
    raise AssertionError("no answer")


@pytest.mark.slow
def test_drawings_are_answered_as_python_answers_their_frames(play, network):
    for name, points in STROKES.items():
        answer = drawn(play, points)
        clip = np.array(answer["clip"], np.uint8).reshape(1, CFG.frames, CFG.size, CFG.size)
        logits, future, score = network.of_array(clip)
        np.testing.assert_allclose(answer["probabilities"], softmax(logits)[0], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(np.reshape(answer["future"], future.shape), future, atol=1e-3, err_msg=name)
        np.testing.assert_allclose(answer["score"], score[0], rtol=1e-3, err_msg=name)
        assert play.locator(".bar b").all_text_contents() == [f"{p:.2f}" for p in answer["probabilities"]]
        places = np.array(answer["path"])[:, :2]
        line = np.stack([np.interp(np.linspace(0, 20, 2001), range(21), axis) for axis in np.array(points).T], axis=1)
        away = np.linalg.norm(places[:, None] - line, axis=2)
        assert away.min(axis=1).max() < 0.5 and away[0].argmin() == 0 and away[-1].argmin() == 2000, "as drawn"
        for place, frame in zip(places, clip[0], strict=True):
            y, x = np.argwhere(frame > frame.min() + 0.6 * np.ptp(frame)).mean(axis=0) + 0.5
            np.testing.assert_allclose([x, y], place, atol=1.0, err_msg=f"{name}: the disc is where the pen was")


@pytest.mark.slow
def test_examples_play_and_odd_drawings_are_called_odd(play):
    for width in (390, 1280):
        play.set_viewport_size({"width": width, "height": 900})
        assert play.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for motion in CFG.motions:
        before = play.evaluate("window.trajnb.answers")
        play.get_by_role("button", name=motion).click()
        answered(play, before + 3)
    note = play.locator("#note")
    assert play.evaluate("window.trajnb.answer.score") > OOD
    assert "out-of-distribution score" in note.text_content()
    for points, reason in (([(32 + 4 * t, 32) for t in TIMES], "smaller"), ([(64 * t, 32) for t in TIMES], "leaves")):
        drawn(play, points)
        assert reason in note.text_content()

"""How often recordings teach."""

from pathlib import Path

import numpy as np
import pytest

from models.data.odds import VOICE_SHARE, teaching_odds
from models.data.recordings import Recording


def recording(kind: str, collection: str) -> Recording:
    return Recording(Path("a.ogg"), "a.ogg", kind, collection=collection)


def test_a_large_collection_does_not_drown_the_others() -> None:
    recordings = [recording("music", "large")] * 16 + [recording("music", "small")] + [recording("voice", "v")] * 3
    odds = teaching_odds(recordings, [100] * len(recordings))
    assert odds.sum() == pytest.approx(1.0)
    assert odds[-3:].sum() == pytest.approx(VOICE_SHARE)
    assert odds[:16].sum() == pytest.approx(4 * odds[16])
    np.testing.assert_allclose(odds[:16], odds[0])


def test_longer_recordings_teach_more_often() -> None:
    odds = teaching_odds([recording("music", "one")] * 3, [400, 100, 100])
    np.testing.assert_allclose(odds, [0.5, 0.25, 0.25])


@pytest.mark.parametrize("kind", ["music", "voice"])
def test_one_kind_alone_teaches_always(kind: str) -> None:
    np.testing.assert_allclose(teaching_odds([recording(kind, "")] * 4, [7, 7, 7, 7]), 0.25)

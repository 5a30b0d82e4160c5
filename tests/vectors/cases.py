"""What is done to the streams whose output the golden vectors hold."""

from __future__ import annotations

from tests.support.vectors import Samples, Step, StreamCase
from tests.vectors.fixture import CONFIG
from tests.vectors.sound import RATE, SECONDS, sound

SECOND = round(SECONDS * RATE)
BLOCK_SIZES = (1, 7, CONFIG.hop - 1, CONFIG.hop, 480, 4096)
ODD_LENGTH = 5003
"""Prime, so that no block size divides it."""
LOUD = 14000
"""A sample of the input shortly before its first loud note."""
LEAVE_IT = (0.0, 0.0, 0.0)
HALF = (0.5, 0.5, 0.5)
MOVES = (
    (LOUD, (0.0, 1.0, 0.0)),
    (LOUD + 1500, (1.0, 0.0, 0.25)),
    # one sample before a hop of this case is complete, and at the first sample of the next: the rule has no slack
    (LOUD + 20 * CONFIG.hop - 1, (0.25, 0.75, 1.0)),
    (LOUD + 30 * CONFIG.hop, HALF),
    (LOUD + 5000, LEAVE_IT),
)
MOVES_END = LOUD + 7000
STEREO_START, STEREO_END = LOUD - 2000, LOUD + 4000
"""The part of the sound that the stereo input holds."""

FLUSH = Step("flush")
RESET = Step("reset")


def process(start: int, end: int) -> Step:
    """Take samples `start` to `end`, the last not included."""
    return Step("process", start=start, end=end)


def _moving() -> tuple[Step, ...]:
    steps: list[Step] = []
    ends = [start for start, _ in MOVES[1:]] + [MOVES_END]
    for (start, controls), end in zip(MOVES, ends, strict=True):
        steps += [Step("controls", controls=controls), process(start, end)]
    return (*steps, FLUSH)


CASES = (
    StreamCase(
        name="second",
        holds="a second, then flush: the same output at every block size",
        channels=1,
        input="sound_mono",
        output="second",
        steps=(process(0, SECOND), FLUSH),
        block_sizes=BLOCK_SIZES,
        exact=False,
    ),
    StreamCase(
        name="odd_length",
        holds="a length that nothing divides, flushed; then the stream is as new, and takes a block of no samples",
        channels=1,
        input="sound_mono",
        output="odd_length",
        steps=(process(0, ODD_LENGTH), FLUSH, process(0, 0), process(LOUD, LOUD + 1), FLUSH),
        block_sizes=(ODD_LENGTH, 480),
        exact=False,
    ),
    StreamCase(
        name="reset",
        holds="reset in the middle of a hop: what was heard before is forgotten, the controls stay",
        channels=1,
        input="sound_mono",
        output="reset",
        steps=(Step("controls", controls=HALF), process(LOUD, LOUD + 3001), RESET, process(0, 2000), FLUSH),
        block_sizes=(480,),
        exact=False,
    ),
    StreamCase(
        name="moving_controls",
        holds="controls that change between samples: those in force at a hop's last sample rule the whole hop",
        channels=1,
        input="sound_mono",
        output="moving_controls",
        steps=_moving(),
        block_sizes=(1, 480),
        exact=False,
    ),
    StreamCase(
        name="bypass",
        holds="controls 0, 0, 0: the input, `latency` samples late, bit for bit",
        channels=1,
        input="sound_mono",
        output="bypass",
        steps=(Step("controls", controls=LEAVE_IT), process(LOUD, LOUD + 2000), FLUSH),
        block_sizes=(480,),
        exact=True,
    ),
    StreamCase(
        name="stereo",
        holds="two channels through the stereo graph",
        channels=2,
        input="sound_stereo",
        output="stereo",
        steps=(process(0, STEREO_END - STEREO_START), FLUSH),
        block_sizes=(7, 480),
        exact=False,
    ),
)


def inputs() -> dict[str, Samples]:
    """What the streams hear, [samples, channels], by the vector's name."""
    return {"sound_mono": sound(1), "sound_stereo": sound(2)[STEREO_START:STEREO_END]}

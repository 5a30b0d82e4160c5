"""What runs on the Arm machine, by studiomic's own code: python -m benchmarks.arm.guest hops|vectors ...

Imports nothing but the SDK and the reader of the golden vectors: the machine has no more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import studiomic
from tests.support.vectors import (
    BUNDLE_NAME,
    FOLDER,
    Samples,
    assert_near,
    cases_of,
    read_index,
    read_vector,
    relative_error,
    replayed,
)


def run_hops(
    bundle: Path, channels: int, format: str, precision: str, sound: Samples, controls: Samples
) -> dict[str, Samples]:
    """A file over sound [channels, hops * hop] under controls [hops, 3], from the zero state.

    Gives "enhanced" in the shape of the sound, and each state at the end by its name.
    """
    runtime = studiomic.load_bundle(bundle).open(channels, format, precision)
    states = runtime.initial_states()
    enhanced = []
    for index, block in enumerate(np.split(sound, len(controls), axis=1)):
        output, states = runtime.run(np.ascontiguousarray(block), controls[index : index + 1], states)
        enhanced.append(output)
    named = {tensor.name: state for tensor, state in zip(runtime.graph.states, states, strict=True)}
    return {"enhanced": np.concatenate(enhanced, axis=1), **named}


def replay_vectors(format: str, precision: str) -> int:
    """Replay every golden vector in the fixture's files of that kind, each stream at its largest block size; how many
    were met.

    Raises AssertionError where one is missed.
    """
    index = read_index()
    tolerance = index.tolerances[precision]
    bundle = studiomic.load_bundle(FOLDER / BUNDLE_NAME)
    met = 0
    for file in bundle.manifest.files:
        if (file.format, file.precision) != (format, precision):
            continue
        hops, streams = cases_of(index, file)
        for hop in hops:
            runtime = bundle.open(hop.channels, format, precision)
            inputs = [read_vector(index, hop.inputs[name]) for name in ("audio", "controls", "state_0")]
            enhanced, (state,) = runtime.run(inputs[0], inputs[1], inputs[2:])
            assert_near(enhanced, read_vector(index, hop.outputs["enhanced"]), tolerance, hop.name)
            error = relative_error(state, read_vector(index, hop.outputs["next_state_0"]), hop.name)
            assert error <= tolerance.state_relative_error, f"{hop.name}: state {error:.2e}, wanted {tolerance}"
        for case in streams:
            stream = studiomic.Stream(
                index.sample_rate, case.channels, bundle=bundle, backend=format, precision=precision
            )
            found = replayed(index, case, stream, max(case.block_sizes))
            wanted = read_vector(index, case.output)
            assert_near(found, wanted, tolerance, case.name)
            assert not case.exact or np.array_equal(found, wanted), f"{case.name}: wanted it bit for bit"
        met += len(hops) + len(streams)
    return met


def main(arguments: Sequence[str]) -> None:
    what, format, precision, *rest = arguments
    if what == "vectors":
        print(replay_vectors(format, precision))
        return
    bundle, channels, source, destination = rest
    with np.load(source, allow_pickle=False) as given:
        outputs = run_hops(Path(bundle), int(channels), format, precision, given["sound"], given["controls"])
    np.savez(destination, allow_pickle=False, **outputs)


if __name__ == "__main__":
    main(sys.argv[1:])

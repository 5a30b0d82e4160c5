"""A generator of windows behind the streaming contract."""

import pytest
import torch

from export.window_graph import WindowGraph
from models.generators.unet import UNet, UNetConfig
from models.generators.windows import overlap_add_windows

CONFIG = UNetConfig(window=512, channels=(6, 8), filters=(17, 9))


@pytest.fixture
def generator() -> UNet:
    torch.manual_seed(0)
    made = UNet(CONFIG).eval()
    torch.nn.init.normal_(made.last.weight, std=0.1)
    return made


@torch.no_grad()
def run(graph: WindowGraph, audio: torch.Tensor, controls: torch.Tensor) -> torch.Tensor:
    """audio [channels, hops * hop], controls [hops, 3], from the zero state."""
    state = torch.zeros(1, graph.state_size)
    enhanced = []
    for index, block in enumerate(audio.split(graph.hop, dim=1)):
        output, state = graph(block, controls[index : index + 1], state)
        enhanced.append(output)
    return torch.cat(enhanced, dim=1)


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 2])
def test_hop_by_hop_equals_the_whole_clip(generator: UNet, channels: int) -> None:
    graph = WindowGraph(generator, CONFIG.window, channels)
    hops = 9
    audio = torch.randn(channels, hops * graph.hop, generator=torch.Generator().manual_seed(1))
    streamed = run(graph, audio, torch.ones(hops, 3))[:, graph.latency :]
    whole = overlap_add_windows(generator, audio.unsqueeze(0).transpose(0, 1), CONFIG.window)[:, 0]
    torch.testing.assert_close(streamed, whole[:, : -graph.latency])


@torch.no_grad()
def test_controls_at_zero_give_the_delayed_input_and_the_largest_rules(generator: UNet) -> None:
    graph = WindowGraph(generator, CONFIG.window, 1)
    audio = torch.randn(1, 5 * graph.hop, generator=torch.Generator().manual_seed(2))
    delayed = torch.nn.functional.pad(audio, (graph.latency, 0))[:, : audio.shape[1]]
    assert torch.equal(run(graph, audio, torch.zeros(5, 3)), delayed)
    full, half = run(graph, audio, torch.ones(5, 3)), run(graph, audio, torch.tensor([[0.0, 0.5, 0.2]]).repeat(5, 1))
    assert (full - delayed).abs().max() > 1e-3
    torch.testing.assert_close(half - delayed, 0.5 * (full - delayed), atol=1e-6, rtol=1e-4)


def test_an_odd_window_is_refused(generator: UNet) -> None:
    with pytest.raises(ValueError, match="got 511 samples, wanted an even number"):
        WindowGraph(generator, 511, 1)

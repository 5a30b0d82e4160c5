"""A generator of windows behind the streaming contract."""

import pytest
import torch

from export.proof import moving_controls
from export.window_graph import WINDOWS_AT_ONCE, WindowedGenerator, WindowGraph
from models.generators.unet import UNet, UNetConfig
from models.generators.windows import overlap_add_windows

CONFIG = UNetConfig(window=512, channels=(6, 8), filters=(17, 9))


@pytest.fixture
def windows() -> UNet:
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
def test_hop_by_hop_equals_the_whole_clip(windows: UNet, channels: int) -> None:
    graph = WindowGraph(windows, channels)
    hops = 9
    audio = torch.randn(channels, hops * graph.hop, generator=torch.Generator().manual_seed(1))
    streamed = run(graph, audio, torch.ones(hops, 3))[:, graph.latency :]
    whole = overlap_add_windows(windows, audio.unsqueeze(0).transpose(0, 1), CONFIG.window)[:, 0]
    torch.testing.assert_close(streamed, whole[:, : -graph.latency])


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 2])
def test_under_moving_controls_too_and_in_as_many_windows_as_there_are(windows: UNet, channels: int) -> None:
    graph = WindowGraph(windows, channels)
    hops = WINDOWS_AT_ONCE + 5
    audio = torch.randn(channels, hops * graph.hop, generator=torch.Generator().manual_seed(3))
    controls = torch.from_numpy(moving_controls(hops))
    streamed = run(graph, audio, controls)[:, graph.latency :]
    whole = WindowedGenerator(windows)(audio[None], controls[None])[0]
    torch.testing.assert_close(streamed, whole[:, : -graph.latency])
    assert (whole - audio).abs().max() > 1e-2


@torch.no_grad()
def test_controls_at_zero_give_the_delayed_input_and_the_largest_rules(windows: UNet) -> None:
    graph = WindowGraph(windows, 1)
    audio = torch.randn(1, 5 * graph.hop, generator=torch.Generator().manual_seed(2))
    delayed = torch.nn.functional.pad(audio, (graph.latency, 0))[:, : audio.shape[1]]
    assert torch.equal(run(graph, audio, torch.zeros(5, 3)), delayed)
    full, half = run(graph, audio, torch.ones(5, 3)), run(graph, audio, torch.tensor([[0.0, 0.5, 0.2]]).repeat(5, 1))
    assert (full - delayed).abs().max() > 1e-3
    torch.testing.assert_close(half - delayed, 0.5 * (full - delayed), atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_silence_stays_silence_and_what_is_nearly_silent_nearly_so(windows: UNet) -> None:
    graph = WindowGraph(windows, 1)
    assert windows(torch.zeros(1, 1, CONFIG.window)).abs().max() > 1e-3  # its biases alone
    assert not run(graph, torch.zeros(1, 5 * graph.hop), torch.ones(5, 3)).any()
    faint = 1e-8 * torch.ones(1, 5 * graph.hop)
    assert run(graph, faint, torch.ones(5, 3)).abs().max() < 1e-4


def test_several_clips_at_once_are_refused(windows: UNet) -> None:
    with pytest.raises(ValueError, match="clips: got 2, wanted one at a time"):
        WindowedGenerator(windows)(torch.zeros(2, 1, 512), torch.ones(2, 2, 3))

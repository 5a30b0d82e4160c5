"""The discriminator within a training run: its part of the generator's loss, and its own steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.adversarial import AdversarialWeights, discriminator_loss, feature_matching_loss, generator_loss
from models.data.dataset import Batch
from models.discriminators.first_half import Judgement
from models.discriminators.stored import (
    DiscriminatorConfig,
    new_discriminator,
    restore_discriminator,
    save_discriminator,
)
from models.precision import Precision, autocast
from models.processes import ALONE, Processes

DISCRIMINATOR_NAME = "discriminator.safetensors"
MOMENTS = (0.5, 0.9)  # short memories, as the other side moves


def discriminator_optimizer(discriminator: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """The optimizer that discriminators are trained with."""
    return torch.optim.AdamW(discriminator.parameters(), lr=learning_rate, betas=MOMENTS)


def excerpt(enhanced: Tensor, batch: Batch, samples: int | None) -> tuple[Tensor, Batch]:
    """The same random stretch of all clips: a discriminator costs more than a generator, and needs no whole clips."""
    if samples is None or samples >= enhanced.shape[-1]:
        return enhanced, batch
    start = int(torch.randint(enhanced.shape[-1] - samples + 1, ()))
    chosen = slice(start, start + samples)
    return enhanced[..., chosen], replace(batch, degraded=batch.degraded[..., chosen], target=batch.target[..., chosen])


class Opponent:
    """A discriminator that joins after `weights.alone_share` of the run."""

    def __init__(
        self,
        config: DiscriminatorConfig,
        weights: AdversarialWeights,
        processes: Processes = ALONE,
        precision: Precision = "auto",
    ) -> None:
        self.config = config
        self.weights = weights
        self.discriminator = new_discriminator(config).to(processes.device)
        self.device, self.precision = processes.device, precision
        self.parallel = processes.parallel(self.discriminator)
        self.optimizer = discriminator_optimizer(self.discriminator, weights.learning_rate)

    def joined(self, progress: float) -> bool:
        """Whether it plays at this share of the run."""
        return progress >= self.weights.alone_share

    def judge(self, discriminator: torch.nn.Module, audio: Tensor, degraded: Tensor) -> tuple[Judgement, Judgement]:
        """Logits and features in float32, whatever they were computed in."""
        with autocast(self.precision, self.device):
            logits, features = discriminator(audio, degraded)
        return [x.float() for x in logits], [x.float() for x in features]

    def __call__(self, enhanced: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What it adds to the generator's loss, lambda * L_adv + mu * L_feat, and the two parts; its own weights
        gather no gradients. `enhanced` [batch, 1, samples].
        """
        enhanced, batch = excerpt(enhanced, batch, self.weights.judged_samples)
        self.discriminator.requires_grad_(False)
        logits, features = self.judge(self.discriminator, enhanced, batch.degraded)
        adversarial = generator_loss(self.weights.kind, logits)
        loss = self.weights.adversarial * adversarial
        parts = {"adversarial": adversarial.detach()}
        if self.weights.features:
            with torch.no_grad():
                _, real_features = self.judge(self.discriminator, batch.target, batch.degraded)
            matching = feature_matching_loss(real_features, features)
            loss = loss + self.weights.features * matching
            parts["features"] = matching.detach()
        self.discriminator.requires_grad_(True)
        return loss, parts

    def learn(self, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        """One step of its own, real targets against `fake` [batch, 1, samples]; only its weights change."""
        fake, batch = excerpt(fake, batch, self.weights.judged_samples)
        both = torch.cat([batch.target, fake.detach()])  # at once: parallel modules want one pass a step
        logits, _ = self.judge(self.parallel, both, torch.cat([batch.degraded, batch.degraded]))
        real, fakes = zip(*(x.chunk(2) for x in logits), strict=True)
        loss = discriminator_loss(self.weights.kind, real, fakes)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"discriminator": loss.detach()}

    def save(self, folder: Path, facts: dict[str, object]) -> None:
        """Write it into the run's folder."""
        save_discriminator(folder / DISCRIMINATOR_NAME, self.discriminator, self.config, self.optimizer, facts)

    def resume(self, folder: Path) -> bool:
        """Go on from the folder's discriminator, if there is one: it may join a run that began without."""
        path = folder / DISCRIMINATOR_NAME
        if not path.exists():
            return False
        restore_discriminator(path, self.discriminator, self.config, self.optimizer)
        return True

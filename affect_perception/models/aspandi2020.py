"""Aspandi et al. 2020, "Adversarial-based neural networks for affect estimations in the wild": Tables I and II (rows
Disc, AEG-CD, AEG-CD-SZ) and Fig. 2 (denoised images, output `cleaned`).

AEG: auto-encoder of mirrored convolutions and deconvolutions without skip connections, after Star-GAN; it cleans an
image and gives the latent z. CD: convolutional discriminator that tells real from cleaned images (one logit per
patch) and regresses valence and arousal, from the image, z, and one plane made of the audio features. Training is
progressive, one STAGE after the other: `disc` (CD alone, ℓ2 loss), `aeg_cd` (adversarial), `aeg_cd_sz` (with z and
sound). Widths, image side and audio (two frames of 23 eGeMAPS descriptors) follow the authors' published code, which
the paper cites.

Losses (`aspandi2020_losses`), where the printed equations cannot be meant:
- eq. 1: the discriminator maximises it; the generator minimises −log CD(AEG(x)), the non-saturating form of its part
  (Goodfellow et al. 2014). The text swaps x and x̂: CD judges clean images as real, AEG's output from noisy ones as
  fake.
- eq. 2: L1 distance of AEG(AEG(noisy)) to the clean image; printed, with the noisy x, it would teach noise.
- eq. 3, 4: the minus would maximise the error; L_afc is minimised, for CD on real and for AEG on cleaned images.
- eq. 5: n_i / N would favour frequent classes, against its stated purpose; inverse frequencies, mean 1.
- eq. 6: root of the mean squared difference. eq. 7, 8: products of deviations, (μ − μ)² in the denominator of CCC
  (Lin 1989), and 1 − COR, 1 − CCC, because both are to be maximised.

Differences from the paper:
- One architecture for all stages: z and the audio plane are zeros in stages without them, so that each stage starts
  from the weights of the one before. z is concatenated as the text says (the authors' code adds it).
- Instance normalisation uses each image's own statistics in training and afterwards.
- Live values are clipped to [-1, 1]; without sound the audio plane is zeros. No memory: each frame for itself, no
  delay. The plane is a fourth channel of the network input (`with_sound`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.aspandi2020_losses import adversarial_loss, affect_loss
from affect_perception.models.blocks.objectives import mse
from affect_perception.models.sequence_model import Batch, Inputs, Parts, SequenceModel, SequenceOutput

STAGES = ('disc', 'aeg_cd', 'aeg_cd_sz')
DESCRIPTORS = 46  # 2 × 23 eGeMAPS low-level descriptors
SIDE = 112  # px, Aff-Wild2's cropped_aligned images


class Generator(nn.Module):
    """AEG: images (N, 3, S, S) in [-1, 1] to cleaned images and latent z (N, 4 · channels, S / 4, S / 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        def block(convolution: nn.Module, outputs: int) -> list[nn.Module]:
            return [convolution, nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]

        c = channels
        self.encoder = nn.Sequential(
            *block(nn.Conv2d(3, c, 7, padding=3, bias=False), c),
            *block(nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False), 2 * c),
            *block(nn.Conv2d(2 * c, 4 * c, 4, 2, 1, bias=False), 4 * c),
            *block(nn.Conv2d(4 * c, 4 * c, 3, padding=1, bias=False), 4 * c),
            nn.Conv2d(4 * c, 4 * c, 3, padding=1, bias=False),
            nn.InstanceNorm2d(4 * c, affine=True),
        )
        self.decoder = nn.Sequential(
            *block(nn.ConvTranspose2d(4 * c, 2 * c, 4, 2, 1, bias=False), 2 * c),
            *block(nn.ConvTranspose2d(2 * c, c, 4, 2, 1, bias=False), c),
            nn.Conv2d(c, 3, 7, padding=3, bias=False),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Clean images; returns (cleaned, z)."""
        z = self.encoder(x)
        return self.decoder(z), z


class Discriminator(nn.Module):
    """CD: image, latent z and audio (each may be None: zeros) to patch logits (N, 1, P, P) and affect (N, 2)."""

    def __init__(self, channels: int, latent: int, audio: int, side: int) -> None:
        super().__init__()
        self.side, self.latent = side, latent
        self.plane = nn.Linear(audio, side)
        c = channels
        self.early = nn.ModuleList([nn.Conv2d(4, c, 4, 2, 1), nn.Conv2d(c, 2 * c, 4, 2, 1)])
        # Padding 2 at the fifth: 7 → 4 px, so that the last maps of 112 px images have the paper's 2×2 px.
        self.late = nn.ModuleList(
            [
                nn.Conv2d(2 * c + latent, 4 * c, 4, 2, 1),
                nn.Conv2d(4 * c, 8 * c, 4, 2, 1),
                nn.Conv2d(8 * c, 16 * c, 4, 2, 2),
                nn.Conv2d(16 * c, 32 * c, 4, 2, 1),
            ]
        )
        self.real = nn.Conv2d(32 * c, 1, 3, padding=1, bias=False)
        self.affect = nn.Conv2d(32 * c, 2, self.last_side(side), bias=False)

    def audio_plane(self, audio: Tensor) -> Tensor:
        """Plane (N, 1, S, S) of audio features (N, A): a row of S learnt numbers in [-1, 1], repeated."""
        return torch.tanh(self.plane(audio))[:, None, None].expand(-1, 1, self.side, -1)

    @staticmethod
    def last_side(side: int) -> int:
        """Side in px of the last maps."""
        return ((side // 16 + 2) // 2) // 2

    def forward(self, image: Tensor, z: Tensor | None = None, audio: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Judge images (N, 3, S, S) with z (N, latent, S / 4, S / 4) and audio (N, A), or its plane (N, 1, S, S)."""
        if audio is None:
            plane = torch.zeros_like(image[:, :1])
        else:
            plane = self.audio_plane(audio) if audio.dim() == 2 else audio
        x = torch.cat([image, plane], 1)
        for convolution in self.early:
            x = functional.leaky_relu(convolution(x), 0.01)
        z = x.new_zeros(len(x), self.latent, *x.shape[2:]) if z is None else z
        x = torch.cat([x, z], 1)
        for convolution in self.late:
            x = functional.leaky_relu(convolution(x), 0.01)
        return self.real(x), self.affect(x).flatten(1)


class Aspandi2020(SequenceModel):
    """AEG and CD at one of STAGES; E = 2, because embeddings are valence and arousal themselves.

    Batches: `images` (N, 3, S, S) clean, `noisy` (N, 3, S, S) from `aspandi2020_losses.corrupt` (absent: the clean
    ones), `audio` (N, A). Targets: `affect` (N, 2), NaN unlabelled, and `weight` (N, 2) from `class_weights`. Sequences
    (N, T, ...) are flattened. `forward` for player None gives inference outputs.
    """

    players = ('discriminator', 'generator')
    memory = 'frame'
    metrics = {'ccc': 'affect', 'pearson': 'affect'}  # noqa: RUF012
    recipe: dict[str, Any] = MappingProxyType(  # type: ignore[assignment]
        {
            'optimizer': 'adam', 'betas': (0.5, 0.999), 'learning_rate': 1e-4, 'discriminator_steps': 5,
            'lambda_affect': 1.0, 'lambda_reconstruction': 10.0, 'class_bins': 10,
        }
    )  # fmt: skip

    def __init__(
        self,
        stage: str = 'aeg_cd_sz',
        generator_channels: int = 16,
        discriminator_channels: int = 32,
        audio: int = DESCRIPTORS,
        side: int = SIDE,
    ) -> None:
        super().__init__()
        if stage not in STAGES:
            raise ConfigError(f'no stage {stage!r}; choose one of {", ".join(STAGES)}')
        if side % 16 or Discriminator.last_side(side) < 1:
            raise ConfigError(f'side {side} px; give a multiple of 16 of at least 32')
        self.settings = {
            'stage': stage, 'generator_channels': generator_channels, 'discriminator_channels': discriminator_channels,
            'audio': audio, 'side': side,
        }  # fmt: skip
        self.stage = stage
        self.embedding_size = 2
        self.inputs = Inputs(side, 1, audio if stage == 'aeg_cd_sz' else 0)
        self.generator = Generator(generator_channels)
        self.discriminator = Discriminator(discriminator_channels, 4 * generator_channels, audio, side)

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Parameters of CD or AEG; AEG has none to train in stage `disc`."""
        if player not in self.players:
            raise ConfigError(f'no player {player!r}; choose one of {", ".join(self.players)}')
        if player == 'generator' and self.stage == 'disc':
            return []
        return list((self.discriminator if player == 'discriminator' else self.generator).parameters())

    def next_stage(self) -> Aspandi2020:
        """Copy of the network at the next stage, with the same weights; ConfigError after the last."""
        at = STAGES.index(self.stage) + 1
        if at == len(STAGES):
            raise ConfigError(f'{self.stage} is the last stage')
        model = Aspandi2020(**self.settings | {'stage': STAGES[at]})
        model.load_state_dict(self.state_dict())
        return model

    def _judge(self, image: Tensor, z: Tensor | None, audio: Tensor | None) -> tuple[Tensor, Tensor]:
        last = self.stage == 'aeg_cd_sz'
        judged: tuple[Tensor, Tensor] = self.discriminator(image, z if last else None, audio if last else None)
        return judged

    def forward(self, batch: Batch, player: str | None = None) -> Parts:
        """Inference: `affect` (N, 2) or (N, T, 2), and `cleaned` images. For a player: what its loss needs."""
        images, audio = batch['images'], batch.get('audio')
        if images.dim() == 5:
            flat = {k: batch[k].flatten(0, 1) for k in ('images', 'noisy', 'audio') if k in batch}
            outputs = self(flat, player)
            return {k: v.reshape(*images.shape[:2], *v.shape[1:]) for k, v in outputs.items()}
        if self.stage == 'disc':
            return {'affect': self._judge(images, None, None)[1]}
        if player is None:
            cleaned, z = self.generator(images)
            return {'affect': self._judge(cleaned, z, audio)[1], 'cleaned': cleaned}
        cleaned, z = self.generator(batch.get('noisy', images))
        if player == 'discriminator':
            cleaned, z = cleaned.detach(), z.detach()
            clean_z = self.generator(images)[1].detach()
            real, affect = self._judge(images, clean_z, audio)
            fake, fake_affect = self._judge(cleaned, z, audio)
            return {'affect': affect, 'fake_affect': fake_affect, 'real': real, 'fake': fake}
        fake, affect = self._judge(cleaned, z, audio)
        again, _ = self.generator(cleaned)
        return {'affect': affect, 'fake': fake, 'reconstruction': (again - images).abs().mean((1, 2, 3))}

    def loss(self, outputs: Parts, targets: Batch, player: str = 'discriminator') -> tuple[Tensor, Parts]:
        """Eq. 9 for the discriminator, eq. 10 for the generator; squared error alone in stage `disc`."""
        wanted, weight = targets['affect'].reshape(-1, 2), targets.get('weight')
        affect = outputs['affect'].reshape(-1, 2)
        if self.stage == 'disc':
            loss = mse(affect, wanted)
            return loss, {'mse': loss}
        weight = None if weight is None else weight.reshape(-1, 2)
        parts = {'affect': affect_loss(affect, wanted, weight)}
        if player == 'discriminator':
            # CD learns affect from cleaned images too: its only input at inference.
            parts['affect'] = (parts['affect'] + affect_loss(outputs['fake_affect'].reshape(-1, 2), wanted, weight)) / 2
            parts['adversarial'] = adversarial_loss(outputs['real'], True) + adversarial_loss(outputs['fake'], False)
        else:
            parts['adversarial'] = adversarial_loss(outputs['fake'], True)
            parts['reconstruction'] = outputs['reconstruction'].mean()
        scale = {'affect': self.recipe['lambda_affect'], 'reconstruction': self.recipe['lambda_reconstruction']}
        return torch.stack([scale.get(name, 1.0) * part for name, part in parts.items()]).sum(), parts

    def with_sound(self, x: Tensor, audio: Tensor | None) -> Tensor:
        """Add the audio plane as the fourth channel of network input (N, 3, S, S), zeros where `audio` (N, A) is NaN.

        Only the last stage hears; others return the input as it is.
        """
        if not self.inputs.audio:
            return x
        plane = torch.zeros_like(x[:, :1])
        if audio is not None:
            there = ~audio.isnan().any(1)[:, None, None, None]
            plane = self.discriminator.audio_plane(audio.nan_to_num(0)) * there
        return torch.cat([x, plane], 1)

    def features(self, x: Tensor) -> Tensor:
        """Valence and arousal (N, 2) of network input (N, 3, S, S), or with a fourth channel of sound."""
        image, plane = x[:, :3], x[:, 3:] if x.shape[1] > 3 else None
        if self.stage == 'disc':
            return self._judge(image, None, None)[1]
        cleaned, z = self.generator(image)
        affect: Tensor = self._judge(cleaned, z, plane)[1]
        return affect

    def initial_state(self, faces: int) -> Tensor:
        """Empty state (faces, 1): the network has no memory."""
        return self.discriminator.affect.weight.new_zeros(faces, 1)

    def advance(
        self,
        embedding: Tensor,
        gap_s: Tensor,  # noqa: ARG002  # no memory
        state: Tensor,
    ) -> tuple[SequenceOutput, Tensor]:
        """Outputs for embeddings (N, 2); the state is returned as it is."""
        return SequenceOutput.of(embedding, affect=embedding.clamp(-1, 1)), state

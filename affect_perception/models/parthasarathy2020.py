"""Parthasarathy & Sundaram 2020, "Detecting Expressions with Multimodal Transformers": Table 1 (the rows that the paper
trains itself, `KINDS`) and Fig. 4 (missing modalities, `remove`).

`transformer_av`: VGG-Face embeddings (4096) and 65 low-level audio descriptors, stacked over two seconds, each through
an encoder of self-attention layers (512 units, four heads, Vaswani et al. 2017); two cross-modal attention layers
(512); fusion α·a + β·v; valence and arousal of every frame. `transformer_v` is its video half. Baselines: `gru_a`
(two GRU layers of 128 on the descriptors), `gru_v` (on VGG-Face embeddings), `gru_av` (both concatenated, two more
GRU layers). `recipe`: sequences of 100 frames, loss 1 − CCC per sequence, Adam at 1e-5, VGG-Face frozen (`freeze_cnn`).

Differences from the paper, and what it leaves open:
- Two layers per encoder with a feed-forward part of 512 ("multiple" layers, "512 nodes in each encoder layer"): with
  VGG-Face's own fc6 (224×224) this has 9 % more parameters than `gru_av`, the paper's "less than 10 % difference".
- Audio window: the 63 video-rate frames up to the current one (2.1 s, 4095 numbers and a zero = 4096). The paper says
  two seconds that match 4096; its position is open, and one without look-ahead runs live.
- Cross-modal attention has four heads, a residual connection from its query and layer normalisation, as encoder layers.
- Sinusoidal positions count from the first frame of the window. Live, every frame is the last of a window of 100:
  projections, queries, keys and values of the first layers are cached, later layers run over the window again, because
  attention looks both ways. Outputs equal those of the offline window; there is no delay.
- Live values are clipped to [-1, 1]; the dense output has no bound.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.vgg_face import SIDE, VggFaceModel
from affect_perception.models.blocks.attention import CrossAttentionLayer, EncoderLayer, positions
from affect_perception.models.blocks.objectives import ccc
from affect_perception.models.sequence_model import Batch, Inputs, Parts, SequenceOutput, hidden_states, mask_of

KINDS = ('transformer_av', 'transformer_v', 'gru_a', 'gru_v', 'gru_av')
WINDOW = 100  # frames
DESCRIPTORS = 65  # Interspeech 2013 (ComParE) low-level descriptors
STACK = 63  # video-rate audio frames in the window of one step
DOWNSAMPLING = 3.3  # audio frames of 10 ms per video frame


class Parthasarathy2020(VggFaceModel):
    """Network of one of KINDS. Targets: `affect` (N, T, 2), valence and arousal, NaN unlabelled.

    Batches: `images` or `embeddings`, `audio` (N, T, A) or, with the frames before the sequence, (N, T + 62, A),
    `mask`, and `image_there`, `audio_there` (N, T) false where that modality is missing: its input is then zeros
    (§5.1).
    """

    metrics = {'ccc': 'affect'}  # noqa: RUF012
    recipe: dict[str, Any] = MappingProxyType(  # type: ignore[assignment]
        {'optimizer': 'adam', 'learning_rate': 1e-5, 'sequence_length': WINDOW, 'loss': '1 - ccc', 'cnn': 'frozen'}
    )

    def __init__(
        self,
        kind: str = 'transformer_av',
        width: float = 1.0,
        size: int = 512,
        heads: int = 4,
        layers: int = 2,
        feedforward: int = 512,
        hidden: int = 128,
        audio: int = DESCRIPTORS,
        stack: int = STACK,
        dropout: float = 0.1,
        frames: int = WINDOW,
    ) -> None:
        super().__init__(width)
        if kind not in KINDS:
            raise ConfigError(f'no kind {kind!r}; choose one of {", ".join(KINDS)}')
        self.settings = {
            'kind': kind, 'width': width, 'size': size, 'heads': heads, 'layers': layers, 'feedforward': feedforward,
            'hidden': hidden, 'audio': audio, 'stack': stack, 'dropout': dropout, 'frames': frames,
        }  # fmt: skip
        self.hears, self.sees = kind in ('transformer_av', 'gru_a', 'gru_av'), kind != 'gru_a'
        self.transformer = kind.startswith('transformer')
        self.memory = 'frames' if self.transformer else 'track'
        self.inputs = Inputs(SIDE if self.sees else 0, frames, audio if self.hears else 0)
        self.size, self.stack, self.hidden = size, stack, hidden
        if not self.sees:
            del self.cnn, self.fc6
            self.embedding_size = 1
        if self.transformer:
            sizes = {'video': self.embedding_size, 'audio': stack_size(audio, stack)}
            used = [name for name in sizes if name == 'video' or self.hears]
            self.project = nn.ModuleDict({name: nn.Linear(sizes[name], size) for name in used})
            self.encoder = nn.ModuleDict(
                {
                    name: nn.ModuleList([EncoderLayer(size, heads, feedforward, dropout) for _ in range(layers)])
                    for name in used
                }
            )
            if self.hears:
                self.cross = nn.ModuleDict({name: CrossAttentionLayer(size, heads, dropout) for name in used})
                self.weight = nn.Parameter(torch.tensor([0.5, 0.5]))  # α of audio, β of video
        else:
            inputs = {'video': self.embedding_size} if self.sees else {}
            inputs |= {'audio': audio} if self.hears else {}
            self.recurrent = nn.ModuleDict(
                {name: nn.GRU(n, hidden, num_layers=2, batch_first=True) for name, n in inputs.items()}
            )
            if kind == 'gru_av':
                self.recurrent['both'] = nn.GRU(2 * hidden, hidden, num_layers=2, batch_first=True)
        self.head: nn.Linear = nn.Linear(size if self.transformer else hidden, 2)

    def forward(self, batch: Batch, player: str | None = None) -> Parts:  # noqa: ARG002  # one player
        """Valence and arousal `affect` (N, T, 2) of each frame of sequences."""
        inputs, mask = self._inputs(batch)
        if self.transformer:
            x = {name: self.project[name](value) for name, value in inputs.items()}
            return {'affect': self._encoded(x, {}, mask), 'mask': mask}
        hidden = {name: hidden_states(self._gru(name), value, mask) for name, value in inputs.items()}
        both = torch.cat([hidden[name] for name in sorted(hidden)], -1)
        if 'both' in self.recurrent:
            both = hidden_states(self._gru('both'), both, mask)
        return {'affect': self.head(both), 'mask': mask}

    def features(self, x: Tensor) -> Tensor:
        """Run VGG-Face on network input (N, 3, 96, 96); embeddings (N, E), or zeros (N, 1) without images."""
        return super().features(x) if self.sees else x.new_zeros(len(x), 1)

    def _inputs(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs (N, T, ·) of the modalities in use, zeros where one is missing, and the mask (N, T)."""
        frames = self.embeddings(batch) if self.sees and ('images' in batch or 'embeddings' in batch) else None
        audio = batch.get('audio')
        mask = batch.get('mask')
        like = next((x for x in (frames, mask, audio) if x is not None), None)
        if like is None:
            raise ConfigError('a batch needs images, embeddings, audio or a mask')
        count, steps = like.shape[:2]
        weight = self.head.weight
        inputs = {}
        if self.sees:
            frames = weight.new_zeros(count, steps, self.embedding_size) if frames is None else frames
            inputs['video'] = frames * _column(batch.get('image_there'), frames)
        if self.hears:
            size = int(self.settings['audio'])
            audio = weight.new_zeros(count, steps, size) if audio is None else audio
            there = _column(batch.get('audio_there'), audio)
            past = audio.shape[1] - steps
            audio = torch.cat([audio[:, :past], audio[:, past:] * there], 1)
            inputs['audio'] = stack_audio(audio, steps, self.stack) if self.transformer else audio[:, past:]
        return inputs, mask_of(batch, like)

    def _encoded(self, x: dict[str, Tensor], cached: dict[str, Tensor], mask: Tensor) -> Tensor:
        """Affect (N, T, 2) of projected inputs (N, T, 512); `cached`: queries, keys and values without position."""
        place = positions(mask, self.size)
        encoded = {}
        for name, value in x.items():
            qkv: Tensor | None = None
            for layer in self._layers_of(name):
                if qkv is None:  # linear: those of input and position add up
                    given = cached.get(name, functional.linear(value, layer.qkv.weight))
                    qkv = given + layer.qkv(place)
                    value = layer(value + place, mask, qkv)
                else:
                    value = layer(value, mask)
            encoded[name] = value
        if not self.hears:
            return self._read(encoded['video'])
        sound = self.cross['audio'](encoded['audio'], encoded['video'], mask)
        sight = self.cross['video'](encoded['video'], encoded['audio'], mask)
        return self._read(self.weight[0] * sound + self.weight[1] * sight)

    def loss(self, outputs: Parts, targets: Batch, player: str = 'all') -> tuple[Tensor, Parts]:  # noqa: ARG002
        """1 − CCC over the labelled frames of each sequence, mean of sequences with two of them, of both columns."""
        wanted = targets['affect'].masked_fill(~outputs['mask'][..., None], torch.nan)
        usable = (~wanted.isnan()).sum(1) >= 2  # (N, 2)
        scores = ((1 - ccc(outputs['affect'], wanted, dim=1)) * usable).sum(0) / usable.sum(0).clamp_min(1)
        return scores.mean(), {'valence': scores[0], 'arousal': scores[1]}

    def initial_state(self, faces: int) -> Tensor:
        """State of tracks without frames: GRU (faces, layers, 128); transformer (faces, 100, C), newest row last.

        Columns of a row: 1 where a frame exists, its audio descriptors, and for each modality the projected input and
        the first layer's queries, keys and values.
        """
        weight = self.head.weight
        if not self.transformer:
            return weight.new_zeros(faces, 2 * len(self.recurrent), self.hidden)
        return weight.new_zeros(faces, self.inputs.frames, 1 + self.inputs.audio + 4 * self.size * len(self.project))

    def advance(
        self,
        embedding: Tensor,
        gap_s: Tensor,  # noqa: ARG002  # the paper's window counts frames
        state: Tensor,
        audio: Tensor | None = None,
    ) -> tuple[SequenceOutput, Tensor]:
        """Process one frame of N tracks: embeddings (N, E), states, audio descriptors (N, A) at its time or None."""
        if audio is None or not self.hears:
            audio = embedding.new_zeros(len(embedding), int(self.settings['audio']))
        sound = audio.nan_to_num(0)
        if not self.transformer:
            affect, state = self._step(embedding, sound, state)
            return SequenceOutput.of(embedding, affect=affect.clamp(-1, 1)), state
        past = state[:, :, 1 : 1 + self.inputs.audio]
        parts = [torch.ones_like(embedding[:, :1])]
        inputs = {'video': embedding}
        if self.hears:
            parts.append(sound)
            inputs['audio'] = stack_audio(torch.cat([past, sound[:, None]], 1), 1, self.stack)[:, 0]
        for name in self.project:
            projected = self.project[name](inputs[name])
            first = self._layers_of(name)[0]
            parts += [projected, functional.linear(projected, first.qkv.weight)]
        state = torch.cat([state[:, 1:], torch.cat(parts, 1)[:, None]], 1)
        wide = torch.split(state[:, :, 1 + self.inputs.audio :], [self.size, 3 * self.size] * len(self.project), -1)
        x = {name: wide[2 * i] for i, name in enumerate(self.project)}
        cached = {name: wide[2 * i + 1] for i, name in enumerate(self.project)}
        affect = self._encoded(x, cached, state[:, :, 0] > 0)[:, -1]
        return SequenceOutput.of(embedding, affect=affect.clamp(-1, 1)), state

    def _step(self, embedding: Tensor, sound: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the GRU kinds; states (N, layers, 128) in the order audio, video, both."""
        given = {'audio': sound, 'video': embedding}
        below, states = [], []
        for i, name in enumerate(sorted(given.keys() & set(self.recurrent))):
            hidden, after = self._gru(name)(given[name][:, None], _layers(state, i))
            below.append(hidden)
            states.append(after)
        both = torch.cat(below, -1)
        if 'both' in self.recurrent:
            both, after = self._gru('both')(both, _layers(state, len(states)))
            states.append(after)
        return self._read(both[:, 0]), torch.cat(states).transpose(0, 1)

    def _read(self, x: Tensor) -> Tensor:
        affect: Tensor = self.head(x)
        return affect

    def _layers_of(self, name: str) -> list[EncoderLayer]:
        layers = self.encoder[name]
        assert isinstance(layers, nn.ModuleList)
        return [layer for layer in layers if isinstance(layer, EncoderLayer)]

    def _gru(self, name: str) -> nn.GRU:
        gru = self.recurrent[name]
        assert isinstance(gru, nn.GRU)
        return gru


def _layers(state: Tensor, index: int) -> Tensor:
    return state[:, 2 * index : 2 * index + 2].transpose(0, 1).contiguous()


def _column(there: Tensor | None, like: Tensor) -> Tensor:
    return like.new_ones(1) if there is None else there[..., None].to(like.dtype)


def stack_size(audio: int, stack: int) -> int:
    """Numbers of one stacked audio step: 63 × 65 = 4095 and a zero, as many as the video has (4096)."""
    return audio * stack + 1


def stack_audio(audio: Tensor, steps: int, stack: int) -> Tensor:
    """Stack descriptors (N, P + T, A) into the last `steps` = T windows (N, T, A · stack + 1), oldest frame first.

    Windows end at their own frame; frames before the first given one are zeros.
    """
    padded = functional.pad(audio, (0, 0, max(stack - 1 + steps - audio.shape[1], 0), 0))[:, -(stack - 1 + steps) :]
    windows = padded.unfold(1, stack, 1).transpose(2, 3).flatten(2)  # (N, T, stack · A)
    return functional.pad(windows, (0, 1))


def remove(shape: tuple[int, int], present: float, generator: torch.Generator) -> Tensor:
    """Random mask (N, T), `image_there` or `audio_there`, with a share `present` in [0, 1] of all frames true."""
    count = shape[0] * shape[1]
    mask = torch.zeros(count, dtype=torch.bool)
    mask[torch.randperm(count, generator=generator)[: round(present * count)]] = True
    return mask.reshape(shape)

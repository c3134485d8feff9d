"""Speech activity by Silero VAD, whose weights come inside its wheel (MIT), run by ONNX Runtime on one thread."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from affect_perception.core.sound import RATE
from affect_perception.errors import ConfigError

CHUNK = 512  # samples of one step: 32 ms
_CONTEXT = 64  # samples of the chunk before
ON, OFF = 0.5, 0.35  # probabilities at which speech begins and ends


class SpeechActivity:
    """Streaming detector of speech in 16 kHz mono; ConfigError where silero-vad or onnxruntime is not installed."""

    def __init__(self) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError("speech activity needs onnxruntime: pip install 'affect-perception[audio]'") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(_weights()), options, providers=['CPUExecutionProvider'])
        self.reset()

    def reset(self) -> None:
        """Forget the sound so far, as after a gap."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._left = np.zeros(0, np.float32)
        self.speech = False

    def step(self, samples: np.ndarray) -> bool:
        """Add samples (N,) float32; whether any chunk that they complete contains speech, else the last answer."""
        data = np.concatenate([self._left, samples])
        whole = len(data) // CHUNK * CHUNK
        self._left = data[whole:]
        found = self.speech
        for i, chunk in enumerate(data[:whole].reshape(-1, CHUNK)):
            probability = self._probability(chunk)
            self.speech = probability >= (OFF if self.speech else ON)
            found = self.speech or (found and i > 0)
        return found

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Probability of speech (N // CHUNK,) of each chunk of a whole recording (N,), from a fresh state."""
        self.reset()
        chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
        return np.array([self._probability(chunk) for chunk in chunks], np.float32)

    def _probability(self, chunk: np.ndarray) -> float:
        given = np.concatenate([self._context, chunk])[None].astype(np.float32)
        self._context = given[0, -_CONTEXT:]
        inputs = {'input': given, 'state': self._state, 'sr': np.array(RATE, np.int64)}
        probability, self._state = self._session.run(None, inputs)
        return float(probability[0, 0])


def _weights() -> Path:
    """File of the weights inside the wheel, found without importing the package (whose import takes a second)."""
    spec = find_spec('silero_vad')
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / 'data' / 'silero_vad.onnx'
        if path.is_file():
            return path
    raise ConfigError("speech activity needs silero-vad: pip install 'affect-perception[audio]'")

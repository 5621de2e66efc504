"""The autoencoder of the original study: the detector.

The network is trained to rebuild good pictures; what it rebuilds badly is anomalous. It never learns from two shares of
them: one says when to stop training, the other sets the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iad.compute import resolve
from iad.data.image_size import ImageSize
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.autoencoder import Options, Training
from iad.detectors.autoencoder.network import (
    Autoencoder,
    build_autoencoder,
    error_maps,
    load_network,
    network_arrays,
    network_on,
)
from iad.detectors.autoencoder.reconstruction import GoodErrors, anomaly_maps, cell_means, good_errors
from iad.detectors.autoencoder.training import Epoch, HeldOut, best_epoch, hold_out, train_autoencoder
from iad.detectors.base import Detector as Base
from iad.detectors.base import Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, required
from iad.detectors.places import Counting, Places, loaded, spread, state_of
from iad.errors import IadError
from iad.neighbors.rows import Rows

if TYPE_CHECKING:
    from iad.compute import Runtime

NETWORK, USUAL = "network.", "usual."  # before the names of arrays in the state


class Detector(Base[Options]):
    """The score is the reconstruction error of the worst part of a picture, against what is usual at its place.

    Args:
        options: how errors become maps and scores.
        training: how the network is built and trained.
        batch_size: pictures per forward pass.
    """

    takes: ClassVar[Takes] = "pixels"
    uses_torch: ClassVar[bool] = True

    network: Autoencoder
    history: list[Epoch]
    shares: HeldOut
    usual: GoodErrors | None = None
    places: Counting = None  # cells that a region of interest keeps
    resumed = False

    def __init__(
        self, options: Options, *, seed: int = 0, runtime: Runtime | None = None, training: Training | None = None,
        batch_size: int = 32,
    ) -> None:  # fmt: skip
        self._runtime = runtime or resolve(device="cpu", precision="fp32")
        super().__init__(options, seed=seed, runtime=self._runtime)
        self.training, self.batch_size = training or Training(), batch_size

    def unfitted(self) -> Self:
        """One of the same options that has learnt nothing, to be trained in the same way."""
        return type(self)(
            self.options, seed=self.seed, runtime=self._runtime, training=self.training, batch_size=self.batch_size
        )

    def train(
        self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False,
        on_epoch: Callable[[list[Epoch]], None] = lambda _: None,
    ) -> Self:  # fmt: skip
        """Train the network on good pictures, pixels uint8 `(N, H, W, 3)`, and return itself.

        Args:
            good: the pictures; two shares of them are held out.
            calibrated_apart: other pictures will set the threshold, so that one share is enough.
            on_epoch: called with the history, once before the first epoch and after each.

        Raises:
            IadError: if nothing is left to train on, or the training diverges.
        """
        pixels, held = required(Embeddings.of(good).pixels, "pictures"), self.training.held_out
        self.shares = hold_out(
            np.arange(len(pixels)), early_stopping=held.early_stopping,
            calibration=0 if calibrated_apart else held.calibration, seed=self.seed,
        )  # fmt: skip
        network = build_autoencoder(
            self.training.width, self.training.latent_channels, image_size=pixels.shape[1:3], seed=self.seed
        )
        on_epoch([])  # nothing is refused any more, but for a training that diverges
        self.network, self.history = train_autoencoder(
            network, pixels, self.shares, self.training, self._runtime, on_epoch, seed=self.seed
        )
        return self

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:
        """Train the network, unless it resumes one, and learn which errors are usual on good pictures.

        Raises:
            IadError: as `train` does.
        """
        given = Embeddings.of(good)
        if not self.resumed:
            self.train(given, calibrated_apart=calibrated_apart)
        pixels = required(given.pixels, "pictures")
        self.places = Places.of(given.region, *(-(-side // self.options.cell) for side in pixels.shape[1:3]))
        if self.options.normalize:
            self.usual = good_errors(self._errors(pixels, self.shares.train, "usual errors"))
        return self

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures, pixels uint8 `(M, H, W, 3)`.

        Raises:
            IadError: if they are of another size than those that it was trained on.

        >>> untrained = Detector(Options(), training=Training(width=1, latent_channels=1, epochs=0))
        >>> fitted = untrained.fit(np.zeros((4, 32, 32, 3), dtype=np.uint8), calibrated_apart=True)
        >>> fitted.predict(np.zeros((1, 32, 32, 3), dtype=np.uint8)).anomaly_map.shape  # cells of 4 x 4 pixels
        (1, 8, 8)
        """
        self._refuse_leave_out(leave_out)
        pixels = required(Embeddings.of(pictures).pixels, "pictures")
        if (size := ImageSize(*pixels.shape[1:3])) != self.network.image_size:
            raise IadError(
                f"ae: pictures of {size}, but it was trained on {self.network.image_size}; prepare all alike"
            )
        maps = anomaly_maps(self._errors(pixels, np.arange(len(pixels)), "reconstruction errors"), self.usual)
        options = self.options
        scores = aggregate_maps(maps, aggregate=options.aggregate, top_share=options.top_share)
        return spread(Prediction(scores, maps), self.places)

    def resume(self, trained: State) -> Self:
        """Take a network that was trained before, as `trained` gives it, so that `fit` need not train one."""
        self._take(trained)
        self.resumed = True
        return self

    def trained(self) -> State:
        """The network for `resume`: its arrays, its sizes, and the shares of the pictures by their numbers."""
        network = self.network
        values = {
            "width": network.width, "latent_channels": network.latent_channels, "image_size": network.image_size.plain,
        }  # fmt: skip
        shares = {name: rows.tolist() for name, rows in vars(self.shares).items()}
        return State(network_arrays(network), values | {"shares": shares})

    def state(self) -> State:
        """The network, the shares that it never learnt from, and the usual errors."""
        trained = self.trained()
        usual = {} if self.usual is None else {f"{USUAL}{name}": array for name, array in vars(self.usual).items()}
        network = {f"{NETWORK}{name}": array for name, array in trained.arrays.items()}
        return State({**network, **usual, **state_of(self.places)}, trained.values)

    @classmethod
    def load(cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> options, pictures = Options(normalize=False), np.zeros((4, 16, 16, 3), dtype=np.uint8)
        >>> untrained = Detector(options, training=Training(width=1, latent_channels=1, epochs=0)).fit(pictures)
        >>> again = Detector.load(options, untrained.state())
        >>> bool((again.predict(pictures).pred_score == untrained.predict(pictures).pred_score).all())
        True
        """
        made = cls(options, seed=seed, runtime=runtime)
        network, usual = (
            {name.removeprefix(part): array for name, array in state.arrays.items() if name.startswith(part)}
            for part in (NETWORK, USUAL)
        )
        made._take(State(network, state.values))
        made.usual, made.places = GoodErrors(**usual) if usual else None, loaded(state.arrays)
        return made

    def training_record(self) -> dict[str, Any]:
        """How the training went, as plain values."""
        network = self.network
        return {
            "name": "autoencoder", "width": network.width, "latent_channels": network.latent_channels,
            "image_size": network.image_size.plain, "best_epoch": best_epoch(self.history),
            "history": [asdict(epoch) for epoch in self.history],
        }  # fmt: skip

    @property
    def held_out(self) -> np.ndarray | None:
        """The share of the good pictures that sets the threshold; None if others do, so that it kept none.

        >>> untrained = Detector(Options(normalize=False), training=Training(width=1, latent_channels=1, epochs=0))
        >>> len(untrained.fit(np.zeros((10, 16, 16, 3), dtype=np.uint8)).held_out)
        2
        """
        return self.shares.calibration if len(self.shares.calibration) else None

    def _take(self, trained: State) -> None:
        values = trained.values
        network = load_network(trained.arrays, values["width"], values["latent_channels"], values["image_size"])
        self.network = network_on(self._runtime.device, network)
        self.shares = HeldOut(**{name: np.asarray(rows, dtype=np.int64) for name, rows in values["shares"].items()})

    def _errors(self, pixels: Rows, rows: np.ndarray, title: str) -> Iterator[np.ndarray]:
        found = error_maps(self.network, pixels, rows, self._runtime, self.batch_size, title)
        cells = cell_means(found, self.options.cell)
        return cells if self.places is None else (batch[:, self.places.counting][:, None] for batch in cells)

"""A second family on the engine: a class-conditional VAE of rows of numbers, of torch's own layers."""

import copy
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from ganaug.data.host_states import plain_states
from ganaug.engine import TrainingConfig
from ganaug.engine.devices import random_generator
from ganaug.engine.objective import Objective
from ganaug.generators.base import NeuralGenerator
from ganaug.generators.contract import SampleSpec
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, TrainingData, TrainingTask


@dataclass(frozen=True)
class Architecture:
    n_classes: int
    n_columns: int
    latent_dim: int = 2

    def networks(self):
        columns, latent = self.n_columns, self.latent_dim
        encoder = nn.Sequential(nn.Linear(columns + self.n_classes, 16), nn.ReLU(), nn.Linear(16, 2 * latent))
        decoder = nn.Sequential(nn.Linear(latent + self.n_classes, 16), nn.BatchNorm1d(16), nn.ReLU())
        return {"encoder": encoder, "decoder": decoder.append(nn.Linear(16, columns))}


@dataclass(frozen=True)
class Config:
    architecture: Architecture
    training: TrainingConfig
    to_dict = asdict


class EvidenceLowerBound(Objective):
    loss_names, remedies = ("reconstruction", "divergence"), ("larger latents",)

    def __init__(self, networks, config, **engine):
        self.networks, self.arch = networks, config.architecture
        self.ema = {"decoder": copy.deepcopy(networks["decoder"]).requires_grad_(False).eval()}
        self.optimizers = {"adam": torch.optim.Adam([w for n in networks.values() for w in n.parameters()])}

    def draw(self, batch, step, progress, randomness):
        noise = torch.randn(len(batch.labels), self.arch.latent_dim, generator=randomness)
        return "only", [batch.samples, one_hot(batch.labels, self.arch.n_classes), noise]

    def step(self, kind, rows, classes, noise):
        mean, log_scale = self.networks["encoder"](torch.cat([rows, classes], 1)).chunk(2, 1)
        drawn = self.networks["decoder"](torch.cat([mean + log_scale.exp() * noise, classes], 1))
        divergence = (mean**2 + (2 * log_scale).exp() - 2 * log_scale - 1).sum(1).mean() / 2
        losses = torch.stack([10 * (drawn - rows).square().sum(1).mean(), divergence])
        self.optimizers["adam"].zero_grad()
        losses.sum().backward()
        self.optimizers["adam"].step()
        return losses.detach()

    def samples(self, labels, batch_size, randomness):
        return decoded(self.ema["decoder"], self.arch, labels, randomness)


def decoded(decoder, arch, labels, randomness):
    latents = torch.randn(len(labels), arch.latent_dim, generator=randomness)
    return decoder(torch.cat([latents, one_hot(labels, arch.n_classes)], 1))


class RowVAE(NeuralGenerator):
    sample_kind, network_names = "rows", ("decoder", "encoder")
    _parameter_constraints = ENGINE_CONSTRAINTS

    def __init__(self, *, steps=300, learning_rate=1e-2, device="cpu", random_state=None, verbose=False, run=None):
        self.steps, self.learning_rate, self.device = steps, learning_rate, device
        self.random_state, self.verbose, self.run = random_state, verbose, run

    @plain_states()
    def fit(self, X, y):
        self._validate_params()
        self.classes_, indices = np.unique(y, return_inverse=True)
        arch, share = Architecture(len(self.classes_), X.shape[1]), self._run_options().validation_fraction
        schedule = (self.steps, 16, self.learning_rate, self.learning_rate / 10, 0.0)
        config, rows = Config(arch, TrainingConfig(*schedule, validation_fraction=share)), torch.tensor(X).float()
        data = TrainingData(indices, list(map(str, self.classes_)), rows.__getitem__, {"sum": float(rows.sum())})
        self._train(
            self._fitting(), data, TrainingTask(config, arch.networks, EvidenceLowerBound, 16, lambda n: config)
        )
        return self._described(arch)

    def _described(self, arch):
        self.class_names_, self.sample_spec_ = {}, SampleSpec("rows", (arch.n_columns,), "float32")
        return self

    def _restore(self, description):
        arch = Architecture(**description["architecture"])
        self.config_ = Config(arch, TrainingConfig.from_dict(description["training"]))
        self._described(arch)
        return partial(Architecture.networks, arch)

    @plain_states()
    def sample(self, labels, *, random_state=None):
        randomness, positions = random_generator(random_state, "sample"), self.class_indices(labels)
        return decoded(self.decoder_, self.config_.architecture, torch.from_numpy(positions), randomness).numpy()

"""Small things to train: a line fitted to points, a network of one convolution."""

from __future__ import annotations

import torch
from torch import nn

from brainbench import wrap
from brainbench.models.preprocessing import Preprocess
from brainbench.training.schedule import Schedule

SHORT = Schedule(
    name="short", learning_rate=0.01, batch=4, check_every=5, patience=2, phase_steps=40
)


class Line:
    """A line fitted to points by least squares."""

    def __init__(self, seed=0, n=12):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.rand(n, 3, generator=generator)
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [3.0]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.n_rows = n
        self.losses = 0

    def loss(self, rows):
        self.losses += 1
        noise = 0.1 * torch.rand(1)  # random numbers of torch are part of what is resumed
        return ((self.module(self.x[rows]) - self.y[rows] - noise) ** 2).mean()

    def validation(self):
        with torch.no_grad():
            return float(((self.module.eval()(self.x) - self.y) ** 2).mean())


def state(task):
    return {key: value.clone() for key, value in task.module.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


class Plain(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))


def plain_model(size=(16, 16), classes=5):
    torch.manual_seed(0)
    preprocess = Preprocess(name="small", size=size)
    return wrap(Plain(classes), layers=["conv"], preprocess=preprocess, name="plain")

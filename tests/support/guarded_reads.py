"""Readers of a file that do to their process what damaged files do."""

import os
import signal
import time

from brainbench.core.errors import StimulusError


def copy(path, target, *, suffix):
    target.write_text(path.read_text() + suffix)


def crash(path, target):
    os.kill(os.getpid(), signal.SIGSEGV)


def block(path, target):
    time.sleep(60)


def grow(path, target):
    bytearray(10**11)


def raise_own(path, target):
    raise StimulusError("an odd file", allowed="another", todo="look")


def raise_foreign(path, target):
    raise OverflowError("of some library")


def print_much(path, target):
    print("x" * 10**6)
    raise KeyError("after all")

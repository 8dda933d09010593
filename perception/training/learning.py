"""The training loop: an Ultralytics network and its loss, on lessons of ours, within a budget of minutes or epochs.

The loop is ours because time is the scarce thing: the learning rate is laid out over the budget, nothing is validated
on the way, canvases are as long as their pictures, and processors with bfloat16 compute in it (measured 6 times as fast
as float32, with channels last). Needs the extra ``train``.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.torch_utils import ModelEMA

from perception.errors import InputError
from perception.training.lessons import Batch, Lessons

# AdamW; the peak is twice what Ultralytics' "auto" chooses for few classes, as one cycle bears it.
PEAK_LR, WEIGHT_DECAY = 1.5e-3, 5e-4
WARM_UP, FINAL_LR = 0.04, 0.01
GRADIENT_NORM = 10.0
# The average of weights is over about 700 steps, and over less in the beginning.
EMA_DECAY, EMA_STEPS = 0.9985, 300
SETTLING_BATCHES = 32
# Weight of the loss on a picture's highest score, the one that decides about a part; from this share of the budget on.
PICTURE_WEIGHT, PICTURE_FROM = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class Budget:
    """When training ends: after so many epochs, or so many minutes, whichever is first; one may be None."""

    minutes: float | None
    epochs: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far training is: share 0..1, epochs begun, pictures a second, mean loss since the last report."""

    share: float
    epoch: int
    images_per_s: float
    loss: float
    left_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """The averaged network, ready for export, and what it took."""

    network: Any
    minutes: float
    epochs: int
    images: int


def build(architecture: str, classes: tuple[str, ...], seed: int) -> Any:
    """A fresh network of an Ultralytics yaml, nothing pretrained.

    Raises:
        InputError: Ultralytics knows no such architecture.
    """
    torch.manual_seed(seed)
    try:
        network = DetectionModel(f"{architecture}.yaml", nc=len(classes), verbose=False)
    except (FileNotFoundError, KeyError) as error:
        raise InputError(f"no such architecture: {architecture} ({error})", key="--model") from None
    if getattr(network.model[-1], "one2one_cv2", None) is not None:
        raise InputError(f"{architecture} has an end-to-end head; a dense one is needed, as of yolo11n", key="--model")
    network.names = dict(enumerate(classes))
    network.args = get_cfg()
    return network


def go_on(network: Any, start: Path) -> None:
    """Give the network the plain weights of an earlier run of its own kind.

    Raises:
        InputError: the file cannot be read or holds another network.
    """
    try:
        network.load_state_dict(torch.load(start, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, AttributeError, TypeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"no weights of this network: {reason}", file=start, key="--start") from None


def learn(
    network: Any,
    lessons: Lessons,
    *,
    epoch_images: int,
    batch: int,
    budget: Budget,
    device: str = "cpu",
    report: Callable[[Progress], None] = lambda progress: None,
    report_every_s: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> Learned:
    """Train to the end of the budget.

    Args:
        network: from ``build``.
        lessons: the batches.
        epoch_images: pictures that count as an epoch.

    Raises:
        InputError: no such device, or a picture that cannot be read.
    """
    if device != "cpu" and int(device) >= torch.cuda.device_count():
        raise InputError(f"no CUDA device {device}: torch sees {torch.cuda.device_count()}", key="--device")
    place = torch.device(device if device == "cpu" else f"cuda:{device}")
    workers = (os.cpu_count() or 1) if place.type == "cpu" else 1
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = network.to(place).to(memory_format=torch.channels_last).train()
    course = _Course(network, budget, batch, math.ceil(epoch_images / batch), clock)
    with _Batches(lessons) as batches:
        threads = [
            threading.Thread(target=course.work, args=(batches, batch, place), name=f"learning-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        try:
            course.watch(threads, report, report_every_s)
        finally:
            course.over.set()
            for thread in threads:
                thread.join()
        _settle(course.average.ema, batches, place)
    learned = deepcopy(course.average.ema).to("cpu").to(memory_format=torch.contiguous_format).float().eval()
    return Learned(learned, (clock() - course.start) / 60.0, course.epoch(), course.steps * batch)


class _Course:
    """The network that is trained, and what its workers share.

    Each worker computes on a copy with one thread and gives its gradients to the network in turn (asynchronous
    descent, a step or two stale). Threads that wait for each other within every layer lose most of their time when the
    machine has other work: measured 1.6 pictures a second with two threads beside three busy processes, 11 with one.
    """

    def __init__(
        self, network: Any, budget: Budget, batch: int, steps_an_epoch: int, clock: Callable[[], float]
    ) -> None:
        self.network = network
        self.average = ModelEMA(network, decay=EMA_DECAY, tau=EMA_STEPS)
        self.over = threading.Event()
        self.steps = 0
        self.start = clock()
        self._clock = clock
        self._batch = batch
        self._budget = budget
        self._steps_an_epoch = steps_an_epoch
        self._optimizer = torch.optim.AdamW(_groups(network), lr=PEAK_LR, betas=(0.9, 0.999))
        self._lock = threading.Lock()
        self._losses: list[float] = []
        self._error: BaseException | None = None

    def epoch(self) -> int:
        return math.ceil(self.steps / self._steps_an_epoch)

    def share(self) -> float:
        """The part of the budget that is used up, by whichever limit is nearer."""
        shares = [0.0]
        if self._budget.epochs is not None:
            shares.append(self.steps / (self._budget.epochs * self._steps_an_epoch))
        if self._budget.minutes is not None:
            shares.append((self._clock() - self.start) / (60.0 * self._budget.minutes))
        return min(1.0, max(shares))

    def work(self, batches: _Batches, batch: int, place: Any) -> None:
        """A worker's life: take a batch, copy the network, compute, give the gradients."""
        try:
            torch.set_num_threads(1)
            with self._lock:
                copy = deepcopy(self.network)
            criterion = copy.init_criterion()
            bf16 = place.type == "cpu" and _has_bf16()
            while not self.over.is_set():
                fed = _tensors(batches.take(), place)
                with self._lock:
                    _assign(copy, self.network)
                    share = self.share()
                with torch.autocast(place.type, torch.bfloat16, enabled=bf16):
                    raw = copy(fed["img"])
                raw = {"boxes": raw["boxes"].float(), "scores": raw["scores"].float(), "feats": raw["feats"]}
                loss = criterion(raw, fed)[0].sum() / batch
                if share >= PICTURE_FROM:
                    loss = loss + PICTURE_WEIGHT * _picture_loss(raw, fed, copy.model[-1])
                copy.zero_grad(set_to_none=True)
                loss.backward()
                with self._lock:
                    if self.share() < 1.0:
                        self._step(copy, float(loss.detach()))
                    else:
                        self.over.set()
        except BaseException as error:  # a thread's top: raised again in ``watch``
            self._error = error
            self.over.set()

    def watch(
        self,
        threads: list[threading.Thread],
        report: Callable[[Progress], None],
        every_s: float,
    ) -> None:
        """Report until the workers are through; raise what one of them raised."""
        reported = self.start
        while any(thread.is_alive() for thread in threads):
            self.over.wait(1.0)
            now = self._clock()
            if now - reported >= every_s or self.over.is_set():
                with self._lock:
                    losses, self._losses = self._losses, []
                    share = self.share()
                if losses:
                    speed = self._batch * len(losses) / max(now - reported, 1e-9)
                    left = (now - self.start) * (1.0 - share) / max(share, 1e-9)
                    report(Progress(share, self.epoch(), speed, float(np.mean(losses)), left))
                reported = now
            if self.over.is_set():
                for thread in threads:
                    thread.join()
        if self._error is not None:
            raise self._error

    def _step(self, copy: Any, loss: float) -> None:
        rate = PEAK_LR * _rate(self.share())
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        for own, its in zip(self.network.parameters(), copy.parameters(), strict=True):
            own.grad = its.grad
        for own, its in zip(self.network.buffers(), copy.buffers(), strict=True):
            own.copy_(its)
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        self.average.update(self.network)
        self.steps += 1
        self._losses.append(loss)


def _settle(network: Any, batches: _Batches, place: Any) -> None:
    """Take the normalisation's means and variances anew, over a few batches and the averaged weights.

    Those gathered on the way lag behind the weights; after a short training they are still near their start.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    network.train()
    with torch.no_grad(), torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cpu" and _has_bf16()):
        for _ in range(SETTLING_BATCHES):
            network(_tensors(batches.take(), place)["img"])
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


def _assign(copy: Any, network: Any) -> None:
    with torch.no_grad():
        for its, own in zip(copy.parameters(), network.parameters(), strict=True):
            its.copy_(own)
        for its, own in zip(copy.buffers(), network.buffers(), strict=True):
            its.copy_(own)


def _rate(share: float) -> float:
    """The learning rate's share of its peak: a linear rise, then half a cosine."""
    if share < WARM_UP:
        return max(share / WARM_UP, 0.01)
    return FINAL_LR + (1.0 - FINAL_LR) * 0.5 * (1.0 + math.cos(math.pi * (share - WARM_UP) / (1.0 - WARM_UP)))


def _groups(network: Any) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation do not."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]


def _tensors(batch: Batch, place: Any) -> dict[str, Any]:
    images = torch.from_numpy(batch.images).to(place, torch.float32) / 255.0
    return {
        "img": images.contiguous(memory_format=torch.channels_last),
        "bboxes": torch.from_numpy(batch.boxes).to(place),
        "cls": torch.from_numpy(batch.classes).to(place, torch.float32).view(-1, 1),
        "batch_idx": torch.from_numpy(batch.owners).to(place, torch.float32),
    }


def _picture_loss(raw: dict[str, Any], fed: dict[str, Any], head: Any) -> Any:
    """Cross-entropy of each picture's highest score: low on good ones, high within a box on defective ones.

    A part is judged by its highest score alone, of which the detection loss knows nothing.
    """
    logits = raw["scores"].amax(dim=1)
    points, strides = _anchors(raw["feats"], head.stride)
    height, width = fed["img"].shape[2:]
    middle = points * strides / torch.tensor([width, height], device=points.device)
    chosen, wanted = [], []
    for number in range(len(logits)):
        boxes = fed["bboxes"][fed["batch_idx"] == number]
        if not len(boxes):
            chosen.append(logits[number].topk(3).values.mean())
            wanted.append(0.0)
            continue
        inside = ((middle[:, None] - boxes[None, :, :2]).abs() <= boxes[None, :, 2:] / 2.0).all(dim=2).any(dim=1)
        chosen.append(logits[number][inside].amax() if bool(inside.any()) else logits[number].amax())
        wanted.append(1.0)
    targets = torch.tensor(wanted, device=logits.device)
    return nn.functional.binary_cross_entropy_with_logits(torch.stack(chosen), targets)


def _anchors(features: list[Any], strides: Any) -> tuple[Any, Any]:
    """Centres of a dense head's cells in units of their stride, (A, 2), and the strides, (A, 1)."""
    points, steps = [], []
    for feature, stride in zip(features, strides, strict=True):
        height, width = feature.shape[2:]
        y, x = torch.meshgrid(
            torch.arange(height, device=feature.device) + 0.5,
            torch.arange(width, device=feature.device) + 0.5,
            indexing="ij",
        )
        points.append(torch.stack([x, y], dim=-1).view(-1, 2))
        steps.append(torch.full((height * width, 1), float(stride), device=feature.device))
    return torch.cat(points), torch.cat(steps)


def _has_bf16() -> bool:
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported()) if supported is not None else False


class _Batches:
    """Batches prepared in a thread of their own, a few ahead; an error there is raised where they are taken."""

    def __init__(self, lessons: Lessons, ahead: int = 6) -> None:
        self._lessons = lessons
        self._queue: queue.Queue[Batch | Exception] = queue.Queue(ahead)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._prepare, name="lessons", daemon=True)

    def __enter__(self) -> _Batches:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.1)

    def take(self) -> Batch:
        batch = self._queue.get()
        if isinstance(batch, Exception):
            self._queue.put(batch)
            raise batch
        return batch

    def _prepare(self) -> None:
        while not self._over.is_set():
            try:
                self._queue.put(next(self._lessons))
            except Exception as error:  # a thread's top: handed to whoever takes
                self._queue.put(error)
                return

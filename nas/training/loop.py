"""The training loop of supernets and single networks. A killed training can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, final

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.training.checkpoint import Checkpoints
from nas.training.distributed import check_batch_size
from nas.training.divergence import DivergenceError, Watch
from nas.training.ema import Ema
from nas.training.optimization import (
    ALL_NEW,
    Backward,
    Batch,
    Compute,
    Hyperparameters,
    StepResult,
    Tuning,
    make_optimizer,
)
from nas.training.state import Meter, Randomness, Row, State

Result = TypeVar("Result")

STEPS_PER_CHECK = 20
"""Steps between two checks of the losses on a GPU or in several processes, since each check waits."""


@final
@dataclass(frozen=True, kw_only=True)
class Task:
    """A training: the model, its data and its hyperparameters.

    Attributes:
        model: The module whose parameters are trained, in place.
        hyper: The hyperparameters.
        compute: Device and precision.
        randomness: The random generators, which checkpoints include.
        steps_per_epoch: Batches of one epoch.
        batches: From the number of the first batch to an epoch's batches, drawn from ``randomness.images``.
        backward: Runs forward and backward for one batch, adding to the gradients.
        accuracy: Computes the validation accuracy for the best checkpoint; ``None`` saves none.
        patience: Epochs without a better accuracy after which the training stops and takes the weights of the
            best epoch; 0 trains for all epochs and takes the last weights.
        tuning: How inherited weights are trained.
    """

    model: nn.Module
    hyper: Hyperparameters
    compute: Compute
    randomness: Randomness
    steps_per_epoch: int
    batches: Callable[[int], Iterable[Batch]]
    backward: Backward
    accuracy: Callable[[], float] | None = None
    patience: int = 0
    tuning: Tuning = ALL_NEW

    @property
    def steps(self) -> int:
        return self.hyper.epochs * self.steps_per_epoch

    def rate(self, step: int) -> float:
        """The learning rate of a step: the highest one in frozen epochs, and the schedule after them."""
        frozen = self.tuning.freeze_epochs * self.steps_per_epoch
        return self.hyper.peak if step < frozen else self.hyper.rate(step - frozen, self.steps - frozen)


@final
@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a training.

    Attributes:
        step: Completed steps, those before a resumption included.
        steps: All steps.
        images_per_s: Recent images per second of all processes; ``None`` during the first second.
    """

    step: int
    steps: int
    images_per_s: float | None


def fit(
    task: Task,
    *,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """Trains a model in place, from the last checkpoint if there is one.

    On a CPU, a killed and resumed training gives the same weights, bit for bit, as an uninterrupted one. With
    ``ema_decay``, the model has the averaged weights in the end, with ``patience`` those of the best epoch.

    Args:
        task: The training.
        checkpoints: Where its state is saved.
        on_step: Called after each step.
        on_epoch: Called after each epoch with its number, learning rate, mean losses and images per second.

    Returns:
        One row for each epoch, those before a resumption included.

    Raises:
        UserError: If the training diverges, memory is too small, or a checkpoint does not fit.
    """
    check_batch_size(task.hyper.batch_size, task.compute.processes)
    run = _Run(task=task, checkpoints=checkpoints, on_step=on_step, on_epoch=on_epoch)
    with task.compute.memory_advice(task.hyper.batch_size):
        return run.to_the_end()


@final
class _Run:
    """One call of ``fit``: a state and the methods that advance it."""

    def __init__(
        self,
        *,
        task: Task,
        checkpoints: Checkpoints | None,
        on_step: Callable[[Progress], None],
        on_epoch: Callable[[Row], None],
    ) -> None:
        self.task, self.checkpoints, self.on_step, self.on_epoch = task, checkpoints, on_step, on_epoch
        self.processes = task.compute.processes
        if not self.processes.leads:
            torch.manual_seed(
                torch.initial_seed() + self.processes.index
            )  # dropout differs between processes
        hyper, model = task.hyper, task.model
        self.processes.copy_leaders(model.state_dict().values())
        self.state = State(
            model=model,
            optimizer=make_optimizer(model, hyper, tuning=task.tuning),
            ema=Ema(model, decay=hyper.ema_decay) if hyper.ema_decay else None,
            randomness=task.randomness,
            device=task.compute.device,
        )
        self.resume()
        self.watch = Watch(limit=self.state.limit)
        self.written = time.monotonic()
        waits = task.compute.device.type != "cpu" or self.processes.count > 1
        self.steps_per_check = STEPS_PER_CHECK if waits else 1

    @property
    def step(self) -> int:
        """Completed steps."""
        return self.state.epoch * self.task.steps_per_epoch + self.state.position

    def resume(self) -> None:
        """Restores the last checkpoint, which the leader selects."""
        last = None
        if self.checkpoints is not None and self.processes.leads:
            last = self.checkpoints.latest()
        step = self.processes.leaders(-1 if last is None else last.step)
        if step < 0:
            self.state.begin_epoch()
            return
        assert self.checkpoints is not None
        try:
            self.state.restore(last or self.checkpoints.read(step), self.processes)
        except UserError as error:
            raise UserError(
                f"process {self.processes.index} cannot read the checkpoint after step {step} in "
                f"{self.checkpoints.folder} ({error}); run_dir must lie where all machines can read it"
            ) from None

    def to_the_end(self) -> list[Row]:
        """Runs all remaining epochs."""
        state, was = self.state, self.state.epoch
        while state.epoch < self.task.hyper.epochs and not self._has_stopped():
            self._epoch()
        if state.epoch > was:  # not the step: an epoch may lack its end only
            self._write()
        if self.task.patience:
            self.task.model.load_state_dict(state.best_weights)
        elif state.ema is not None:
            state.ema.apply()
        return state.history

    def _has_stopped(self) -> bool:
        return 0 < self.task.patience <= self.state.stale

    def _epoch(self) -> None:
        task, state = self.task, self.state
        task.model.train()
        task.tuning.freeze(task.model, epoch=state.epoch)
        meter = Meter(self.processes.count)
        for x, y in task.batches(state.position):
            self._step(x, y)
            self.on_step(Progress(step=self.step, steps=task.steps, images_per_s=meter.count(len(y))))
            self._look()
        row = {
            "epoch": state.epoch + 1,
            "learning_rate": task.rate(self.step - 1),
            **state.mean_losses(),
            "images_per_s": meter.mean,
        }
        if (accuracy := self._accuracy()) is not None:
            self._keep_best(accuracy)
            row |= {"validation_accuracy": accuracy} if task.patience else {}
        state.history.append(row)
        state.epoch += 1
        state.begin_epoch()
        self.on_epoch(row)

    def _step(self, x: Tensor, y: Tensor) -> None:
        task, state, optimizer = self.task, self.state, self.state.optimizer
        step, rate = self.step, task.rate(self.step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        optimizer.zero_grad(set_to_none=True)
        result = self._averaged(task.backward(x, y, progress=step / task.steps), images=len(y))
        if task.hyper.clip_value:
            nn.utils.clip_grad_value_(task.model.parameters(), task.hyper.clip_value)
        if task.hyper.clip_norm:
            nn.utils.clip_grad_norm_(task.model.parameters(), task.hyper.clip_norm)
        optimizer.step()
        if state.ema is not None:
            state.ema.update(step)
        state.position += 1
        state.count_losses(result.losses)
        self.watch.add(
            torch.stack([done.loss for done in result.passes]),
            networks=[done.network for done in result.passes],
            step=step + 1,
            rate=rate,
        )

    def _averaged(self, result: StepResult, *, images: int) -> StepResult:
        """Gradients and losses over the images of all processes."""
        if self.processes.count == 1:
            return result
        losses = torch.stack([done.loss for done in result.passes])
        means = self.processes.average(self.task.model.parameters(), losses, images=images)
        pairs = zip(result.passes, means.unbind(), strict=True)
        return StepResult(tuple(replace(done, loss=loss) for done, loss in pairs))

    def _look(self) -> None:
        """Checks the losses, and writes a checkpoint if one is due."""
        checkpoints, step = self.checkpoints, self.step
        is_time = step % self.steps_per_check == 0 or self.state.position == self.task.steps_per_epoch
        by_steps = checkpoints is not None and checkpoints.plan.is_due_by_steps(step)
        if not is_time and not by_steps:
            return
        self._check(self.watch.look)
        due = by_steps or (checkpoints is not None and checkpoints.plan.is_due_by_time(self.written))
        if self.processes.leaders(int(due)):
            self._write()

    def _check(self, look: Callable[[], None]) -> None:
        try:
            look()
        except DivergenceError as error:
            advice = "" if self.checkpoints is None else f". {self.checkpoints.last()}"
            raise DivergenceError(f"{error}{advice}") from None

    def _write(self) -> None:
        if self.checkpoints is None:
            return
        self._check(lambda: self.watch.look_at_weights(self.task.model.parameters()))
        self.state.limit = self.watch.limit
        snapshot = self.state.snapshot(self.step, self.processes)
        if self.processes.leads:
            self.checkpoints.write(snapshot)
        self.written = time.monotonic()

    def _accuracy(self) -> float | None:
        """Evaluates the model if that is due after this epoch."""
        task, plan = self.task, self.checkpoints.plan if self.checkpoints else None
        due = task.patience > 0 or (plan is not None and plan.looks_after(self.state.epoch + 1))
        if task.accuracy is None or not due:
            return None
        devices = [task.compute.device] if task.compute.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # so that the evaluation does not affect the training
            return self._with_average(task.accuracy)

    def _keep_best(self, accuracy: float) -> None:
        """Keeps the weights if they are the best so far: for the end, or in a file."""
        state = self.state
        state.stale += 1
        if accuracy <= state.best:
            return
        state.best, state.stale = accuracy, 0
        if self.task.patience:
            state.best_weights = self._with_average(partial(_copied, state.model))
        elif self.checkpoints is not None and self.processes.leads:
            self._with_average(
                partial(self.checkpoints.write_best, state.model, accuracy=accuracy, epoch=state.epoch + 1)
            )

    def _with_average(self, body: Callable[[], Result]) -> Result:
        if self.state.ema is None:
            return body()
        with self.state.ema.applied():
            return body()


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}

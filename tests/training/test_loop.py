"""The training loop: what it does to weights, and what it says when it cannot go on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import Rounding, Shape, make_settings
from nas.errors import UserError
from nas.files import sha256
from nas.nn import Block
from nas.training.checkpoint import BEST, CheckpointPlan, Checkpoints
from nas.training.divergence import EXPLODED, DivergenceError, Watch
from nas.training.ema import Ema
from nas.training.loop import Progress, Task, fit
from nas.training.optimization import (
    Batch,
    Compute,
    Hyperparameters,
    Pass,
    StepResult,
    at_least_float32,
    make_optimizer,
)
from nas.training.state import Randomness, Row
from nas.training.weights import load_weights

CPU = Compute.choose("cpu", "none")
STEPS = 6


def hyper(**changes: float | str) -> Hyperparameters:
    values = {"epochs": 2, "batch_size": 8, "learning_rate": 1.0, "momentum": 0.9, "weight_decay": 0.0}
    values |= {"warmup_epochs": 0, "label_smoothing": 0.0, "clip_value": 0.0}
    return Hyperparameters(**(values | changes))  # type: ignore[arg-type]


def task(*, seed: int = 0, **changes: float | str) -> Task:
    """A linear classifier of Gaussian blobs, with dropout."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 3))
    randomness = Randomness.of(seed)
    centres = torch.randn(3, 4, generator=torch.Generator().manual_seed(5)) * 3

    def batches(first: int) -> Iterable[Batch]:
        draws = [torch.randn(8, 4, generator=randomness.images) for _ in range(STEPS)]
        for x in draws[first:]:
            y = torch.arange(8) % 3
            yield x + centres[y], y

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        loss = F.cross_entropy(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return StepResult((Pass(name="loss", network="net", loss=loss.detach()),))

    return Task(
        model=model,
        hyper=hyper(**changes),
        compute=CPU,
        randomness=randomness,
        steps_per_epoch=STEPS,
        batches=batches,
        backward=backward,
    )


def checkpoints(folder: Path, *, every_steps: int | None = 1, best_every_epochs: int = 0) -> Checkpoints:
    plan = CheckpointPlan(every_s=None, every_steps=every_steps, keep=3, best_every_epochs=best_every_epochs)
    return Checkpoints(folder=folder, plan=plan, about={})


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_rows_say_what_happened() -> None:
    progress: list[Progress] = []
    rows = fit(task(), on_step=progress.append)
    assert [row["epoch"] for row in rows] == [1, 2] and rows[1]["loss"] < rows[0]["loss"]
    assert rows[0]["images_per_s"] > 0 and rows[1]["learning_rate"] < rows[0]["learning_rate"]
    assert [p.step for p in progress] == list(range(1, 13)) and {p.steps for p in progress} == {12}


def test_a_loss_that_is_not_there_in_every_step_keeps_its_mean() -> None:
    job = task()

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        done = job.backward(x, y, progress=progress).passes
        if progress < 0.25:
            done += (Pass(name="early", network="net", loss=torch.tensor(4.0)),)
        return StepResult(done)

    rows = fit(replace(job, backward=backward))
    assert rows[0]["early"] == 4.0 and "early" not in rows[1]


def test_progress_runs_from_zero_to_nearly_one() -> None:
    job, seen = task(), []

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        seen.append(progress)
        return job.backward(x, y, progress=progress)

    fit(replace(job, backward=backward))
    assert seen == [step / 12 for step in range(12)]


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 11])
def test_after_any_step_it_goes_on_to_the_same_weights(stop: int, tmp_path: Path) -> None:
    whole = task(ema_decay=0.8)
    rows = fit(whole)

    def interrupt(progress: Progress) -> None:
        if progress.step == stop + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(task(ema_decay=0.8), checkpoints=checkpoints(tmp_path), on_step=interrupt)
    again = task(seed=1, ema_decay=0.8)  # every state comes from the checkpoint, none from the seed
    seen: list[Progress] = []
    rows_again = fit(again, checkpoints=checkpoints(tmp_path), on_step=seen.append)
    assert seen[0].step == stop + 1
    assert torch.equal(weights(again.model), weights(whole.model))
    for row, row_again in zip(rows, rows_again, strict=True):
        assert row | {"images_per_s": 0} == row_again | {"images_per_s": 0}
    assert fit(task(ema_decay=0.8), checkpoints=checkpoints(tmp_path), on_step=seen.append) == rows_again
    assert seen[-1].step == 12 and len(seen) == 12 - stop, "a training that is done is not done again"


def test_a_training_that_lacks_only_its_end_writes_the_same_last_checkpoint(tmp_path: Path) -> None:
    fit(task(), checkpoints=checkpoints(tmp_path / "whole"))

    def interrupt(row: Row) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(task(), checkpoints=checkpoints(tmp_path / "killed"), on_epoch=interrupt)
    fit(task(seed=1), checkpoints=checkpoints(tmp_path / "killed"))
    name = "step-00000012.safetensors"
    assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "whole" / name)


def test_the_averaged_weights_follow_the_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model, decay=0.5)
    expected = model.weight.item()
    for step in range(12):
        with torch.no_grad():
            model.weight.fill_(float(step))
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(ema.average["weight"]) == pytest.approx(expected, rel=1e-6)
    with ema.applied():
        assert model.weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == 11.0


def test_training_ends_with_the_averaged_weights() -> None:
    averaged, plain = task(ema_decay=0.9), task()
    fit(averaged)
    fit(plain)
    assert not torch.allclose(weights(averaged.model), weights(plain.model))
    with pytest.raises(UserError, match=r"ema_decay is 1; give 0 for no average, or a share such as 0.999"):
        hyper(ema_decay=1)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", (0, -1)),
        ("batch_size", (0, -1)),
        ("learning_rate", (-1, float("nan"), float("inf"))),
        ("momentum", (-0.1, 1, 2)),
        ("weight_decay", (-1, float("nan"))),
        ("warmup_epochs", (-1,)),
        ("label_smoothing", (-0.1, 1, 2)),
        ("clip_value", (-1,)),
        ("clip_norm", (-1,)),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name: str, values: tuple[float, ...]) -> None:
    for value in values:
        with pytest.raises(UserError, match=f"^{name} is {value}; give "):
            hyper(**{name: value})


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    accuracies = iter([0.5, 0.9, 0.7, 0.8])
    job = task(epochs=4)
    seen: list[Tensor] = []

    def accuracy() -> float:
        torch.rand(1)  # looking at a model may draw from PyTorch's generator
        seen.append(weights(job.model))
        return next(accuracies)

    fit(replace(job, accuracy=accuracy), checkpoints=checkpoints(tmp_path, best_every_epochs=1))
    best = task().model
    metadata = load_weights(best, tmp_path / BEST)
    assert metadata["best"] == '{"epoch": 2, "validation_accuracy": 0.9}'
    assert torch.equal(weights(best), seen[1])
    unwatched = task(epochs=4)
    fit(unwatched)
    assert torch.equal(weights(unwatched.model), weights(job.model)), "looking changes nothing"


def test_a_loss_that_is_no_number_names_step_rate_and_network(tmp_path: Path) -> None:
    job = task(learning_rate=0.5)

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        done = job.backward(x, y, progress=progress).passes
        bad = torch.tensor(float("nan") if progress > 0.35 else 1.0)
        return StepResult((*done, Pass(name="loss_random", network="r16-d1", loss=bad)))

    with pytest.raises(DivergenceError) as error:
        fit(replace(job, backward=backward), checkpoints=checkpoints(tmp_path))
    message = str(error.value)
    rate = job.hyper.rate(5, 12)
    assert re.search(rf"at step 6 with learning rate {rate:.4g}: the loss of r16-d1 is nan; lower", message)
    assert message.endswith(f"the last good checkpoint is {tmp_path}/step-00000005.safetensors")
    last = checkpoints(tmp_path).latest()
    assert last is not None and last.step == 5
    assert all(tensor.isfinite().all() for name, tensor in last.tensors.items() if name.startswith("model"))


def test_a_loss_that_explodes_is_found() -> None:
    with pytest.raises(DivergenceError, match=r"training diverged at step \d+ .*the loss of net is \d"):
        fit(task(learning_rate=1e5, epochs=20))


def test_losses_are_looked_at_together_and_the_first_bad_one_is_named() -> None:
    watch = Watch()
    for step in range(1, 9):
        losses = torch.tensor([1.0, 2.0 if step < 5 else 2.1 * EXPLODED])
        watch.add(losses, networks=["a", f"b{step}"], step=step, rate=0.25)
    with pytest.raises(DivergenceError, match=r"step 5 with learning rate 0.25: the loss of b5 is 210"):
        watch.look()
    Watch().look()


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    job = task()

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        result = job.backward(x, y, progress=progress)
        if progress > 0.2:
            for p in job.model.parameters():
                p.grad = torch.full_like(p, float("inf"))
        return result

    with pytest.raises(DivergenceError, match=r"step 4 .*after net, not all weights are finite"):
        fit(replace(job, backward=backward), checkpoints=checkpoints(tmp_path))
    assert checkpoints(tmp_path).steps() == [3, 2, 1]


def test_out_of_memory_names_the_batch_size() -> None:
    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        torch.empty(2**62, dtype=torch.uint8)
        raise AssertionError

    with pytest.raises(UserError, match=r"out of memory on cpu with batch_size=8; lower batch_size"):
        fit(replace(task(), backward=backward))

    def cuda(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match=r"out of memory on cpu with batch_size=8"):
        fit(replace(task(), backward=cuda))

    def bug(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        fit(replace(task(), backward=bug))


def test_the_precision_that_losses_are_computed_in() -> None:
    types = {torch.bfloat16: torch.float32, torch.float32: torch.float32, torch.float64: torch.float64}
    assert {t: at_least_float32(torch.zeros(1, dtype=t)).dtype for t in types} == types


def test_norms_and_biases_do_not_decay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    groups = make_optimizer(model, hyper(weight_decay=0.1)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 1), (0.0, 3)]


def test_tables_and_tokens_do_not_decay() -> None:
    spec = make_settings("tokens", {"width": 8, "patch": 2, "class_token": True, "norm": True})
    block = Block([spec.lower(Shape(3, 4, 4), Rounding())])
    decaying, others = make_optimizer(block, hyper(weight_decay=0.1, optimizer="adamw")).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [p.shape for p in decaying["params"]] == [(8, 3, 2, 2)]
    assert len(others["params"]) == 5  # bias, norm, token, positions


def test_adamw_is_pytorch_s_also_for_parameters_that_get_their_first_gradient_late() -> None:
    models = [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours = make_optimizer(models[0], hyper(weight_decay=0.1, optimizer="adamw"))
    for group in ours.param_groups:
        group["lr"] = 0.1
    weights = [[p for p in models[1].parameters() if p.ndim == n] for n in (2, 1)]
    groups = [{"params": weights[0], "weight_decay": 0.1}, {"params": weights[1], "weight_decay": 0.0}]
    plain = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.999), foreach=False, fused=False)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    for used in (1, 1, 2, 1, 2):
        for model, optimizer in zip(models, (ours, plain), strict=True):
            optimizer.zero_grad(set_to_none=True)
            model[:used](x).square().mean().backward()
            optimizer.step()
    for mine, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stop", [1, STEPS + 2])
def test_adamw_goes_on_to_the_same_weights(stop: int, tmp_path: Path) -> None:
    settings = {"optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 0.05, "clip_norm": 0.5}
    whole = task(**settings)
    fit(whole)
    plan = CheckpointPlan(every_s=None, every_steps=1, keep=1, best_every_epochs=0)
    stopped = task(**settings)

    def stop_after(progress: Progress) -> None:
        if progress.step == stop + 1:
            raise KeyboardInterrupt

    checkpoints = Checkpoints(folder=tmp_path, plan=plan, about={})
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, checkpoints=checkpoints, on_step=stop_after)
    resumed = task(**settings)
    fit(resumed, checkpoints=checkpoints)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_gradients_are_clipped_to_a_norm_of_all_together() -> None:
    before, after = (task(clip_norm=norm, learning_rate=32.0, momentum=0.0, epochs=1) for norm in (0.0, 1e-3))
    starts = [p.detach().clone() for p in after.model.parameters()]
    fit(replace(after, steps_per_epoch=1, batches=lambda first: list(before.batches(first))[:1]))
    moved = [now - start for now, start in zip(after.model.parameters(), starts, strict=True)]
    distance = torch.cat([change.flatten() for change in moved]).norm().item()
    assert distance == pytest.approx(1e-3 * after.rate(0), rel=1e-3)


def test_an_optimizer_that_is_none() -> None:
    with pytest.raises(UserError, match="optimizer is 'adam'; allowed: sgd, adamw"):
        hyper(optimizer="adam")


def test_bfloat16_is_not_chosen_for_a_cpu_where_it_is_slower() -> None:
    assert Compute.choose("cpu", "auto").autocast is None
    assert Compute.choose("cpu", "bf16").autocast == torch.bfloat16


def test_parameters_that_get_their_first_gradient_late_are_trained_as_by_a_plain_optimizer() -> None:
    models = [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    settings = hyper(weight_decay=0.1, momentum=0.9)
    ours = make_optimizer(models[0], settings)
    for group in ours.param_groups:
        group["lr"] = 0.1
    groups = [
        {key: group[key] for key in ("params", "weight_decay")}
        for group in make_optimizer(models[1], settings).param_groups
    ]
    plain = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, foreach=False, fused=False)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    for used in (1, 1, 2, 1, 2):  # as the layers of a network that a later step samples for the first time
        for model, optimizer in zip(models, (ours, plain), strict=True):
            optimizer.zero_grad(set_to_none=True)
            model[:used](x).square().mean().backward()
            optimizer.step()
    for mine, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)

"""The typed configuration. Values stand in ``conf/``; what each means, and its type, stand here.

Every field is explained under "Attributes"; ``nas COMMAND --help`` prints these explanations beside the
values. Fields without a default get their value from a file in ``conf/``: a default stands in one place only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from nas.errors import UserError
from nas.hardware import Device

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LARGEST_SEED = 2**32 - 1  # what every library takes


def seconds(duration: str, *, setting: str = "") -> float:
    """The seconds in a duration such as ``"90s"``, ``"5m"`` or ``"1.5h"``.

    Args:
        duration: The text.
        setting: The setting that it is the value of, for the message.

    Raises:
        UserError: If it is not a positive number with one of these units.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", duration)
    if match is None or float(match[1]) == 0:
        raise UserError(
            f"{setting and setting + ': '}{duration!r} is not a duration; write a positive number and s, m "
            "or h: 90s, 5m, 1.5h"
        )
    return float(match[1]) * _UNITS_S[match[2]]


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """Where training and accuracy run.

    Attributes:
        torch_device: auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, ...
        autocast: Precision of convolutions while training: auto (bf16 on a GPU that computes with it, else
            none), none, bf16 or fp16.
        compile: Compile the networks that are trained alone (torch.compile); it costs a minute for each.
    """

    torch_device: str
    autocast: str
    compile: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """How a training that is killed can go on; decides nothing about its result.

    Attributes:
        every: Time between two checkpoints: 90s, 5m, 1h; null for none by time.
        every_steps: Steps between two; null for none by steps.
        keep: How many of the last are kept.
        best_every_epochs: Epochs between two looks at the validation accuracy of the supernet's smallest and
            largest networks; the weights with the best mean are kept too. 0 is off.
    """

    every: str | None
    every_steps: int | None
    keep: int
    best_every_epochs: int


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What happens to a training image.

    Attributes:
        flip: Mirror half of the images, left to right; off where left and right differ, as in digits.
        crop_padding: Shift by up to this fraction of the side; 0.125 is 4 pixels of 32, 0 is off.
        resized_crop: Least and greatest share of the area of a random crop, e.g. [0.08, 1]; null is off.
    """

    flip: bool = True
    crop_padding: float = 0.125
    resized_crop: list[float] | None = None


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The images; a file in ``conf/data/`` needs to give a name only.

    Attributes:
        name: The loader: digits, cifar10, cifar100, image_folder or imagenet.
        root: The folder with the images, where the loader needs one.
        download: Whether the loader may download the images to root.
        validation_fraction: Share of the training images that is kept for the search.
        test_fraction: Share that is kept for the final test, where the data set has no test images itself.
        channels: 1 (grey) or 3 (colour); null takes the images as they are.
        workers: Processes that decode images; null takes one a core, where that is worth it.
        cache: Where decoded images are kept: auto (memory, if they fit), memory or disk.
        store_size: Side in pixels at which files are kept in memory; null takes the median, at most 256.
        skip_damaged: Leave out images that cannot be decoded; otherwise the first one stops the command.
        max_train_images: Use only so many training images; null uses all.
        augment: What happens to a training image.
    """

    name: str
    root: str | None = None
    download: bool = False
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    channels: int | None = None
    workers: int | None = None
    cache: str = "auto"
    store_size: int | None = None
    skip_damaged: bool = False
    max_train_images: int | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """The target device; a file in ``conf/device/`` needs to give a name only.

    Attributes:
        name: A short name; tables are named after it.
        machine: The processor; empty stands for wherever the table is measured.
        board: What the board or GPU calls itself, e.g. Raspberry Pi 4; another machine is not measured in its
            place. Empty stands for any.
        runtime: The inference runtime; onnxruntime, openvino, tensorrt and torch are measured.
        runtime_version: Its version; empty stands for the one that is installed where the table is measured.
        provider: The runtime's back end.
        provider_options: Options of the provider; add one with +device.provider_options.NAME=VALUE.
        threads: Threads of one inference.
        batch: Images of one inference. Every latency, bound and budget is the time of one inference.
        precision: fp32, tf32, fp16, bf16, fp8 or int8, as far as the runtime has it.
        peak_flops: Peak FLOP/s by precision, e.g. {fp32: 1.0e11}; for the roofline.
        bandwidth_bytes_per_s: Peak memory bandwidth in bytes a second; for the roofline.
        preferred_blocks: Block kinds that run well.
        channel_multiple: Channel counts should be multiples of it.
        max_width: The largest channel count that still runs well.
        sources: Where each of these figures comes from, by its name.
    """

    name: str
    machine: str = Device.machine
    board: str = Device.board
    runtime: str = Device.runtime
    runtime_version: str = Device.runtime_version
    provider: str = Device.provider
    provider_options: dict[str, Any] = field(default_factory=dict)
    threads: int = Device.threads
    batch: int = Device.batch
    precision: str = Device.precision
    peak_flops: dict[str, float] = field(default_factory=dict)
    bandwidth_bytes_per_s: float | None = None
    preferred_blocks: list[str] = field(default_factory=list)
    channel_multiple: int | None = None
    max_width: int | None = None
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How weights are trained: SGD with Nesterov momentum, linear warm-up, then a cosine.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images a step, in all processes together.
        learning_rate: Peak, for 256 images a step; it is scaled with batch_size.
        momentum: Of Nesterov's method.
        weight_decay: Of convolution and matrix weights; BatchNorm and biases do not decay.
        warmup_epochs: Epochs of linear warm-up.
        label_smoothing: Share of a label's weight that is spread over all classes.
        clip_value: Gradients are clipped to this value; 0 is off.
        ema_decay: Share that stays, at each step, of a moving average of the weights, which is evaluated and
            saved in their place, e.g. 0.999; 0 is off.
        zero_init_residual: Whether blocks with a shortcut begin as the shortcut alone.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    clip_value: float
    ema_decay: float
    zero_init_residual: bool


@dataclass(frozen=True, kw_only=True)
class TrainConfig(OptimizationConfig):
    """How the supernet is trained.

    Attributes:
        recipe: How subnets are drawn and taught: sandwich (the largest, random ones and the smallest),
            single_path (a random one), fairnas (as many as hold every choice), or progressive_shrinking
            (smaller ones join later).
        random_subnets: Random subnets a step, beside the largest and the smallest (sandwich) or beside the
            largest (progressive_shrinking).
        distill: How the other subnets learn from the largest: soft (its probabilities), alpha (by AlphaNet's
            adaptive divergence), or none (from the labels).
        sampling: How the sandwich's random subnets are drawn: uniform, or attentive (by their loss).
        attentive_candidates: Subnets of like MACs that attentive sampling compares for each that it takes.
        attentive_keep: Which of them it takes: best or worst.
        dropout: Share of the features before the classifier that is dropped, in the largest subnet only.
        drop_connect: Share of the images that lose the last residual branch, in the largest subnet only; less
            in the branches before it.
        phases: When progressive_shrinking frees kernels, depths and widths, as shares of the training.
        kernel_transform: Whether small kernels are learned functions of large ones, not just their centre.
        calibration_images: Training images on which a subnet's BatchNorm statistics are computed anew.
    """

    recipe: str
    random_subnets: int
    distill: str
    sampling: str
    attentive_candidates: int
    attentive_keep: str
    dropout: float
    drop_connect: float
    phases: list[float]
    kernel_transform: bool
    calibration_images: int


@dataclass(frozen=True, kw_only=True)
class TrustConfig(OptimizationConfig):
    """Networks that are trained alone, to see whether the supernet ranks them rightly.

    Attributes:
        networks: Random networks, spread over the range of MACs, beside the smallest and the largest.
        images: What both accuracies are computed on: validation, or test, which is then no longer unseen.
        top: How many of the best the precision at the top is computed on.
        resamples: Draws of the bootstrap that gives the intervals.
    """

    networks: int
    images: str
    top: int
    resamples: int


@dataclass(frozen=True, kw_only=True)
class FinishConfig(OptimizationConfig):
    """How the winner and what it is compared with are trained from scratch, all in the same way.

    Attributes:
        network: A JSON file with the network to train; null trains the scaled winner.
        extremes: Whether the largest and the smallest network of the space are trained too.
        baseline: The reference network that is trained for comparison, at several widths.
        baseline_widths: Its width multipliers; [] for no comparison.
        baseline_resolution: Its input resolution; null takes the space's largest.
        workers: Networks that are trained at the same time, in a process each; null takes one a core where a
            CPU trains on images in memory, else one.
    """

    network: str | None
    extremes: bool
    baseline: str
    baseline_widths: list[float]
    baseline_resolution: int | None
    workers: int | None


@dataclass(frozen=True, kw_only=True)
class RemoteConfig:
    """How the device behind table.host is reached, and what measures there.

    Attributes:
        port: Port of ssh; null leaves it to ssh's own configuration.
        identity: File of the private key; null leaves it to ssh's own configuration.
        python: The command that runs Python on the device, with numpy and the runtime.
        folder: Folder on the device; null takes .cache/hwnas, on Android /data/local/tmp/hwnas.
        binary: For a device without Python, a benchmark program that was built for it; its name begins with
            onnxruntime_perf_test or benchmark_model.
    """

    port: int | None
    identity: str | None
    python: str
    folder: str | None
    binary: str | None


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """The latency table; table=X stands for table.name=X.

    Attributes:
        name: NAME or PATH of an existing table that is used, or of what measure.pyz wrote; roofline estimates
            one from the device's peaks; null measures one.
        budget: Time for measuring: 90s, 5m, 1h.
        resolutions: Input resolutions that are measured, e.g. [128,160]; null takes all of the space's.
        correction_networks: Whole networks that the table's correction is fitted on.
        validation_networks: Whole networks that the table's error is computed on.
        classes: Outputs of the networks' classifier; null takes the data set's.
        input_channels: Channels of the images; null takes the data set's.
        host: The device to measure on: user@pi (by ssh), adb: or adb:SERIAL, local: (another Python on this
            machine); null is this machine.
        remote: How the device behind table.host is reached, and what measures there.
        from_networks: A CSV file of whole networks to fit the table on; columns architecture and latency_ms
            (of one inference, which takes device.batch images).
        sibling: NAME or PATH of the table of a similar device, with which fewer networks are enough.
        missing: What happens where the table lacks blocks: measure (on the device itself, else an error),
            error, or estimate.
    """

    name: str | None
    budget: str
    resolutions: list[int] | None
    correction_networks: int
    validation_networks: int
    classes: int | None
    input_channels: int | None
    host: str | None
    remote: RemoteConfig
    from_networks: str | None
    sibling: str | None
    missing: str


@dataclass(frozen=True, kw_only=True)
class KitConfig:
    """What `nas kit` writes; what is measured is set by table.

    Attributes:
        zip: Whether the kit is one zip file instead of a folder.
    """

    zip: bool


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The search for what is asked for, as a rule accuracy and predicted latency.

    Attributes:
        sampler: evolution, gp, nsga2, nsga3, predictor, random, tpe.
        options: Further options of the sampler, e.g. {startup: 20}.
        trials: Networks that are evaluated.
        population: Networks of a generation, where the sampler has such.
        objectives: What is made good: accuracy, int8_accuracy (after quantisation, as ONNX Runtime runs it on
            this machine), latency, macs, params, size (bytes of weights) and memory (bytes of one image's
            feature maps); the last two in the device's precision. The first decides the winner; among
            accuracies within one standard error of the best, the second does.
        bounds: The worst value allowed, by name, e.g. {macs: 2.0e+8, accuracy: 0.9}; what is bounded need not
            be an objective.
        devices: Devices that the network must serve, each with its own latency; [] takes the run's device.
        tables: Latency tables of these devices, by device: a table's name or path, or roofline. Without it,
            latency_tables/SPACE-DEVICE.json is taken, or else the roofline.
        latency_ms: Latency that the winner must keep, on each device: milliseconds of one inference, which
            takes device.batch images; null for no bound.
        latency_fraction: The same bound, as a share of the predicted latency of the space's largest network.
        budgets_ms: Latencies of one inference; for each, winners.json names the best network within it.
        holdout_fraction: Share of the search-validation images that the search does not see; the winners'
            accuracy is measured again on them.
        halving: Shares of the search's images after which networks that are clearly worse than the front are
            stopped, e.g. [0.25, 0.5]; [] evaluates all networks on all images.
        workers: Processes of this machine that search together.
        storage: Where processes of several machines search together: a database's URL, grpc://HOST:PORT, or
            the path of a journal file; null keeps the journal in the run folder.
        study: The study's name in a storage with a URL; null makes one of what the search depends on.
        respect_device: Leave out the choices that the device dislikes: its preferred_blocks, channel_multiple
            and max_width.
    """

    sampler: str
    options: dict[str, Any]
    trials: int
    population: int
    objectives: list[str]
    bounds: dict[str, float]
    devices: list[str]
    tables: dict[str, str]
    latency_ms: float | None
    latency_fraction: float | None
    budgets_ms: list[float]
    holdout_fraction: float
    halving: list[float]
    workers: int
    storage: str | None
    study: str | None
    respect_device: bool


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """Compound scaling of the winner: depth alpha^phi, width beta^phi, resolution gamma^phi.

    Attributes:
        latency_ms: Latency budget of the scaled network: milliseconds of one inference, which takes
            device.batch images; null for none.
        latency_ratio: The same budget, as a multiple of the winner's predicted latency; null for none.
        latency_fraction: The same budget, as a share of the predicted latency of the space's largest network.
        margin: Share of the budget that is kept free, as a table errs by a few percent.
        alpha: Growth of the depth.
        beta: Growth of the width.
        gamma: Growth of the resolution.
        depth_rounding: nearest, so that a small phi changes little, or up, as EfficientNet does.
        min_phi: The smallest phi that is tried; below 0 the network shrinks.
        max_phi: The largest phi that is tried.
    """

    latency_ms: float | None
    latency_ratio: float | None
    latency_fraction: float | None
    margin: float
    alpha: float
    beta: float
    gamma: float
    depth_rounding: str
    min_phi: float
    max_phi: float


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What ships.

    Attributes:
        formats: What to write: onnx (for a device of INT8: onnx_int8) or onnx_int8, calibrated on training
            images.
        opset: The operator set of ONNX files.
        parity_images: Images on which the exported outputs are compared with the trained network's.
        tolerance: Largest difference allowed, relative to the largest output.
        measure_budget: Time for measuring the exported files.
        enforce: Whether a measured latency above scale.latency_ms is an error.
    """

    formats: list[str]
    opset: int
    parity_images: int
    tolerance: float
    measure_budget: str
    enforce: bool


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Where a run is tracked.

    Attributes:
        name: none or wandb.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class WandbConfig(TrackerConfig):
    """Weights & Biases.

    Attributes:
        mode: offline (no account, no network), online or disabled.
        project: The project that runs belong to.
        entity: The user or team; null for the account's own.
        group: A name that several runs share; null for none.
        init_timeout_s: Seconds to wait for the server in online mode.
    """

    mode: str
    project: str
    entity: str | None
    group: str | None
    init_timeout_s: float


@dataclass(frozen=True, kw_only=True)
class SavingsConfig:
    """The convolution whose cheaper forms are compared; all five numbers, or none.

    Attributes:
        kernel: Side of the kernel; odd.
        in_channels: Input channels.
        out_channels: Output channels.
        height: Height of the feature map in pixels.
        width: Its width.
    """

    kernel: int | None
    in_channels: int | None
    out_channels: int | None
    height: int | None
    width: int | None


@dataclass(frozen=True, kw_only=True)
class CostConfig:
    """What ``nas cost`` looks at, beside the network and the device.

    Attributes:
        resolution: Side of the input in pixels; null takes the network's own.
        width: Width multiplier, for reference networks only; null is 1.
        classes: Outputs of the classifier; null takes 1000, or what a network's file says.
        input_channels: Channels of the image; null takes the network's own.
        savings: The convolution whose cheaper forms are compared; all five numbers, or none.
    """

    resolution: int | None
    width: float | None
    classes: int | None
    input_channels: int | None
    savings: SavingsConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration.

    Attributes:
        space: The search space: a name in search_spaces/, or a path to a YAML file.
        network: What `nas cost` looks at: a reference network, an architecture code of the space, or a JSON
            file with a network; null takes the space's largest.
        modules: Python modules to import first, which register parts of your own: names, looked for in the
            working directory first, or paths of files.
        seed: Decides splits, initial weights, samples and the order of everything random.
        name: The run's name; it stands in run_dir.
        run_dir: The folder of the run. Steps that are found there, with the same settings, are not repeated.
        compute: Where training and accuracy run.
        checkpoint: How a training that is killed can go on.
        data: The images.
        device: The target device.
        train: Training the supernet.
        trust: Whether the supernet's ranking is right.
        table: The latency table; table=X stands for table.name=X.
        kit: What `nas kit` writes; what is measured is set by table.
        search: The search.
        scale: Compound scaling of the winner.
        finish: Training the winner and its baselines from scratch.
        export: What ships.
        tracker: Where the run is tracked.
        cost: What `nas cost` looks at, beside the network and the device.
    """

    space: str
    network: str | None
    modules: list[str]
    seed: int
    name: str
    run_dir: str
    compute: ComputeConfig
    checkpoint: CheckpointConfig
    data: DataConfig
    device: DeviceConfig
    train: TrainConfig
    trust: TrustConfig
    table: TableConfig
    kit: KitConfig
    search: SearchConfig
    scale: ScaleConfig
    finish: FinishConfig
    export: ExportConfig
    tracker: TrackerConfig
    cost: CostConfig

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise UserError(f"seed is {self.seed}; give a whole number from 0 to {_LARGEST_SEED}")

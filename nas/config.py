"""The typed configuration: types and meanings here, values in ``conf/``.

``nas COMMAND --help`` prints the "Attributes" sections beside the values. Each default is defined once:
fields without one here get their value from a file in ``conf/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from nas.errors import UserError
from nas.hardware import Device

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LARGEST_SEED = 2**32 - 1  # the largest that every library accepts


def seconds(duration: str, *, setting: str = "") -> float:
    """Converts a duration such as ``"90s"``, ``"5m"`` or ``"1.5h"`` to seconds.

    Args:
        duration: The text.
        setting: Name of the setting, for the error message.

    Raises:
        UserError: If the text is not a positive number followed by one of these units.
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
    """Where training and evaluation run.

    Attributes:
        torch_device: auto (CUDA if available, else the CPU), cpu, cuda, cuda:1, ...
        autocast: Precision of convolutions in training: auto (bf16 on GPUs that support it, else none), none,
            bf16 or fp16.
        compile: Compile networks that are trained alone (torch.compile); costs about a minute per network.
    """

    torch_device: str
    autocast: str
    compile: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Checkpoints, from which an interrupted training resumes; they do not affect its result.

    Attributes:
        every: Time between checkpoints: 90s, 5m, 1h; null disables checkpoints by time.
        every_steps: Steps between checkpoints; null disables checkpoints by steps.
        keep: Number of latest checkpoints to keep.
        best_every_epochs: Epochs between validations of the supernet's smallest and largest networks; the
            weights with the best mean accuracy are kept too. 0 is off.
    """

    every: str | None
    every_steps: int | None
    keep: int
    best_every_epochs: int


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation of training images.

    Attributes:
        flip: Mirror half of the images horizontally; turn it off where orientation matters, as for digits.
        crop_padding: Shift by up to this fraction of the side; 0.125 is 4 pixels of 32, 0 is off.
        resized_crop: Smallest and largest area of a random crop, as shares of the image, e.g. [0.08, 1]; null
            is off.
        rand_augment: Random operations per image (RandAugment): rotation, contrast, and others; 2 is usual, 0
            is off.
        rand_magnitude: Strength of these operations, 0 to 30.
        erase: Share of the images in which a random rectangle is erased, e.g. 0.25; 0 is off.
    """

    flip: bool = True
    crop_padding: float = 0.125
    resized_crop: list[float] | None = None
    rand_augment: int = 0
    rand_magnitude: int = 9
    erase: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The images; a file in ``conf/data/`` has to set only the name.

    Attributes:
        name: The loader: digits, cifar10, cifar100, image_folder or imagenet.
        root: Folder of the images, for loaders that need one.
        download: Whether the loader may download the images to root.
        validation_fraction: Share of the training images that is held out for the search; null is a tenth,
            but of few images 1,250 or a quarter of them.
        test_fraction: Share that is held out for the final test, if the data set has no test images of its
            own.
        channels: 1 (grey) or 3 (colour); null keeps the images as they are.
        workers: Processes that decode images; null uses one per core where it pays off.
        cache: Where decoded images are kept: auto (memory, if they fit), memory or disk.
        store_size: Side in pixels at which image files are cached; null uses the median, at most 256.
        skip_damaged: Skip images that cannot be decoded; otherwise the first one stops the command.
        max_train_images: Largest number of training images to use; null uses all.
        class_weights: balanced lets each class count equally in the losses on labels, however many images it
            has; null counts images.
        augment: Augmentation of training images.
    """

    name: str
    root: str | None = None
    download: bool = False
    validation_fraction: float | None = None
    test_fraction: float = 0.2
    channels: int | None = None
    workers: int | None = None
    cache: str = "auto"
    store_size: int | None = None
    skip_damaged: bool = False
    max_train_images: int | None = None
    class_weights: str | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """The target device; a file in ``conf/device/`` has to set only the name.

    Attributes:
        name: A short name, used in the names of its tables.
        machine: The processor; empty means the machine on which the table is measured.
        board: The board's or GPU's own name, e.g. Raspberry Pi 4; measuring on other hardware is refused.
            Empty allows any.
        runtime: The inference runtime; onnxruntime, openvino, tensorrt and torch can be measured.
        runtime_version: The runtime's version; empty means the version installed on the measured machine.
        provider: The runtime's back end.
        provider_options: Options of the provider; add one with +device.provider_options.NAME=VALUE.
        threads: Threads per inference.
        batch: Images per inference. Every latency, bound and budget is the time of one inference.
        precision: fp32, tf32, fp16, bf16, fp8 or int8, if the runtime supports it.
        peak_flops: Peak FLOP/s by precision, e.g. {fp32: 1.0e11}; for the roofline.
        bandwidth_bytes_per_s: Peak memory bandwidth in bytes per second; for the roofline.
        preferred_blocks: Kinds of blocks that run well.
        channel_multiple: Channel counts should be multiples of this number.
        max_width: Largest channel count that still runs well.
        fused_attention: Whether one kernel runs attention, so that its scores never cross memory; for the
            roofline.
        sources: Source of each of these figures, by name.
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
    fused_attention: bool = Device.fused_attention
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """The optimiser, with a cosine schedule after a linear warm-up.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images per step, over all processes.
        learning_rate: Peak learning rate at 256 images per step; it scales with batch_size.
        optimizer: sgd (with Nesterov momentum, for convolutions) or adamw (for transformers).
        momentum: Nesterov momentum, or the first beta of adamw.
        weight_decay: Weight decay of convolution and matrix weights; norms, biases and tables do not decay.
        warmup_epochs: Epochs of linear warm-up.
        label_smoothing: Share of a label's weight that is spread over all classes.
        clip_value: Gradients are clipped to this value; 0 is off.
        clip_norm: All gradients together are scaled down to this norm; 0 is off.
        ema_decay: Decay per step of the moving average of the weights, e.g. 0.999; the average is evaluated
            and saved in place of the weights. 0 is off.
        zero_init_residual: Whether residual branches start at zero, so that each block starts as its
            shortcut.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    momentum: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    clip_value: float
    clip_norm: float
    ema_decay: float
    zero_init_residual: bool


@dataclass(frozen=True, kw_only=True)
class TrainConfig(OptimizationConfig):
    """Training of the supernet.

    Attributes:
        recipe: How subnets are sampled and trained: sandwich (the largest, the smallest and random ones),
            single_path (one random subnet), fairnas (a set of subnets that covers every choice), or
            progressive_shrinking (smaller subnets join later).
        random_subnets: Random subnets per step, in addition to the largest and the smallest (sandwich) or to
            the largest (progressive_shrinking).
        distill: How the other subnets learn from the largest: soft (its probabilities), alpha (AlphaNet's
            adaptive divergence), or none (from the labels).
        sampling: How the sandwich's random subnets are sampled: uniform, or attentive (by their loss).
        attentive_candidates: Subnets of similar MACs from which attentive sampling selects one.
        attentive_keep: Which candidate it selects: best or worst.
        dropout: Dropout rate before the classifier, in the largest subnet only.
        drop_connect: Share of the images that skip the last residual branch, in the largest subnet only; the
            rate falls towards the first branch.
        project_after: Share of the training after which, in the sandwich, the largest subnet's gradients give
            way where they oppose those of the others (NASViT); null for never.
        phases: When progressive_shrinking frees kernels, depths and widths, as shares of the training.
        kernel_transform: Whether small kernels are learned functions of large ones instead of their centre.
        calibration_images: Training images on which a subnet's BatchNorm statistics are recomputed.
        init: Weights to start from: the name of a pretrained network (efficientnet_lite0, or one of
            torchvision's), a file of weights, or the folder of an earlier run. Images are normalised as the
            weights expect. With epochs=0, a supernet is taken over as it is, without images. null starts
            from random weights.
        freeze_epochs: First epochs in which only the classifier is trained, with train.init.
        inherited_rate: Factor on the learning rate of inherited weights, with train.init; below 1 changes
            them less than new ones.
    """

    recipe: str
    random_subnets: int
    distill: str
    sampling: str
    attentive_candidates: int
    attentive_keep: str
    dropout: float
    drop_connect: float
    project_after: float | None
    phases: list[float]
    kernel_transform: bool
    calibration_images: int
    init: str | None
    freeze_epochs: int
    inherited_rate: float


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    """Files of pretrained weights.

    Attributes:
        folder: Folder of torchvision's files; null uses PyTorch's own.
        download: Whether a missing file may be downloaded from torchvision; its hash is checked.
    """

    folder: str | None
    download: bool


@dataclass(frozen=True, kw_only=True)
class TrustConfig(OptimizationConfig):
    """Networks that are trained alone, to check how well the supernet ranks them.

    Attributes:
        networks: Random networks, spread over the range of MACs, in addition to the smallest and the largest.
        bands: Number of bands, ± 15 % of MACs each, from which these networks come, to compare networks of
            equal cost; null spreads them.
        images: Images for both accuracies: validation, or test, which are then no longer unseen.
        top: Number k of best networks in the precision at k.
        resamples: Bootstrap resamples for the confidence intervals.
    """

    networks: int
    bands: int | None
    images: str
    top: int
    resamples: int


@dataclass(frozen=True, kw_only=True)
class FinishConfig(OptimizationConfig):
    """Training of the winner and its baselines, all in the same way.

    Attributes:
        network: A JSON file with the network to train; null trains the scaled winner.
        extremes: Whether to train the largest and the smallest network of the space too.
        baseline: Reference network that is trained for comparison, at several widths.
        baseline_widths: Width multipliers of the baseline; [] disables the comparison.
        baseline_resolutions: Input resolutions of the baseline, each with every width; null uses the space's
            smallest and largest.
        baseline_stride: Largest total stride of the baseline, i.e. pixels of the image per pixel after its
            stages. Its first strides are halved until it is kept. null keeps 3 pixels a side; 32 or more
            leaves published networks as they are.
        baseline_resolution: Deprecated; use baseline_resolutions=[N].
        init: Initial weights of the winner, its family and the space's extremes: scratch (random), or
            supernet (those of the supernet) or pretrained (those of train.init, before the supernet's
            training). What a scaled network has in addition starts without effect. Baselines of the
            published width start with their own pretrained weights, where train.init is set and theirs are
            at hand; others from scratch.
        scratch_control: Whether to train the winner from scratch too, if it inherits weights.
        baseline_epochs: Epochs of the baselines and of the winner from scratch. null takes epochs, plus those
            of the supernet where init is supernet, so that all networks have seen equally many images.
        teacher: A network that all networks learn from, beside the labels: supernet (the supernet's largest
            network), or the name or file of a pretrained network with the same classes; null for none.
        distill: How they learn from it: soft (its probabilities) or alpha (AlphaNet's adaptive divergence).
        teacher_share: The teacher's share of the loss; labels have the rest.
        mixup: Alpha of mixup, which blends pairs of images and their labels, e.g. 0.2; 0 is off.
        cutmix: Alpha of cutmix, which puts a part of one image into another, e.g. 1; 0 is off. With both,
            each batch gets one of them.
        early_stop: Epochs without a better validation accuracy after which a network's training ends; the
            weights of its best epoch are taken. null trains for all epochs and takes the last weights.
        int8_epochs: Last epochs in which all networks compute with the rounding of INT8 files
            (quantisation-aware training), e.g. a tenth of the epochs; 0 is off.
        workers: Networks to train in parallel, one per process; null uses one per core when a CPU trains on
            images in memory, else one.
    """

    network: str | None
    extremes: bool
    baseline: str
    baseline_widths: list[float]
    baseline_resolutions: list[int] | None
    baseline_stride: int | None
    baseline_resolution: int | None
    init: str
    scratch_control: bool
    baseline_epochs: int | None
    teacher: str | None
    distill: str
    teacher_share: float
    mixup: float
    cutmix: float
    early_stop: int | None
    int8_epochs: int
    workers: int | None

    @property
    def uses_supernet(self) -> bool:
        """Whether the networks depend on the run's supernet."""
        return "supernet" in (self.init, self.teacher)


@dataclass(frozen=True, kw_only=True)
class RemoteConfig:
    """Connection to the device at table.host, and the program that measures there.

    Attributes:
        port: SSH port; null leaves it to ssh's own configuration.
        identity: Private key file; null leaves it to ssh's own configuration.
        python: Command that runs Python on the device, with numpy and the runtime installed.
        folder: Working folder on the device; null uses .cache/hwnas, or /data/local/tmp/hwnas on Android.
        binary: For a device without Python, a benchmark program built for it, whose file name starts with
            onnxruntime_perf_test or benchmark_model.
    """

    port: int | None
    identity: str | None
    python: str
    folder: str | None
    binary: str | None


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """The latency table; table=X is short for table.name=X.

    Attributes:
        name: NAME or PATH of an existing table, or PATH of a file that measure.pyz wrote; roofline estimates
            a table from the device's peaks; null measures one.
        budget: Time for measuring: 90s, 5m, 1h.
        resolutions: Input resolutions to measure, e.g. [128,160]; null measures all of the space's.
        correction_networks: Whole networks that the table's correction is fitted on.
        validation_networks: Whole networks that the table's error is computed on.
        classes: Number of classes; null uses the data set's.
        input_channels: Channels of the images; null uses the data set's.
        host: Device to measure on: user@pi (over ssh), adb: or adb:SERIAL, local: (another Python on this
            machine); null is this machine.
        remote: Connection to the device at table.host, and the program that measures there.
        check: NAME or PATH of a table to compare with a few whole networks, which are measured here or on
            table.host in half a minute; the run's table is a corrected copy.
        from_networks: A CSV file of measured whole networks to fit the table to; columns architecture and
            latency_ms (of one inference of device.batch images).
        sibling: NAME or PATH of the table of a similar device, which reduces the networks needed.
        missing: What to do about blocks that the table lacks: measure (on the device itself, else an error),
            error, or estimate.
        sustained: Time for which the device is kept busy after the table, e.g. 10m, to see whether it becomes
            slower; null for not at all.
    """

    name: str | None
    budget: str
    sustained: str | None
    resolutions: list[int] | None
    correction_networks: int
    validation_networks: int
    classes: int | None
    input_channels: int | None
    host: str | None
    remote: RemoteConfig
    check: str | None
    from_networks: str | None
    sibling: str | None
    missing: str


@dataclass(frozen=True, kw_only=True)
class KitConfig:
    """The kit that `nas kit` writes; table configures the measurement.

    Attributes:
        zip: Whether to write the kit as one zip file instead of a folder.
        files: ONNX files to measure instead of the space's blocks, e.g. [A.onnx,B.onnx]; measure configures
            the measurement.
    """

    zip: bool
    files: list[str]


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """The measurement of `nas measure`, here or on table.host.

    Attributes:
        files: ONNX files, e.g. [A.onnx,B.onnx]; the others are compared with the first.
        budget: Longest time of measuring: 25s, 1m.
        sizes: Sizes that the files leave open, by name, e.g. {height: 224, width: 224}; the first dimension
            of an input is device.batch by default.
        result: A file that measure.pyz wrote on a device, to be shown; null measures.
    """

    files: list[str]
    budget: str
    sizes: dict[str, int]
    result: str | None


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The search, by default for accuracy and predicted latency.

    Attributes:
        accuracy: Source of the accuracies: supernet (its weights, on search-validation images), or published
            (predicted from accuracies that others published for this space, in seconds and without images;
            sampler, trials and holdout_fraction are not used).
        candidates: Networks to predict with accuracy=published.
        resolutions: Input resolutions to search with accuracy=published, e.g. [160,192,224]; [] takes those
            of the published networks. Accuracies at others are extrapolated.
        field: Whether to measure published reference networks on the device, in the same rounds as some
            networks of the front, and to compare them (with accuracy=published).
        field_budget: Time for measuring them.
        sampler: gp, nsga2, nsga3, predictor, random, tpe.
        options: Further options of the sampler, e.g. {startup: 20}.
        trials: Number of networks to evaluate.
        population: Networks per generation, for samplers with generations.
        objectives: Quantities to optimise: accuracy, balanced_accuracy (the mean over classes),
            calibrated_accuracy (expected after training alone, by the networks that nas trust has trained),
            int8_accuracy (after quantisation, run by ONNX Runtime on this machine), latency, macs, params,
            size (bytes of weights) and memory (bytes of one image's feature maps); the last two in the
            device's precision. The first decides the winner, an accuracy by its lower confidence bound; among
            accuracies within one standard deviation of the best, the second does.
        bounds: Worst value allowed, by name, e.g. {macs: 2.0e+8, accuracy: 0.9}; a bounded quantity need not
            be an objective.
        devices: Target devices of the network, each with its own latency; [] uses the run's device.
        tables: Latency tables of these devices, by device: a table's name or path, or roofline. The default
            is latency_tables/SPACE-DEVICE.json if it exists, else the roofline.
        latency_ms: Upper bound on the winner's latency on each device: milliseconds per inference of
            device.batch images; null for no bound.
        latency_fraction: The same bound, as a share of the predicted latency of the space's largest network.
        budgets_ms: Latency budgets per inference; winners.json names the best network within each.
        holdout_fraction: Share of the search-validation images that is hidden from the search; the winners
            are evaluated again on them. null is half, but of fewer than 1,250 images those that the search,
            which gets 625, leaves: at least a quarter.
        finalists: Networks that are trained a little, from the supernet's weights, and compared on the
            hidden images; the best becomes the winner. 4 is recommended; with 1, the posterior accuracies
            decide alone.
        finalist_epochs: Epochs of the finalists' training, with the settings of train. Each round has half
            of the finalists, the better ones, and twice the epochs of the round before; the last one ends
            after this number.
        finalist_rate: Factor on train.learning_rate in this training.
        halving: Shares of the search's images after which networks that are clearly worse than the front are
            stopped, e.g. [0.25, 0.5]; [] evaluates all networks on all images.
        workers: Processes of this machine that search together.
        storage: Storage for a search on several machines: a database's URL, grpc://HOST:PORT, or the path of
            a journal file; null keeps the journal in the run folder.
        study: Name of the study in a storage with a URL; null derives it from the search's inputs.
        respect_device: Exclude choices that run badly on the device, by its preferred_blocks,
            channel_multiple and max_width.
    """

    accuracy: str
    candidates: int
    resolutions: list[int]
    field: bool
    field_budget: str
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
    holdout_fraction: float | None
    finalists: int
    finalist_epochs: int
    finalist_rate: float
    halving: list[float]
    workers: int
    storage: str | None
    study: str | None
    respect_device: bool


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """Scaling of the winner's depth, width and resolution to a latency budget.

    Attributes:
        method: latency (the depth of each stage, the width and the resolution that use the budget best),
            compound (depth alpha^phi, width beta^phi, resolution gamma^phi; the largest phi within the
            budget), or grid (the same, with the best alpha, beta and gamma for this network at phi = 1).
        latency_ms: Latency budget of the scaled network: milliseconds per inference of device.batch images;
            null for none.
        latency_ratio: The same budget, as a multiple of the winner's predicted latency; null for none.
        latency_fraction: The same budget, as a share of the predicted latency of the space's largest network.
        margin: Share of the budget that is left free, because a table errs by a few percent.
        alpha: Growth of the depth; for latency, in the balance that a network is compared with.
        beta: Growth of the width.
        gamma: Growth of the resolution.
        depth_rounding: nearest, so that a small phi changes little, or up, as in EfficientNet; latency
            needs none.
        min_phi: Smallest phi to try; below 0 the network shrinks. For latency, the equivalent phi.
        max_phi: Largest phi to try.
        score_epochs: Epochs of a short training that chooses among the best networks by validation accuracy;
            the supernet's weights are used instead if it holds all of them; 0 for no scoring.
        scored: Number of networks to score for latency.
        fallbacks: Number of faster networks to keep in scale.json, in the order in which they replace the
            first.
        family: N makes a family phi = 0 to N, which finish trains and export measures too; null for none. For
            latency, each has at most twice the latency of the one before.
    """

    method: str
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
    score_epochs: int
    scored: int
    fallbacks: int
    family: int | None


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The exported files.

    Attributes:
        formats: A format, a list of formats, or all for every one that is installed (nas export --help lists
            them). null is ONNX in the device's precision; on a processor in fp32, also onnx_int8.
        install: Whether converters that need a Python environment of their own (LiteRT) may be installed into
            the user's cache folder; otherwise a line says what would be installed.
        opset: Operator set of the ONNX files.
        batch: Images of one inference in the files; null for any number.
        parity_images: Images on which the exported outputs are compared with the trained network's.
        tolerance: Largest difference allowed in fp32, relative to the largest output; null uses the
            format's own.
        calibration: How the ranges of INT8 ONNX files are found: minmax, percentile, or auto for the one with
            less noise on calibration images that gave no range.
        calibration_images: Training images that INT8 files are calibrated on.
        int8_loss: Largest loss of accuracy of INT8 ONNX files, in points on search-validation images; layers
            stay in float until it is kept. null leaves none in float.
        measure_budget: Time for measuring the exported files.
        enforce: Whether a file that exceeds the budget of nas scale is an error.
        fallbacks: Faster networks of scale.json that nas run trains and exports, one after the other, if
            enforce is set and the winner's file exceeds the budget; 0 for none.
        license: Licence of the files for the model card, by Hugging Face's identifier, e.g. apache-2.0; null
            for none.
    """

    formats: Any  # a name, a list of names or null
    install: bool
    opset: int
    batch: int | None
    parity_images: int
    tolerance: float | None
    calibration: str
    calibration_images: int
    int8_loss: float | None
    measure_budget: str
    enforce: bool
    fallbacks: int
    license: str | None


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """The experiment tracker.

    Attributes:
        name: none, wandb, tensorboard or mlflow.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class WandbConfig(TrackerConfig):
    """Weights & Biases.

    Attributes:
        mode: offline (no account, no network), online or disabled.
        project: Project of the runs.
        entity: User or team; null for the account's own.
        group: Name shared by several runs; null for none.
        init_timeout_s: Seconds to wait for the server in online mode, before the run is recorded offline.
        finish_timeout_s: Seconds to wait for uploads at the end; `wandb sync` uploads the rest.
        files: Whether artifacts hold the files of the steps; otherwise their hashes alone.
    """

    mode: str
    project: str
    entity: str | None
    group: str | None
    init_timeout_s: float
    finish_timeout_s: float
    files: bool


@dataclass(frozen=True, kw_only=True)
class MlflowConfig(TrackerConfig):
    """MLflow.

    Attributes:
        store: A folder, or the address of a tracking server.
        experiment: Experiment of the runs.
        group: Name shared by several runs, as the tag `group`; null for none.
        files: Whether artifacts hold the files of the steps; otherwise their hashes alone.
    """

    store: str
    experiment: str
    group: str | None
    files: bool


TRACKERS: dict[str, type[TrackerConfig]] = {"wandb": WandbConfig, "mlflow": MlflowConfig}
"""The trackers that have options."""


@dataclass(frozen=True, kw_only=True)
class SavingsConfig:
    """A convolution to compare with its cheaper forms; set all five numbers or none.

    Attributes:
        kernel: Side of the kernel; odd.
        in_channels: Input channels.
        out_channels: Output channels.
        height: Height of the feature map in pixels.
        width: Width of the feature map in pixels.
    """

    kernel: int | None
    in_channels: int | None
    out_channels: int | None
    height: int | None
    width: int | None


@dataclass(frozen=True, kw_only=True)
class CostConfig:
    """Options of ``nas cost``, besides the network and the device.

    Attributes:
        resolution: Side of the input in pixels; null uses the network's own.
        width: Width multiplier, for reference networks only; null is 1.
        classes: Number of classes; null uses the network file's, else 1000.
        input_channels: Channels of the image; null uses the network's own.
        savings: A convolution to compare with its cheaper forms; set all five numbers or none.
    """

    resolution: int | None
    width: float | None
    classes: int | None
    input_channels: int | None
    savings: SavingsConfig


@dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Options of ``nas explore``, besides the space.

    Attributes:
        spaces: Search spaces of one page, by name or path; null shows `space` alone.
        devices: Devices whose latencies are estimated by roofline; null shows all that ship with known peaks.
        tables: Latency tables of blocks, by name or path, beside the run's own; null shows the space's.
        classes: Number of classes; null uses the run's, or what the first table was measured with, else 1000.
    """

    spaces: list[str] | None
    devices: list[str] | None
    tables: list[str] | None
    classes: int | None


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Options of ``nas compare``.

    Attributes:
        runs: Folders of the runs, e.g. [runs/A,runs/B]; the others are compared with the first.
    """

    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration.

    Attributes:
        space: The search space: a name in search_spaces/, or a path to a YAML file.
        network: Network that `nas cost` analyses: a reference network, an architecture code of the space, or
            a JSON file with a network; null uses the space's largest.
        modules: Python modules to import first, which register your own components: names, resolved in the
            working directory first, or paths of files.
        seed: Seed of everything random: splits, initial weights, sampling and the order of images.
        name: Name of the run, part of run_dir.
        run_dir: Folder of the run. Steps already completed there with the same settings are skipped.
        compute: Where training and evaluation run.
        checkpoint: Checkpoints, from which an interrupted training resumes.
        data: The images.
        device: The target device.
        train: Training of the supernet.
        pretrained: Files of pretrained weights.
        trust: The check of the supernet's ranking.
        table: The latency table; table=X is short for table.name=X.
        kit: The kit that `nas kit` writes; table configures the measurement.
        measure: The measurement of `nas measure`, here or on table.host.
        search: The search.
        scale: Compound scaling of the winner.
        finish: Training of the winner and its baselines.
        export: The exported files.
        tracker: The experiment tracker.
        cost: Options of `nas cost`, besides the network and the device.
        explore: Options of `nas explore`, besides the space.
        compare: Options of `nas compare`.
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
    pretrained: PretrainedConfig
    trust: TrustConfig
    table: TableConfig
    kit: KitConfig
    measure: MeasureConfig
    search: SearchConfig
    scale: ScaleConfig
    finish: FinishConfig
    export: ExportConfig
    tracker: TrackerConfig
    cost: CostConfig
    explore: ExploreConfig
    compare: CompareConfig

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise UserError(f"seed is {self.seed}; give a whole number from 0 to {_LARGEST_SEED}")

"""Training steps a second in several threads, quiet and beside a busy program, by how threads wait.

    python benchmarks/shared_cpus.py

Nothing else should run. OpenMP's threads wait for each other in loops, or sleep with OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

REPEATS = 3
SECONDS = 4.0
POLICIES: dict[str, dict[str, str]] = {
    "loops (the default)": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
NETWORKS = {
    "mobilenet_v2, 96 pixels, 16 images": ("mobilenet_v2", 96, 16),
    "mobilenet_v2_cifar, 24 pixels, 32 images": ("mobilenet_v2_cifar", 24, 32),
}


def main() -> None:
    """Measures each network with each policy, in turns, and prints the table."""
    print("| network | other programs | " + " | ".join(POLICIES) + " |")
    print("|---|---:|" + "---:|" * len(POLICIES))
    for name in NETWORKS:
        for others in (0, 1):
            spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
            try:
                rounds = [{policy: measured(name, policy) for policy in POLICIES} for _ in range(REPEATS)]
            finally:
                for process in spinning:
                    process.kill()
            cells = [shown([each[policy] for each in rounds]) for policy in POLICIES]
            print(f"| {name} | {others} | {' | '.join(cells)} |", flush=True)


def shown(values: list[float]) -> str:
    """The median, with the range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measured(name: str, policy: str) -> float:
    """Steps a second in a fresh process."""
    command = [sys.executable, __file__, name]
    found = subprocess.run(
        command, env={**os.environ, **POLICIES[policy]}, capture_output=True, text=True, check=True
    )
    return float(found.stdout)


def steps_per_s(name: str) -> float:
    """Trains in this process."""
    import torch
    from torch.nn.functional import cross_entropy

    from nas.network import reference_network
    from nas.nn import StaticNetwork

    family, pixels, images = NETWORKS[name]
    model = StaticNetwork(reference_network(family, resolution=pixels, classes=10)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(images, 3, pixels, pixels), torch.randint(0, 10, (images,))

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        step()
        steps += 1
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(steps_per_s(sys.argv[1]))
    else:
        main()

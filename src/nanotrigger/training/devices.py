"""Where a stack trains: on a GPU where there is one, else on the processor.

Only trainings move there. What is predicted and exported is computed on the processor in double precision, so that a model
is one and the same wherever it was trained; the same training on another kind of device is not, as its sums round
differently.
"""

import ctypes
import os
import re

import torch

from nanotrigger.errors import ConfigError

VARIABLE = "NANOTRIGGER_DEVICE"
"""Environment variable with a device, for a job whose config says `auto`."""


def training_device(wanted: str | None = None) -> torch.device:
    """The device that is asked for: "cpu", "cuda" or "cuda:1"; "auto" is the first GPU if there is any.

    wanted: that of the environment variable where None. On a GPU torch is told to compute the same numbers every time.
    Raises ConfigError naming the device where torch does not know it or does not find it.
    """
    wanted = wanted or os.environ.get(VARIABLE, "auto")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise ConfigError(f"device = '{wanted}': is none of auto, cpu, cuda or, where there are several, cuda:1.")
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    device = torch.device("cuda", int(wanted.partition(":")[2] or 0))
    if device.index >= torch.cuda.device_count():
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the processor alone"
        raise ConfigError(
            f"device = '{wanted}': is not on this machine (GPUs that torch finds: {torch.cuda.device_count()}; it was "
            f"built for {build}). Set run.device to auto or cpu, or install torch for CUDA."
        )
    # cuBLAS reads it when it is first used; without it torch refuses deterministic products
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    return device


def keep_freed_memory() -> None:
    """Have glibc keep up to 256 MiB that are freed, of blocks of up to 32 MiB, and not hand them back to the system.

    A training allocates the same few megabytes in every step; each time the system clears their pages first, which takes
    up to a sixth of all time. Does nothing where the C library is another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; 32 MiB is the most that the latter takes
    for option, value in ((-1, 2**28), (-3, 2**25)) if mallopt else ():
        mallopt(option, value)


def describe(device: torch.device) -> str:
    """A device as a log or a fingerprint names it; models of GPUs differ in how they round."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)

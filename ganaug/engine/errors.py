"""What errors of torch's say, beyond their classes."""

from __future__ import annotations

import torch

from ganaug.engine.distributed import OtherProcessError

__all__ = ["is_out_of_memory", "may_be_out_of_memory"]

# Where torch has no class of its own for it: the CPU, MPS, CUDA's runtime (AcceleratorError), cuBLAS and cuDNN, which
# allocate for themselves.
SAID = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
# cuDNN tries the algorithms of a convolution one by one, and says no more than that none was left: each may have wanted
# more memory than there was, or there is none for such tensors.
NO_ENGINE = "was unable to find an engine"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch's says that memory ran out; on many devices that has no class of its own.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("MPS backend out of memory")), is_out_of_memory(RuntimeError("size mismatch"))
    (True, False)
    """
    if isinstance(error, OtherProcessError):
        return False  # it was the memory of another process, if any
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in SAID)


def may_be_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch's says that memory ran out, or may mean it: a smaller batch is worth trying.

    Examples
    --------
    >>> error = RuntimeError("GET was unable to find an engine to execute this computation")
    >>> is_out_of_memory(error), may_be_out_of_memory(error)
    (False, True)
    """
    return is_out_of_memory(error) or (isinstance(error, RuntimeError) and NO_ENGINE in str(error))

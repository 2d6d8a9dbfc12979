"""Where and how a training takes place, apart from what is trained."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from ganaug.engine.callback import Callback

__all__ = ["RunOptions"]


class RunOptions(BaseEstimator):
    """Logging, checkpoints, validation and other options of a training that few users change.

    All neural generators take them as ``run``; None stands for ``RunOptions()``. Through an estimator, a pipeline or a
    grid search each is set by a name such as ``run__log_dir``.

    Parameters
    ----------
    log_dir : path-like or None, default=None
        Folder for ``metrics.jsonl`` and, where the package ``tensorboard`` is installed, TensorBoard scalars and, of
        images, sample grids.
    checkpoint_dir : path-like or None, default=None
        Folder for checkpoints. If it holds an unfinished run with the same parameters and data, `fit` resumes it, on a
        CPU with the same weights bit for bit as if it had never stopped; a finished one is taken as it is, without
        training. SIGINT and SIGTERM then wait for the current step and a checkpoint. See the notes.
    checkpoint_every : int or "auto", default="auto"
        Steps between two checkpoints; "auto" writes one a minute or, where that would take more than a fiftieth of the
        time, less often. One is written at the end in any case, and the last three are kept.
    resume : bool, default=True
        False refuses a `checkpoint_dir` that already holds a run.
    health : {"report", "adapt"}, default="report"
        What is done about a training that fails though its losses are finite: a discriminator that has nothing left to
        learn, samples of a class that are all alike, that are nearly copies of training samples, or, at the end, that
        look like other classes. Both record it in ``health_`` and in the log; "adapt" also changes the training while
        it lasts: by what the objective has against it, such as more augmentation or, where samples are alike, a larger
        gradient penalty of a GAN, or by a lower learning rate.
    validation_fraction : float in [0, 1), default=0.0
        Share of the samples of each class that the validation callback holds out: they are not trained on, but used to
        choose among the moving averages of the training the one whose samples are nearest to them, class by class, by
        energy distance. What values the columns of a table have is learnt from all rows. 0 trains on all and takes the
        last.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        What the networks compute in while they are trained: bfloat16 nearly halves the time on a processor that has
        it. "auto" takes it for images on CPUs with AVX512-BF16 or AMX and on NVIDIA's GPUs from Ampere on, never for
        rows, and of a run in `checkpoint_dir` what that was begun in. Weights, losses and penalties are float32 in any
        case, and so are samples drawn from the trained generator.
    distributed : bool, default=False
        Train in all processes that ``torchrun`` started, or that share an initialised ``torch.distributed``. Each calls
        `fit` with the same data and parameters, takes its share of every batch and ends with the same networks: those
        that one process would have ended with, up to rounding. Only the first reports and writes files.
    cuda_graph : bool, default=True
        On a GPU, record the many small operations of a training step once and replay them from then on; several
        processes, and other devices, do without. False runs them one by one, with the same result, more slowly.
    threads : int or None, default=1
        Threads of the processor that the networks are trained by on a CPU. With one a training gives the same weights
        however many cores there are, and does not slow down beside others; with more it is faster where as many cores
        have nothing else to do, and many times slower where they have, since threads wait for each other at every
        operation. None leaves the number that torch has.
    callbacks : list or tuple of Callback, default=()
        Your own, for early stopping or an experiment tracker. They are called after the package's own except for
        checkpoints, which hold what the callbacks' ``state_dict`` returns and so come last. Where several processes
        train together, each calls those that it was given.

    Raises
    ------
    ValueError, TypeError
        Not here but by `fit`, before any training.

    Notes
    -----
    ``save`` writes `health`, `validation_fraction` and `precision` with a model and leaves out all else, which is for
    whoever loads it to choose; pickle and ``sklearn.clone`` keep everything, callbacks included.

    A checkpoint holds networks, moving averages, optimisers, schedules, the state to go back to and that of the random
    numbers. Each is one file, renamed into place when it is on the disk; its checksum is compared when it is read, and
    a damaged one is skipped with a warning for the one before. If other parameters or data are passed than those the
    run was started with, `fit` raises ``ValueError`` and names them; where ``random_state=None``, the run is resumed
    with the seed it has. To train anew, choose another folder or delete this one. A checkpoint, or a log, that cannot
    be written, to a disk that is full for example, is a warning and does not end the training.

    Examples
    --------
    >>> from ganaug import Callback, RunOptions, TableGAN
    >>> class StopAt(Callback):
    ...     '''Ends the training at the first reading whose loss of the discriminator is below a limit.'''
    ...
    ...     name = "stop_at"
    ...
    ...     def __init__(self, limit):
    ...         self.limit = limit
    ...
    ...     def on_reading(self, state):
    ...         if state.history[-1]["discriminator_loss"] < self.limit:
    ...             state.stop()
    >>> gan = TableGAN(steps=300, width=8, random_state=0, verbose=False, run=RunOptions(callbacks=[StopAt(10.0)]))
    >>> gan.fit([[0.1], [0.2], [1.0], [1.1]] * 5, [0, 0, 1, 1] * 5).history_[-1]["step"]
    50
    >>> gan.set_params(run__health="adapt").run.health
    'adapt'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "log_dir": [str, Path, None],
        "checkpoint_dir": [str, Path, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "resume": ["boolean"],
        "health": [StrOptions({"report", "adapt"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "precision": [StrOptions({"auto", "fp32", "bf16"})],
        "distributed": ["boolean"],
        "cuda_graph": ["boolean"],
        "threads": [Interval(Integral, 1, None, closed="left"), None],
        "callbacks": [list, tuple],
    }

    def __init__(
        self,
        *,
        log_dir: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_every: Any = "auto",
        resume: bool = True,
        health: Literal["report", "adapt"] = "report",
        validation_fraction: float = 0.0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        distributed: bool = False,
        cuda_graph: bool = True,
        threads: int | None = 1,
        callbacks: Any = (),
    ) -> None:
        self.log_dir = log_dir
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.health = health
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.distributed = distributed
        self.cuda_graph = cuda_graph
        self.threads = threads
        self.callbacks = callbacks

    @classmethod
    def checked(cls, run: Any) -> RunOptions:
        """What the parameter ``run`` of an estimator stands for, once it is found valid.

        Raises
        ------
        TypeError
            For what is neither RunOptions nor None, and callbacks that are none.
        ValueError
            For an option with a value that it cannot have.

        Examples
        --------
        >>> RunOptions.checked({"log_dir": "log"})
        Traceback (most recent call last):
        ...
        TypeError: run must be a RunOptions or None, got a dict; pass run=RunOptions(log_dir=...)
        """
        if run is None:
            return cls()
        if not isinstance(run, RunOptions):
            known = cls._get_param_names()
            named = next((name for name in run if name in known), "log_dir") if isinstance(run, dict) else "log_dir"
            raise TypeError(
                f"run must be a RunOptions or None, got a {type(run).__name__}; pass run=RunOptions({named}=...)"
            )
        run._validate_params()
        for callback in run.callbacks:
            if not isinstance(callback, Callback):
                what = callback.__name__ if isinstance(callback, type) else type(callback).__name__
                raise TypeError(
                    f"callbacks must be objects of classes derived from ganaug.Callback, got {what}; pass instances of "
                    "such classes"
                )
            name = getattr(callback, "name", None)
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(
                    f"callbacks must have an identifier as name, got {name!r} from a {type(callback).__name__}; set "
                    "`name` in its class"
                )
        return run

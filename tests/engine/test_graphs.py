"""Recorded steps. Without a GPU a tape stands in for a CUDA graph: it, too, repeats operations on the same memory."""

import pytest
import torch
from small_gans import LABELS, images, rows
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganaug import RunOptions
from ganaug.engine import graphs, loop
from ganaug.engine.graphs import Eager, Graphs, runner_for
from ganaug.generators import fitting
from ganaug.generators.images import gan as image_gan
from ganaug.generators.tables import gan as table_gan
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.objective import AdversarialObjective

CPU = torch.device("cpu")


class Tape(TorchDispatchMode):
    """Takes down every operation; :meth:`replay` repeats them with the same tensors and numbers."""

    def __init__(self, function, inputs):
        super().__init__()
        self.operations, self.inputs = [], [tensor.clone() for tensor in inputs]
        with self:
            self.result = function(*self.inputs)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.operations.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self, inputs):
        for own, tensor in zip(self.inputs, inputs, strict=True):
            own.copy_(tensor)
        for func, args, kwargs, result in self.operations:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if torch.is_tensor(old) and old is not new:
                    old.copy_(new)
        return self.result


class Taped(Graphs):
    """What `Graphs` does, with tapes; recording moves nothing, as on a GPU, which does not run what it records."""

    def __init__(self, device, moving=()):
        self._device, self._calls, self._recorded, self._given_up = device, graphs.Counter(), {}, False
        self.moving, self.forgotten, self.replayed = moving, 0, 0

    _call_aside = Eager.__call__

    def _record(self, function, inputs):
        before = [tensor.clone() for tensor in self.moving()]
        tape = Tape(function, inputs)
        for tensor, old in zip(self.moving(), before, strict=True):
            tensor.data.copy_(old)
        replay = tape.replay

        def counted(inputs):
            self.replayed += 1
            return replay(inputs)

        tape.replay = counted
        return tape

    def forget(self):
        self.forgotten += 1
        super().forget()


@pytest.fixture(autouse=True)
def unspoilt(monkeypatch):
    monkeypatch.setattr(Graphs, "spoilt", False)


@pytest.fixture
def taped(monkeypatch):
    """Training by tapes, and what called the steps."""
    made, trained = [], []

    def make(*networks, recorded, **options):
        trained.append(AdversarialObjective(*networks, recorded=True, **options))
        return trained[-1]

    def moving():
        parts = trained[-1]
        weights = [weight for network in parts.networks.values() for weight in network.parameters()]
        return weights + [
            t for o in parts.optimizers.values() for entries in o.state.values() for t in entries.values()
        ]

    def runner(device, *, cuda_graph):
        made.append(Taped(device, moving) if cuda_graph else Eager(device))
        return made[-1]

    for module in (image_gan, table_gan):
        monkeypatch.setattr(module, "AdversarialObjective", make)
    monkeypatch.setattr(fitting, "runner_for", runner)
    return made


@pytest.mark.parametrize("made", [images, rows])
def test_a_recorded_training_is_the_eager_one(made, taped, monkeypatch):
    """Schedules, lazy penalties, augmentation that sets in after the first step: all that changes is in tensors."""
    gan, X = made(steps=120, run=RunOptions(precision="fp32"))
    other = RunOptions(precision="fp32", cuda_graph=False)
    recorded, eager = gan.fit(X, LABELS), made(steps=120, run=other)[0].fit(X, LABELS)
    # Eager: the first step, without augmentation, and three with and without the penalty each; tables always have it.
    assert taped[0].replayed == gan.steps - (7 if made is images else 3)
    assert type(taped[1]) is Eager
    assert recorded.history_[-1]["gradient_penalty"] > 0
    assert all(torch.equal(recorded.tensors()[name], tensor) for name, tensor in eager.tensors().items())


def test_recorded_learning_rates_are_the_scheduled_ones():
    """They are float32 then."""
    rates = {}
    for recorded in (False, True):
        networks = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        config = AdversarialConfig(1.0, 1.0, 1, 0.0, 2)
        optimizers = AdversarialObjective(*networks, config, None, recorded=recorded).optimizers.values()
        loop._set_learning_rate(optimizers, 0.123)
        rates[recorded] = [float(optimizer.param_groups[0]["lr"]) for optimizer in optimizers]
    assert rates[False] == [0.123, 0.123]
    assert rates[True] == pytest.approx(rates[False], rel=1e-7)


def test_after_going_back_steps_are_recorded_anew(taped, monkeypatch):
    """Going back gives the optimisers other tensors."""
    healthy, readings = loop._healthy, []
    monkeypatch.setattr(loop, "_healthy", lambda *a: healthy(*a) and (readings.append(1), len(readings) != 2)[1])
    gan, X = rows(steps=120)
    gan.fit(X, LABELS)
    (runner,) = taped
    assert runner.forgotten == 1
    assert [found["finding"] for found in gan.health_] == ["not_finite"]
    assert runner.replayed == gan.steps + 50 - 2 * 3


def test_what_cannot_be_recorded_is_called_as_it_is_after_one_warning(monkeypatch):
    def fails(function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    runner = Taped(CPU)
    monkeypatch.setattr(runner, "_record", fails)
    one, two = torch.tensor(1), torch.tensor(2)
    for _ in range(3):
        assert runner(torch.add, [one, two]) == 3
    with pytest.warns(
        UserWarning, match=r"CUDA graphs failed \(operation not permitted when stream is capturing\), wh"
    ):
        assert runner(torch.add, [one, two]) == 3
    for _ in range(5):
        assert runner(torch.add, [one, two]) == 3
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    assert Graphs(torch.device("cuda", 0))._given_up, "another training would try again"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), torch.AcceleratorError("CUDA error: out of memory")]
)
@pytest.mark.parametrize("where", ["while it is recorded", "beside another recording"])
def test_where_recordings_leave_too_little_memory_steps_are_eager(where, error):
    """A batch that fits without recordings is trained on without them."""

    class Full(Taped):
        recording = False

        def _record(self, function, inputs):
            self.recording = True
            try:
                return super()._record(function, inputs)
            finally:
                self.recording = False

    def large(x):
        if runner.recording if where == "while it is recorded" else runner._recorded:
            raise error
        return -x

    runner = Full(CPU, tuple)
    if where == "beside another recording":
        for n in range(4):
            assert runner(torch.abs, [torch.tensor(-n)]) == n
    with pytest.warns(UserWarning, match="CUDA graphs leaves too little memory; they are taken one by one"):
        found = [runner(large, [torch.tensor(n)], "large").item() for n in range(4)]
    assert found == [0, -1, -2, -3]
    assert not runner._recorded
    assert not Graphs.spoilt


def test_a_batch_that_does_not_fit_in_any_case_runs_out_of_memory():
    def full(x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Taped(CPU, tuple)(full, [torch.tensor(1)])


def test_other_errors_of_a_step_are_not_taken_for_those_of_a_recording():
    def wrong(x):
        raise RuntimeError("size mismatch")

    runner = Taped(CPU, tuple)
    for _ in range(4):
        runner(torch.abs, [torch.tensor(1)])
    with pytest.raises(RuntimeError, match="size mismatch"):
        runner(wrong, [torch.tensor(1)], "wrong")
    assert not runner._given_up


def test_inputs_of_other_shapes_and_other_keys_are_recorded_apart():
    runner = Taped(CPU, tuple)
    for n in (2, 3):
        for key in (False, True):
            for k in range(6):
                x = torch.arange(n) + k
                assert torch.equal(runner(torch.neg if key else torch.abs, [x], key), -x if key else x)
    assert runner.replayed == 4 * 3


def test_only_a_gpu_records_and_only_if_asked(monkeypatch):
    assert not runner_for(CPU, cuda_graph=True).records
    assert not runner_for(torch.device("cuda", 0), cuda_graph=False).records
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    assert runner_for(torch.device("cuda", 0), cuda_graph=True).records


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("made", [images, rows])
def test_on_a_gpu_graphs_give_what_eager_steps_give(made, precision):
    if made is rows and precision == "bf16":
        pytest.skip("tables are float32")
    fitted = []
    for cuda_graph in (True, False, False):
        gan, X = made(device="cuda", steps=40, run=RunOptions(cuda_graph=cuda_graph, precision=precision))
        fitted.append(gan.fit(X, LABELS).tensors())
    recorded, eager, again = ({name: t.float().cpu() for name, t in tensors.items()} for tensors in fitted)

    def furthest(one, other):
        return max((one[name] - other[name]).abs().max().item() for name in one if one[name].numel())

    # Sums of many numbers differ from run to run on a GPU, and training amplifies that.
    assert furthest(eager, recorded) <= 1e-4 + 20 * furthest(eager, again)

"""The network: weights and their layout, both passes against the twin and PyTorch, padding over steps of training."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.config import NetworkConfig
from forecaster.errors import ModelFormatError
from forecaster.kernels.losses import pinball_loss
from forecaster.kernels.optimisers import adam, sum_gradients
from forecaster.network import ForecastNetwork, padded
from forecaster.passes import Workspace, backward, forward
from forecaster.shape import CELLS, Cell
from forecaster.trunk import Packed
from tests.kernels.arrays import HIDDEN, ROWS, Array32, assert_near, draw
from tests.reference import Array, losses
from tests.reference import network as twin
from tests.reference.gradient import numerical_gradient
from tests.reference.torch_numbers import NETWORK_CASES, torch_numbers, weights_of

STEPS, HORIZON, QUANTILES = 4, 3, (0.125, 0.5, 0.875)
F = np.float32


def make_network(
    hidden: int = 5, *, lags: int = 3, layers: int = 2, dense: int = 6, horizon: int = HORIZON, cell: Cell = "lstm"
) -> ForecastNetwork:
    config = NetworkConfig(lags=lags, layers=layers, hidden=hidden, dense=dense, quantiles=QUANTILES, cell=cell)
    network = ForecastNetwork(config, horizon)
    network.initialise(np.random.default_rng(0))
    skip = network.parts["skip.weight"].real(network.weights)
    skip[:] = draw(*skip.shape, scale=0.3)  # it starts as zeros, behind which a wrong pass would hide
    return network


def our_name(name: str, cell: str = "lstm") -> str:
    """The twins and PyTorch say weight_dense and bias_l0 where the network says dense.weight and lstm.bias_l0."""
    kind, where = name.rsplit("_", 1)
    return f"{where}.{kind}" if where in {"dense", "head", "skip"} else f"{cell}.{name}"


def twin_weights(network: ForecastNetwork) -> dict[str, Array]:
    named = network.named_weights()
    names = [f"{kind}_l{k}" for k in range(network.config.layers) for kind in ("weight_ih", "weight_hh", "bias")]
    names += ["weight_dense", "bias_dense", "weight_head", "bias_head", "weight_skip"]
    return {name: named[our_name(name, network.config.cell)].astype(np.float64) for name in names}


def real_gradient(network: ForecastNetwork, gradient: Array32, name: str) -> Array32:
    part = network.parts[our_name(name, network.config.cell)]
    view = part.real(gradient)
    return view.reshape(-1, part.columns) if part.columns else view.reshape(-1)


def assert_padding_is_zero(network: ForecastNetwork, vector: Array32) -> None:
    """All that is not zero is real."""
    stripped = vector.copy()
    for part in network.parts.values():
        part.real(stripped)[:] = 0
    assert not stripped.any()


def workspace(network: ForecastNetwork, x: Array, *, first: int = 0, training: bool = True) -> Workspace:
    space = Workspace(network, *x.shape[:2], first=first, training=training)
    space.x[..., : x.shape[2]] = x
    return space


def outputs_of(network: ForecastNetwork, space: Workspace) -> Array32:
    """Run forward; return ((T - first), B, F * Q) without padding."""
    outputs = forward(Packed(network), space)
    assert not outputs[:, network.outputs :].any()
    return outputs[:, : network.outputs].reshape(space.steps - space.first, space.rows, -1)


def gradient_of(network: ForecastNetwork, space: Workspace, d_outputs: Array) -> Array32:
    """Run both passes."""
    packed = Packed(network, backward=True)
    forward(packed, space)
    space.d_outputs[:] = 0
    space.d_outputs[:, : network.outputs] = d_outputs.reshape(-1, network.outputs)
    gradient = np.zeros_like(network.weights)
    backward(packed, space, gradient)
    return gradient


# --- weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", HIDDEN)
def test_parts_fill_the_vector_without_gaps_or_overlaps(hidden: int) -> None:
    network = make_network(hidden, dense=17, horizon=7)
    owners = np.zeros(len(network.weights), np.int64)
    for part in network.parts.values():
        part.stored(owners)[...] += 1
        assert part.size % 16 == part.at % 16 == 0
        assert part.stored(network.weights).base is not None
    assert (owners == 1).all()


def test_number_of_weights() -> None:
    """Layers of 4 * 5 units with 4 and 5 inputs, one bias each; dense 5 to 6; head 6 to 3 * 3; skip 4 to 3 * 3."""
    network = make_network(5)
    expected = 20 * (4 + 5 + 1) + 20 * (5 + 5 + 1) + 6 * (5 + 1) + 9 * (6 + 1) + 9 * 4
    assert network.n_weights == expected == sum(weight.size for weight in network.named_weights().values())


@pytest.mark.parametrize(("cell", "blocks", "of_bias"), [("lstm", 4, 4), ("gru", 3, 4), ("rnn", 1, 1)])
def test_weights_of_a_cell(cell: Cell, blocks: int, of_bias: int) -> None:
    named = make_network(40, cell=cell).named_weights()
    assert named[f"{cell}.weight_ih_l0"].shape == (blocks * 40, 4)
    assert named[f"{cell}.weight_hh_l1"].shape == (blocks * 40, 40)
    assert named[f"{cell}.bias_l1"].shape == (of_bias * 40,)
    assert named[f"{cell}.bias_l1"].any() == (cell == "lstm")  # the forget gate's
    assert 0.9 * 40**-0.5 < np.abs(named[f"{cell}.weight_ih_l0"]).max() <= 40**-0.5


def test_initial_weights() -> None:
    network = make_network(40)
    assert_padding_is_zero(network, network.weights)
    named = network.named_weights()
    for k in range(2):
        assert_array_equal(named[f"lstm.bias_l{k}"].reshape(4, 40), np.repeat([[0], [1], [0], [0]], 40, axis=1))
        for kind in ("ih", "hh"):
            weight = named[f"lstm.weight_{kind}_l{k}"]
            assert 0.9 * 40**-0.5 < np.abs(weight).max() <= 40**-0.5
    assert np.abs(named["head.weight"]).max() <= 0.1 * 6**-0.5
    assert_array_equal(network.weights, make_network(40).weights)
    network.initialise(np.random.default_rng(1))
    assert not network.named_weights()["skip.weight"].any()
    assert not np.isin(network.weights[network.weights != 0], make_network(40).weights).all()


def test_weights_survive_a_round_trip() -> None:
    network, other = make_network(17), make_network(17)
    other.initialise(np.random.default_rng(1))
    other.set_weights(network.named_weights())
    assert_array_equal(other.weights, network.weights)


def test_named_weights_are_copies_in_the_packing_of_torch() -> None:
    network = make_network(5)
    named = network.named_weights()
    assert named["lstm.weight_ih_l0"].shape == (20, 4)
    assert named["lstm.weight_hh_l1"].shape == (20, 5)
    assert_array_equal(named["lstm.bias_l0"], np.repeat([0, 1, 0, 0], 5))  # i, f, g, o
    before = network.weights.copy()
    for weight in named.values():
        weight[:] = 7
    assert_array_equal(network.weights, before)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda named: named.pop("dense.bias"), "expected the weights"),
        (lambda named: named.update(more=np.zeros(1, np.float32)), "expected the weights"),
        (lambda named: named.update({"dense.bias": np.zeros(7, np.float32)}), r"dense\.bias: .*shape \(6,\)"),
        (lambda named: named.update({"dense.bias": np.zeros(6)}), "got float64"),
        (lambda named: named.update({"lstm.weight_hh_l1": np.zeros((5, 20), np.float32)}), "weight_hh_l1"),
        (lambda named: named["head.weight"].fill(np.nan), "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(damage: object, message: str) -> None:
    network = make_network(5)
    named = network.named_weights()
    assert callable(damage)
    damage(named)
    with pytest.raises(ModelFormatError, match=message):
        network.set_weights(named)


def test_packed_weights_are_those_of_the_moment() -> None:
    network = make_network(5)
    packed, space = Packed(network), workspace(network, draw(STEPS, 2, 4))
    before = forward(packed, space).copy()
    network.parts["head.weight"].real(network.weights)[:] *= 2
    assert_array_equal(forward(packed, space), before)
    packed.refresh()
    assert (forward(packed, space)[:, : network.outputs] != before[:, : network.outputs]).all()
    assert packed.backward == {}
    assert Packed(network, backward=True).backward.keys() == packed.forward.keys() - {"skip.weight"}


# --- against the twin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("cell", CELLS)
def test_both_passes_are_those_of_the_twin(cell: Cell, hidden: int, rows: int) -> None:
    network = make_network(hidden, dense=17, cell=cell)
    x, weights = draw(STEPS, rows, 4, seed=1), twin_weights(network)
    passed, space = twin.forward(x, weights, cell), workspace(network, x)
    assert_near(outputs_of(network, space), passed.output)
    d_output = draw(*passed.output.shape, seed=2)
    gradient = gradient_of(network, space, d_output)
    _, expected = twin.backward(d_output, passed, weights, cell)
    for name, each in expected.items():
        assert_near(real_gradient(network, gradient, name), each)
    assert_padding_is_zero(network, gradient)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 1, STEPS - 1])
def test_forecasts_may_begin_at_a_later_position(first: int, layers: int) -> None:
    network = make_network(layers=layers)
    x, weights = draw(STEPS, 5, 4, seed=1), twin_weights(network)
    passed, space = twin.forward(x, weights), workspace(network, x, first=first)
    assert_near(outputs_of(network, space), passed.output[first:])
    d_output = draw(*passed.output.shape, seed=2)
    d_output[:first] = 0.0
    gradient = gradient_of(network, space, d_output[first:])
    _, expected = twin.backward(d_output, passed, weights)
    for name, each in expected.items():
        assert_near(real_gradient(network, gradient, name), each)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_slopes_of_the_network(cell: Cell) -> None:
    network, x = make_network(3, dense=3, horizon=1, cell=cell), draw(3, 2, 4, seed=1)
    r = draw(3, 2, 3, seed=2)
    space = workspace(network, x)
    gradient = gradient_of(network, space, r)

    def loss() -> float:
        return float((r * outputs_of(network, space)).sum())

    for name, part in network.parts.items():
        slopes = numerical_gradient(loss, part.real(network.weights), 0.01)
        assert_allclose(part.real(gradient), slopes, rtol=5e-3, atol=1e-3, err_msg=name)


# --- against itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("cell", CELLS)
def test_a_forecast_does_not_depend_on_what_it_is_computed_with(cell: Cell, hidden: int, rows: int) -> None:
    """The same bits: in a batch or alone, with the buffers of training or without."""
    network, x = make_network(hidden, cell=cell), draw(STEPS, rows, 4)
    together = outputs_of(network, workspace(network, x))
    assert_array_equal(outputs_of(network, workspace(network, x, training=False)), together)
    for b in range(rows):
        alone = outputs_of(network, workspace(network, x[:, b : b + 1], training=False))
        assert_array_equal(alone, together[:, b : b + 1])


def test_gradients_of_a_batch_are_the_sum_of_those_of_its_rows() -> None:
    network, x, d_outputs = make_network(17), draw(STEPS, 9, 4), draw(STEPS, 9, 9, seed=2)
    together = gradient_of(network, workspace(network, x), d_outputs)
    alone = np.zeros(len(together))
    for b in range(9):
        alone += gradient_of(network, workspace(network, x[:, b : b + 1]), d_outputs[:, b])
    assert_near(together, alone)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_may_be_used_again(cell: Cell, training: bool) -> None:
    network = make_network(cell=cell)
    space = workspace(network, draw(STEPS, 3, 4, seed=1), training=training)
    before = outputs_of(network, space).copy()
    kept = space.x.copy()
    space.x[:, :, :4] = draw(STEPS, 3, 4, seed=2)
    assert (outputs_of(network, space) != before).all()
    space.x[:] = kept
    assert_array_equal(outputs_of(network, space), before)


def test_backward_adds_to_the_gradient() -> None:
    network = make_network()
    packed, space = Packed(network, backward=True), workspace(network, draw(STEPS, 3, 4))
    once, twice = np.zeros((2, len(network.weights)), np.float32)
    for gradient, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            forward(packed, space)
            space.d_outputs[:, : network.outputs] = 1
            backward(packed, space, gradient)
    assert_near(twice, 2.0 * once.astype(np.float64))


def test_no_position_sees_the_future() -> None:
    network, x = make_network(), draw(STEPS, 2, 4)
    before = outputs_of(network, workspace(network, x)).copy()
    x[2] += 1.0
    after = outputs_of(network, workspace(network, x))
    assert_array_equal(before[:2], after[:2])
    assert (before[2:] != after[2:]).all()


# --- training ----------------------------------------------------------------------------------------------------


def train(
    network: ForecastNetwork,
    space: Workspace,
    target: Array,
    observed: Array,
    *,
    steps: int,
    max_norm: float = 1.0,
    rate: float = 0.01,
    frozen: tuple[str, ...] = (),
) -> tuple[list[float], list[float], list[Array32]]:
    """Take clipped Adam steps with the kernels; return losses, norms, and last gradient and moments."""
    packed, quantiles = Packed(network, backward=True), np.array(network.config.quantiles, np.float32)
    space.targets[:] = target.reshape(space.targets.shape)
    space.weights[:] = observed.reshape(space.weights.shape)
    scale = 1.0 / observed.sum()
    lanes = np.zeros((1, len(network.weights)), np.float32)
    gradient, first, second = np.zeros((3, len(network.weights)), np.float32)
    values, norms = [], []
    for step in range(1, steps + 1):
        outputs = forward(packed, space)
        total = pinball_loss(outputs, space.targets, space.weights, quantiles, F(scale), space.d_outputs)
        lanes[:] = 0
        backward(packed, space, lanes[0])
        for name in frozen:
            network.parts[name].stored(lanes[0])[...] = 0
        norm = np.sqrt(sum_gradients(lanes, 0, gradient.size, gradient))
        factor = F(min(1.0, max_norm / norm))
        adam(network.weights, gradient, first, second, factor, F(rate), F(0.9), F(0.999), F(1e-8), step)
        packed.refresh()
        values.append(total * scale)
        norms.append(norm)
    return values, norms, [gradient, first, second]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("cell", CELLS)
def test_padding_stays_exactly_zero_over_steps_of_training(cell: Cell, hidden: int, rows: int) -> None:
    network, x = make_network(hidden, cell=cell), draw(STEPS, rows, 4, seed=1)
    target, observed = draw(STEPS, rows, HORIZON, seed=2), np.ones((STEPS, rows, HORIZON))
    observed[1] = 0.0
    space = workspace(network, x)
    values, _, vectors = train(network, space, target, observed, steps=6)
    assert values[-1] < values[0]
    for vector in (network.weights, *vectors):
        assert vector.any()
        assert_padding_is_zero(network, vector)
    for buffers in (space.h, space.c, space.tanh_c, space.m, space.y):
        for buffer in buffers:
            assert not buffer[..., hidden:].any()
    assert not space.dense[:, network.config.dense :].any()
    assert not space.outputs[:, network.outputs :].any()
    assert padded(hidden) == space.h[0].shape[2]


def test_training_learns_the_loss_down() -> None:
    network, x = make_network(17), draw(STEPS, 8, 4, seed=1)
    target = x[..., :1] + np.zeros(HORIZON)
    values, _, _ = train(network, workspace(network, x), target, np.ones_like(target), steps=150)
    assert values[-1] < 0.2 * values[0]


def test_a_gradient_that_is_not_a_number_reaches_the_norm() -> None:
    """So that a training that has diverged is seen."""
    network, x = make_network(), draw(STEPS, 8, 4, seed=1)
    x[1, 2, 0] = np.nan
    target = draw(STEPS, 8, HORIZON)
    values, norms, _ = train(network, workspace(network, x), target, np.ones_like(target), steps=1)
    assert np.isnan(values[0])
    assert np.isnan(norms[0])


# --- numbers saved from PyTorch ----------------------------------------------------------------------------------


def network_of(case: dict[str, Array]) -> ForecastNetwork:
    weights = weights_of(case)
    dense, hidden = weights["weight_dense"].shape
    quantiles = tuple(float(round(q, 6)) for q in case["quantiles"])
    config = NetworkConfig(
        lags=case["x"].shape[2] - 1, layers=twin.n_layers(weights), hidden=hidden, dense=dense, quantiles=quantiles
    )
    network = ForecastNetwork(config, case["target"].shape[2])
    no_skip = {"skip.weight": np.zeros((network.outputs, network.inputs), np.float32)}
    network.set_weights({our_name(name): weight.astype(np.float32) for name, weight in weights.items()} | no_skip)
    return network


@pytest.mark.parametrize("name", NETWORK_CASES)
def test_outputs_and_gradients_are_those_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    network = network_of(case)
    space = workspace(network, case["x"])
    outputs = outputs_of(network, space)
    assert_near(outputs, case["output"])
    output = case["output"].reshape(*case["target"].shape, -1)
    _, d_output = losses.pinball(output, case["target"], case["weights"], case["quantiles"])
    gradient = gradient_of(network, space, d_output)
    for key, expected in weights_of(case, "d_").items():
        assert_near(real_gradient(network, gradient, key), expected)


@pytest.mark.parametrize("name", NETWORK_CASES)
def test_three_clipped_steps_are_those_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    network = network_of(case)
    values, norms, _ = train(  # PyTorch's network has no skip: ours stays at zero
        network,
        workspace(network, case["x"]),
        case["target"],
        case["weights"],
        steps=3,
        max_norm=float(case["max_norm"]),
        frozen=("skip.weight",),  # PyTorch's network was drawn without it
    )
    assert_allclose(values, case["losses"], rtol=2e-6)
    assert_allclose(norms, case["norms"], rtol=5e-6)
    named = network.named_weights()
    for key, expected in weights_of(case, "after_").items():
        assert_allclose(named[our_name(key)], expected, rtol=0, atol=2e-6, err_msg=key)

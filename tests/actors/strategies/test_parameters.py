import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.base import Strategy
from actors.strategies.gap_fill import GapFillStrategy
from actors.strategies.mean_reversion import MeanReversionStrategy
from actors.strategies.parameters import ParameterError, ParameterSpec, params_hash, validate
from actors.strategies.relative_volume_breakout import RelativeVolumeBreakout

BUILT_IN = (MeanReversionStrategy, RelativeVolumeBreakout, GapFillStrategy)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_spec_is_a_parameter_with_the_same_default_on_its_own_grid(kind: type[Strategy]) -> None:
    params = kind.parameters({})
    for spec in kind.SPECS:
        default = getattr(params, spec.name)
        assert default == spec.default
        spec.check(default)
        if spec.kind in ("int", "float"):
            assert spec.quantise(default) == pytest.approx(default)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_specs_survive_json(kind: type[Strategy]) -> None:
    text = msgspec.json.encode(kind.SPECS)
    assert msgspec.json.decode(text, type=tuple[ParameterSpec, ...]) == kind.SPECS


numbers = [spec for kind in BUILT_IN for spec in kind.SPECS if spec.kind in ("int", "float")]


@given(st.sampled_from(numbers), st.floats(-1e6, 1e6))
def test_quantised_values_lie_on_the_grid_and_are_always_valid(spec: ParameterSpec, value: float) -> None:
    near = spec.quantise(value)
    spec.check(near)
    steps = (float(near) - spec.low) / spec.step
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert spec.quantise(float(near)) == near


@given(st.sampled_from(numbers))
def test_a_value_just_outside_the_bounds_is_refused(spec: ParameterSpec) -> None:
    step = 1 if spec.kind == "int" else 1e-6
    for value in (spec.high + step, spec.low - step):
        if value not in spec.also:
            with pytest.raises(ParameterError, match="must be between"):
                spec.check(value)


@pytest.mark.parametrize("value", [True, "5", float("nan"), None, 2.5])
def test_a_whole_number_takes_nothing_else(value: object) -> None:
    with pytest.raises(ParameterError):
        ParameterSpec(name="n", kind="int", low=1, high=9, default=5).check(value)


def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match="did you mean 'kappa_min'"):
        MeanReversionStrategy.parameters({"kapa_min": 8.4})
    with pytest.raises(ParameterError, match="did you mean 'win'"):
        validate(MeanReversionStrategy.SPECS, {"wim": 60})


def test_a_parameter_of_the_wrong_kind_or_out_of_bounds_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="win"):
        MeanReversionStrategy.parameters({"win": "sixty"})
    with pytest.raises(ParameterError, match="win must be between 40 and 120 sessions, was 400"):
        MeanReversionStrategy.parameters({"win": 400})
    with pytest.raises(ParameterError, match="gap_min"):
        GapFillStrategy.parameters({"gap_min": 0.003, "gap_max": 0.0029})


def test_switching_the_volume_filter_off_is_allowed_though_research_never_tries_it() -> None:
    assert RelativeVolumeBreakout.parameters({"rv_min": 0.0}).rv_min == 0.0


@given(st.permutations(["win", "s_in", "s_out"]))
def test_the_hash_does_not_depend_on_the_order_of_the_keys(names: list[str]) -> None:
    values = {"win": 60, "s_in": 1.25, "s_out": 0.5}
    assert params_hash({name: values[name] for name in names}) == params_hash(values)
    assert params_hash(values) != params_hash(values | {"win": 70})

"""The parameters in `default.toml` are those that the built strategies have anyway."""

import pytest

from actors.system import BUILT, strategy_class
from config.schema import Settings


@pytest.mark.parametrize("name", BUILT)
def test_the_defaults_shown_are_the_strategys_own(name: str) -> None:
    settings = Settings().strategy(name)
    assert settings is not None
    found = strategy_class(settings)
    assert found is not None
    assert found.parameters(settings.params) == found.parameters({})

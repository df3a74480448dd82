"""The registry of firmware models, and an administrator's own ones."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.boot.firmware import BUILT_IN, firmware_models, parameters, variant
from coexist.boot.firmware.edk2 import Edk2
from coexist.errors import InputError
from coexist.inventory.models import FIRMWARES, FirmwareVariant


def made(like: str, **given: Any) -> dict[str, Any]:
    return parameters(variant("own", FirmwareVariant(like=like, parameters=given)))


def test_every_firmware_of_the_inventory_has_a_model() -> None:
    assert BUILT_IN.keys() == FIRMWARES.keys()
    assert all(model.name == name for name, model in BUILT_IN.items())


def test_parameters_are_replaced() -> None:
    assert made("ipxe", proxy_wait=5)["proxy_wait"] == 5.0
    assert made("edk2", first_window=4)["first_window"] == (4.0, 4.0)
    assert made("edk2", first_window=[2, 3])["first_window"] == (2.0, 3.0)
    assert made("phone-66", reads=[160, 66])["reads"] == (160, 66)


def test_times_of_discovers_become_windows() -> None:
    found = made("edk2", discover_at=[0, 5, 10], gives_up_at=30, secs=[0, 5, 10])
    assert found["first_window"] == (4.0, 5.0)
    assert found["further_windows"] == (5.0, 20.0)
    assert made("first-offer", discover_at=[0, 1], gives_up_at=9)["gives_up_at"] == 9.0


def test_a_variant_of_a_variant() -> None:
    models = firmware_models(
        {
            "slow": FirmwareVariant(like="ipxe", parameters={"proxy_wait": 4}),
            "slower": FirmwareVariant(like="slow", parameters={"late": 1}),
        }
    )
    assert parameters(models["slower"])["proxy_wait"] == 4.0
    assert models["slower"].name == "slower"


@pytest.mark.parametrize(
    ("like", "given", "named"),
    [
        ("edk2", {"proxy_wait": 1}, ("proxy_wait",)),
        ("edk2", {"cache": "many"}, ("cache", "many")),
        ("edk2", {"first_window": [1, 2, 3]}, ("first_window", "[1, 2, 3]")),
        ("edk2", {"late": -1}, ("late", "-1")),
        ("edk2-http", {"plain_http": 1}, ("plain_http", "1")),
        ("edk3", {}, ("edk3",)),
    ],
)
def test_what_is_wrong_is_said(like: str, given: dict[str, Any], named: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        variant("own", FirmwareVariant(like=like, parameters=given))
    (problem,) = refused.value.problems
    assert all(value in problem.message for value in named)
    assert problem.remedy


def test_a_circle_is_refused() -> None:
    variants = {"a": FirmwareVariant(like="b"), "b": FirmwareVariant(like="a")}
    with pytest.raises(InputError):
        firmware_models(variants)


def test_defaults_stand() -> None:
    assert Edk2().first_window == (3.0, 4.0)

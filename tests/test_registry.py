"""Registries: one name, one implementation, and messages that say where the other one stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from nas.blocks import base as blocks
from nas.deploy import formats
from nas.errors import UserError
from nas.latency.models import base as models
from nas.latency.targets import transport
from nas.latency.targets.benchmarks import contract
from nas.network.reference import base as networks
from nas.registry import Registry
from nas.search.predictors import base as predictors
from nas.search.samplers import base as samplers
from nas.training.data import registry as data
from nas.training.recipes import base as recipes

REGISTRIES = {
    "blocks": blocks._KINDS,
    "models": models._KINDS,
    "transports": transport._TRANSPORTS,
    "benchmarks": contract._BENCHMARKS,
    "networks": networks._REFERENCES,
    "predictors": predictors._PREDICTORS,
    "samplers": samplers._SAMPLERS,
    "data": data.DATA_SETS,
    "recipes": recipes._RECIPES,
    "formats": formats._FORMATS,
}


class Animal(ABC):
    NAME: ClassVar[str]

    @abstractmethod
    def sound(self) -> str: ...


def make(name: str) -> type[Animal]:
    class Cat(Animal):
        NAME = name

        def sound(self) -> str:
            return "meow"

    return Cat


@pytest.fixture
def animals() -> Registry[type[Animal]]:
    return Registry("animal", hint="Zoos have more")


def test_what_is_registered_is_found(animals: Registry[type[Animal]]) -> None:
    cat = animals.register(make("cat"))
    assert animals.find("cat") is cat
    assert animals.names() == ("cat",)
    assert "cat" in animals
    assert "dog" not in animals


def test_an_unknown_name_is_answered_with_the_nearest(animals: Registry[type[Animal]]) -> None:
    animals.add("leopard", make("leopard"))
    with pytest.raises(UserError, match=r"unknown animal 'leopart'; did you mean leopard\?.*Zoos have more"):
        animals.find("leopart")


def test_a_name_is_registered_once(animals: Registry[type[Animal]]) -> None:
    class Dog(Animal):
        NAME = "cat"

        def sound(self) -> str:
            return "wuff"

    cat = animals.register(make("cat"))
    with pytest.raises(UserError, match=r"two implementations of animal are called 'cat': .*Cat.*Dog"):
        animals.register(Dog)
    assert animals.find("cat") is cat


def test_a_cell_of_a_notebook_can_be_run_again(animals: Registry[type[Animal]]) -> None:
    animals.register(make("cat"))
    again = animals.register(make("cat"))
    assert animals.find("cat") is again


def test_a_class_without_a_method_or_a_name_is_refused(animals: Registry[type[Animal]]) -> None:
    class Silent(Animal):
        NAME = "silent"

    class Nameless(Animal):
        def sound(self) -> str:
            return ""

    with pytest.raises(UserError, match=rf"Silent \({__file__}\) lacks sound, which each animal has"):
        animals.register(Silent)
    with pytest.raises(UserError, match=r"Nameless \(.*\) has no NAME, by which the animal is known"):
        animals.register(Nameless)
    assert animals.names() == ()


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_name_of_ours_cannot_be_taken(name: str) -> None:
    registry = REGISTRIES[name]
    taken = registry.names()[0]
    with pytest.raises(UserError, match=f"are called '{taken}'"):
        registry.add(taken, make(taken))
    assert registry.names()[0] == taken


@pytest.mark.parametrize("name", REGISTRIES)
def test_an_unknown_name_of_each_kind_lists_the_known(name: str) -> None:
    registry = REGISTRIES[name]
    with pytest.raises(UserError, match=f"unknown {registry.what} 'nothing'.*{registry.names()[-1]}"):
        registry.find("nothing")

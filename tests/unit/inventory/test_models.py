"""What importing the models costs, which every command pays."""

from __future__ import annotations

import subprocess
import sys

IMPORT = """
from coexist.boot import configuration
from coexist.inventory.models import Declared, Site, Server

def all_of(model):
    return {model, *(one for inner in model.__subclasses__() for one in all_of(inner))}

print(sorted(one.__name__ for one in all_of(Declared) if one.__pydantic_complete__))
Site.model_validate({"site": "s"})
print(Site.__pydantic_complete__, Server.__pydantic_complete__)
"""


def test_importing_the_models_makes_no_validator() -> None:
    """The first one is that of the whole site, and its parts need none."""
    command = [sys.executable, "-c", IMPORT]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert made.splitlines() == ["[]", "True False"]

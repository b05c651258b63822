from dataclasses import dataclass
from typing import Literal

import pytest

from tacit.errors import OptionError
from tacit.parts.choices import check_choice, check_choices


@dataclass
class Options:
    loss: Literal["truncate", "reverse"] = "truncate"
    rate: float = 0.1


def test_what_is_among_the_choices_passes():
    check_choices(Options("reverse"))


def test_a_misspelt_word_is_refused_with_the_nearest():
    with pytest.raises(
        OptionError, match=r'loss cannot be "revers"; did you mean "reverse".* truncate, reverse'
    ):
        check_choices(Options("revers"))


def test_what_is_near_to_nothing_is_refused_with_all():
    with pytest.raises(OptionError, match='scope cannot be "xyz": choose one of batch, row'):
        check_choice("scope", "xyz", ("batch", "row"))

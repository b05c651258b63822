"""Options: what a file and flags become, and what every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.backbones.neumf import NeuMFConfig
from tacit.cli.config import Config, EvaluationOptions, read
from tacit.defaults import TABLE
from tacit.errors import OptionError, SchemeError
from tacit.parts.miners import HardestK
from tacit.parts.regularisers import EmbeddingNorm
from tacit.presets import IDLIGScheme
from tacit.schemes.dli import DLI
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
from tacit.schemes.plain import BCEScheme, BPRScheme, SampledSoftmaxScheme

WHOLE = """
[data]
user = "visitor"
threshold = 3.5
[backbone]
use = "lightgcn"
layers = 2
[scheme]
use = "bce"
negatives = 8
draw = "popularity"
[training]
epochs = 3
refit = false
[optimizer]
use = "adam"
rate = 1
[evaluation]
k = [5, 10]
seen = "keep"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(OptionError) as caught:
        read(written(folder, text))
    return str(caught.value)


def test_every_section_is_read(tmp_path: Path) -> None:
    config = read(written(tmp_path, WHOLE))
    assert config.data.user == "visitor"
    assert config.data.threshold == 3.5
    assert isinstance(config.backbone, LightGCNConfig)
    assert config.backbone.layers == 2
    assert isinstance(config.scheme, BCEScheme)
    assert (config.scheme.negatives, config.scheme.draw) == (8, "popularity")
    assert (config.training.epochs, config.training.refit) == (3, False)
    assert (config.optimizer.use, config.optimizer.rate) == ("adam", 1.0)
    assert config.evaluation == EvaluationOptions(k=(5, 10), seen="keep")


def test_nothing_said_is_mf_with_sampled_softmax_from_the_table() -> None:
    config = read()
    table = TABLE["mf", "sampled-softmax"]
    assert config == Config(MFConfig(**table.backbone), SampledSoftmaxScheme(**table.scheme))


def test_lightgcn_alone_is_trained_by_bpr() -> None:
    assert isinstance(read(backbone="lightgcn").scheme, BPRScheme)


def test_the_table_lies_beneath_the_file(tmp_path: Path) -> None:
    table = TABLE["mf", "bpr"].backbone
    assert "scale" in table
    config = read(written(tmp_path, "[backbone]\ndim = 8"), scheme="bpr")
    assert (config.backbone.dim, config.backbone.scale) == (8, table["scale"])


def test_names_on_the_line_override_the_file(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[backbone]\nuse = "gmf"\ndim = 7'), backbone="mf", scheme="bce")
    assert isinstance(config.backbone, MFConfig)
    assert config.backbone.dim == 7
    assert isinstance(config.scheme, BCEScheme)


@pytest.mark.parametrize(
    ("setting", "section", "option", "value"),
    [
        ("scheme.negatives=16", "scheme", "negatives", 16),
        ("scheme.draw=in-batch", "scheme", "draw", "in-batch"),
        ('scheme.draw="mixed"', "scheme", "draw", "mixed"),
        ("scheme.shared=true", "scheme", "shared", True),
        ("scheme.l2=1e-3", "scheme", "l2", 1e-3),
        ("scheme.l2=.5", "scheme", "l2", 0.5),
        ("scheme.l2=2.", "scheme", "l2", 2.0),
        ("data.user=some column", "data", "user", "some column"),
        ("evaluation.k=[1, 2]", "evaluation", "k", (1, 2)),
    ],
)
def test_settings_are_toml_values_or_bare_words(
    setting: str, section: str, option: str, value: object
) -> None:
    assert getattr(getattr(read(settings=[setting]), section), option) == value


def test_settings_override_the_file(tmp_path: Path) -> None:
    config = read(written(tmp_path, WHOLE), ["scheme.negatives=2", "backbone.layers=1"])
    assert (config.scheme.negatives, config.backbone.layers) == (2, 1)


@pytest.mark.parametrize("setting", ["negatives=3", "scheme.negatives", "scheme.=3", "=3"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(OptionError, match=r"write section\.option=value"):
        read(settings=[setting])


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ('[data]\nusr = "a"', "data.usr", "user"),
        ("[backbone]\ndimm = 8", "backbone.dimm", "dim"),
        ('[scheme]\nuse = "bce"\nnegativs = 8', "scheme.negativs", "negatives"),
        ("[training]\nepoch = 8", "training.epoch", "epochs"),
        ("[optimizer]\nrat = 0.1", "optimizer.rat", "rate"),
        ("[evaluation]\nreference = true", "evaluation.reference", "references"),
        ('[[scheme.also]]\nuse = "hardest-k"\ncont = 2', "scheme.also.cont", "count"),
    ],
)
def test_a_misspelt_option_names_the_nearest(tmp_path: Path, text: str, wrong: str, right: str) -> None:
    message = refused(tmp_path, text)
    assert f"unknown option {wrong}" in message
    assert f'did you mean "{right}"?' in message
    assert "run.toml" in message


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('[backbone]\nuse = "lightgnc"', "lightgcn"),
        ('[scheme]\nuse = "sampled-sofmax"', "sampled-softmax"),
        ('[[scheme.also]]\nuse = "hardestk"', "hardest-k"),
        ('[optimizer]\nuse = "row-adagard"', "row-adagrad"),
        ('[scheme]\ndraw = "unifrom"', "uniform"),
        ("[schem]\nnegatives = 8", "scheme"),
    ],
)
def test_a_misspelt_name_names_the_nearest(tmp_path: Path, text: str, nearest: str) -> None:
    assert f'did you mean "{nearest}"?' in refused(tmp_path, text)


@pytest.mark.parametrize("setting", ["scheme.rate=.1", "training.epochs=3"])
def test_what_a_verb_does_not_read_is_refused_on_its_line(setting: str) -> None:
    with pytest.raises(OptionError, match=r"of no use here, where only data, evaluation can be set"):
        read(settings=[setting], only=("data", "evaluation"))


def test_a_wrong_name_of_the_line_is_told_there() -> None:
    with pytest.raises(OptionError, match=r"^--scheme: unknown name .bprr.; did you mean .bpr."):
        read(settings=["training.epochs=3"], scheme="bprr")


def test_a_plus_is_written_out() -> None:
    with pytest.raises(OptionError, match='did you mean "directspec-plus"'):
        read(scheme="directspec+")


def test_one_refiner_twice_is_refused() -> None:
    twice = read(scheme="dli").scheme.build()
    with pytest.raises(SchemeError, match=r"two refiners are DLI, .* drop one"):
        twice.with_(DLI())


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    assert "expected one of mf, gmf, lightgcn" in refused(tmp_path, '[backbone]\nuse = "xyz"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[scheme]\nnegatives = "many"', 'scheme.negatives must be a whole number, not "many"'),
        ("[scheme]\nnegatives = 1.5", "scheme.negatives must be a whole number, not 1.5"),
        ("[scheme]\nshared = 1", "scheme.shared must be true or false, not 1"),
        ("[training]\nmetric = 20", "training.metric must be text, not 20"),
        ('[training]\nepochs = "3"', 'training.epochs must be a whole number, not "3"'),
        ("[evaluation]\nk = 10", "evaluation.k must be a list, not 10"),
        (
            '[[scheme.also]]\nuse = "dli"\nstrengths = [1.0]',
            "scheme.also.strengths must be two numbers, as in [1.0, 0.5], not [1.0]",
        ),
        (
            '[[scheme.also]]\nuse = "dli"\nstrengths = [1.0, 0.5, 0.1]',
            "scheme.also.strengths must be two numbers, as in [1.0, 0.5], not [1.0, 0.5, 0.1]",
        ),
        (
            '[[scheme.also]]\nuse = "tacit.parts.latent:Latent"',
            "tacit.parts.latent:Latent takes more than plain values and cannot be added so: a scheme has its "
            "own sampler (scheme.latent of dli sets latent targets), or give it in Python",
        ),
        ("[dli]\nrate = 0.1", "unknown section [dli]; expected one of backbone, scheme, data, training"),
        ("[backbone]\ndim = 0", "backbone.dim must be at least 1, not 0"),
        ("[training]\nepochs = 0", "training.epochs must be at least 1, not 0"),
        ("[training]\nclip = 0", "training.clip must be above 0, or left out, not 0"),
        ("[training]\nclip = -1.5", "training.clip must be above 0, or left out, not -1.5"),
        ("[optimizer]\nrate = -1", "optimizer.rate must be positive, not -1"),
        ("[evaluation]\nk = [0]", "evaluation.k holds numbers of at least 1"),
        ("backbone = 3", "backbone is a section, not a value"),
        ("[scheme]\nalso = 3", "scheme.also is a list of tables"),
        ("[backbone", "not TOML"),
    ],
)
def test_a_wrong_value_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    message = refused(tmp_path, text)
    assert said in message
    assert message.startswith(str(tmp_path / "run.toml"))
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"absent\.toml: cannot read the configuration"):
        read(tmp_path / "absent.toml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b'[data]\nuser = "\xe9"')
    with pytest.raises(OptionError, match="not UTF-8 at byte 15"):
        read(tmp_path / "run.toml")


def test_more_parts_join_the_preset(tmp_path: Path) -> None:
    config = read(written(tmp_path, WHOLE + '[[scheme.also]]\nuse = "hardest-k"\ncount = 2\n'))
    scheme = config.scheme.build()
    assert scheme.refiners == (HardestK(2),)
    assert config.scheme.use == "bce"


def test_a_second_part_of_one_name_is_refused(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[[scheme.also]]\nuse = "embedding-norm"\nstrength = 0.1'), scheme="bpr")
    assert config.scheme.also == (EmbeddingNorm(0.1),)
    with pytest.raises(SchemeError, match="two regularisers"):
        config.scheme.build()


OWN = """
from dataclasses import dataclass
from tacit import Scheme, bpr
from tacit.parts.miners import HardestK

@dataclass(frozen=True)
class Wide:
    dim: int = 3

    def build(self, data, generator):
        raise NotImplementedError

@dataclass(frozen=True)
class Harder(HardestK):
    pass

def hard(negatives: int = 5) -> Scheme:
    return bpr(negatives=negatives)
"""


def test_ones_own_parts_come_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "own_parts_of_a_test.py").write_text(OWN)
    module = "own_parts_of_a_test"
    config = read(
        written(
            tmp_path,
            f'[backbone]\nuse = "{module}:Wide"\ndim = 4\n[scheme]\nuse = "{module}:hard"\nnegatives = 6\n'
            f'[[scheme.also]]\nuse = "{module}:Harder"\ncount = 2',
        )
    )
    assert (type(config.backbone).__name__, config.backbone.dim) == ("Wide", 4)
    scheme = config.scheme.build()
    assert type(scheme.refiners[0]).__name__ == "Harder"
    assert scheme.sampler.count == 6
    with pytest.raises(OptionError, match=r'unknown option backbone\.dimm; did you mean "dim"'):
        read(written(tmp_path, f'[backbone]\nuse = "{module}:Wide"\ndimm = 4'))
    with pytest.raises(OptionError, match="unexpected keyword argument 'negativs'"):
        read(written(tmp_path, f'[scheme]\nuse = "{module}:hard"\nnegativs = 4'))
    for section in ("backbone", "scheme"):
        with pytest.raises(OptionError, match=rf"{module}:Harder is no {section}: it lacks build\(\)"):
            read(written(tmp_path, f'[{section}]\nuse = "{module}:Harder"'))
    with pytest.raises(OptionError, match="has no Narrow"):
        read(written(tmp_path, f'[backbone]\nuse = "{module}:Narrow"'))


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="cannot import no_such_module"):
        read(backbone="no_such_module:Thing")


def test_dli_is_a_scheme_and_a_part_of_one(tmp_path: Path) -> None:
    text = '[scheme]\nuse = "dli"\nloss = "reverse"\ncriterion = "graph-filter"'
    (refiner,) = read(written(tmp_path, text)).scheme.build().refiners
    assert refiner == DLI("reverse", "graph-filter")
    text = '[[scheme.also]]\nuse = "dli"\nstrengths = [1.0, 0.25]\ncriterion = "loss"\ngate = 0.6'
    (refiner,) = read(written(tmp_path, text), scheme="bpr").scheme.build().refiners
    assert refiner == DLI(strengths=(1.0, 0.25), criterion="loss", gate=0.6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'criterion = "neighbor"',
            'scheme.also.criterion must be .*, not "neighbor"; did you mean "neighbour"',
        ),
        ("_bound = 3", "unknown option scheme.also._bound"),
        ("rate = 2.0", "rate must lie between 0 and 1"),
    ],
)
def test_mistakes_in_the_part_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(OptionError, match=message) as told:
        read(written(tmp_path, f'[[scheme.also]]\nuse = "dli"\n{line}'), scheme="bpr")
    assert "isinstance" not in str(told.value)


def test_options_of_every_scheme_are_its_fields() -> None:
    config = read(scheme="sampled-softmax", settings=["scheme.negatives=3", "scheme.correction=false"])
    assert isinstance(config.scheme, SampledSoftmaxScheme)
    assert (config.scheme.negatives, config.scheme.correction) == (3, False)


COMPOSED = """
[scheme]
use = "bce"
[[scheme.also]]
use = "idl"
prior = 0.2
[[scheme.also]]
use = "inverse-gradient"
decide = "probe"
direction = "sign"
"""


def test_idl_and_the_inverse_gradient_join_a_scheme_in_a_file(tmp_path: Path) -> None:
    scheme = read(written(tmp_path, COMPOSED)).scheme.build()
    assert scheme.refiners == (IDL(prior=0.2),)
    assert scheme.update == InverseGradient("probe", "sign")


def test_the_preset_of_both_is_read_over_the_table() -> None:
    config = read(scheme="idl-ig", settings=["scheme.decide=probe", "scheme.eta=0.01"])
    assert config.scheme == IDLIGScheme(**TABLE["mf", "idl-ig"].scheme, decide="probe", eta=0.01)


def test_neumf_is_read_with_its_layers(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[backbone]\nuse = "neumf"\nhidden = [32, 16, 8]\n'))
    assert config.backbone == NeuMFConfig(hidden=(32, 16, 8))
    assert config.scheme == BCEScheme(**TABLE["neumf", "bce"].scheme)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("scheme.rate=1.5", r"^--set: \[scheme\] rate must lie between 0 and 1"),
        ("training.epochs=0", r"^--set: training\.epochs"),
        ("scheme.also.rate=0.2", r"stand in a file: write \[\[scheme\.also\]\] .* and rate = "),
    ],
)
def test_bad_values_name_their_section(setting: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read(None, [setting], scheme="dli")

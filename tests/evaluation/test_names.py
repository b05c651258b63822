import pytest

from tacit.errors import OptionError
from tacit.evaluation.names import choosing


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ndcg@20", ("ndcg", 20)),
        ("recall@1", ("recall", 1)),
        ("coverage@5", ("coverage", 5)),
        ("auc", ("auc", None)),
    ],
)
def test_a_metric_that_chooses_has_a_name_and_maybe_a_cut(text: str, parsed: object) -> None:
    assert choosing(text) == parsed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ndgc@20", 'did you mean "ndcg"'),
        ("ndcg", "ndcg@20"),
        ("ndcg@", "ndcg@20"),
        ("ndcg@x", "ndcg@20"),
        ("ndcg@0", "at least 1"),
        ("ndcg@-5", "at least 1"),
        ("auc@20", "no cut-off"),
        ("gini@20", "no better"),
    ],
)
def test_any_other_is_refused_with_the_mend(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        choosing(text)

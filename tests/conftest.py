import pytest
from hypothesis import settings

pytest.register_assert_rewrite("contracts", "helpers", "longhand")
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

"""What every shelf of tests shares: their order, and tiny real things on disk."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.golden.file import Golden
from tests.tiny import tiny_model, tiny_tokenizer
from tests.workshop import Workshop, workshop


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the expected outputs again; the difference is for review."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/")


def pytest_configure() -> None:
    """Listen to signals that a shell has told its background jobs to ignore.

    What ignores a signal hands that on to the processes it starts, and tests send them Ctrl-C.
    """
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the training libraries come last: the fast ones fail first."""
    items.sort(key=lambda item: item.get_closest_marker("runs") is not None)


@pytest.fixture(scope="session")
def chatml_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny tokenizer with a ChatML template; for tests marked `runs`."""
    directory = tmp_path_factory.mktemp("chatml-tokenizer")
    tiny_tokenizer(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random Llama and its tokenizer; for tests marked `runs`."""
    return tiny_model(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session", name="shop")
def shop_fixture(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A folder with data to compile recipes in."""
    return workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file below `tests/golden/`."""
    return Golden(update=bool(request.config.getoption("--update-golden")))

"""What the integration tests ask of IAM, gathered over a whole run, also from the workers of pytest-xdist."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.permissions import Permission, allowed
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.schema import GRANTEE_INDEX, TABLES

FOLDER = Path(__file__).parent / "integration"


class Gathering:
    """Gathers the permissions that every request of the integration tests needs, and compares them with the policies.

    No test may send a request that neither the backend nor the operator may send. After a run of the whole suite, every
    permission of the backend must have been needed.

    The policies are compared and not enforced: moto enforces IAM for DynamoDB only on the resource "*", and asks for
    dynamodb:TransactWriteItems, an action that IAM does not have.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.asked: set[Permission] = set()
        self._config = config
        self._files: set[Path] = set()
        self._is_narrowed = any("::" in argument for argument in config.args)
        self._problems: list[str] = []

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Remember that not all tests run."""
        self._is_narrowed |= bool(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the file of each test that has run."""
        self._files.add(self._config.rootpath / report.nodeid.partition("::")[0])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        """Take over what a worker has gathered."""
        output = getattr(node, "workeroutput", {})
        self.asked |= {(action, resource) for action, resource in output.get("asked", ())}
        self._is_narrowed |= output.get("is_narrowed", True)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over to xdist's controller, or compare."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput |= {"asked": sorted(self.asked), "is_narrowed": self._is_narrowed}
            return
        is_whole = not self._is_narrowed and not session.testsfailed and self._files >= set(FOLDER.glob("test_*.py"))
        self._problems = [*differences(self.asked, is_whole=is_whole)]
        if self._problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Report the differences."""
        for problem in self._problems:
            terminalreporter.write_line(f"FAILED policies: {problem}", red=True)


def differences(asked: set[Permission], *, is_whole: bool) -> Iterable[str]:
    """Yield how what was asked differs from the policies."""
    names = {schema.name: schema.name for schema in TABLES}
    backend = allowed(backend_policy(names, optional_indexes={GRANTEE_INDEX}))
    for action, resource in sorted(asked - backend - allowed(operator_policy(names))):
        yield f"a test sent {action} on {resource}, which no policy allows"
    if is_whole:
        for action, resource in sorted(backend - asked):
            yield f"the backend's policy allows {action} on {resource}, which no test has sent"

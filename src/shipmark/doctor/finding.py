"""What a check has found, and what to do about it."""

from collections.abc import Iterable, Sequence
from typing import Literal, Self

from shipmark.errors import ShipmarkError
from shipmark_serve.contract.records import Record

Status = Literal["ok", "warning", "failed"]


class Finding(Record, frozen=True, kw_only=True):
    """The result of one check."""

    status: Status
    found: str
    why: str = ""
    """What does not work because of it; where empty, what the check is for."""
    mend: str = ""
    """The command or setting that puts it right; may have several lines."""

    @classmethod
    def ok(cls, found: str) -> Self:
        """All is well."""
        return cls(status="ok", found=found)

    @classmethod
    def warning(cls, found: str, *, mend: str, why: str = "") -> Self:
        """Something works worse than it could, or soon will not."""
        return cls(status="warning", found=found, why=why, mend=mend)

    @classmethod
    def failed(cls, found: str, *, mend: str, why: str = "") -> Self:
        """Something does not work."""
        return cls(status="failed", found=found, why=why, mend=mend)

    @classmethod
    def of(cls, error: ShipmarkError, *, why: str = "") -> Self:
        """The failure that `error` tells of."""
        return cls.failed(error.message, why=why, mend=error.hint)


def together(findings: Sequence[Finding]) -> Finding:
    """One finding of several: as bad as the worst, about those alone that are not ok."""
    bad = [finding for finding in findings if finding.status != "ok"]
    if not bad:
        return Finding.ok("; ".join(finding.found for finding in findings))
    return Finding(
        status="failed" if any(finding.status == "failed" for finding in bad) else "warning",
        found="\n".join(finding.found for finding in bad),
        why="\n".join(_each_once(finding.why for finding in bad)),
        mend="\n".join(_each_once(finding.mend for finding in bad)),
    )


def _each_once(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]

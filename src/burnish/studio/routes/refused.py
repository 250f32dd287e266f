"""What `assign` raises, as the status that says it; a foreign assignment or study looks like a missing one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from burnish.studio import assign


@contextmanager
def told() -> Iterator[None]:
    """Turn errors of the work into HTTP's; what is wrong with an answer flies on, and names its question."""
    try:
        yield
    except assign.NotYoursError:
        raise HTTPException(404) from None
    except assign.ExpiredError as error:
        raise HTTPException(410, str(error)) from None
    except assign.OtherAnswerError as error:
        raise HTTPException(409, str(error)) from None
    except assign.ConsentNeededError as error:
        raise HTTPException(403, str(error)) from None
